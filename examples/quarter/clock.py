"""A clock that runs as the machine's does, and is set forward between requests."""

import asyncio
import time
from contextlib import suppress


class Clock:
    """Unix seconds of the play."""

    def __init__(self, start: float) -> None:
        """Begin at `start`."""
        self._ahead_s = start - time.monotonic()
        self._set = asyncio.Event()

    def __call__(self) -> float:
        """Return what time it is."""
        return time.monotonic() + self._ahead_s

    def forward(self, at: float) -> None:
        """Set it to `at`; never back."""
        self._ahead_s += max(0.0, at - self())
        before, self._set = self._set, asyncio.Event()
        before.set()

    async def sleep(self, seconds: float) -> None:
        """Wait until so many seconds have passed on it."""
        until = self() + seconds
        while (left_s := until - self()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._set.wait()
