"""The endpoints that steer the simulation itself; no provider has them."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments.simulated.billing import PRICES
from deployments.simulated.markers import family, is_value
from deployments.simulated.scenarios import SCENARIOS, Order, Stage

ELSEWHERE = "/sim/elsewhere"


def _known_name(name: str) -> str:
    if name not in SCENARIOS:
        raise ValueError(f"no scenario {name!r}; GET /sim/scenario lists them")
    return name


def _known_target(target: str | None) -> str | None:
    known = {*PRICES, *map(family, PRICES)}
    if target is not None and target not in known:
        raise ValueError(f"no family or model {target!r}; there are {', '.join(sorted(known))}")
    return target


def _simple_value(value: str | None) -> str | None:
    if value is not None and not is_value(value):
        raise ValueError("only what `sim:name=value` could carry")
    return value


class _Order(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    name: Annotated[str, AfterValidator(_known_name)]
    value: Annotated[str | None, AfterValidator(_simple_value)] = None
    target: Annotated[str | None, AfterValidator(_known_target)] = None
    times: Annotated[int, Field(ge=1)] | None = None


class Control:
    """Orders scenarios for the whole process, and counts what a followed redirect would leak."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._posts_elsewhere = 0

    def routes(self) -> list[Route]:
        """Return the endpoints."""
        return [
            Route("/sim/scenario", self._show, methods=["GET"]),
            Route("/sim/scenario", self._order, methods=["POST"]),
            Route("/sim/scenario", self._clear, methods=["DELETE"]),
            Route(ELSEWHERE, self._count, methods=["POST"]),
            Route(ELSEWHERE, self._show_count, methods=["GET"]),
        ]

    async def _show(self, _request: Request) -> Response:
        orders = [
            {"name": o.name, "value": o.value, "target": o.target, "times": o.times}
            for o in self._stage.orders
        ]
        return JSONResponse({"scenarios": dict(SCENARIOS), "ordered": orders})

    async def _order(self, request: Request) -> Response:
        try:
            asked = _Order.model_validate_json(await request.body())
        except ValidationError as refused:
            problems = refused.errors(include_url=False, include_input=False, include_context=False)
            return JSONResponse({"errors": problems}, status_code=400)
        order = Order(name=asked.name, value=asked.value, target=asked.target, times=asked.times)
        self._stage.order(order)
        return await self._show(request)

    async def _clear(self, request: Request) -> Response:
        self._stage.clear()
        return await self._show(request)

    async def _count(self, _request: Request) -> Response:
        self._posts_elsewhere += 1
        return await self._show_count(_request)

    async def _show_count(self, _request: Request) -> Response:
        return JSONResponse({"posts": self._posts_elsewhere})
