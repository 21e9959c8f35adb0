"""The floor: a relay of bytes, in Starlette and aiohttp, that knows nothing.

python -m bench.gateway.relay PORT UPSTREAM_PORT
"""

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route


def relay(upstream: str) -> Starlette:
    """Return an application that sends on what it is sent, to a URL, and the answer back."""

    @asynccontextmanager
    async def session(app: Starlette) -> AsyncGenerator[None]:
        async with aiohttp.ClientSession() as client:
            app.state.client = client
            yield

    async def passed(request: Request) -> Response:
        body = await request.body()
        url = upstream + request.url.path
        headers = {"content-type": "application/json"}
        reply = await request.app.state.client.post(url, data=body, headers=headers)
        kind = reply.headers["content-type"]
        if "event-stream" not in kind:
            async with reply:
                return Response(await reply.read(), reply.status, media_type=kind)

        async def chunks() -> AsyncIterator[bytes]:
            async with reply:
                async for chunk in reply.content.iter_any():
                    yield chunk

        return StreamingResponse(chunks(), reply.status, media_type=kind)

    return Starlette(routes=[Route("/{path:path}", passed, methods=["POST"])], lifespan=session)


if __name__ == "__main__":
    port, behind = int(sys.argv[1]), sys.argv[2]
    app = relay(f"http://127.0.0.1:{behind}")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
