"""The fake cloud as one ASGI application: nothing is answered before it is durable."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.providers.fake import control, runpod_face, vast_face
from cluster.providers.fake.bodies import Bodies
from cluster.providers.fake.cloud import Cloud
from cluster.providers.fake.desk import Desk
from cluster.providers.fake.world import Garbled, World
from cluster.providers.vast_wire import CARDS

TICK_S = 0.05
_WORLD = TypeAdapter(World)


def world_of(state: Path, config: Path | None) -> World:
    """Return the world as a process before this one left it, or else as it is configured.

    Raises:
        OSError: neither file can be read.
        ValueError: what was read is no world.
    """
    if state.exists():
        return _WORLD.validate_json(state.read_bytes())
    if config is None:
        raise ValueError("a new cloud needs a configuration: what machines has it?")
    world = _WORLD.validate_json(config.read_bytes())
    if unknown := {one.gpu for one in world.machines} - set(CARDS):
        raise ValueError(f"no card is called {sorted(unknown)}; there are {sorted(CARDS)}")
    return world


def build(
    world: World, state: Path, *, boot: str | None = None, clock: Callable[[], float] = time.time
) -> Starlette:
    """Return the application. It keeps its state in the file `state`, and the rest beside it."""
    cloud = Cloud(world)
    desk = Desk(cloud=cloud, clock=clock)
    keeper = _Keeper(desk, Bodies(cloud, boot, state.parent), state)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        ticking = asyncio.create_task(keeper.tick())
        yield
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        keeper.settle()

    return Starlette(
        routes=[*vast_face.routes(desk), *runpod_face.routes(desk), *control.routes(desk)],
        lifespan=lifespan,
        middleware=[Middleware(_Durable, keeper=keeper), Middleware(_Garbling, world=world)],
    )


class _Keeper:
    """Makes processes and file what the cloud is."""

    def __init__(self, desk: Desk, bodies: Bodies, state: Path) -> None:
        self._desk = desk
        self._bodies = bodies
        self._state = state
        self._kept = b""

    def settle(self) -> None:
        """Do it now."""
        now = self._desk.now()
        self._bodies.settle(now)
        document = _WORLD.dump_json(self._desk.cloud.world, indent=1)
        if document == self._kept:
            return
        draft = self._state.with_suffix(".draft")
        draft.write_bytes(document)
        draft.replace(self._state)
        self._kept = document

    async def tick(self) -> None:
        """Do it for ever."""
        while True:
            self.settle()
            await asyncio.sleep(TICK_S)


class _Durable:
    def __init__(self, app: ASGIApp, keeper: _Keeper) -> None:
        self._app = app
        self._keeper = keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def durable(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._keeper.settle()
            await send(message)

        await self._app(scope, receive, durable)


class _Garbling:
    """Answers what no client should choke on, in place of what was asked."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            for order in self._world.garbled:
                if (
                    order.times
                    and order.method == request.method
                    and order.path in str(request.url)
                ):
                    order.times -= 1
                    await _garbage(order, request)(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def _garbage(order: Garbled, request: Request) -> Response:
    match order.kind:
        case "html":
            return HTMLResponse("<html><body>Bad gateway</body></html>", status_code=200)
        case "truncated":
            return Response('{"instances": [{"id": 1, "la', media_type="application/json")
        case "unsuccessful":
            who = request.headers.get("authorization", "nobody")
            return JSONResponse({"success": False, "error": "invalid_args", "msg": f"not {who}"})
        case "empty":
            return JSONResponse({})
        case "too_many":
            return PlainTextResponse("API requests too frequent", status_code=429)
