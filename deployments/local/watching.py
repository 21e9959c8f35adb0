"""The local model watched by one process of the gateway, so that no request has to ask."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from deployments.local.sight import NotReadyError, Replica, Sight, readiness_of, start_of
from tercet.readiness import LocalReport, Readiness, Start

EVERY_S = 1.0
WITHIN_S = 5.0
"""How long the controller, or a replica that is busy, may take to answer."""
MISSES = 2
"""Silences in a row after which a replica is given up; an error is believed at once."""
WAKE_S = 30.0
"""How long a wake is repeated until it is heard; the start goes on without it."""
STARTS = 50

logger = logging.getLogger(__name__)


class Reach(Protocol):
    """How the application is reached: `deployments.local.caller.Caller`."""

    def chat(
        self, request: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Ask the replica; raises at once if there is none."""
        ...

    async def state(self, within_s: float) -> Mapping[str, Any]:
        """Ask the replica what it runs."""
        ...

    async def check(self, replica: Replica, within_s: float) -> None:
        """Raise unless the replica and its engine answer."""
        ...

    async def wake(self, for_s: float) -> None:
        """Have a replica started."""
        ...

    async def sight(self, within_s: float) -> Sight | None:
        """Return what the controller knows."""
        ...


class Diary(Protocol):
    """The part of the ledger that remembers starts."""

    async def note_start(self, start: Start) -> None:
        """Record a start that ended in an answer."""
        ...

    async def starts(self, limit: int) -> Sequence[Start]:
        """Return the newest."""
        ...


class Watching:
    """What was last seen of the local model; its calls teach it too."""

    def __init__(
        self,
        reach: Reach,
        diary: Diary,
        clock: Callable[[], float] = time.time,
        every_s: float = EVERY_S,
    ) -> None:
        """Begin with nothing seen."""
        self._reach = reach
        self._diary = diary
        self._clock = clock
        self._every_s = every_s
        self._sight: Sight | None = None
        self._has_looked = False
        self._answering: str | None = None
        self._timed: set[str] = set()
        """Replicas whose start is noted, or was not seen."""
        self._misses = 0
        self._woken_at: float | None = None
        self._wake: asyncio.Task[None] | None = None
        self._starts: Sequence[Start] = ()

    @property
    def readiness(self) -> Readiness:
        """What follows from all that was seen and heard until now."""
        if not self._has_looked:
            return Readiness(kind="away", why="nothing was seen of it yet")
        return readiness_of(self._sight, self._answering, self._woken_at)

    async def run(self) -> None:
        """Look at once and then again and again, until cancelled."""
        try:
            self._starts = await self._diary.starts(STARTS)
        except Exception:  # the ledger may be away
            logger.exception("past starts of the local model could not be read")
        while True:
            try:
                await self.look()
            except Exception:
                logger.exception("the local model could not be looked at")
                self._answering = None
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Ask the controller, and the replica whether it still answers."""
        sight = await self._reach.sight(WITHIN_S)
        is_first, self._has_looked = not self._has_looked, True
        self._sight = sight
        running = None if sight is None else sight.first("RUNNING")
        if self._is_on_its_way():
            self._woken_at = None
        if running is None:
            self._answering = None
            return
        if is_first:
            self._timed.add(running.id)
        await self._check(running)

    async def chat(
        self, request: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Ask the replica if it is ready; a call that breaks says that it is not."""
        if self.readiness.kind != "ready":
            raise NotReadyError
        try:
            async with aclosing(self._reach.chat(request, headers)) as chunks:
                async for chunk in chunks:
                    if chunk.get("error", {}).get("code") == 500:
                        self._answering = None  # until the next look hears the engine again
                    yield chunk
        except Exception:
            self._answering = None
            raise

    def wake(self) -> None:
        """Have a replica started, unless one is there or on its way."""
        if self.readiness.kind in ("ready", "warming") or self._wake is not None:
            return
        self._woken_at = self._clock()
        self._wake = asyncio.create_task(self._until_heard(self._woken_at + WAKE_S))
        self._wake.add_done_callback(self._has_woken)

    async def _until_heard(self, until: float) -> None:
        """Have it woken until a start is seen: Serve may refuse calls to what is just deployed."""
        while self._clock() < until and not self._is_on_its_way():
            await self._reach.wake(WAKE_S)
            await asyncio.sleep(self._every_s)

    def _is_on_its_way(self) -> bool:
        return self._sight is not None and self._sight.first("STARTING", "RUNNING") is not None

    def _has_woken(self, _: asyncio.Task[None]) -> None:
        self._wake = None
        self._woken_at = None

    async def report(self) -> LocalReport:
        """Return what whoever routes has to know."""
        return LocalReport(readiness=self.readiness, starts=tuple(self._starts))

    async def _check(self, running: Replica) -> None:
        try:
            await self._reach.check(running, WITHIN_S)
        except TimeoutError:
            self._misses += 1
            if self._misses >= MISSES:
                self._answering = None
            return
        except Exception as error:  # noqa: BLE001  whatever Ray and the replica raise
            logger.warning("the local model's replica does not answer: %s", type(error).__name__)
            self._answering = None
            return
        self._misses = 0
        if running.id not in self._timed:
            await self._note_start(running)
        self._answering = running.id

    async def _note_start(self, running: Replica) -> None:
        ready_at = self._clock()
        try:
            state = await self._reach.state(WITHIN_S)
            start = start_of(running, state["phases"], ready_at)
            self._timed.add(running.id)
            self._starts = (start, *self._starts)[:STARTS]
            await self._diary.note_start(start)
        except Exception:  # it answers, and that counts
            logger.exception("a start of the local model was not recorded")
