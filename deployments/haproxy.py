"""What this replica's HAProxy is told over its admin socket; the socket is of this machine."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

ANSWERS_WITHIN_S = 0.2

logger = logging.getLogger(__name__)


def told_at(path: Path, replica: str) -> Callable[[int], Awaitable[bool]]:
    """Return what says how many requests at a time a replica takes.

    It answers whether HAProxy heard. One on another machine does not, and limits nothing then.

    Args:
        path: the admin socket.
        replica: the last part of the server's name, as Serve chose it: the replica's unique id.
    """
    server: str | None = None

    async def tell(most: int) -> bool:
        nonlocal server
        try:
            server = server or await asyncio.to_thread(_server, path, replica)
            if server is None:
                return False
            # A sixth of a millisecond: a thread would cost more than it saves.
            said = _said(path, f"set maxconn server {server} {most}")
        except OSError as error:
            logger.debug("HAProxy is not told: %s", error)
            return False
        if said.strip():
            server = None  # it was renamed
            return False
        return True

    return tell


def _server(path: Path, replica: str) -> str | None:
    """Return `backend/server` of a replica, once HAProxy knows it."""
    for line in _said(path, "show servers conn").splitlines():
        name = line.partition(" ")[0]
        if name.endswith(f"-{replica}"):
            return name
    return None


def _said(path: Path, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWERS_WITHIN_S)
        connection.connect(str(path))
        connection.sendall(f"{command}\n".encode())
        parts: list[bytes] = []
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts).decode(errors="replace")
