"""The three months played: traffic through the gateway, nights, looks, and a report a month.

Real: the gateway and its surfaces, classifier, policies and compositions, the providers' SDKs over
HTTP, the ledger, shadow runs, judge, gates, the keep-alive policy, the reports. Simulated: what the
models say (`deployments/simulated`), the rented machine, and the clock.
"""

import asyncio
import json
import random
import shutil
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
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

Changes = Mapping[str, object]
"""Values of a file of the configuration; of what has parts, those that are named."""

KEY: Final = "play"
SLOT_S: Final = 120.0
"""Requests of one such time come at once."""
TICK_S: Final = 600.0
"""How often the machine is looked at while no requests come."""
NIGHT_S: Final = 43_200.0
"""So long without requests is a night."""
LOOK_S: Final = 1_200.0
"""How often the kinds' migrations are looked at while requests come."""
LINGERS_S: Final = 2.5 * 3600.0
"""After so long the machine has been woken for what waits for it."""
RENTED: Final[Changes] = {
    "provider": "fake",
    "url": "http://127.0.0.1:9",
    "image": "play@sha256:0",
    "head": {"host": "play"},
}
PATIENT: Final[Changes] = {"limits": {"connect_s": 60}}
"""On a busy machine the simulated upstreams may be slow to take a connection."""
SAMPLED: Final[Changes] = {
    "samples": {"shadow": 1.0, "watch": 0.25},
    "least_pairs": 50,
    "margin": {"default": 0.1, "kinds": {}},
}
"""Less comes than the shipped rules are made for: more of it is compared, and less is proved."""
QUICK: Final[Changes] = {
    **SAMPLED,
    "least_baseline": 20,
    "least_pairs": 20,
    "margin": {"default": 0.5, "kinds": {}},
}
"""Steps that a minute's play can take, on evidence that proves nothing."""
FEEDBACK: Final = 0.25
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


def prepared(folder: Path, start: float, upstreams: Mapping[str, str], rules: Changes) -> Stage:
    """Return a stage in an empty folder: the project's configuration, with a machine to rent.

    Args:
        folder: it.
        start: Unix seconds.
        upstreams: environment that leads to the simulated ones.
        rules: what is changed in config/migrations.yaml.
    """
    config = folder / "config"
    shutil.copytree(PROJECT / "config", config)
    _change(config / "rental.yaml", RENTED)
    _change(config / "routes.yaml", PATIENT)
    _change(config / "migrations.yaml", rules)
    export({
        **upstreams,
        "TERCET_LEDGER": str(folder / "ledger.sqlite3"),
        "TERCET_API_KEY": KEY,
        "TERCET_STATE": str(folder),
        "TERCET_PHASE": "migrate",
    })  # fmt: skip
    return Stage(folder=folder, clock=Clock(start), config=config)


def _change(file: Path, values: Changes) -> None:
    """Set values in a file of the play's own configuration; say so where they are of the story."""
    written = yaml.safe_load(file.read_text())
    for name, value in values.items():
        written[name] = {**written[name], **value} if isinstance(value, Mapping) else value
    file.write_text(yaml.safe_dump(written))
    if values not in (RENTED, PATIENT):
        say(f"changed in the play's copy of config/{file.name}: {json.dumps(values)}")


async def play(stage: Stage, world: World, months: int) -> None:
    """Play so many months, and write a report after each."""
    start = stage.clock()
    for number in range(months):
        local = "off" if number == 0 else "gpu"
        if number == 2:
            await _promoted(stage)
        config = load(stage.config, settings({**environment(), "TERCET_LOCAL": local}))
        say(f"month {number + 1}: {month_of(start)}, local model {local}")
        await _month(stage, config, month_of_asks(world, start))
        end = month_end(start)
        stage.clock.forward(end)
        _report(stage, month_of(start))
        start = end


async def _promoted(stage: Stage) -> None:
    """Do what an operator does with `tercet policy promote`, for the nights' newest version."""
    with closing(Ledger(stage.ledger, clock=stage.clock)) as ledger:
        for row in await ledger.policies():
            if row.state == "candidate":
                why = "the play's operator wants routing to learn"
                await steering.promote(ledger, row.version, None, why, stage.clock())
                say(f"{row.version} is in force: {why}")


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
    days = _Days(stage=stage, config=config, ledger=books, machine=machine, replica=replica)
    http = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(replica.gateway.app()),
        base_url="http://play",
        headers={"authorization": f"Bearer {KEY}"},
        timeout=None,
    )
    try:
        for together in _slots(asks):
            await days.until(together[0].at)
            async with asyncio.TaskGroup() as tasks:
                for ask in together:
                    tasks.create_task(_asked(http, ask))
            await days.settled()
        await days.rest()
    finally:
        await http.aclose()
        await replica.close()
        for proxy in proxies.values():
            await proxy.close()
        books.close()


def day_of(at: float) -> str:
    """Return the day of a time, for whoever watches."""
    return datetime.fromtimestamp(at, UTC).strftime("%d %b")


@dataclass(slots=True, kw_only=True)
class _Days:
    """What is done between requests: looks, and the nights' work."""

    stage: Stage
    config: Config
    ledger: Ledger
    machine: Machine
    replica: Replica
    looked_at: float = 0.0
    slept_at: float = 0.0

    async def until(self, at: float) -> None:
        """Set the clock forward, doing what is due."""
        clock = self.stage.clock
        self.slept_at = self.slept_at or clock()
        if at - self.slept_at >= NIGHT_S:
            await self.rest()
            clock.forward(at - 1800)
            await self._night()
            say(f"  {day_of(at)}")
            self.slept_at = at
        while clock() + TICK_S < at:
            await self._on(clock() + TICK_S)
        await self._on(at)
        if self.config.local is not None and at - self.looked_at >= LOOK_S:
            self.looked_at = at
            desk = looking.Desk(ledger=self.stage.ledger, config=self.config, now=clock())
            for said in await looking.look(self.ledger, desk):
                say(f"  {said}")

    async def rest(self) -> None:
        """Go on until the machine is off, and nothing waits for it."""
        clock = self.stage.clock
        end = clock() + LINGERS_S
        while self.config.local is not None and (clock() < end or self.machine.is_on):
            await self._on(clock() + TICK_S)

    async def settled(self) -> None:
        """Wait until nothing is under way but what waits for the machine: the clock may jump."""
        while self.replica.office.jobs:
            await asyncio.wait(set(self.replica.office.jobs))
        while not self.replica.shadowing.is_idle:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.005)

    async def _on(self, at: float) -> None:
        """Set the clock to a time at which everything is looked at."""
        self.stage.clock.forward(at)
        if self.config.local is not None:
            await self.machine.look()
        await self.replica.look()
        # What waits for the machine sees what has just been read.
        self.stage.clock.forward(self.stage.clock() + 1)
        await asyncio.sleep(0)
        await self.settled()

    async def _night(self) -> None:
        desk = books.Desk(
            ledger=self.stage.ledger,
            config=self.config,
            folder=self.stage.config,
            now=self.stage.clock(),
        )
        outcome = await steering.night(self.ledger, desk, lambda _: None)
        for said in outcome.said:
            if " stays " not in said and "nothing is fitted" not in said:
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


def _report(stage: Stage, month: str) -> None:
    for name, ending in FORMATS.items():
        out = stage.folder / f"{month}.{ending}"
        wanted = Wanted(ledger=stage.ledger, month=month, format=name, out=out, config=stage.config)
        make(wanted, stage.clock())
    say(f"  report: {stage.folder / month}.html")
