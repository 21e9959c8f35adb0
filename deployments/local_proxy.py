"""The proxy of the local model's tier: calls go to its replica, if that is ready."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from deployments.local.caller import Caller
from deployments.local.watching import Watching
from deployments.local_seat import LocalSeat
from deployments.provider import Provider
from deployments.proxy import TierProxy
from tercet.catalog import LOCAL, ProviderName
from tercet.config import Config, Settings
from tercet.readiness import LocalReport, Readiness
from tercet.rules import Limits

PLACE_WITHIN_S = 0.05
OFF = LocalReport(readiness=Readiness(kind="away", why="there is no local model"), starts=())


class LocalProxy(TierProxy):
    """A tier's proxy that asks no API. Without a local model it has nothing to do."""

    def __init__(self, config: Config) -> None:
        """Open the ledger and begin to watch; needs an event loop.

        Raises:
            LedgerError: the ledger cannot be opened.
        """
        self._watching: Watching | None = None  # before `_clients` is called
        super().__init__(LOCAL, impatient(config))
        self._looking: list[asyncio.Task[None]] = []
        if self._watching is not None:
            self._looking.append(asyncio.create_task(self._watching.run()))

    async def report(self) -> LocalReport:
        """Return whether the replica is ready, and how long starts took."""
        return OFF if self._watching is None else await self._watching.report()

    async def wake(self) -> LocalReport:
        """Have a replica started, and return what is known now."""
        if self._watching is not None:
            self._watching.wake()
        return await self.report()

    async def close(self) -> None:
        """Stop watching, let running attempts settle, close the ledger."""
        for looking in self._looking:
            looking.cancel()
            await asyncio.wait([looking])
        await super().close()

    def _clients(
        self, names: set[ProviderName], limits: Limits, chosen: Settings
    ) -> Mapping[ProviderName, Provider]:
        if "local" not in names:
            return {}
        self._watching = Watching(Caller(), self._ledger)
        return {"local": LocalSeat(self._watching.chat)}


def impatient(config: Config) -> Config:
    """Return the rules for a model that an API stands in for.

    A call is tried once and waits for nobody's turn; one that its caller has left is stopped,
    since nobody bills it and others want the engine.
    """
    if config.local is None:
        return config
    rules = config.rules
    upstreams = replace(
        rules.upstreams,
        attempts_per_call=1,
        concurrency=2 * config.local.max_num_seqs,  # as many again wait in the engine's queue
        concurrency_wait_s=PLACE_WITHIN_S,
        on_disconnect={"local": "cancel"},
    )
    limits = replace(rules.limits, first_event_s=rules.local.first_event_s)
    return replace(config, rules=replace(rules, upstreams=upstreams, limits=limits))
