"""Serves the simulated upstreams, with a hand on each connection and an eye on the parent."""

import asyncio
import os
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from deployments.simulated.exchange import TRANSPORT


class Connection(H11Protocol):
    """HTTP whose requests can reach the connection: ASGI has no word for a TCP reset."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Put the transport where `exchange.Caller` looks for it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


class Server(uvicorn.Server):
    """Ends at once when told to, open streams or not, and when its parent dies."""

    def __init__(
        self,
        app: Starlette,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        parent: int | None = None,
        on_listening: Callable[[int], None] = lambda _port: None,
    ) -> None:
        """Take the process id of a parent to outlive by no more than 0.1 s."""
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            http=Connection,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,  # its formatters ask stdout whether it is a terminal: it may be closed
            log_level="warning",
            access_log=False,
            server_header=False,
        )
        super().__init__(config)
        self._on_listening = on_listening
        self._parent_lives = _watch(parent)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the port once it takes connections."""
        await super().startup(sockets)
        self._on_listening(self.servers[0].sockets[0].getsockname()[1])

    async def on_tick(self, counter: int) -> bool:
        """Look after the parent, ten times a second."""
        return await super().on_tick(counter) or not self._parent_lives()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Abort every connection: a stream may be endless, and each still writes its bill."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def _watch(parent: int | None) -> Callable[[], bool]:
    """Return a question: does the parent still live?"""
    if parent is None:
        return lambda: True
    if parent == os.getppid():
        # Also notices a parent that is dead and not yet reaped, which still takes signals.
        return lambda: os.getppid() == parent

    def lives() -> bool:
        try:
            os.kill(parent, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    return lives
