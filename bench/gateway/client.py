"""A client that costs little: HTTP/1.1 over one kept connection, timed."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, as bytes, and what begins the content of its answer."""

    data: bytes
    content: bytes = b""


@dataclass(slots=True)
class Timing:
    """One answer: its status, and seconds to the first content and to the end."""

    status: int
    first_s: float
    whole_s: float
    headers: bytes = b""
    body: bytes = b""

    @property
    def is_last(self) -> bool:
        """Whether the server closes the connection: HAProxy does when its configuration changes."""
        return b"\nconnection: close" in self.headers.lower()


@dataclass(slots=True)
class _Waiting:
    ask: Ask
    began: float
    done: asyncio.Future[Timing]
    first: float = 0.0
    got: bytearray = field(default_factory=bytearray)
    ends: int = -1
    """Where the answer ends; -1: not known; -2: at the last chunk."""


def ask(port: int, path: str, body: bytes, headers: Mapping[str, str], content: bytes = b"") -> Ask:
    """Return a POST."""
    lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{port}", f"content-length: {len(body)}"]
    lines += ["content-type: application/json", *(f"{k}: {v}" for k, v in headers.items())]
    return Ask(data="\r\n".join(lines).encode() + b"\r\n\r\n" + body, content=content)


class Connection(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        """Wait for nothing."""
        self._waiting: _Waiting | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready to ask."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if self._waiting is not None and not self._waiting.done.done():
            self._waiting.done.set_exception(exc or ConnectionResetError("closed"))

    async def post(self, asked: Ask) -> Timing:
        """Send a request and wait for the end of its answer."""
        done: asyncio.Future[Timing] = asyncio.get_running_loop().create_future()
        self._waiting = _Waiting(asked, time.perf_counter(), done)
        self.transport.write(asked.data)
        return await done

    def data_received(self, data: bytes) -> None:
        """Note the first content, and the end."""
        waiting = self._waiting
        if waiting is None:
            return
        got = waiting.got
        got += data
        if waiting.ends == -1:
            waiting.ends = _end(got)
        if not waiting.first and waiting.ends != -1 and waiting.ask.content in got:
            waiting.first = time.perf_counter()
        if waiting.ends == -2:
            is_whole = got.endswith(b"0\r\n\r\n")
        else:
            is_whole = 0 <= waiting.ends <= len(got)
        if is_whole:
            self._tell(waiting)

    def _tell(self, waiting: _Waiting) -> None:
        self._waiting = None
        now = time.perf_counter()
        head, _, body = bytes(waiting.got).partition(b"\r\n\r\n")
        first = (waiting.first or now) - waiting.began
        timing = Timing(int(head[9:12]), first, now - waiting.began, head, body)
        if not waiting.done.done():
            waiting.done.set_result(timing)


def _end(got: bytearray) -> int:
    head = got.find(b"\r\n\r\n")
    if head < 0:
        return -1
    lower = bytes(got[:head]).lower()
    at = lower.find(b"content-length:")
    if at < 0:
        return -2
    return head + 4 + int(lower[at + 15 :].split(b"\r\n", 1)[0])


async def connect(port: int) -> Connection:
    """Open a connection to a port of loopback."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
    return connection


async def hammer(port: int, asked: Ask, requests: int, concurrency: int) -> list[Timing]:
    """Send so many requests over so many connections, each as soon as the one before is answered.

    Raises:
        RuntimeError: one was not answered with 200.
    """
    left = iter(range(requests))
    timings: list[Timing] = []

    async def caller() -> None:
        connection = await connect(port)
        for _ in left:
            timing = await connection.post(asked)
            if timing.is_last:
                connection.transport.close()
                connection = await connect(port)
            if timing.status != 200:
                said = timing.body[:500].decode(errors="replace")
                raise RuntimeError(f"status {timing.status}: {said}")
            timing.body = timing.headers = b""
            timings.append(timing)
        connection.transport.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(caller())
    return timings
