"""The simulated upstreams as one ASGI application."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.simulated.anthropic_wire import ANTHROPIC
from deployments.simulated.billable import Billable, Till, new_id, read
from deployments.simulated.billing import BillingLog
from deployments.simulated.control import Control
from deployments.simulated.counting import PromptCache
from deployments.simulated.gemini_wire import GEMINI
from deployments.simulated.scenarios import Stage
from deployments.simulated.script import Incoming, Problem, Script, Wire
from deployments.simulated.staging import Memory


def build(bill: Path, *, clock: Callable[[], float] = time.time) -> Starlette:
    """Return the application; it appends to the billing log at `bill` until it is shut down.

    Serve it with `server.Server`: some scenarios need the connection itself.

    Raises:
        OSError: the billing log cannot be written.
    """
    log = BillingLog(bill)
    stage = Stage()
    till = Till(log=log, memory=Memory(stage=stage, cache=PromptCache()), clock=clock)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        yield
        log.close()

    return Starlette(
        routes=[*_anthropic(till), *_gemini(till), *Control(stage).routes()],
        lifespan=lifespan,
        middleware=[Middleware(Marked)],
    )


class Marked:
    """Adds `x-simulated: true` to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""

        async def marking(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-simulated"] = "true"
            await send(message)

        await self._app(scope, receive, marking)


def _anthropic(till: Till) -> list[Route]:
    return [
        Route("/v1/messages", Billable(ANTHROPIC, till), methods=["POST"]),
        Route("/v1/messages/count_tokens", partial(_count, ANTHROPIC), methods=["POST"]),
        Route("/v1/models", _models_of_either, methods=["GET"]),
        Route("/api/hello", _hello, methods=["GET"]),
    ]


def _gemini(till: Till) -> list[Route]:
    routes = [Route("/v1beta/models", partial(_models, GEMINI), methods=["GET"])]
    for version in ("v1", "v1beta"):
        at = f"/{version}/models/{{model}}"
        streamed = Billable(GEMINI, till, streams=True)
        routes += [
            Route(f"{at}:generateContent", Billable(GEMINI, till), methods=["POST"]),
            Route(f"{at}:streamGenerateContent", streamed, methods=["POST"]),
            Route(f"{at}:countTokens", partial(_count, GEMINI), methods=["POST"]),
        ]
    return routes


async def _count(wire: Wire, request: Request) -> Response:
    asked = wire.count(await read(request))
    if isinstance(asked, Problem):
        return _response(wire.error(asked, new_id()))
    counted = PromptCache().count(asked.model, asked.blocks).input
    return JSONResponse(wire.counted(counted))


async def _hello(_request: Request) -> Response:
    """Answer the greeting with which Claude Code begins."""
    return JSONResponse({"message": "hello"})


async def _models_of_either(request: Request) -> Response:
    """Answer the one path that both APIs have."""
    is_google = "x-goog-api-key" in request.headers or "key" in request.query_params
    return await _models(GEMINI if is_google else ANTHROPIC, request)


async def _models(wire: Wire, request: Request) -> Response:
    incoming = Incoming(body=b"", headers=request.headers, query=request.query_params)
    if not wire.key(incoming):
        return _response(wire.error(Problem(name="no-key"), new_id()))
    return JSONResponse(wire.models())


def _response(script: Script) -> Response:
    body = b"".join(frame.data for frame in script.frames)
    return Response(body, status_code=script.status, headers=dict(script.headers))
