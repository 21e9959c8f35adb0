"""One provider down in four ways, the other well: what callers notice, and what it costs.

    PYTHONPATH=tests .venv/bin/python -m bench.outage [--save] [--calls 5000]

Calls go straight to a tier's proxy, with Gemini as the alternate of Claude's seat. The figures of
each way are: the share of calls answered; seconds until calls went past Claude; milliseconds added
from then on, over calls while Claude was well; POSTs a call, refused connections counted; seconds
from Claude's recovery until it answered again.
Bars: 99.9 %, 1.1 POSTs, 50 ms at p99, open within 5 s, closed within 30 s.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from statistics import quantiles

import httpx2
from chaos.judge import bills_in, judge, rows_in
from fakes.upstreams import Upstream, upstreams

from bench.report import Figure, store, table
from deployments.proxy import TierProxy
from tercet.call import Call, Completion, Prompt, Retry
from tercet.config import Config, export, load
from tercet.task import turn

CLAUDE, GEMINI = "claude-opus-5-5", "gemini-4-argon"
WAYS = ("refused", "overloaded", "hang", "early-error")
"""The last is HTTP 200 whose first event is an error."""
AT_ONCE = 8
EVERY_S = 0.16
"""How often each caller calls at most: 50 calls a second, so that no CPU is waited for."""
SILENCE_S = 0.5
"""How long a provider may say nothing: short, so that `hang` is many calls and not much waiting."""
CLOSED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How one call went."""

    at: float
    """Seconds, by `time.monotonic`."""
    took_s: float
    model: str | None
    """Who answered; `None` if nobody."""
    passed_at: float | None
    """When Claude was passed by, because its breaker was open."""


class Claude:
    """A provider that can be put out of order."""

    def __init__(self, folder: Path) -> None:
        """Start it."""
        self._folder = folder
        self._process = ExitStack()
        self.upstream: Upstream = self._process.enter_context(upstreams(folder))

    def fail(self, way: str) -> None:
        """Put it out of order."""
        if way == "refused":
            self._process.close()
        else:
            order = {"name": way, "target": "claude"}
            httpx2.post(f"{self.upstream.url}/sim/scenario", json=order).raise_for_status()

    def recover(self, way: str) -> None:
        """Put it in order again, where it was."""
        if way == "refused":
            port = int(self.upstream.url.rsplit(":", 1)[1])
            self._process.enter_context(upstreams(self._folder, port))
        else:
            httpx2.delete(f"{self.upstream.url}/sim/scenario").raise_for_status()

    def stop(self) -> None:
        """End it."""
        self._process.close()


def main() -> None:
    """Print the table, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="store a dated result")
    parser.add_argument("--calls", type=int, default=5_000)
    told = parser.parse_args()
    lines = [asyncio.run(suffered(way, told.calls)) for way in WAYS]
    print(table(lines))
    if told.save:
        store("outage", lines)


async def suffered(way: str, calls: int) -> dict[str, Figure]:
    """Call while Claude is well, while it is down in one way, and until it is asked again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _providers(folder) as claude:
            proxy = TierProxy("tier1", _impatient(load()))
            # An SDK's first calls are slow, and that is not an outage's fault.
            for number in range(AT_ONCE):
                await _one(proxy, f"warm-{number}", GEMINI)
            well = await _many(proxy, "well", calls // 5)
            claude.fail(way)
            down_at = time.monotonic()
            down = await _many(proxy, "down", calls)
            claude.recover(way)
            closed_s = await _until_asked_again(proxy)
            await proxy.close()
        bills = bills_in(folder / "a" / "bill.jsonl") + bills_in(folder / "b" / "bill.jsonl")
        rows = rows_in(folder / "ledger.sqlite3")
    verdict = judge(bills, rows)
    return {
        "way": way,
        "calls": calls,
        **_figures(well, down, down_at),
        "posts_per_call": sum(row.task_id.startswith("down") for row in rows) / calls,
        "closed_s": closed_s,
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
    }


@contextmanager
def _providers(folder: Path) -> Generator[Claude]:
    """Start both providers, each a process of its own, and lead this process to them."""
    for name in ("a", "b"):
        (folder / name).mkdir()
    claude = Claude(folder / "a")
    try:
        with upstreams(folder / "b") as gemini:
            export(
                {
                    "TERCET_LEDGER": str(folder / "ledger.sqlite3"),
                    "TERCET_SIMULATED": "1",
                    "ANTHROPIC_API_KEY": "simulated",
                    "ANTHROPIC_BASE_URL": claude.upstream.url,
                    "GEMINI_API_KEY": "simulated",
                    "GOOGLE_GEMINI_BASE_URL": gemini.url,
                }
            )
            yield claude
    finally:
        claude.stop()


def _impatient(config: Config) -> Config:
    limits = replace(config.rules.limits, first_event_s=SILENCE_S)
    return replace(config, rules=replace(config.rules, limits=limits))


async def _many(proxy: TierProxy, phase: str, calls: int) -> list[Said]:
    numbers, said = count(), list[Said]()

    async def caller() -> None:
        while (number := next(numbers)) < calls:
            said.append(await _one(proxy, f"{phase}-{number}"))
            await asyncio.sleep(max(0.0, EVERY_S - said[-1].took_s))

    async with asyncio.TaskGroup() as callers:
        for _ in range(AT_ONCE):
            callers.create_task(caller())
    return said


async def _until_asked_again(proxy: TierProxy) -> float:
    """Return seconds until Claude answers, and infinity if that takes too long."""
    began = time.monotonic()
    while time.monotonic() - began < CLOSED_WITHIN_S:
        said = await _many(proxy, "after", AT_ONCE)
        if all(one.model == CLAUDE for one in said):
            return time.monotonic() - began
    return float("inf")


async def _one(proxy: TierProxy, task_id: str, model: str = CLAUDE) -> Said:
    text = f"Say hello to {task_id}. sim:words=20"
    call = Call(
        task_id=task_id,
        key_id="bench",
        tier="tier1",
        model=model,
        alternates=(GEMINI,),
        role="brain",
        round=1,
        prompt=Prompt(system="", messages=(turn("user", text),), max_output_tokens=500),
        deadline_at=time.time() + 60,
    )
    answered_by, passed_at, at = None, None, time.monotonic()
    async for item in proxy.call(call):
        if isinstance(item, Retry) and item.failure.attempt_id is None:
            passed_at = time.monotonic()
        if isinstance(item, Completion):
            answered_by = item.model
    return Said(at=at, took_s=time.monotonic() - at, model=answered_by, passed_at=passed_at)


def _figures(well: list[Said], down: list[Said], down_at: float) -> dict[str, Figure]:
    passed = [one.passed_at for one in down if one.passed_at is not None]
    opened_at = min(passed, default=float("inf"))
    before, after = _hundredths(well), _hundredths([one for one in down if one.at > opened_at])
    return {
        "answered_percent": 100 * sum(one.model is not None for one in down) / len(down),
        "open_s": opened_at - down_at,
        "well_p50_ms": before[49],
        "well_p99_ms": before[98],
        "added_p50_ms": after[49] - before[49],
        "added_p99_ms": after[98] - before[98],
    }


def _hundredths(said: list[Said]) -> list[float]:
    return quantiles([one.took_s * 1000 for one in said], n=100)


if __name__ == "__main__":
    main()
