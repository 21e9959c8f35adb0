"""One tier's proxy: it hosts the clients of that tier's providers and makes every call to them."""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from importlib import import_module

from deployments import faults
from deployments.attempt import Desk, Listening
from deployments.gate import Gate, Purse
from deployments.lazy_provider import LazyProvider
from deployments.ledger import Ledger, LedgerError
from deployments.meters import reported
from deployments.outbox import Outbox
from deployments.prices import PriceBook
from deployments.provider import Provider
from deployments.retrying import Retrying, Upstream, persist
from deployments.tracing import Tracing, tracer_of
from tercet.call import Call, Failure, Item
from tercet.catalog import LOCAL, Model, ProviderName
from tercet.config import Config, Settings, environment, read_key, settings
from tercet.environment import GivenKey
from tercet.fitting import fitted
from tercet.ledger import month_end
from tercet.meters import Meters
from tercet.metrics import Reading, breaker
from tercet.rules import Limits
from tercet.telemetry import call_end, call_work, error_of

logger = logging.getLogger(__name__)

EXHAUSTED_EVERY_S = 10.0
"""How often a replica reads which providers have refused for want of money."""

MakeProvider = Callable[[str, str | None, Limits], Provider]

# Named, not imported: see `LazyProvider`.
PROVIDERS: Mapping[ProviderName, str] = {
    "anthropic": "deployments.claude:Claude",
    "google": "deployments.gemini:Gemini",
}


class TierProxy:
    """Makes the calls of one tier. Its attempts outlive callers who go away."""

    def __init__(
        self,
        tier: str,
        config: Config,
        clock: Callable[[], float] = time.time,
        tracer: Tracing | None = None,
    ) -> None:
        """Open the ledger. The SDKs of this tier's providers are imported when they are asked.

        Args:
            tier: its name.
            config: what there is.
            clock: Unix seconds; another one than the machine's in a rehearsal.
            tracer: takes spans; left out, what the environment says.

        Raises:
            ConfigError: the file with a provider's key cannot be used.
            LedgerError: the ledger cannot be opened.
        """
        chosen = settings()
        self._clock = clock
        self._rules = config.rules.upstreams
        self._meters = Meters(self._gauges)
        self._tracer = tracer or tracer_of(environment(), tier, self._meters.note)
        self._ledger = Ledger(chosen.ledger, config.budget.caps, clock=clock)
        faults.arm(chosen.faults)  # not before the ledger is open
        seated = config.catalog.tiers.get(tier)
        models = [config.catalog.models[seat.model] for seat in (seated.seats if seated else ())]
        self._providers = self._clients(
            {model.provider for model in models}, config.rules.limits, chosen
        )
        upstreams = [self._upstream(model) for model in models if model.provider in self._providers]
        self._upstreams = {upstream.model.name: upstream for upstream in upstreams}
        # The local model is vLLM, whatever the APIs are.
        self._retrying = self._persistence(config, simulated=chosen.simulated and tier != LOCAL)
        self._jobs: set[asyncio.Task[None]] = set()
        self._drains = 0
        self._exhausted_read_at = 0.0
        self._reporter = reported(self._meters)

    async def call(self, call: Call) -> AsyncGenerator[Item, None]:
        """Make one call; see `tercet.call.CallModel`. Deltas come coalesced."""
        outbox = Outbox(call.model)
        listening = Listening()
        job = asyncio.create_task(self._persist(call, listening, outbox))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        job.add_done_callback(outbox.end)
        try:
            async for item in outbox.items():
                yield item
        finally:
            if not job.done():
                self._leave(call, listening, job)

    async def whole(self, call: Call) -> tuple[Item, ...]:
        """Make one call that nobody hears in pieces; return what `call` would yield."""
        async with aclosing(self.call(call)) as items:
            return tuple([item async for item in items])

    async def count(self, call: Call) -> int | Failure:
        """Count the input of a call that is not made; providers count for nothing."""
        upstream = self._upstreams.get(call.model)
        if upstream is None:
            message = f"{call.tier} has no client for {call.model}"
            return Failure(model=call.model, kind="unauthorised", message=message)
        counted = await upstream.provider.count(call.model, fitted(call.prompt, upstream.model))
        if isinstance(counted, int):
            return counted
        return Failure(model=call.model, kind=counted.kind, message=counted.message)

    async def ready(self) -> bool:
        """Answer at all: an upstream's outage is not this replica's ill health."""
        return True

    async def close(self) -> None:
        """Let running attempts settle, then close the clients and the ledger."""
        if self._jobs:
            await asyncio.wait(self._jobs)
        for provider in self._providers.values():
            await provider.close()
        if self._tracer is not None:
            await self._tracer.close()
        if self._reporter is not None:
            self._reporter.close()
        self._ledger.close()

    def _clients(
        self, names: set[ProviderName], limits: Limits, chosen: Settings
    ) -> Mapping[ProviderName, Provider]:
        """Make the clients of these providers."""
        return _providers(names, limits, chosen)

    async def _persist(self, call: Call, listening: Listening, outbox: Outbox) -> None:
        await self._read_exhausted()
        if self._tracer is None:
            await persist(call, self._retrying, listening, outbox.send)
            return
        traced = self._tracer.begin(call_work(call))
        call = replace(call, prompt=replace(call.prompt, traceparent=traced.traceparent))
        outcome = await persist(call, self._retrying, listening, outbox.send)
        traced.end(call_end(outcome), error_of(outcome))

    def _gauges(self) -> Iterator[Reading]:
        """Yield what is so now; asked from a thread."""
        for upstream in tuple(self._upstreams.values()):
            yield breaker(upstream.model.name, is_open=upstream.gate.is_open)

    def _leave(self, call: Call, listening: Listening, job: asyncio.Task[None]) -> None:
        """Read on for a caller who has gone, if the provider's policy and the cap allow it."""
        upstream = self._upstreams.get(call.model)
        policy = self._rules.on_disconnect.get(upstream.model.provider, "drain") if upstream else ""
        if policy != "drain" or self._drains >= self._rules.drains:
            listening.cut()
            return
        self._drains += 1
        job.add_done_callback(self._drained)
        listening.drain(self._clock() + self._rules.drain_s)

    def _drained(self, _: asyncio.Task[None]) -> None:
        self._drains -= 1

    def _upstream(self, model: Model) -> Upstream:
        return Upstream(
            model=model,
            provider=self._providers[model.provider],
            gate=Gate(model=model.name, rules=self._rules, chance=random.random),
            places=asyncio.Semaphore(self._rules.concurrency),
        )

    def _persistence(self, config: Config, *, simulated: bool) -> Retrying:
        return Retrying(
            upstreams=self._upstreams,
            rules=self._rules,
            purse=Purse(rules=self._rules, at=self._clock()),
            desk=Desk(
                books=self._ledger,
                prices=PriceBook(config.prices),
                limits=config.rules.limits,
                simulated=simulated,
                clock=self._clock,
                new_id=lambda: f"att_{uuid.uuid4().hex}",
                meters=self._meters,
                tracer=self._tracer,
            ),
            chance=random.random,
            note_exhausted=self._note_exhausted,
        )

    def _note_exhausted(self, provider: str, why: str) -> None:
        """Ask this provider nothing more this month, here and in every other replica."""
        now = self._clock()
        until = month_end(now)
        self._exhaust({provider: until})
        job = asyncio.create_task(self._ledger.note_exhausted(provider, until, why, now))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _read_exhausted(self) -> None:
        """Learn, every so often, what other replicas were told or an operator has changed."""
        now = self._clock()
        if now - self._exhausted_read_at < EXHAUSTED_EVERY_S:
            return
        self._exhausted_read_at = now
        try:
            self._exhaust(await self._ledger.exhausted(now))
        except LedgerError:
            logger.warning("the ledger could not say which providers are exhausted")

    def _exhaust(self, until: Mapping[str, float]) -> None:
        for upstream in self._upstreams.values():
            upstream.gate.exhaust(until.get(upstream.model.provider, 0.0))


def _providers(
    names: set[ProviderName], limits: Limits, chosen: Settings
) -> Mapping[ProviderName, Provider]:
    """Make what makes the clients whose keys are set; of others not even a file is read."""
    access: Mapping[ProviderName, tuple[GivenKey, str | None]] = {
        "anthropic": (chosen.anthropic_key, chosen.anthropic_url),
        "google": (chosen.gemini_key, chosen.gemini_url),
    }
    made: dict[ProviderName, Provider] = {}
    for name in sorted(names):
        given, url = access[name]
        key = read_key(given)
        if key is not None:
            made[name] = LazyProvider(partial(_made, name, key, url, limits))
    return made


def _made(name: ProviderName, key: str, url: str | None, limits: Limits) -> Provider:
    module, _, attribute = PROVIDERS[name].partition(":")
    make: MakeProvider = getattr(import_module(module), attribute)
    return make(key, url, limits)
