"""An hour of steady mixed load while replicas are killed: what grows, what callers see, the books.

    .venv/bin/python -m bench.gateway.soak [--minutes 60] [--per-second 10] [--save]

Requests of every surface, whole and streamed, of one seat and of several, of 1 to 20 kB, fall due
at a steady rate. Every `--kill-every` seconds (0: never) one replica is killed with SIGKILL, each
deployment in its turn, never the head. A replica that was killed begins small again: what grows in
replicas alone shows in a run without kills. Every 10 s memory (PSS) and open files are read by
kind of process; what is read while a replica is missing counts for no slope.
"""

import argparse
import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import linear_regression, median, quantiles

import uvloop

from bench.gateway.client import Ask, Timing
from bench.gateway.offering import NOBODY, Callers, Open
from bench.gateway.sampling import Sample, kill, sampled
from bench.gateway.systems import PROJECT, Running, alone, scratch, stop_on_term, targets
from bench.report import Figure, store, table

EVERY_S = 10.0
SETTLED_WITHIN_S = 120.0
ROUNDS = ("Ingress", "Tier1", "Ingress", "Tier2", "Auditor", "Tier3", "Console")
SIZES = (1_000, 4_000, 10_000, 20_000)
ENDS = (b"data: [DONE]", b"message_stop", b"response.completed")
"""One of these is in every stream that ended well."""
MOST = 500


@dataclass(slots=True, kw_only=True)
class Soak:
    """What has happened so far."""

    given: argparse.Namespace
    began: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)
    whole_ms: list[tuple[float, float]] = field(default_factory=list)
    """When each good answer ended, and how long it took."""
    failed: Counter[str] = field(default_factory=Counter)
    said: dict[str, str] = field(default_factory=dict)
    """The end of the first answer of each kind of failure."""
    killed: Counter[str] = field(default_factory=Counter)
    last: str = "nothing"

    @property
    def at_s(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self.began

    def tell(self, timing: Timing) -> None:
        """Count an answer."""
        is_stream = b"event-stream" in timing.headers
        if timing.status == 200 and (not is_stream or any(end in timing.body for end in ENDS)):
            self.whole_ms.append((self.at_s, timing.whole_s * 1000))
            return
        why = timing.body.decode() if timing.status == NOBODY else str(timing.status)
        why = "broken stream" if timing.status == 200 else why
        self.failed[f"{why}, after {self.last}"] += 1
        self.said.setdefault(why, timing.body[-400:].decode(errors="replace"))

    def whole_samples(self) -> list[Sample]:
        """Return the samples after the warm-up in which no replica was missing."""
        most = max(sample.replicas for sample in self.samples)
        since_s = 60 * self.given.warm_up_minutes
        return [one for one in self.samples if one.at_s >= since_s and one.replicas == most]


def mixed(port: int) -> Iterator[Ask]:
    """Yield requests of every kind, without end; the same ones in every run."""
    seed = random.Random(1)
    asks = [
        target.ask("20 chunks", stream=stream, pad=pad)
        for target in targets(port)
        if target.name != "bare Serve"
        for stream in (False, True)
        for pad in SIZES
    ]
    while True:
        yield seed.choice(asks)


async def soaked(running: Running, soak: Soak) -> None:
    """Ask for so long, killing and sampling beside it."""
    given = soak.given
    callers = Callers(running.port)
    load = Open(callers, given.per_second, MOST)
    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(_sample(soak))]
        if given.kill_every:
            beside.append(group.create_task(_kill(soak)))
        await load.run(mixed(running.port), 60 * given.minutes, soak.tell)
        for task in beside:
            task.cancel()
    callers.close()
    if load.unsent:
        soak.failed[f"not sent: {MOST} under way"] += load.unsent


async def _sample(soak: Soak) -> None:
    while True:
        sample = await asyncio.to_thread(sampled, soak.at_s)
        soak.samples.append(sample)
        if len(soak.samples) % 6 == 1:
            print(
                f"{soak.at_s / 60:6.1f} min: {len(soak.whole_ms):,} answered, "
                f"{soak.failed.total()} failed, {sum(sample.pss.values()) / 1e6:,.0f} MB, "
                f"{sum(sample.files.values()):,} files, {sample.replicas} replicas, "
                f"last killed {soak.last}",
                flush=True,
            )
        await asyncio.sleep(EVERY_S)


async def _kill(soak: Soak) -> None:
    for victim in cycle(ROUNDS):
        await asyncio.sleep(soak.given.kill_every)
        if await asyncio.to_thread(kill, victim):
            soak.last = victim
            soak.killed[victim] += 1
        else:
            soak.failed[f"no {victim} to kill"] += 1


def growth(soak: Soak) -> list[dict[str, Figure]]:
    """Return how memory and open files went, in all and by kind of process."""
    samples = soak.whole_samples()
    if len(samples) < 2:
        return []
    hours = [sample.at_s / 3600 for sample in samples]
    every = {kind for sample in samples for kind in sample.pss}

    def line(name: str, kinds: set[str]) -> dict[str, Figure]:
        mb = [sum(sample.pss.get(kind, 0) for kind in kinds) / 1e6 for sample in samples]
        files = [sum(sample.files.get(kind, 0) for kind in kinds) for sample in samples]
        return {
            "": name,
            "MB first": mb[0],
            "MB last": mb[-1],
            "MB/hour": linear_regression(hours, mb).slope,
            "files first": files[0],
            "files last": files[-1],
            "files most": max(files),
        }

    lines = [line(kind, {kind}) for kind in sorted(every)]
    return [line("all", every), *sorted(lines, key=lambda one: -float(one["MB/hour"]))]


def drift(soak: Soak) -> dict[str, Figure]:
    """Return how long answers took, in the first and the last tenth of the run."""
    tenth = 6 * soak.given.minutes
    parts = {
        "all": [ms for _, ms in soak.whole_ms],
        "first tenth": [ms for at, ms in soak.whole_ms if at < tenth],
        "last tenth": [ms for at, ms in soak.whole_ms if at > 9 * tenth],
    }
    found: dict[str, Figure] = {}
    for name, values in parts.items():
        if len(values) > 1:
            found |= {f"p50 ms {name}": median(values)}
            found |= {f"p99 ms {name}": quantiles(values, n=100)[98]}
    return found


def books(ledger: Path) -> dict[str, Figure]:
    """Return whether the ledger holds together, once nothing is open in it."""
    give_up_at = time.monotonic() + SETTLED_WITHIN_S
    with closing(sqlite3.connect(ledger)) as connection:

        def one(query: str) -> int:
            return connection.execute(query).fetchone()[0] or 0

        still_open = "SELECT count(*) FROM attempts WHERE state IN ('reserved', 'sent')"
        while one(still_open) and time.monotonic() < give_up_at:
            time.sleep(1)
        command = [str(Path(sys.executable).parent / "tercet"), "ledger", "verify"]
        verified = subprocess.run(
            [*command, "--ledger", str(ledger)], cwd=PROJECT, stdin=subprocess.DEVNULL, check=False
        )
        rows = one("SELECT sum(settled_nano_usd) FROM attempts WHERE state <> 'void'")
        kept = one("SELECT sum(spent_nano_usd) FROM balances WHERE scope = 'month'")
        return {
            "verify exit status": verified.returncode,
            "attempts": one("SELECT count(*) FROM attempts"),
            "open": one(still_open),
            "orphans": one("SELECT count(*) FROM attempts WHERE flag = 'orphan'"),
            "nano USD of rows": rows,
            "nano USD of balances": kept,
            "held nano USD": one("SELECT sum(held_nano_usd) FROM balances WHERE scope = 'month'"),
            "the sums": "equal" if rows == kept else "DIFFERENT",
        }


def main() -> None:
    """Print what was found, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--per-second", type=float, default=10.0, help="requests")
    parser.add_argument("--kill-every", type=float, default=60.0, help="seconds; 0: never")
    parser.add_argument("--warm-up-minutes", type=float, default=10.0, help="left out of slopes")
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--save", action="store_true", help="store a dated result")
    given = parser.parse_args()
    stop_on_term()
    folder = scratch()
    with alone(folder, given.replicas) as running:
        print(f"logs and ledger in {folder}", flush=True)
        soak = Soak(given=given)
        uvloop.run(soaked(running, soak))
        figures: dict[str, Figure] = {"answered": len(soak.whole_ms), **drift(soak)}
        figures["failed"] = soak.failed.total()
        figures |= books(running.ledger)
    lines = growth(soak)
    print(table([{"": name, "value": value} for name, value in figures.items()]))
    print(f"failed: {dict(soak.failed)}\nsaid: {soak.said}\nkilled: {dict(soak.killed)}")
    print(table(lines) if lines else "too short for slopes")
    if given.save:
        kept = {"failed": soak.failed, "said": soak.said, "killed": soak.killed, "growth": lines}
        store("gateway-soak", {"given": vars(given), "figures": figures, **kept})


if __name__ == "__main__":
    main()
