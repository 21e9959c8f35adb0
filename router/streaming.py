"""A reply as server-sent events: when its headers leave, and what follows them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from router.compositions.stage import Event
from router.reply import Letterhead, spoken
from router.surfaces.refusal import failure_refusal
from router.surfaces.surface import Frame, Stream, Writer
from tercet.answer import Answer, NoAnswer, Progress, Speaking
from tercet.call import Delta, Piece, Raw, ThoughtDelta, ToolDelta
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
    exchange: Events, letterhead: Letterhead, before: list[Event], pace: Pace
) -> AsyncGenerator[bytes, None]:
    """Render the events, with a comment whenever nothing else was said for a while."""
    rendering = _Rendering(letterhead.frame, letterhead.writer, pace)
    try:
        async with aclosing(_following(exchange, before, pace.patience)) as events:
            async for event in events:
                if told := rendering.told(event):
                    yield told
    finally:
        exchange.abandon()


class _Rendering:
    """One stream as far as it was told."""

    def __init__(self, frame: Frame, writer: Writer, pace: Pace) -> None:
        self._frame, self._writer, self._pace = frame, writer, pace
        self._model = ""
        self._stream: Stream | None = None
        self._is_raw = False

    def told(self, event: Event | None) -> bytes:
        """Return what a client is sent for an event; `None` is a while without one."""
        match event:
            case None:
                return self._writer.comment("working")
            case Progress():
                return self._writer.comment(event.note)
            case Speaking():
                self._model = event.model
                return b""
            case Raw():
                self._is_raw = True
                return event.data
            case Delta() | ThoughtDelta() | ToolDelta():
                return self._said(event)
            case Answer():
                return self._closing(event)
            case NoAnswer():
                return self._failing(event)

    def _said(self, piece: Piece) -> bytes:
        """Return a piece; the events before it are due only now, when it is known not to be raw."""
        opened = b"" if self._stream is not None else self._open(self._model)
        assert self._stream is not None  # noqa: S101  opened above
        return opened + self._stream.piece(piece)

    def _open(self, model: str) -> bytes:
        self._stream = self._writer.stream(self._frame, model)
        return self._stream.opening()

    def _closing(self, answer: Answer) -> bytes:
        if self._is_raw:
            return b""  # the provider's own terminal marker was the last of its bytes
        opened = b"" if self._stream is not None else self._open(answer.model)
        assert self._stream is not None  # noqa: S101  opened above
        return opened + self._stream.closing(answer)

    def _failing(self, ending: NoAnswer) -> bytes:
        refusal = failure_refusal(ending.failures, self._pace.clock())
        if self._stream is None:
            return self._writer.failed(self._frame, refusal)
        return self._stream.failing(refusal)


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
