"""What the gateway says of the local model, asked again and again, so that no page waits for it."""

import asyncio
from collections.abc import Mapping

import httpx2

EVERY_S = 5.0
WITHIN_S = 2.0


class LocalWatch:
    """Keeps the last answer; `None` while there is none."""

    def __init__(self, gateway: httpx2.AsyncClient) -> None:
        """Take a client that knows the gateway's address and key, and is closed by its owner."""
        self.said: Mapping[str, object] | None = None
        self._gateway = gateway

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Ask once."""
        try:
            reply = await self._gateway.get("/v1/local", timeout=WITHIN_S)
            found = reply.json() if reply.is_success else None
        except (httpx2.HTTPError, ValueError):
            found = None
        self.said = found if isinstance(found, dict) else None
