"""The ingress deployment: the routes with the real ledger, keys and tiers behind them."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ray.serve.handle import DeploymentHandle
from starlette.applications import Starlette

from deployments.ledger import Ledger
from deployments.serve import all_ready, call_through
from router import prompts
from router.answering import Answering
from router.compositions.stage import Stage
from router.exchange import Office
from router.gateway import Gateway
from router.guard import Keyring, sha256
from router.policies import POLICIES, Choices
from router.watch import Watch
from tercet.config import Config, Settings, fleet, settings
from tercet.errors import ConfigError
from tercet.keys import DEFAULT_KEY

READY_WITHIN_S = 5.0
POLICY = "route_by_complexity"

Proxies = Mapping[str, DeploymentHandle[Any]]


class Ingress:
    """One replica of the gateway. It holds no state that matters."""

    def __init__(self, config: Config, *handles: DeploymentHandle[Any]) -> None:
        """Take the handles of the tiers' proxies, in the catalog's order; needs an event loop.

        Raises:
            ConfigError: no key for callers, or no provider's key, is set.
            LedgerError: the ledger cannot be opened.
        """
        chosen = settings()
        keyring = _keyring(config, chosen)
        self._proxies: Proxies = dict(zip(config.catalog.tiers, handles, strict=True))
        choices = Choices(
            catalog=config.catalog,
            rules=config.rules,
            budget=config.budget,
            fleet=fleet(config, chosen),
            keys={key.id: key for key in config.keys},
        )
        self._ledger = Ledger(chosen.ledger, config.budget.caps)
        watch = Watch(self._ledger, config.budget, time.time)
        self._office = Office(
            answering=Answering(
                policy=POLICIES[POLICY],
                choices=choices,
                stage=_stage(config, self._proxies),
                outlook=watch.outlook,
            ),
            records=self._ledger,
            clock=time.time,
            jobs=set(),
        )
        self._watching = asyncio.create_task(watch.run())
        self._gateway = Gateway(
            config=config,
            office=self._office,
            books=self._ledger,
            watch=watch,
            keyring=keyring,
            is_ready=self._is_ready,
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
        self._watching.cancel()
        await asyncio.wait([self._watching])
        self._ledger.close()

    async def _is_ready(self) -> bool:
        return await all_ready(self._proxies, READY_WITHIN_S)


def _keyring(config: Config, chosen: Settings) -> Keyring:
    hashes = [(key.id, key.sha256) for key in config.keys]
    if chosen.api_key is not None:
        hashes.append((DEFAULT_KEY, sha256(chosen.api_key.encode())))
    if not hashes:
        raise ConfigError("TERCET_API_KEY is not set; set it to the key callers will present")
    return Keyring(hashes)


def _stage(config: Config, proxies: Proxies) -> Stage:
    return Stage(
        call=call_through(proxies),
        texts=prompts.load(),
        output=config.rules.output,
        now=time.time,
    )
