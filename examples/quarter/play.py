"""The three months played: traffic through the gateway, nights, looks, and a report a month.

Real: the gateway and its surfaces, classifier, policies and compositions, the providers' SDKs over
HTTP, the ledger, shadow runs, judge, gates, the keep-alive policy, the reports. Simulated: what the
models say (`deployments/simulated`), the rented machine, and the clock.
"""

import asyncio
import random
import shutil
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx2
import yaml

from deployments.ledger import Ledger
from deployments.proxy import TierProxy
from examples.quarter.clock import Clock
from examples.quarter.machine import Machine, SimulatedLocal
from examples.quarter.world import Ask, World, month_of_asks
from router.migrations import looking
from router.refit import books, steering
from router.replica import Reach, Replica
from router.report.making import Wanted, make
from tercet.call import Call, Failure, Item
from tercet.catalog import LOCAL
from tercet.config import PROJECT, Config, environment, export, load, settings
from tercet.ledger import month_end, month_of
from tercet.readiness import LocalReport

KEY: Final = "play"
SLOT_S: Final = 600.0
"""Requests of one such time come at once."""
NIGHT_S: Final = 86_400.0
FEEDBACK: Final = 0.05
"""How often the team says how good an answer was."""
FORMATS: Final = {"text": "txt", "markdown": "md", "html": "html", "json": "json"}

Proxies = dict[str, TierProxy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where it is played."""

    folder: Path
    clock: Clock
    config: Path

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.folder / "ledger.sqlite3"


def prepared(folder: Path, start: float, upstreams: dict[str, str]) -> Stage:
    """Return a stage in an empty folder: the project's configuration, with a machine to rent."""
    config = folder / "config"
    shutil.copytree(PROJECT / "config", config)
    rental = yaml.safe_load((config / "rental.yaml").read_text())
    rental |= {"provider": "fake", "url": "http://127.0.0.1:9", "image": "play@sha256:0"}
    rental["head"]["host"] = "play"
    (config / "rental.yaml").write_text(yaml.safe_dump(rental))
    export({
        **upstreams,
        "TERCET_LEDGER": str(folder / "ledger.sqlite3"),
        "TERCET_API_KEY": KEY,
        "TERCET_STATE": str(folder),
    })  # fmt: skip
    return Stage(folder=folder, clock=Clock(start), config=config)


async def play(stage: Stage, world: World, months: int) -> None:
    """Play so many months, and write a report after each."""
    start = stage.clock()
    for number in range(months):
        local = "off" if number == 0 else "gpu"
        config = load(stage.config, settings({**environment(), "TERCET_LOCAL": local}))
        say(f"month {number + 1}: {month_of(start)}, local model {local}")
        await _month(stage, config, month_of_asks(world, start))
        end = month_end(start)
        stage.clock.forward(end - 60)
        _report(stage, month_of(start))
        stage.clock.forward(end)
        start = end


def say(line: str) -> None:
    """Tell whoever watches."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def _month(stage: Stage, config: Config, asks: Sequence[Ask]) -> None:
    books = Ledger(stage.ledger, config.budget.caps, clock=stage.clock)
    machine = Machine(books, stage.clock, stage.config)
    proxies: Proxies = {
        tier: TierProxy(tier, config, stage.clock) for tier in config.catalog.tiers if tier != LOCAL
    }
    if config.local is not None:
        proxies[LOCAL] = SimulatedLocal(config, machine, stage.clock)
    replica = Replica(config, settings(), _reach(proxies, machine, stage.clock))
    day = _Day(stage=stage, config=config, ledger=books)
    http = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(replica.gateway.app()),
        base_url="http://play",
        headers={"authorization": f"Bearer {KEY}"},
        timeout=None,
    )
    try:
        for slot, together in enumerate(_slots(asks)):
            await day.until(together[0].at)
            if config.local is not None:
                await machine.look()
            await replica.look()
            async with asyncio.TaskGroup() as tasks:
                for ask in together:
                    tasks.create_task(_asked(http, ask))
            await _settled(replica)
            if slot % 100 == 0:
                say(f"  {month_of(stage.clock())}: {slot} slots, {ask_day(together[0].at)}")
    finally:
        await http.aclose()
        await replica.close()
        for proxy in proxies.values():
            await proxy.close()
        books.close()


def ask_day(at: float) -> str:
    """Return the day of a time, for whoever watches."""
    return datetime.fromtimestamp(at, UTC).strftime("%d %b")


@dataclass(slots=True, kw_only=True)
class _Day:
    """What is done between requests: looks, and the nights' work."""

    stage: Stage
    config: Config
    ledger: Ledger
    looked_at: float = 0.0
    slept_at: float = 0.0

    async def until(self, at: float) -> None:
        """Set the clock forward, doing what is due."""
        clock, now = self.stage.clock, self.stage.clock()
        self.slept_at = self.slept_at or now
        if at - self.slept_at >= NIGHT_S:
            clock.forward(at - 3600)
            await self._night()
            self.slept_at = at
        clock.forward(at)
        if self.config.local is not None and at - self.looked_at >= 4 * 3600:
            self.looked_at = at
            desk = looking.Desk(ledger=self.stage.ledger, config=self.config, now=clock())
            for said in await looking.look(self.ledger, desk):
                say(f"  {said}")

    async def _night(self) -> None:
        desk = books.Desk(
            ledger=self.stage.ledger,
            config=self.config,
            folder=self.stage.config,
            now=self.stage.clock(),
        )
        outcome = await steering.night(self.ledger, desk, lambda _: None)
        for said in outcome.said:
            if "nothing is fitted" not in said:
                say(f"  night: {said[:160]}")


def _reach(proxies: Proxies, machine: Machine, clock: Clock) -> Reach:
    async def call(call: Call, /) -> AsyncGenerator[Item, None]:
        async with aclosing(proxies[call.tier].call(call)) as items:
            async for item in items:
                yield item

    async def count(call: Call) -> int | Failure:
        return await proxies[call.tier].count(call)

    async def is_ready() -> bool:
        return True

    async def wake() -> LocalReport:
        return await machine.wake()

    return Reach(
        call=call,
        count=count,
        is_ready=is_ready,
        replicas=lambda: 1,
        report=machine.report,
        wake=wake,
        clock=clock,
        sleep=clock.sleep,
    )


async def _asked(http: httpx2.AsyncClient, ask: Ask) -> None:
    """Ask as a client does, and now and then say how good the answer was."""
    body = {"model": "auto", "messages": [{"role": "user", "content": ask.text}]}
    reply = await http.post("/v1/chat/completions", json=body)
    if not reply.is_success:
        say(f"  {reply.status_code}: {reply.text[:200]}")
        return
    chance = random.Random(ask.text)
    if chance.random() < FEEDBACK:
        is_wrong = "price of tea" in reply.text or "NotImplementedError" in reply.text
        rating = "down" if is_wrong else "up"
        told = {"request_id": reply.headers["x-tercet-request-id"], "rating": rating}
        await http.post("/v1/feedback", json=told)


def _slots(asks: Sequence[Ask]) -> Iterator[list[Ask]]:
    together: list[Ask] = []
    for ask in asks:
        if together and ask.at // SLOT_S != together[0].at // SLOT_S:
            yield together
            together = []
        together.append(ask)
    if together:
        yield together


async def _settled(replica: Replica) -> None:
    """Wait until nothing is under way but what waits for the machine: then the clock may jump."""
    while replica.office.jobs:
        await asyncio.wait(set(replica.office.jobs))
    while not replica.shadowing.is_idle:  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0.005)


def _report(stage: Stage, month: str) -> None:
    for name, ending in FORMATS.items():
        out = stage.folder / f"{month}.{ending}"
        wanted = Wanted(ledger=stage.ledger, month=month, format=name, out=out, config=stage.config)
        make(wanted, stage.clock())
    say(f"  report: {stage.folder / month}.html")
