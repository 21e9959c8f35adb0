"""One tier's proxy: it hosts the clients of that tier's providers and makes every call to them."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from importlib import import_module

from deployments.attempt import Desk, attempt
from deployments.ledger import Ledger
from deployments.outbox import Item, Outbox
from deployments.prices import PriceBook
from deployments.provider import Provider
from tercet.call import Call, Failure
from tercet.catalog import ProviderName
from tercet.config import Config, Settings, settings
from tercet.rules import Limits

MakeProvider = Callable[[str, str | None, Limits], Provider]

# Named, not imported: an SDK takes seconds and 80 MB, and a replica pays for its own tier's only.
PROVIDERS: Mapping[ProviderName, str] = {
    "anthropic": "deployments.claude:Claude",
    "google": "deployments.gemini:Gemini",
}


class TierProxy:
    """Makes the calls of one tier. Its attempts outlive callers who go away."""

    def __init__(self, tier: str, config: Config) -> None:
        """Import the SDKs of this tier's providers and open the ledger.

        Raises:
            sqlite3.Error: the ledger cannot be opened.
        """
        chosen = settings()
        self._models = {
            seat.model: config.catalog.models[seat.model]
            for seat in config.catalog.tiers[tier].seats
        }
        self._providers = _providers(
            {model.provider for model in self._models.values()}, config.rules.limits, chosen
        )
        self._ledger = Ledger(chosen.ledger)
        self._desk = Desk(
            books=self._ledger,
            prices=PriceBook(config.prices),
            limits=config.rules.limits,
            simulated=chosen.simulated,
            clock=time.time,
            new_id=lambda: f"att_{uuid.uuid4().hex}",
        )
        self._jobs: set[asyncio.Task[None]] = set()

    async def call(self, call: Call) -> AsyncGenerator[Item, None]:
        """Make one call; see `tercet.call.CallModel`. Deltas come coalesced."""
        model = self._models.get(call.model)
        provider = self._providers.get(model.provider) if model is not None else None
        if model is None or provider is None:
            message = f"{call.tier} has no client for {call.model}"
            yield Failure(model=call.model, kind="unauthorised", message=message)
            return
        outbox = Outbox(call.model)
        job = asyncio.create_task(attempt(call, model, provider, self._desk, outbox.send))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        job.add_done_callback(outbox.end)
        async for item in outbox.items():
            yield item

    async def ready(self) -> bool:
        """Answer at all: an upstream's outage is not this replica's ill health."""
        return True

    async def close(self) -> None:
        """Let running attempts settle, then close the clients and the ledger."""
        if self._jobs:
            await asyncio.wait(self._jobs)
        for provider in self._providers.values():
            await provider.close()
        self._ledger.close()


def _providers(
    names: set[ProviderName], limits: Limits, chosen: Settings
) -> Mapping[ProviderName, Provider]:
    """Make the clients whose keys are set."""
    access: Mapping[ProviderName, tuple[str | None, str | None]] = {
        "anthropic": (chosen.anthropic_key, chosen.anthropic_url),
        "google": (chosen.gemini_key, chosen.gemini_url),
    }
    made: dict[ProviderName, Provider] = {}
    for name in sorted(names):
        key, url = access[name]
        if key is not None:
            module, _, attribute = PROVIDERS[name].partition(":")
            make: MakeProvider = getattr(import_module(module), attribute)
            made[name] = make(key, url, limits)
    return made
