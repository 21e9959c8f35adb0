"""The attempt: reserve, send, settle. The only place that lets a provider be asked.

An attempt runs to its settlement in a job of its own, so that a caller who goes away changes
nothing in the books: the provider bills what it was asked, so the answer is read to its end.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from deployments.prices import PriceBook
from deployments.provider import Ended, Failed, Metered, Provider, ProviderEvent
from tercet.call import Call, Completion, Delta, Failure, Prompt
from tercet.catalog import Model
from tercet.ledger import AttemptState, Reservation, Settlement, UsageSource
from tercet.rules import Limits
from tercet.usage import Usage

logger = logging.getLogger(__name__)

MESSAGE_OVERHEAD_TOKENS = 32
"""Most tokens a provider adds around one message, the system prompt counted as one."""
BYTES_PER_TOKEN = 4
"""For estimates of what a broken answer had generated; bounds count one token a byte."""

Send = Callable[[Delta | Completion | Failure], None]


class Books(Protocol):
    """The part of the ledger an attempt writes."""

    async def reserve(self, row: Reservation) -> None:
        """Record the attempt durably before it is made."""
        ...

    async def settle(self, row: Settlement) -> None:
        """Record what became of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every attempt of a replica is made with."""

    books: Books
    prices: PriceBook
    limits: Limits
    simulated: bool
    clock: Callable[[], float]
    """Unix seconds."""
    new_id: Callable[[], str]


@dataclass(slots=True, kw_only=True)
class _Heard:
    """What an attempt has heard so far; the evidence it is settled from."""

    prompt: Prompt
    sent_at: float
    texts: list[str] = field(default_factory=list)
    metered: Metered | None = None
    first_token_s: float | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)


async def attempt(call: Call, model: Model, provider: Provider, desk: Desk, send: Send) -> None:
    """Ask `model` once and book it; `send` gets the deltas, then the completion or the failure.

    The last value is sent after the settlement is durable.
    """
    reservation = _reservation(call, model, desk)
    if isinstance(reservation, Failure):
        send(reservation)
        return
    try:
        await desk.books.reserve(reservation)
    except Exception as error:  # noqa: BLE001  no durable row, no call
        send(Failure(model=model.name, kind="ledger", message=f"not recorded: {error}"))
        return
    heard = _Heard(prompt=call.prompt, sent_at=desk.clock())
    ended = await _listen(call, provider.stream(model.name, call.prompt), heard, desk, send)
    settlement = _settlement(reservation, model, heard, ended, desk)
    try:
        await desk.books.settle(settlement)
    except Exception:
        # The row stays reserved, at its upper bound: the books err on the safe side, and the answer
        # that was paid for is not lost.
        logger.exception("attempt not settled", extra={"attempt": settlement.attempt_id})
    send(_outcome(settlement, model, heard, ended, desk))


def _reservation(call: Call, model: Model, desk: Desk) -> Reservation | Failure:
    at = desk.clock()
    if call.deadline_at <= at:
        return Failure(model=model.name, kind="timeout", message="no time is left to ask")
    bound = desk.prices.upper_bound(
        model,
        input_tokens=most_input_tokens(call.prompt),
        output_tokens=call.prompt.max_output_tokens,
        at=datetime.fromtimestamp(at, UTC),
    )
    if bound is None:
        message = f"no price is known for {model.name}; add one to config/prices.yaml"
        return Failure(model=model.name, kind="unpriced", message=message)
    return Reservation(
        attempt_id=desk.new_id(),
        task_id=call.task_id,
        key_id=call.key_id,
        tier=call.tier,
        provider=model.provider,
        model=model.name,
        role=call.role,
        round=call.round,
        reserved_nano_usd=bound.nano_usd,
        price_source=bound.source,
        simulated=desk.simulated,
        deadline_at=call.deadline_at,
        at=at,
    )


def most_input_tokens(prompt: Prompt) -> int:
    """Return a bound no tokenizer exceeds: one token a byte, and each message's overhead."""
    texts = [prompt.system, *(message.text for message in prompt.messages)]
    return sum(len(text.encode()) + MESSAGE_OVERHEAD_TOKENS for text in texts)


async def _listen(
    call: Call, events: AsyncGenerator[ProviderEvent, None], heard: _Heard, desk: Desk, send: Send
) -> Ended | Failed:
    """Pass on deltas until the provider ends, fails or falls silent."""
    limits = desk.limits
    patience = limits.first_event_s
    async with aclosing(events) as listened:
        while True:
            left = min(patience, call.deadline_at - desk.clock())
            try:
                async with asyncio.timeout(left):
                    event = await anext(listened)
            except TimeoutError:
                silence = f"nothing for {left:.0f} s"
                return Failed(kind="timeout", message=silence, billed="maybe")
            patience = limits.between_events_s
            match event:
                case Ended() | Failed():
                    return event
                case Metered():
                    heard.metered = event
                case Delta():
                    if heard.first_token_s is None:
                        heard.first_token_s = desk.clock() - heard.sent_at
                    heard.texts.append(event.text)
                    if call.wants_deltas:
                        send(event)


def _settlement(
    row: Reservation, model: Model, heard: _Heard, ended: Ended | Failed, desk: Desk
) -> Settlement:
    state, source, usage = _evidence(heard, ended)
    at = desk.clock()
    cost = desk.prices.cost_of(model, usage, datetime.fromtimestamp(row.at, UTC))
    return Settlement(
        attempt_id=row.attempt_id,
        state=state,
        outcome="complete" if isinstance(ended, Ended) else ended.kind,
        usage=usage,
        usage_source=source,
        settled_nano_usd=row.reserved_nano_usd if cost is None else cost.nano_usd,
        upstream_id=heard.metered.upstream_id if heard.metered is not None else None,
        first_token_s=heard.first_token_s,
        latency_s=at - heard.sent_at,
        at=at,
    )


def _evidence(heard: _Heard, ended: Ended | Failed) -> tuple[AttemptState, UsageSource, Usage]:
    """Say what was billed, from the best evidence there is."""
    if isinstance(ended, Failed) and ended.billed == "no":
        return "void", "none", Usage()
    whole = isinstance(ended, Ended) or ended.billed == "as_metered"
    if heard.metered is not None and whole:
        return "settled", "provider", heard.metered.usage
    counted = heard.metered.usage if heard.metered is not None else _estimated_input(heard.prompt)
    output = max(counted.output, _estimated_tokens(heard.text))
    return "estimated", "estimated", replace(counted, output=output)


def _estimated_input(prompt: Prompt) -> Usage:
    texts = [prompt.system, *(message.text for message in prompt.messages)]
    return Usage(fresh_input=_estimated_tokens("".join(texts)))


def _estimated_tokens(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def _outcome(
    row: Settlement, model: Model, heard: _Heard, ended: Ended | Failed, desk: Desk
) -> Completion | Failure:
    if isinstance(ended, Failed):
        return Failure(
            model=model.name,
            kind=ended.kind,
            message=ended.message,
            attempt_id=row.attempt_id,
            cost_nano_usd=row.settled_nano_usd,
            retry_after_s=ended.retry_after_s,
        )
    return Completion(
        attempt_id=row.attempt_id,
        model=model.name,
        text=heard.text,
        finish=ended.finish,
        usage=row.usage,
        cost_nano_usd=row.settled_nano_usd,
        first_token_s=row.latency_s if heard.first_token_s is None else heard.first_token_s,
        latency_s=row.latency_s,
        simulated=desk.simulated,
    )
