"""How many more requests this replica takes, which HAProxy is told: the others wait there.

A request that waits for a slow model costs nothing, and a thousand of them are fine. What takes the
processor is a request's beginning: read, decided, booked, sent. So the number of those that have
just come is limited, and not the number of all. Whoever waits in HAProxy costs nothing either, and
whoever is refused there costs no Python; see `cluster/haproxy`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

BEGINNING = 8
"""Requests of a replica that may be beginning at a time."""
BEGINS_WITHIN_S = 0.05
"""After this long, a request is taken to wait for its model."""
LATE_S = 0.1
"""Unloaded, a call takes 5 to 10 ms more than its model, and the event loop's turns are due."""
MOST_S = 0.3
"""What one lateness counts at most: a single call may have waited for its model's own limit."""
TURN_S = 0.025
AGAIN_S = 1.0
"""How often HAProxy is told the same: when Serve has it read its configuration, it forgets."""
SPARE = 2
"""By how much more than its place a replica may leave HAProxy before it is told of it."""
_WEIGHT = 0.2
"""Of the newest in what is remembered of lateness."""
_FADES = 0.9
"""What is left of lateness each turn, so that nothing waits for what has long passed."""


class Pressure:
    """The requests under way in this replica, and how late things are done."""

    def __init__(
        self,
        tell: Callable[[int], Awaitable[bool]],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin with nothing under way.

        Args:
            tell: says how many requests at a time this replica takes; whether that was heard.
            clock: in seconds.
            sleep: lasts by `clock`.
        """
        self._tell = tell
        self._clock = clock
        self._sleep = sleep
        self._begun: dict[object, float] = {}
        """When each request under way began, the oldest first."""
        self._comes = asyncio.Event()
        self._late_s = 0.0
        self._told = 0
        self._told_at = float("-inf")

    @property
    def place(self) -> int:
        """How many requests may be under way in this replica now."""
        under_way = len(self._begun)
        if self._late_s > LATE_S:
            # Those that came long ago may be waiting for the processor; let some end first.
            return max(BEGINNING, under_way - BEGINNING)
        return under_way - self._beginning() + BEGINNING

    def enter(self) -> object:
        """Count a request until `leave` is given what this returns."""
        request = object()
        self._begun[request] = self._clock()
        self._comes.set()
        return request

    def leave(self, request: object) -> None:
        """Count it no more."""
        del self._begun[request]

    def note(self, late_s: float) -> None:
        """Take by how much something was late."""
        self._late_s += (min(late_s, MOST_S) - self._late_s) * _WEIGHT

    async def run(self) -> None:
        """Tell HAProxy again and again while there are requests, until cancelled."""
        while not await self._tell(BEGINNING):
            await self._sleep(AGAIN_S)
        while True:
            await self._comes.wait()
            await self._turn()
            if not self._begun:
                self._comes.clear()

    async def _turn(self) -> None:
        due = self._clock() + TURN_S
        await self._sleep(TURN_S)
        late_s = self._clock() - due
        self._late_s *= _FADES
        if late_s > self._late_s:
            self.note(late_s)
        place, now = self.place, self._clock()
        is_told = place <= self._told <= place + SPARE
        if not is_told or (now > self._told_at + AGAIN_S and len(self._begun) >= BEGINNING):
            self._told = place if await self._tell(place) else 0
            self._told_at = now

    def _beginning(self) -> int:
        """Return how many requests have just come."""
        since = self._clock() - BEGINS_WITHIN_S
        young = 0
        for at in reversed(self._begun.values()):
            if at < since:
                break
            young += 1
        return young


class Counted:
    """ASGI middleware that counts requests under way."""

    def __init__(self, app: ASGIApp, pressure: Pressure) -> None:
        self._app = app
        self._pressure = pressure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = self._pressure.enter()
        try:
            await self._app(scope, receive, send)
        finally:
            self._pressure.leave(request)
