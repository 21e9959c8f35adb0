"""A reply as server-sent events: when its headers leave, and what follows them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from router.compositions.stage import Event
from router.reply import Letterhead, spoken
from router.surfaces.openai_chat_reply import ChatStream, ReplyFrame, comment, error_event
from router.surfaces.refusal import failure_refusal
from tercet.answer import Answer, NoAnswer, Progress, Speaking
from tercet.call import Delta
from tercet.route import Route

STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


class Events(Protocol):
    """What a stream reads: an exchange."""

    async def next(self) -> Event:
        """Return the next event; after `Answer` or `NoAnswer` there is none."""
        ...

    def abandon(self) -> None:
        """Say that nobody reads any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a stream may be silent, in seconds."""

    after_progress_s: float
    """How long the headers wait for content after a note of progress; until they leave, a failure
    has a status of its own."""
    silent_s: float
    """How long the headers wait for a first word, and a stream for its next."""


PATIENCE = Patience(after_progress_s=1.0, silent_s=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a stream measures time with."""

    patience: Patience = PATIENCE
    clock: Callable[[], float]
    """Unix seconds."""


async def held(exchange: Events, patience: Patience) -> list[Event]:
    """Collect events until something was said, or nothing more came in time."""
    events: list[Event] = []
    patience_s = patience.silent_s
    try:
        while not events or isinstance(events[-1], Progress):
            async with asyncio.timeout(patience_s):
                events.append(await exchange.next())
            patience_s = patience.after_progress_s
    except TimeoutError:
        return events
    except BaseException:
        exchange.abandon()
        raise
    return events


def stream_headers(letterhead: Letterhead, route: Route, last: Event | None) -> dict[str, str]:
    """Return the headers of a stream whose last event so far is `last`."""
    match last:
        case Speaking() | Answer():
            who = spoken((last.model,), last.degraded)
        case _:
            who = spoken(tuple(seat.model for seat in route.seats), route.degraded)
    return {**letterhead.headers, **who, **STREAM_HEADERS}


async def rendered(
    exchange: Events, frame: ReplyFrame, before: list[Event], pace: Pace
) -> AsyncGenerator[bytes, None]:
    """Render the events, with a comment whenever nothing else was said for a while."""
    stream: ChatStream | None = None
    try:
        async with aclosing(_following(exchange, before, pace.patience)) as events:
            async for event in events:
                # An answer without a word has no `Speaking` before it.
                if stream is None and isinstance(event, Speaking | Answer):
                    stream = ChatStream(frame, event.model)
                    yield stream.opening()
                match event:
                    case None:
                        yield comment("working")
                    case Progress():
                        yield comment(event.note)
                    case Delta() if stream is not None:
                        yield stream.text_chunk(event.text)
                    case Answer() if stream is not None:
                        yield stream.closing(event)
                    case NoAnswer():
                        yield error_event(failure_refusal(event.failures, pace.clock()))
                    case _:
                        pass
    finally:
        exchange.abandon()


async def _following(
    exchange: Events, before: list[Event], patience: Patience
) -> AsyncGenerator[Event | None, None]:
    """Yield the held events, then the others as they come; `None` when a while has passed."""
    for event in before:
        yield event
    last = before[-1] if before else None
    while not isinstance(last, Answer | NoAnswer):
        try:
            async with asyncio.timeout(patience.silent_s):
                last = await exchange.next()
        except TimeoutError:
            last = None
        yield last
