"""Requests of which every end is told: as the one before ends (closed), or as time goes (open)."""

import asyncio
import time
from collections.abc import Callable, Iterator

from bench.gateway.client import Ask, Connection, Timing, connect

NOBODY = 0
"""The status of a request that nobody answered; the body has the error's name."""


class Callers:
    """Connections to one port, made when needed and kept."""

    def __init__(self, port: int, within_s: float = 60.0) -> None:
        """Give each request up after `within_s`."""
        self._port = port
        self._within_s = within_s
        self._idle: list[Connection] = []

    async def ask(self, asked: Ask) -> Timing:
        """Return the answer, whatever its status."""
        began, connection = time.perf_counter(), None
        try:
            async with asyncio.timeout(self._within_s):
                connection = await self._take()
                timing = await connection.post(asked)
        except OSError as error:  # a time-out is one too
            if connection is not None:
                connection.transport.abort()
            took = time.perf_counter() - began
            return Timing(NOBODY, took, took, body=type(error).__name__.encode())
        if timing.is_last:
            connection.transport.close()
        else:
            self._idle.append(connection)
        return timing

    def close(self) -> None:
        """Close what is kept."""
        for connection in self._idle:
            connection.transport.close()

    async def _take(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                return connection
        return await connect(self._port)


async def closed(callers: Callers, asks: Iterator[Ask], at_once: int) -> list[Timing]:
    """Ask until there is nothing more to ask, always so many at once."""
    timings: list[Timing] = []

    async def caller() -> None:
        # Not a comprehension: the callers share the iterator, and the list.
        for asked in asks:
            timings.append(await callers.ask(asked))  # noqa: PERF401

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(caller())
    return timings


def for_seconds(asks: Iterator[Ask], lasts_s: float) -> Iterator[Ask]:
    """Yield them for so long."""
    until = time.perf_counter() + lasts_s
    while time.perf_counter() < until:
        yield next(asks)


class Open:
    """An open loop: requests fall due whether or not the ones before were answered."""

    def __init__(self, callers: Callers, per_s: float, most: int) -> None:
        """Let at most so many be under way at once; what falls due above that is not sent."""
        self._callers = callers
        self._per_s = per_s
        self._most = most
        self.due = 0
        self.unsent = 0

    async def run(
        self, asks: Iterator[Ask], lasts_s: float, tell: Callable[[Timing], None]
    ) -> None:
        """Ask for so long, then wait for the last answer; each is told as it comes."""
        busy: set[asyncio.Task[None]] = set()
        began = time.perf_counter()

        async def one() -> None:
            tell(await self._callers.ask(next(asks)))

        async with asyncio.TaskGroup() as group:
            while (elapsed := time.perf_counter() - began) < lasts_s:
                while self.due < elapsed * self._per_s:
                    self.due += 1
                    if len(busy) >= self._most:
                        self.unsent += 1
                        continue
                    task = group.create_task(one())
                    busy.add(task)
                    task.add_done_callback(busy.discard)
                wait_s = began + self.due / self._per_s - time.perf_counter()
                await asyncio.sleep(max(0.001, wait_s))
