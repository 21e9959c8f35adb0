"""A provider on loopback that plays a response written by hand and keeps what it was sent."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import pytest

End = Literal["whole", "cut", "silent", "mute", "reset"]
"""How a response ends: properly, by closing the connection inside the body, or not before the
client leaves. `mute` and `reset` are those without any response: silence, and a TCP reset."""

NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    line: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    raw: bytes


class Provider:
    def __init__(self) -> None:
        self.url = ""
        self.posts: list[Post] = []
        self.connections = 0
        self._open: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}
        self.answers()

    def answers(
        self,
        *parts: bytes | asyncio.Event,
        status: int = 200,
        headers: Mapping[str, str] = MappingProxyType({"connection": "close"}),
        end: End = "whole",
    ) -> None:
        """Answer every POST from now on so; an event among the parts is waited for."""
        named = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **headers}
        lines = [f"HTTP/1.1 {status} Told", *(f"{name}: {value}" for name, value in named.items())]
        self._head = "\r\n".join([*lines, "\r\n"]).encode()
        self._parts = parts
        self._end: End = end
        self.posts = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open[asyncio.current_task()] = writer
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.posts.append(await _post(head.decode(), reader))
                await self._play(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._end == "reset":
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            raise ConnectionError
        if self._end == "mute":
            await reader.read()
            raise ConnectionError
        writer.write(self._head)
        for part in self._parts:
            if isinstance(part, asyncio.Event):
                await part.wait()
            else:
                writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        await writer.drain()
        if self._end == "cut":
            raise ConnectionError
        if self._end == "silent":
            await reader.read()
        writer.write(b"0\r\n\r\n")

    async def stop(self) -> None:
        for writer in self._open.values():
            writer.close()
        for connection in self._open:
            if connection is not None:
                await connection


async def _post(head: str, reader: asyncio.StreamReader) -> Post:
    line, *lines = head.strip().split("\r\n")
    pairs = (text.partition(":") for text in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers["content-length"]))
    return Post(line=line, headers=headers, body=json.loads(body), raw=body)


Listening = Callable[[], AbstractAsyncContextManager[Provider]]


@asynccontextmanager
async def _listening() -> AsyncGenerator[Provider, None]:
    provider = Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield provider
        await provider.stop()


@pytest.fixture(scope="session")
def listening() -> Listening:
    return _listening
