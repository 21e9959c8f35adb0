"""What a request costs as things grow: streams at once, prompts, the ledger, replicas, nodes.

    PYTHONPATH=tests .venv/bin/python -m bench.gateway.growth [--only streams] [--save]

One table for each. Tercet is started anew for each ledger and each number of replicas. CPU is of
the replicas and HAProxy, less what they use when they are asked nothing: streams whose chunks come
50 ms apart last so long that Ray's own idling would hide what they cost. A request that is not
answered with 200 is counted as refused and is in no other figure but CPU.
"""

import argparse
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from multiprocessing import Process
from pathlib import Path
from statistics import median, quantiles

import uvloop

from bench.console import fill
from bench.gateway.client import Ask, Timing
from bench.gateway.nodes import spread
from bench.gateway.offering import Callers, closed
from bench.gateway.processes import cpu_s, pids, pss_bytes
from bench.gateway.sampling import kind_of, replicas
from bench.gateway.systems import (
    FLASH,
    SONNET,
    Running,
    Target,
    alone,
    mark_of,
    scratch,
    stop_on_term,
    targets,
)
from bench.report import Figure, store, table
from deployments.ledger import Ledger
from tercet.budget import scopes

CHUNKS, EVERY_MS = 100, 50
MODELS = (SONNET, "claude-opus-5-5", "claude-haiku-5-5", FLASH, "gemini-4-argon")
"""Streams are spread over them: a replica makes 128 calls at a time to one (`upstreams.yaml`)."""
LEAST_STREAMS = 10
IDLE_S = 20.0
WARM_UP = 100
SUMS = (
    "SELECT month, key_id, tier, provider, sum(settled_nano_usd) FROM attempts GROUP BY 1, 2, 3, 4"
)

Lines = list[dict[str, Figure]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A Tercet that runs, and what its serving processes use when they are asked nothing."""

    running: Running
    serving: Sequence[int]
    idle: float
    """CPU seconds a second."""

    def target(self, name: str, model: str | None = None) -> Target:
        """Return a row of `targets`, for another model if one is named."""
        (found,) = (one for one in targets(self.running.port) if one.name == name)
        return found if model is None else replace(found, model=model)

    def measured(self, asks: Sequence[Ask], requests: int, at_once: int) -> dict[str, Figure]:
        """Ask in turn, so many at once; return the figures."""
        began, before = time.perf_counter(), cpu_s(list(self.serving))
        timings = uvloop.run(_asked(self.running.port, islice(cycle(asks), requests), at_once))
        took = time.perf_counter() - began
        used = cpu_s(list(self.serving)) - before - self.idle * took
        good = [timing for timing in timings if timing.status == 200]
        whole = [timing.whole_s * 1000 for timing in good] or [0.0]
        return {
            "refused": len(timings) - len(good),
            "cpu ms": used * 1000 / max(len(good), 1),
            "p50 ms": median(whole),
            "p99 ms": quantiles(whole, n=100)[98] if len(whole) > 1 else whole[0],
            "first ms": median([timing.first_s * 1000 for timing in good] or [0.0]),
            "req/s": len(good) / took,
        }


async def _asked(port: int, asks: Iterator[Ask], at_once: int) -> list[Timing]:
    callers = Callers(port, within_s=300)
    try:
        return await closed(callers, asks, at_once)
    finally:
        callers.close()


def filled(file: Path, rows: int) -> None:
    """Make a ledger of so many attempts that a gateway takes for sound."""
    fill(file, rows)
    sums: Counter[tuple[str, str]] = Counter()
    with closing(sqlite3.connect(file)) as connection:
        for month, key, tier, provider, spent in connection.execute(SUMS):
            for scope in scopes(key_id=key, tier=tier, provider=provider):
                sums[month, scope] += spent
        connection.execute("DELETE FROM balances")
        rows_of = ((month, scope, spent) for (month, scope), spent in sums.items())
        connection.executemany("INSERT INTO balances VALUES (?, ?, ?, 0)", rows_of)
        connection.commit()
    # It has no journal yet: whoever opens it first writes one, which is not what is measured.
    Ledger(str(file)).close()


@contextmanager
def site(rows: int = 0, replicas_each: int = 1, nodes: int = 1) -> Generator[Site]:
    """Run a Tercet with a ledger of so many rows, and wait until it is warm.

    On more nodes each of them has one replica of every deployment.
    """
    folder = scratch()
    if rows:
        # In a process of its own, whose memory and threads are none of this one's.
        filling = Process(target=filled, args=(folder / "ledger.sqlite3", rows))
        filling.start()
        filling.join()
    with alone(folder, replicas_each) as running, spread(running, folder, nodes):
        found = pids(mark_of("tercet"))
        serving = [*replicas(found), *(pid for pid in found if kind_of(pid) == "haproxy")]
        cold = Site(running=running, serving=serving, idle=0.0)
        for model in MODELS:
            cold.measured([cold.target("chat, Claude", model).ask()], WARM_UP, 4)
        before = cpu_s(serving)
        time.sleep(IDLE_S)
        yield replace(cold, idle=(cpu_s(serving) - before) / IDLE_S)


def streams(given: argparse.Namespace) -> Lines:
    """Return what streams cost, by how many there are at once."""
    lines: Lines = []
    with site() as one:
        rows = [one.target("chat, Claude", model) for model in MODELS]
        short = [row.ask(stream=True) for row in rows]
        asks = [row.ask(f"{CHUNKS} chunks {EVERY_MS} ms", stream=True) for row in rows]
        base = float(one.measured(short, given.requests, 4)["cpu ms"])
        for at_once in given.streams:
            found = one.measured(asks, max(at_once, LEAST_STREAMS), at_once)
            per_chunk = (float(found["cpu ms"]) - base) / (CHUNKS - 1) * 1000
            lines.append({"streams": f"{at_once:,}", **found, "us/chunk": per_chunk})
    return lines


def prompts(given: argparse.Namespace) -> Lines:
    """Return what requests cost, by how long they are; one at a time."""
    lines: Lines = []
    with site() as one:
        for size in given.sizes:
            requests = max(20, min(given.requests, 10_000_000 // size))
            for name in ("chat, Claude", "Messages, Claude"):
                row = one.target(name)
                whole = one.measured([row.ask(pad=size)], requests, 1)
                streamed = one.measured([row.ask(stream=True, pad=size)], requests, 1)
                first = {"first ms, streamed": streamed["first ms"]}
                del whole["first ms"]
                lines.append({"prompt": f"{size:,} B, {name}", **whole, **first})
    return lines


def ledger(given: argparse.Namespace) -> Lines:
    """Return what requests cost, by how many attempts the ledger has."""
    return [line for rows in given.rows for line in _sized(f"{rows:,}", "rows", given, site(rows))]


def more(given: argparse.Namespace) -> Lines:
    """Return what requests cost, by how many replicas there are of each deployment."""
    return [
        line
        for count in given.replicas
        for line in _sized(str(count), "replicas", given, site(replicas_each=count))
    ]


def nodes(given: argparse.Namespace) -> Lines:
    """Return what requests cost, by how many nodes Ray has, with as many replicas in all."""
    up = {1: site(replicas_each=2), 2: site(nodes=2)}
    return [line for count in up for line in _sized(str(count), "nodes", given, up[count])]


def _sized(
    name: str, what: str, given: argparse.Namespace, up: AbstractContextManager[Site]
) -> Iterator[dict[str, Figure]]:
    with up as one:
        asks = [one.target("chat, Claude").ask()]
        for at_once in (1, 8, 32):
            found = one.measured(asks, given.requests * min(at_once, 4), at_once)
            del found["first ms"]
            yield {
                what: f"{name}, c{at_once}",
                **found,
                "PSS MB": pss_bytes(pids(mark_of("tercet"))) / 1e6,
                "ready s": one.running.ready_s,
            }


DIMENSIONS: Mapping[str, Callable[[argparse.Namespace], Lines]] = {
    "streams": streams,
    "prompts": prompts,
    "ledger": ledger,
    "replicas": more,
    "nodes": nodes,
}


def main() -> None:
    """Print a table for each dimension, and store them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=tuple(DIMENSIONS))
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 2_000_000])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--requests", type=int, default=300, help="of one caller")
    parser.add_argument("--save", action="store_true", help="store a dated result")
    given = parser.parse_args()
    stop_on_term()
    tables: dict[str, Lines] = {}
    for name in given.only or DIMENSIONS:
        tables[name] = DIMENSIONS[name](given)
        print(f"\n{table(tables[name])}", flush=True)
    if given.save:
        store("gateway-growth", {"given": vars(given), "tables": tables})


if __name__ == "__main__":
    main()
