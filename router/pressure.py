"""More is asked than this machine can answer: what is refused then, so that the rest is answered.

A request that waits for a slow model costs nothing while it waits, so their number says little.
What says that the processor is short is how late things are done: this replica's event loop, and
a proxy's answer beyond what its attempt took. When both many wait and things are late, whoever
comes next is refused at once instead of standing in a queue of seconds.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.guard import ErrorBody, refused
from router.surfaces.refusal import Refusal
from tercet.call import Call, CallModel, Completion, Item

WAITING = 32
"""Requests without a first word that a replica takes, however late things are."""
LATE_S = 0.15
"""Unloaded, a call takes 5 to 10 ms more than its attempt."""
TURN_S = 0.05
_WEIGHT = 0.2
"""Of the newest in what is remembered of lateness."""
_FADES = 0.9
"""What is left of lateness each turn, so that nothing is refused for what has long passed."""

TOO_MUCH = Refusal(
    status=429,
    type="rate_limit_error",
    code="overloaded",
    message="more is asked at a time than this machine can answer; retry later",
    retry_after_s=1.0,
)


class Pressure:
    """How many wait in this replica, and how late things are done."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin with nobody waiting; `clock` is in seconds, and `sleep` lasts by it."""
        self.waiting = 0
        self._clock = clock
        self._sleep = sleep
        self._late_s = 0.0

    @property
    def is_too_much(self) -> bool:
        """Whether to refuse whoever comes now."""
        return self.waiting >= WAITING and self._late_s > LATE_S

    def note(self, late_s: float) -> None:
        """Take by how much something was late."""
        self._late_s += (late_s - self._late_s) * _WEIGHT

    async def run(self) -> None:
        """See again and again how late the event loop is, until cancelled."""
        while True:
            due = self._clock() + TURN_S
            await self._sleep(TURN_S)
            late_s = self._clock() - due
            self._late_s *= _FADES
            if late_s > self._late_s:
                self.note(late_s)

    def through(self, call: CallModel) -> CallModel:
        """Return the same effect, which notes how late proxies are."""

        async def noted(asked: Call, /) -> AsyncGenerator[Item, None]:
            began = self._clock()
            async with aclosing(call(asked)) as items:
                async for item in items:
                    if isinstance(item, Completion):
                        self.note(self._clock() - began - item.latency_s)
                    yield item

        return noted


class Relief:
    """ASGI middleware that refuses requests for an answer while there is too much of them."""

    def __init__(self, app: ASGIApp, pressure: Pressure, error_body: ErrorBody) -> None:
        self._app = app
        self._pressure = pressure
        self._error_body = error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it until its answer begins."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        pressure = self._pressure
        if pressure.is_too_much:
            response = refused(self._error_body(scope["path"], TOO_MUCH), TOO_MUCH)
            await response(scope, receive, send)
            return
        waits = True

        def begun() -> None:
            nonlocal waits
            pressure.waiting -= waits
            waits = False

        async def sent(message: Message) -> None:
            begun()
            await send(message)

        pressure.waiting += 1
        try:
            await self._app(scope, receive, sent)
        finally:
            begun()
