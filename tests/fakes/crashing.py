"""A replica without Ray: a process that answers calls until something kills it.

Processes are forked from one that has the SDKs imported, so that a restart takes milliseconds.
"""

import asyncio
import itertools
import multiprocessing
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Protocol

from tercet.call import Call, Outcome
from tercet.config import export

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["deployments.proxy", "deployments.claude", "deployments.gemini"])
_START_WITHIN_S = 30
_STOP_WITHIN_S = 20


class DiedError(Exception):
    """The replica ended before it answered."""


class Host(Protocol):
    """What a replica answers calls with."""

    async def answer(self, call: Call) -> Outcome: ...

    async def close(self) -> None: ...


class Replica:
    """One process, and the calls it has not answered yet."""

    def __init__(self, make: Callable[[], Host], environment: Mapping[str, str]) -> None:
        self._pipe, theirs = _FORKS.Pipe()
        self._process = _FORKS.Process(target=_live, args=(theirs, make, dict(environment)))
        self._process.start()
        theirs.close()
        self._numbers = itertools.count()
        self._guard = threading.Lock()
        self._waiting: dict[int, Future[Outcome]] = {}
        self._is_alive = self._is_ready()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    @property
    def is_alive(self) -> bool:
        return self._is_alive

    def ask(self, call: Call) -> Future[Outcome]:
        """Send a call; its future fails with `DiedError` if the process ends first."""
        future: Future[Outcome] = Future()
        with self._guard:
            if not self._is_alive:
                future.set_exception(DiedError())
                return future
            number = next(self._numbers)
            self._waiting[number] = future
            with suppress(OSError):  # the listener tells
                self._pipe.send((number, call))
        return future

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> int | None:
        """Let it finish what it has begun; return its exit code."""
        with self._guard, suppress(OSError):
            self._pipe.send(None)
        self._process.join(_STOP_WITHIN_S)
        if self._process.is_alive():
            self._process.kill()
        self._listener.join()
        self._process.join()
        self._pipe.close()
        return self._process.exitcode

    def _is_ready(self) -> bool:
        """Wait until it takes calls; False if it was killed before."""
        try:
            return bool(self._pipe.poll(_START_WITHIN_S) and self._pipe.recv())
        except EOFError:
            return False

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                number, outcome = self._pipe.recv()
                self._waiting.pop(number).set_result(outcome)
        with self._guard:
            self._is_alive = False
            for future in self._waiting.values():
                future.set_exception(DiedError())
            self._waiting.clear()


def _live(pipe: Connection, make: Callable[[], Host], environment: Mapping[str, str]) -> None:
    export(environment)
    asyncio.run(_answer_all(pipe, make))


async def _answer_all(pipe: Connection, make: Callable[[], Host]) -> None:
    host = make()
    pipe.send(True)
    async with asyncio.TaskGroup() as answering:
        while (numbered := await asyncio.to_thread(_receive, pipe)) is not None:
            answering.create_task(_answer(pipe, host, *numbered))
    await host.close()


def _receive(pipe: Connection) -> tuple[int, Call] | None:
    try:
        return pipe.recv()
    except EOFError:
        return None


async def _answer(pipe: Connection, host: Host, number: int, call: Call) -> None:
    pipe.send((number, await host.answer(call)))
