"""An application beside `local` that calls it as the gateway does: a replica on the head."""

import json
from functools import cached_property

from ray import serve
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from deployments.serve import deploy_http


class Probe:
    """`local` over HTTP: a line for each dict."""

    def __init__(self):
        chat = Route("/chat", self.chat, methods=["POST"])
        self._app = Starlette(routes=[chat, Route("/state", self.state)])

    def __serve_build_asgi_app__(self):
        return self._app

    @cached_property
    def handle(self):
        """`local` may be deployed after this replica has started."""
        return serve.get_app_handle("local")

    @cached_property
    def stream(self):
        return self.handle.options(stream=True)

    async def chat(self, request):
        replies = self.stream.chat.remote(await request.json())
        return StreamingResponse(lines(replies), media_type="application/x-ndjson")

    async def state(self, request):
        return JSONResponse(await self.handle.state.remote())

    async def close(self):
        """It holds nothing."""


async def lines(replies):
    ended = False
    try:
        async for chunk in replies:
            yield json.dumps(chunk) + "\n"
        ended = True
    finally:
        if not ended:
            replies.cancel()


def build(args):
    return deploy_http(Probe, "Probe")
