"""Plays a script to a caller and keeps its bill, whatever becomes of the caller."""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from deployments.simulated.billing import Bill, BillingLog
from deployments.simulated.script import Frame, Script

TRANSPORT = "transport"
"""Where `server.py` puts the connection's transport in the state of a request's scope."""

_NO_LINGER = struct.pack("ii", 1, 0)


class CallerGoneError(Exception):
    """The caller closed the connection."""


class Caller:
    """The other end of one request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._transport: asyncio.Transport = scope["state"][TRANSPORT]
        self._receive = receive
        self._send = send
        self._gone = asyncio.Event()

    async def body(self) -> bytes:
        """Return the whole request body.

        Raises:
            CallerGoneError: the connection closed before it was complete.
        """
        body = bytearray()
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise CallerGoneError
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body)

    async def watch(self) -> None:
        """Notice the end of the connection; to be run beside the response, after `body`."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()

    async def wait(self, seconds: float) -> None:
        """Wait, or at least let other requests run.

        Raises:
            CallerGoneError: the connection closed.
        """
        if seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._gone.wait()
        else:
            await asyncio.sleep(0)
        if self._gone.is_set():
            raise CallerGoneError

    async def gone(self) -> None:
        """Wait until the connection is closed."""
        await self._gone.wait()

    async def start(self, script: Script) -> None:
        """Send the status and the headers."""
        headers = [(name.encode(), value.encode()) for name, value in script.headers.items()]
        await self._send(
            {"type": "http.response.start", "status": script.status, "headers": headers}
        )

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End the body properly."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def cut(self) -> None:
        """Close the connection under the response, which the caller sees as a protocol error."""
        self._transport.abort()
        await self.gone()

    async def reset(self) -> None:
        """Close the connection with a TCP reset."""
        connection: socket.socket = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        await self.cut()


class Tab:
    """The bill of one POST. It is written exactly once."""

    def __init__(self, log: BillingLog, bill: Bill) -> None:
        self._log = log
        self._written = False
        self.bill = bill
        """What would be written now."""

    async def settle(self) -> None:
        """Write the bill and wait until it is durable."""
        # Marked first: a cancellation while waiting must not write a second line.
        self._written = True
        await asyncio.shield(asyncio.wrap_future(self._log.append(self.bill)))

    def close(self) -> None:
        """Write the bill if nobody has; needs no `await`, so no cancellation can prevent it."""
        if not self._written:
            self._written = True
            self._log.append(self.bill)


async def play(script: Script, caller: Caller, tab: Tab) -> None:
    """Send a response; the bill is durable before the caller can see the end of it.

    Raises:
        CallerGoneError: the caller left before the end.
    """
    tab.bill = replace(tab.bill, usage=script.usage)
    if script.then == "hang":
        # Only the caller can end it, and that is not the caller's failure.
        tab.bill = replace(tab.bill, outcome=script.outcome)
    frames = iter(script.frames)
    following = next(frames, None)
    started = False
    while following is not None:
        frame, following = following, next(frames, None)
        await caller.wait(frame.after_s)
        _note(tab, frame)
        if following is None and script.then == "end":
            # Before the headers too: they alone are the end of a response without a body.
            await _settle(script, tab)
        if not started:
            await caller.start(script)
            started = True
        await caller.send(frame.data)
    await _finish(script, caller, tab)


def _note(tab: Tab, frame: Frame) -> None:
    tab.bill = replace(tab.bill, usage=replace(tab.bill.usage, output=frame.output))


async def _settle(script: Script, tab: Tab) -> None:
    tab.bill = replace(tab.bill, outcome=script.outcome)
    await tab.settle()


async def _finish(script: Script, caller: Caller, tab: Tab) -> None:
    match script.then:
        case "end":
            await caller.end()
        case "cut":
            await _settle(script, tab)
            await caller.cut()
        case "reset":
            await _settle(script, tab)
            await caller.reset()
        case "hang":
            await caller.gone()
