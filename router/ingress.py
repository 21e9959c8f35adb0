"""The ingress deployment: the routes with the real ledger, keys and tiers behind them."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ray.serve.handle import DeploymentHandle
from starlette.applications import Starlette

from deployments.ledger import Ledger
from deployments.serve import (
    all_ready,
    call_through,
    count_through,
    replicas,
    report_through,
    wake_through,
)
from router import prompts
from router.answering import Answering
from router.choices import Choices
from router.compositions.stage import Stage
from router.exchange import Office
from router.gateway import Gateway
from router.keyring import Keyring
from router.learned import route_as_learned
from router.learning.cold import arms_of_catalog
from router.lesson_feed import LessonFeed
from router.local_feed import LocalFeed
from router.policies import route_by_complexity
from router.turnstile import Turnstile
from router.waking import Holding
from router.watch import Watch
from tercet.catalog import LOCAL
from tercet.config import Config, Settings, fleet, settings
from tercet.keys import sha256

READY_WITHIN_S = 5.0

Proxies = Mapping[str, DeploymentHandle[Any]]


class Ingress:
    """One replica of the gateway. It holds no state that matters."""

    def __init__(self, config: Config, proxies: Proxies, *_beside: DeploymentHandle[Any]) -> None:
        """Take the handles of the proxies, by tier; needs an event loop.

        Serve runs what is handed to it here: others beside it need not be known.

        Raises:
            ConfigError: no provider's key is set.
            LedgerError: the ledger cannot be opened.
        """
        chosen = settings()
        reachable = fleet(config, chosen)
        self._proxies = proxies
        self._ledger = Ledger(chosen.ledger, config.budget.caps)
        keyring = _keyring(chosen, self._ledger)
        choices = Choices(
            catalog=config.catalog,
            rules=config.rules,
            budget=config.budget,
            fleet=reachable,
            keys=keyring.keys,
        )
        watch = Watch(self._ledger, config.budget, time.time, keyring.replace)
        local, learning = _feed(config, proxies), _learning(config, self._ledger)
        self._office = Office(
            answering=Answering(
                policy=route_by_complexity if learning is None else route_as_learned,
                choices=choices,
                stage=_stage(config, self._proxies),
                outlook=watch.outlook,
                holding=None if local is None else local.holding,
                taxonomy=config.taxonomy,
                learning=learning,
            ),
            records=self._ledger,
            clock=time.time,
            jobs=set(),
        )
        self._watching = [asyncio.create_task(watch.run())]
        if local is not None:
            self._watching.append(asyncio.create_task(local.run()))
        if learning is not None:
            self._watching.append(asyncio.create_task(learning.run()))
        self._gateway = Gateway(
            config=config,
            office=self._office,
            books=self._ledger,
            watch=watch,
            keyring=keyring,
            is_ready=self._is_ready,
            count=count_through(self._proxies),
            local=local,
            started_at=int(time.time()),
        )

    def __serve_build_asgi_app__(self) -> Starlette:
        """Return the ASGI application."""
        return self._gateway.app()

    async def close(self) -> None:
        """Let exchanges end, then close the ledger."""
        # A job may begin another: a claim that is made begins its exchange.
        while self._office.jobs:
            await asyncio.wait(self._office.jobs)
        for job in self._watching:
            job.cancel()
        await asyncio.wait(self._watching)
        self._ledger.close()

    async def _is_ready(self) -> bool:
        return await all_ready(self._proxies, READY_WITHIN_S)


def _feed(config: Config, proxies: Proxies) -> LocalFeed | None:
    """Return what keeps the local model's readiness; `None`: there is none."""
    if config.local is None:
        return None
    proxy, holding = proxies[LOCAL], Holding(config.rules.local.held)
    return LocalFeed(holding, report_through(proxy), wake_through(proxy))


def _learning(config: Config, ledger: Ledger) -> LessonFeed | None:
    """Return what keeps what was learned; `None`: the plan's rule routes whatever was."""
    if config.learning.policy == "plan":
        return None
    specs = arms_of_catalog(config.catalog, config.rules)
    return LessonFeed(ledger, config.learning, config.taxonomy, specs, replicas)


def _keyring(chosen: Settings, ledger: Ledger) -> Keyring:
    default = None if chosen.api_key is None else sha256(chosen.api_key.encode())
    return Keyring(default, ledger, Turnstile(replicas))


def _stage(config: Config, proxies: Proxies) -> Stage:
    return Stage(
        call=call_through(proxies),
        texts=prompts.load(),
        output=config.rules.output,
        now=time.time,
    )
