"""The engine alone: a Ray Serve ingress that hands bytes to a child, which asks the upstream.

Deployed beside Tercet in the Ray that `tercet run` has started, with the same settings: the same
HAProxy, the same hop. The child passes on each chunk as it comes.
"""

from collections.abc import AsyncGenerator, Mapping

import aiohttp
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

PREFIX = "/bare"


class Child:
    """Asks the upstream."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._client: aiohttp.ClientSession | None = None

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession()
        return self._client

    async def whole(self, path: str, body: bytes) -> bytes:
        """Return the answer."""
        headers = {"content-type": "application/json"}
        async with self._session().post(self._upstream + path, data=body, headers=headers) as reply:
            return await reply.read()

    async def chunks(self, path: str, body: bytes) -> AsyncGenerator[bytes]:
        """Yield the answer as it comes."""
        headers = {"content-type": "application/json"}
        async with self._session().post(self._upstream + path, data=body, headers=headers) as reply:
            async for chunk in reply.content.iter_any():
                yield chunk


class Front:
    """Takes requests."""

    def __init__(self, child: DeploymentHandle) -> None:
        self._child = child
        self._streamed = child.options(stream=True)

    def __serve_build_asgi_app__(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(routes=[Route("/{path:path}", self._passed, methods=["POST"])])

    async def _passed(self, request: Request) -> Response:
        body = await request.body()
        path = request.url.path.removeprefix(PREFIX)
        if b'"stream": true' in body:
            chunks = self._streamed.chunks.remote(path, body)
            return StreamingResponse(chunks, media_type="text/event-stream")
        said = await self._child.whole.remote(path, body)
        return Response(said, media_type="application/json")


def build(args: Mapping[str, str]) -> serve.Application:
    """Return the two deployments; `args` has the upstream's URL."""
    options = {"max_ongoing_requests": 1000, "ray_actor_options": {"num_cpus": 0.1}}
    child = serve.deployment(Child, **options).bind(args["upstream"])
    front = serve.deployment(serve.ingress()(Front), name="Front", **options)
    return front.bind(child)
