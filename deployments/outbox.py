"""What an attempt says, gathered for the hop between replicas."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace

from tercet.call import (
    Completion,
    Delta,
    Failure,
    Item,
    Piece,
    Raw,
    Retry,
    ThoughtDelta,
    ToolDelta,
)

logger = logging.getLogger(__name__)

COALESCE_S = 0.025
"""How long pieces wait for more: an item that crosses replicas costs 0.24 to 0.34 ms of CPU."""
COALESCE_CHARS = 2000


class Outbox:
    """Pieces coalesced, the first at once, and the last word right behind them."""

    def __init__(self, model: str) -> None:
        """Name the model for the failure that stands in for a bug."""
        self._model = model
        self._waiting: list[Piece | Retry] = []
        self._chars = 0
        self._last: Completion | Failure | None = None
        self._news = asyncio.Event()
        self._due = asyncio.Event()

    def send(self, item: Item) -> None:
        """Take the attempt's next word."""
        if item == Delta(""):
            return
        if isinstance(item, Completion | Failure):
            self._last = item
        else:
            self._waiting.append(item)
            self._chars += _size(item)
        self._news.set()
        if self._last is not None or self._chars >= COALESCE_CHARS:
            self._due.set()

    def end(self, job: asyncio.Task[None]) -> None:
        """Say a last word for an attempt that ended without one: a bug, or a shutdown."""
        if not job.cancelled() and (bug := job.exception()) is not None:
            logger.error("an attempt ended in a bug", exc_info=bug)
        if self._last is None:
            message = "internal error; the log of the tier's proxy has the trace"
            self.send(Failure(model=self._model, kind="unavailable", message=message))

    async def items(self) -> AsyncGenerator[Item, None]:
        """Yield what was sent, ending with the completion or the failure."""
        begun = False
        while True:
            await self._news.wait()
            if begun:
                await self._linger()
            waiting, last = self._take()
            for item in joined(waiting):
                begun |= not isinstance(item, Retry)
                yield item
            if last is not None:
                yield last
                return

    async def _linger(self) -> None:
        try:
            await asyncio.wait_for(self._due.wait(), COALESCE_S)
        except TimeoutError:
            return

    def _take(self) -> tuple[list[Piece | Retry], Completion | Failure | None]:
        waiting, self._waiting = self._waiting, []
        self._chars = 0
        self._news.clear()
        self._due.clear()
        return waiting, self._last


def joined(items: list[Piece | Retry]) -> list[Piece | Retry]:
    """Return the same with neighbours that continue each other made one."""
    runs: list[list[Piece | Retry]] = []
    for item in items:
        if runs and _continues(runs[-1][-1], item):
            runs[-1].append(item)
        else:
            runs.append([item])
    return [_one(run) for run in runs]


def _continues(one: Piece | Retry, other: Piece | Retry) -> bool:
    match one, other:
        case (Delta(), Delta()) | (Raw(), Raw()):
            return True
        case ToolDelta(), ToolDelta():
            return one.index == other.index
        case ThoughtDelta(), ThoughtDelta():
            return one.signature is None  # a signature ends a thought
        case _:
            return False


def _one(run: list[Piece | Retry]) -> Piece | Retry:
    """Join a run of pieces of one kind."""
    first, last = run[0], run[-1]
    if len(run) == 1 or isinstance(first, Retry):
        return first
    match first:
        case Delta():
            return Delta("".join(p.text for p in run if isinstance(p, Delta)))
        case Raw():
            return Raw(b"".join(p.data for p in run if isinstance(p, Raw)))
        case ToolDelta():
            more = "".join(p.arguments for p in run if isinstance(p, ToolDelta))
            return replace(first, arguments=more)
        case ThoughtDelta():
            text = "".join(p.text for p in run if isinstance(p, ThoughtDelta))
            return replace(last, text=text) if isinstance(last, ThoughtDelta) else first


def _size(item: Piece | Retry) -> int:
    match item:
        case Delta() | ThoughtDelta():
            return len(item.text)
        case ToolDelta():
            return len(item.arguments)
        case Raw():
            return len(item.data)
        case Retry():
            return 0
