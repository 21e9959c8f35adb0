"""The attempt: reserve, send, settle. The only place that lets a provider be asked.

An attempt runs to its settlement in a job of its own, so that a caller who goes away changes
nothing in the books: the provider bills what it was asked.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from typing import Protocol

from deployments.evidence import Heard, most_input_tokens, opening, settlement, unsent
from deployments.faults import reach, reach_in
from deployments.prices import PriceBook
from deployments.provider import Ended, Failed, Metered, Provider, ProviderEvent
from tercet.budget import MONTH, Admission, Denied
from tercet.call import (
    Call,
    Completion,
    Delta,
    Failure,
    Outcome,
    Piece,
    Prompt,
    Raw,
    ThoughtDelta,
    ToolDelta,
)
from tercet.catalog import Model
from tercet.ledger import Reservation, Sent, Settlement
from tercet.meters import Meters
from tercet.metrics import attempt_readings
from tercet.rules import Limits
from tercet.telemetry import (
    Traced,
    Tracer,
    attempt_end,
    attempt_work,
    content_attributes,
    error_of,
)

logger = logging.getLogger(__name__)

HELD_RETRY_S = 5.0
"""When to ask again where only attempts under way fill a budget."""
SENT_WITHIN_S = 0.02
"""For a test that ends the process while a POST is out: how long its bytes take to leave."""


class Books(Protocol):
    """The part of the ledger an attempt writes."""

    async def reserve(self, row: Reservation) -> Admission:
        """Record the attempt durably before it is made, or deny it."""
        ...

    def mark_sent(self, row: Sent) -> None:
        """Record that the provider has begun to answer; may be lost."""
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
    meters: Meters = field(default_factory=Meters)
    tracer: Tracer | None = None


class Listening:
    """Whether anybody still waits for a call; and the end of what is not to be waited for."""

    def __init__(self) -> None:
        """Begin with somebody who waits."""
        self.has_left = asyncio.Event()
        self.drain_until = inf
        """Unix seconds; how long an answer nobody waits for is read on."""
        self._is_cut = False
        self._patience: asyncio.Timeout | None = None

    def drain(self, until: float) -> None:
        """Read on although nobody waits, so that the provider's own count is seen."""
        self.drain_until = until
        self.has_left.set()

    def cut(self) -> None:
        """Stop reading now: nobody waits, and the answer is not to be read on."""
        self._is_cut = True
        self.has_left.set()
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def next(
        self, events: AsyncGenerator[ProviderEvent, None], within_s: float
    ) -> ProviderEvent | None:
        """Return the next event; `None` if none came in time, or it is not to be waited for."""
        if self._is_cut:
            return None
        try:
            async with asyncio.timeout(within_s) as self._patience:
                return await anext(events)
        except TimeoutError:
            return None
        finally:
            self._patience = None

    @property
    def is_cut(self) -> bool:
        """Whether nothing is to be read any more."""
        return self._is_cut

    def failure(self, silence_s: float) -> Failed:
        """Say why an attempt was given up."""
        if self.has_left.is_set():
            message = "nobody waited any more, and the answer was not read to its end"
            return Failed(kind="abandoned", message=message, billed="maybe")
        return Failed(kind="timeout", message=f"nothing for {silence_s:.0f} s", billed="maybe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One model asked for one call."""

    call: Call
    model: Model
    provider: Provider
    listening: Listening
    send: Callable[[Piece], None]


async def attempt(asking: Asking, desk: Desk) -> Outcome:
    """Ask the model once and book it; the outcome is returned once the settlement is durable."""
    reservation = _reservation(asking, desk)
    if isinstance(reservation, Failure):
        return reservation
    reach("attempt_before_reserve")
    try:
        admission = await desk.books.reserve(reservation)
    except Exception as error:  # noqa: BLE001  no durable row, no call
        # Whether the row is there is not known; it must not stand as a call that was made.
        await _settle(unsent(reservation, desk.clock()), desk)
        return Failure(model=asking.model.name, kind="ledger", message=f"not recorded: {error}")
    if isinstance(admission, Denied):
        return _denied(asking.model.name, admission)
    reach("attempt_after_reserve")
    return await _ask(asking, reservation, admission.output_tokens, desk)


async def _ask(asking: Asking, reservation: Reservation, output_tokens: int, desk: Desk) -> Outcome:
    prompt = replace(asking.call.prompt, max_output_tokens=output_tokens)
    traced = _traced(asking, prompt, reservation, desk)
    if traced is not None:
        prompt = replace(prompt, traceparent=traced.traceparent)
    heard = Heard(model=asking.model, prompt=prompt, sent_at=desk.clock())
    reach_in("attempt_after_send", SENT_WITHIN_S)
    events = asking.provider.stream(asking.model.name, prompt, reservation.attempt_id)
    async with aclosing(events) as listened:
        ended = await _listen(asking, reservation, listened, heard, desk)
    row = settlement(reservation, heard, ended, desk.prices, desk.clock())
    reach("attempt_before_settle")
    await _settle(row, desk)
    reach("attempt_after_settle")
    desk.meters.note(attempt_readings(reservation, row))
    outcome = _outcome(row, asking.model.name, heard, ended, simulated=desk.simulated)
    if traced is not None and desk.tracer is not None:
        _end(traced, row, outcome, heard, desk.tracer)
    return outcome


def _traced(asking: Asking, prompt: Prompt, row: Reservation, desk: Desk) -> Traced | None:
    if desk.tracer is None:
        return None
    call = replace(asking.call, prompt=prompt)
    return desk.tracer.begin(attempt_work(call, asking.model, row.attempt_id))


def _end(traced: Traced, row: Settlement, outcome: Outcome, heard: Heard, tracer: Tracer) -> None:
    said = attempt_end(row, outcome, drafts=tracer.tells_drafts)
    if tracer.tells_content:
        said |= content_attributes(heard.prompt, heard.parts)
    traced.end(said, error_of(outcome))


async def _settle(row: Settlement, desk: Desk) -> None:
    try:
        await desk.books.settle(row)
    except Exception:
        # The row stays at its upper bound: the books err on the safe side, and the answer that was
        # paid for is not lost.
        logger.exception("attempt not settled", extra={"attempt": row.attempt_id})


def _reservation(asking: Asking, desk: Desk) -> Reservation | Failure:
    call, model = asking.call, asking.model
    at = desk.clock()
    if call.deadline_at <= at:
        return Failure(model=model.name, kind="timeout", message="no time is left to ask")
    bound = desk.prices.ask(
        model,
        input_tokens=most_input_tokens(call.prompt, model),
        output_tokens=min(call.prompt.max_output_tokens, model.max_output_tokens),
        at=datetime.fromtimestamp(at, UTC),
        until=datetime.fromtimestamp(call.deadline_at, UTC),
    )
    if bound is None:
        message = f"no price is known for {model.name}; add one to config/prices.yaml"
        return Failure(model=model.name, kind="unpriced", message=message)
    ask, source = bound
    return Reservation(
        attempt_id=desk.new_id(),
        task_id=call.task_id,
        key_id=call.key_id,
        tier=call.tier,
        provider=model.provider,
        model=model.name,
        role=call.role,
        round=call.round,
        ask=ask,
        price_source=source,
        simulated=desk.simulated,
        deadline_at=call.deadline_at,
        at=at,
    )


def _denied(model: str, denied: Denied) -> Failure:
    whose = "the month's budget" if denied.scope == MONTH else f"the budget of {denied.scope}"
    if denied.is_spent:
        return Failure(model=model, kind="over_budget", message=f"{whose} is spent")
    message = f"{whose} is held by calls under way"
    return Failure(model=model, kind="over_budget", message=message, retry_after_s=HELD_RETRY_S)


async def _listen(
    asking: Asking,
    row: Reservation,
    events: AsyncGenerator[ProviderEvent, None],
    heard: Heard,
    desk: Desk,
) -> Ended | Failed:
    """Pass on deltas until the provider ends, fails or falls silent."""
    if asking.listening.is_cut:
        return Failed(kind="abandoned", message="nobody waited any more", billed="no")
    # Of an answer in one piece nothing is heard before its end.
    verbatim = asking.call.prompt.verbatim
    is_whole = (
        verbatim is not None and verbatim.provider == asking.model.provider and not verbatim.stream
    )
    silence_s = inf if is_whole else desk.limits.first_event_s
    while True:
        until = min(asking.listening.drain_until, row.deadline_at)
        left = min(silence_s, until - desk.clock())
        event = await asking.listening.next(events, left)
        silence_s = desk.limits.between_events_s
        if event is None:
            return asking.listening.failure(left)
        if isinstance(event, Ended | Failed):
            reach("attempt_last_byte")
            return event
        if isinstance(event, Metered):
            _meter(row, event, heard, desk)
        elif isinstance(event, Delta | ThoughtDelta | ToolDelta | Raw):
            _hear(asking, event, heard, desk)


def _hear(asking: Asking, piece: Piece, heard: Heard, desk: Desk) -> None:
    if isinstance(piece, ThoughtDelta) or (isinstance(piece, ToolDelta) and piece.signature):
        piece = replace(piece, by=asking.model.provider)
    heard.say(piece, desk.clock())
    reach("attempt_mid")
    if asking.call.wants_deltas and (not heard.is_raw or isinstance(piece, Raw)):
        asking.send(piece)


def _meter(row: Reservation, count: Metered, heard: Heard, desk: Desk) -> None:
    is_first = heard.metered is None
    heard.meter(count)
    if is_first:
        sent = opening(row, heard, count, desk.prices)
        if sent is not None:
            desk.books.mark_sent(sent)
        reach("attempt_first_byte")


def _outcome(
    row: Settlement, model: str, heard: Heard, ended: Ended | Failed, *, simulated: bool
) -> Outcome:
    if isinstance(ended, Failed):
        return Failure(
            model=model,
            kind=ended.kind,
            message=ended.message,
            attempt_id=row.attempt_id,
            cost_nano_usd=row.settled_nano_usd,
            retry_after_s=ended.retry_after_s,
        )
    return Completion(
        attempt_id=row.attempt_id,
        model=model,
        parts=heard.parts,
        finish=ended.finish,
        stop_sequence=ended.stop_sequence,
        usage=row.usage,
        cost_nano_usd=row.settled_nano_usd,
        first_token_s=row.latency_s if heard.first_token_s is None else heard.first_token_s,
        latency_s=row.latency_s,
        simulated=simulated,
    )
