"""What no provider has: the endpoints by which a test or a demonstration plays fate."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cluster.providers.fake.bill import lines
from cluster.providers.fake.desk import Desk
from cluster.providers.fake.world import Garbled, NextCreate
from tercet.usage import NANO_USD_PER_USD

Told = TypeVar("Told", bound=BaseModel)


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Delays(_Told):
    create_s: float | None = None
    load_s: float | None = None
    start_s: float | None = None
    slow_s: float | None = None


class _Machine(_Told):
    """A machine's prices, and whether another customer has its card."""

    offer_id: int
    hourly_usd: float | None = None
    least_bid_usd: float | None = None
    taken: bool | None = None


class _Instance(_Told):
    instance_id: str


class _Next(_Told):
    """`create`: what becomes of the next one. `starts_ignored`: so many starts do nothing."""

    create: NextCreate | None = None
    starts_ignored: int | None = None


class _Garbled(_Told):
    kind: Literal["html", "truncated", "unsuccessful", "empty", "too_many"]
    method: str
    path: str
    times: int = 1


class _Limits(_Told):
    """Seconds between requests to each endpoint; `minute`: requests a minute, RunPod."""

    limits: dict[str, float]


def routes(desk: Desk) -> list[Route]:
    """Return the endpoints."""
    return [
        Route("/control/bill", partial(_bill, desk), methods=["GET"]),
        Route("/control/instances", partial(_instances, desk), methods=["GET"]),
        Route("/control/end", partial(_end, desk), methods=["POST"]),
        _order(desk, "delays", _Delays, _delays),
        _order(desk, "machine", _Machine, _machine),
        _order(desk, "outbid", _Instance, _outbid),
        _order(desk, "kill", _Instance, _kill),
        _order(desk, "next", _Next, _next),
        _order(desk, "garble", _Garbled, _garble),
        _order(desk, "limits", _Limits, _limits),
    ]


def _order(
    desk: Desk, name: str, shape: type[Told], obey: Callable[[Desk, Told, float], str | None]
) -> Route:
    async def ordered(request: Request) -> Response:
        try:
            told = shape.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        refused = obey(desk, told, desk.now())
        desk.now()
        return JSONResponse(
            {"error": refused} if refused else {}, status_code=404 if refused else 200
        )

    return Route(f"/control/{name}", ordered, methods=["POST"])


async def _bill(desk: Desk, request: Request) -> Response:
    """Every line there ever was, open ones up to now; `since` and `until` narrow it."""
    now = desk.now()
    since = float(request.query_params.get("since", "0"))
    until = min(float(request.query_params.get("until", now)), now)
    bill = lines(desk.cloud.world.rented, since, until)
    return JSONResponse(
        {
            "nano_usd": sum(line.nano_usd for line in bill),
            "until": until,
            "lines": [asdict(line) for line in bill],
        }
    )


async def _instances(desk: Desk, _request: Request) -> Response:
    """Every instance there ever was, with its history."""
    desk.now()
    bodies = desk.cloud.world.bodies
    told = [
        {
            "instance_id": one.instance_id,
            "label": one.label,
            "dialect": one.dialect,
            "offer_id": one.offer_id,
            "phase": one.phase,
            "boots": one.boots,
            "bid": one.bid,
            "hourly": one.hourly,
            "environment": one.environment,
            "command": one.command,
            "disk_gb": one.disk_gb,
            "volume": one.volume,
            "pid": bodies[one.instance_id].pid if one.instance_id in bodies else None,
            "history": [asdict(stretch) for stretch in one.history],
        }
        for one in desk.cloud.world.rented
    ]
    return JSONResponse({"instances": told})


async def _end(desk: Desk, _request: Request) -> Response:
    """Destroy everything; processes are gone when `pid` of every instance is."""
    now = desk.now()
    for one in desk.cloud.living():
        desk.cloud.destroy(one, now)
    return JSONResponse({})


def _delays(desk: Desk, told: _Delays, _now: float) -> str | None:
    delays = desk.cloud.world.delays
    delays.create_s = delays.create_s if told.create_s is None else told.create_s
    delays.load_s = delays.load_s if told.load_s is None else told.load_s
    delays.start_s = delays.start_s if told.start_s is None else told.start_s
    delays.slow_s = delays.slow_s if told.slow_s is None else told.slow_s
    return None


def _machine(desk: Desk, told: _Machine, _now: float) -> str | None:
    machines = [one for one in desk.cloud.world.machines if one.offer_id == told.offer_id]
    for one in machines:
        one.hourly = one.hourly if told.hourly_usd is None else _nano(told.hourly_usd)
        one.least_bid = one.least_bid if told.least_bid_usd is None else _nano(told.least_bid_usd)
        one.taken = one.taken if told.taken is None else told.taken
    return None if machines else f"no offer {told.offer_id}"


def _outbid(desk: Desk, told: _Instance, _now: float) -> str | None:
    """Raise the price of a bid's machine above the bid; lower it again with `machine`."""
    one = desk.cloud.find(told.instance_id)
    if one is None or one.bid is None:
        return f"no bid {told.instance_id}"
    desk.cloud.machine(one.offer_id).least_bid = 2 * one.bid
    return None


def _kill(desk: Desk, told: _Instance, now: float) -> str | None:
    one = desk.cloud.find(told.instance_id)
    if one is None:
        return f"no instance {told.instance_id}"
    desk.cloud.die(one, "offline", now)
    return None


def _next(desk: Desk, told: _Next, _now: float) -> str | None:
    world = desk.cloud.world
    world.next_create = told.create or world.next_create
    world.starts_ignored = (
        world.starts_ignored if told.starts_ignored is None else told.starts_ignored
    )
    return None


def _garble(desk: Desk, told: _Garbled, _now: float) -> str | None:
    garbled = Garbled(kind=told.kind, method=told.method, path=told.path, times=told.times)
    desk.cloud.world.garbled.append(garbled)
    return None


def _limits(desk: Desk, told: _Limits, _now: float) -> str | None:
    desk.cloud.world.limits = told.limits
    return None


def _nano(usd: float) -> int:
    return round(usd * NANO_USD_PER_USD)
