"""One replica of the gateway but for how it reaches the proxies: no Ray, and any clock."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from deployments.ledger import Ledger
from deployments.tracing import Tracing, tracer_of
from router import prompts
from router.answering import Answering
from router.choices import Choices
from router.compositions.stage import Stage
from router.counting import CountTokens
from router.exchange import Office
from router.gateway import Gateway
from router.keyring import Keyring
from router.learned import route_as_learned
from router.learning.cold import arms_of_catalog
from router.lesson_feed import LessonFeed
from router.local_feed import Ask, LocalFeed
from router.migrating import migrating
from router.migration_feed import MigrationFeed
from router.observing import Observing
from router.policies import route_by_complexity
from router.pressure import Pressure
from router.shadowing.door import Door
from router.shadowing.making import Behind, shadowing_of
from router.turnstile import Turnstile
from router.waking import Holding
from router.watch import Watch
from tercet.call import CallModel
from tercet.config import Config, Settings, environment, fleet
from tercet.keys import sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How a replica reaches what is behind it, and what time it is there."""

    call: CallModel
    count: CountTokens
    is_ready: Callable[[], Awaitable[bool]]
    replicas: Callable[[], int]
    """Of how many this is one."""
    report: Ask | None
    """How ready the local model is; `None`: nothing is there that knows."""
    wake: Ask | None
    pressure: Pressure | None = None
    """Says how many requests this one takes; `None`: all that come."""
    clock: Callable[[], float] = time.time
    """Unix seconds."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """As long as `clock` says."""
    tracer: Tracing | None = None
    """Takes spans; left out, what the environment says."""


class Replica:
    """The routes, what they work with, and what is read again and again behind them."""

    def __init__(self, config: Config, chosen: Settings, reach: Reach) -> None:
        """Open the ledger.

        Raises:
            ConfigError: no provider's key is set, or the callers' cannot be read from its file.
            LedgerError: the ledger cannot be opened.
        """
        self._config = config
        self._reach = reach
        self.ledger = Ledger(chosen.ledger, config.budget.caps, clock=reach.clock)
        default = None if chosen.api_key is None else sha256(chosen.api_key.encode())
        keyring = Keyring(default, self.ledger, Turnstile(reach.replicas))
        watch = Watch(self.ledger, config.budget, reach.clock, keyring.replace)
        local, learning = self._local(), self._learning()
        migrations = MigrationFeed(self.ledger, config.migrations)
        stage = Stage(
            call=reach.call,
            texts=prompts.load(),
            output=config.rules.output,
            now=reach.clock,
        )
        choices = Choices(
            catalog=config.catalog,
            rules=config.rules,
            budget=config.budget,
            fleet=fleet(config, chosen),
            keys=keyring.keys,
        )
        door = None
        if local is not None:
            door = Door(local.holding, local.wake, reach.clock, sleep=reach.sleep)
        observing = Observing()
        self.meters = observing.meters
        self._tracer = reach.tracer or tracer_of(environment(), "ingress", self.meters.note)
        observing.tracer = self._tracer
        behind = Behind(
            records=self.ledger,
            watch=watch,
            suspected=lambda: migrations.migrations().suspected,
            door=door,
        )
        self.shadowing = shadowing_of(config, choices, stage, behind)
        self.office = Office(
            answering=Answering(
                policy=migrating(route_by_complexity if learning is None else route_as_learned),
                choices=choices,
                stage=stage,
                outlook=watch.outlook,
                holding=None if local is None else local.holding,
                taxonomy=config.taxonomy,
                learning=learning,
                migrating=migrations,
            ),
            records=self.ledger,
            clock=reach.clock,
            jobs=set(),
            onlooker=self.shadowing.answered,
            observing=observing,
        )
        feeds = (watch, migrations, local, learning)
        self._feeds = [feed for feed in feeds if feed is not None]
        self._watching: list[asyncio.Task[None]] = []
        self.gateway = Gateway(
            config=config,
            office=self.office,
            books=self.ledger,
            watch=watch,
            keyring=keyring,
            is_ready=reach.is_ready,
            count=reach.count,
            local=local,
            started_at=int(reach.clock()),
            pressure=reach.pressure,
        )

    def watch(self) -> None:
        """Begin to read again and again; needs an event loop."""
        self._watching = [asyncio.create_task(feed.run()) for feed in self._feeds]
        if self._reach.pressure is not None:
            self._watching.append(asyncio.create_task(self._reach.pressure.run()))

    async def look(self) -> None:
        """Read everything once."""
        for feed in self._feeds:
            await feed.look()

    async def close(self) -> None:
        """Let exchanges end, then close the ledger."""
        # A job may begin another: a claim that is made begins its exchange.
        while self.office.jobs:
            await asyncio.wait(self.office.jobs)
        await self.shadowing.close()
        for job in self._watching:
            job.cancel()
        if self._watching:
            await asyncio.wait(self._watching)
        if self._tracer is not None:
            await self._tracer.close()
        self.ledger.close()

    def _local(self) -> LocalFeed | None:
        """Return what keeps the local model's readiness; `None`: there is none."""
        report, wake = self._reach.report, self._reach.wake
        if self._config.local is None or report is None or wake is None:
            return None
        holding = Holding(self._config.rules.local.held, self._reach.clock)
        return LocalFeed(holding, report, wake)

    def _learning(self) -> LessonFeed | None:
        """Return what keeps what was learned; `None`: the plan's rule routes whatever was."""
        config = self._config
        if config.learning.policy == "plan":
            return None
        specs = arms_of_catalog(config.catalog, config.rules)
        replicas = self._reach.replicas
        return LessonFeed(self.ledger, config.learning, config.taxonomy, specs, replicas)
