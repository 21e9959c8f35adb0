"""The fake cloud as Vast.ai: the shapes of its OpenAPI documents, by their names in `vast.py`."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cluster.providers.fake.bill import Line, lines
from cluster.providers.fake.cloud import Order
from cluster.providers.fake.desk import Caller, Desk
from cluster.providers.fake.world import Machine, Phase, Rented
from cluster.providers.prices import disk_hourly, nano, usd
from cluster.providers.vast_wire import CARDS

Handler = Callable[[Desk, Request, Caller], Awaitable[Response]]
_MOST_VARIABLE = 256
_WORDS: Mapping[Phase, tuple[str | None, str, str, str]] = {
    # actual_status, cur_state, intended_status, next_state
    "creating": (None, "running", "running", "running"),
    "loading": ("loading", "running", "running", "running"),
    "running": ("running", "running", "running", "running"),
    "stopped": ("stopped", "stopped", "stopped", "stopped"),
    "scheduling": ("stopped", "stopped", "running", "running"),
    "outbid": ("stopped", "stopped", "stopped", "stopped"),
    "exited": ("exited", "running", "running", "running"),
    "offline": ("offline", "running", "running", "running"),
}


class _Filter(BaseModel):
    among: list[str] | None = Field(default=None, alias="in")
    eq: bool | float | None = None
    lte: float | None = None


class _Search(BaseModel):
    type: str = "ondemand"
    allocated_storage: float = 8.0
    limit: int = 64
    gpu_name: _Filter = _Filter()
    geolocation: _Filter = _Filter()
    datacenter: _Filter = _Filter()
    dph_total: _Filter = _Filter()

    def fits(self, machine: Machine) -> bool:
        """Say whether a machine is looked for; filters that are not named here fit all."""
        named = self.gpu_name.among
        most = self.dph_total.lte
        return (
            (named is None or bool(set(named) & set(CARDS[machine.gpu])))
            and (machine.trusted or not self.datacenter.eq)
            and (self.geolocation.among is None or machine.region in self.geolocation.among)
            and (most is None or usd(_asked_price(machine, self)) <= most)
        )


class _Create(BaseModel):
    image: str
    disk: float = 8.0
    label: str = ""
    env: dict[str, str] | str = ""
    onstart: str = ""
    price: float | None = None

    def variables(self) -> dict[str, str]:
        """Return the environment; the document's Docker flags and the guide's object alike."""
        if isinstance(self.env, dict):
            return {name: value for name, value in self.env.items() if not name.startswith("-")}
        words = shlex.split(self.env)
        pairs = (words[i + 1] for i, word in enumerate(words) if word == "-e")
        return dict(pair.split("=", 1) for pair in pairs)


class _Manage(BaseModel):
    state: str | None = None
    label: str | None = None


class _Day(BaseModel):
    gte: float
    lte: float


class _Filters(BaseModel):
    day: _Day


def routes(desk: Desk) -> list[Route]:
    """Return the endpoints."""
    table: list[tuple[str, str, str, str, Handler]] = [
        ("POST", "/api/v0/bundles/", "search", "misc", _search),
        ("PUT", "/api/v0/asks/{id:int}/", "create", "instance_write", _create),
        ("GET", "/api/v1/instances/", "list", "instance_read", _list),
        ("GET", "/api/v0/instances/{id:int}/", "show", "instance_read", _show),
        ("PUT", "/api/v0/instances/{id:int}/", "manage", "instance_write", _manage),
        ("DELETE", "/api/v0/instances/{id:int}/", "destroy", "instance_write", _destroy),
        ("GET", "/api/v0/charges/", "charges", "billing_read", _charges),
    ]
    return [
        Route(path, partial(_guarded, desk, endpoint, scope, handler), methods=[method])
        for method, path, endpoint, scope, handler in table
    ]


async def _guarded(
    desk: Desk, endpoint: str, scope: str, handler: Handler, request: Request
) -> Response:
    """Let pass who has the scope, not too often."""
    caller = desk.caller(request)
    if caller is None or not caller.may(scope, _own(desk, request)):
        return _error(401, "auth_error", "Invalid user key")
    threshold = desk.cloud.world.limits.get(endpoint, 0.0)
    if threshold and desk.asked(caller.key, endpoint, threshold):
        said = f"API requests too frequent: endpoint threshold={threshold}"
        return PlainTextResponse(said, status_code=429)
    return await handler(desk, request, caller)


async def _search(desk: Desk, request: Request, _caller: Caller) -> Response:
    told = _Search.model_validate_json(await request.body())
    desk.now()
    offers = [
        (_asked_price(machine, told), machine.offer_id, _offer(machine, told))
        for machine in desk.cloud.free()
        if told.fits(machine)
    ]
    offers.sort(key=lambda one: one[:2])
    return JSONResponse({"offers": [offer for _, _, offer in offers[: told.limit]]})


def _asked_price(machine: Machine, told: _Search) -> int:
    card = machine.least_bid if told.type == "bid" else machine.hourly
    return card + _disk(machine, told.allocated_storage)


def _offer(machine: Machine, told: _Search) -> dict[str, object]:
    disk = _disk(machine, told.allocated_storage)
    price = _asked_price(machine, told)
    return {
        "id": machine.offer_id,
        "ask_contract_id": machine.offer_id,
        "machine_id": machine.offer_id,
        "gpu_name": CARDS[machine.gpu][0],
        "gpu_ram": 81_920 if "80" in machine.gpu else 24_576,
        "num_gpus": 1,
        "dph_base": usd(price - disk),
        "dph_total": usd(price),
        "min_bid": usd(machine.least_bid),
        "is_bid": told.type == "bid",
        "storage_cost": machine.storage_usd_gb_month,
        "storage_total_cost": usd(disk),
        "geolocation": f"Somewhere, {machine.region}",
        "reliability": machine.reliability,
        "rentable": True,
        "verification": "verified" if machine.trusted else "unverified",
        "hosting_type": 1 if machine.trusted else 0,
    }


async def _create(desk: Desk, request: Request, _caller: Caller) -> Response:
    offer_id = int(request.path_params["id"])
    try:
        told = _Create.model_validate_json(await request.body())
    except ValidationError as error:
        return _error(400, "invalid_args", f"Invalid args: {error.errors()[0]['loc']}")
    environment = told.variables()
    if any(len(value) > _MOST_VARIABLE for value in environment.values()):
        return _error(400, "invalid_args", "Invalid args: env is too long")
    now = desk.now()
    world = desk.cloud.world
    trouble, world.next_create = world.next_create, None
    machine = next((one for one in desk.cloud.free() if one.offer_id == offer_id), None)
    if machine is None or trouble == "refused":
        said = f"error 404/3603: no_such_ask Instance type by id {offer_id} is not available."
        return _error(404, "invalid_args", said)
    disk = _disk(machine, told.disk)
    order = Order(
        dialect="vast",
        label=told.label,
        image=told.image,
        environment=environment,
        command=told.onstart,
        disk_gb=int(told.disk),
        bid=None if told.price is None else nano(Decimal(str(told.price))),
        disk_running=disk,
        disk_stopped=disk,
        injected=("CONTAINER_ID", "CONTAINER_API_KEY"),
    )
    one = desk.cloud.create(machine, order, now)
    if one.phase == "stopped":
        return _error(400, "invalid_price", "Your bid is below the current minimum bid.")
    if trouble == "half_failed":
        return PlainTextResponse("Internal Server Error", status_code=500)
    if trouble == "slow":
        await asyncio.sleep(world.delays.slow_s)
    return JSONResponse(
        {"success": True, "new_contract": int(one.instance_id), "instance_api_key": one.key}
    )


async def _list(desk: Desk, request: Request, _caller: Caller) -> Response:
    desk.now()
    after = int(request.query_params.get("after_token", "0"))
    limit = min(int(request.query_params.get("limit", "25")), desk.cloud.world.page)
    rest = [one for one in _own_kind(desk) if int(one.instance_id) > after]
    page = rest[:limit]
    return JSONResponse(
        {
            "success": True,
            "instances_found": len(page),
            "total_instances": len(_own_kind(desk)),
            "next_token": page[-1].instance_id if len(rest) > limit else None,
            "instances": [_instance(desk, one) for one in page],
        }
    )


async def _show(desk: Desk, request: Request, _caller: Caller) -> Response:
    desk.now()
    one = _own(desk, request)
    if one is None:
        return _no_instance(request)
    return JSONResponse({"instances": _instance(desk, one)})


async def _manage(desk: Desk, request: Request, _caller: Caller) -> Response:
    told = _Manage.model_validate_json(await request.body())
    now = desk.now()
    one = _own(desk, request)
    if one is None:
        return _no_instance(request)
    if told.label is not None:
        one.label = told.label
    if told.state == "running":
        desk.cloud.start(one, now)
    elif told.state == "stopped":
        desk.cloud.stop(one, now)
    return JSONResponse({"success": True})


async def _destroy(desk: Desk, request: Request, _caller: Caller) -> Response:
    now = desk.now()
    one = _own(desk, request)
    if one is None:
        return _no_instance(request)
    desk.cloud.destroy(one, now)
    return JSONResponse({"success": True, "msg": "Instance destroyed successfully"})


async def _charges(desk: Desk, request: Request, _caller: Caller) -> Response:
    now = desk.now()
    try:
        told = _Filters.model_validate_json(request.query_params.get("select_filters", "{}"))
    except ValidationError:
        return _error(400, "", "Must provide both 'day' gte and lte filters for instance charges")
    rented = [one for one in desk.cloud.world.rented if one.dialect == "vast"]
    bill = lines(rented, told.day.gte, min(told.day.lte, now))
    results = [
        _contract(one, own)
        for one in rented
        if (own := [line for line in bill if line.instance_id == one.instance_id])
    ]
    after, limit = (
        int(request.query_params.get(name, default))
        for name, default in (("after_token", "0"), ("limit", "100"))
    )
    end = after + min(limit, desk.cloud.world.page)
    return JSONResponse(
        {
            "success": True,
            "count": len(results[after:end]),
            "total": len(results),
            "next_token": str(end) if end < len(results) else None,
            "results": results[after:end],
        }
    )


def _contract(one: Rented, bill: list[Line]) -> dict[str, object]:
    return {
        "start": int(bill[0].since),
        "end": int(bill[-1].until),
        "type": "instance",
        "source": f"instance-{one.instance_id}",
        "description": f"Instance {one.instance_id} Charges",
        # To the nano-USD; Vast.ai rounds to three digits.
        "amount": usd(sum(line.nano_usd for line in bill)),
        "metadata": {"label": one.label},
        "items": [_item(line) for line in bill],
    }


def _item(line: Line) -> dict[str, object]:
    hours = (line.until - line.since) / 3600
    return {
        "start": int(line.since),
        "end": int(line.until),
        "type": line.kind,
        "source": None,
        "description": f"{hours:.3f} hours at ${usd(line.hourly)}/hour",
        "amount": usd(line.nano_usd),
        "metadata": {},
        "items": [],
    }


def _instance(desk: Desk, one: Rented) -> dict[str, object]:
    machine = desk.cloud.machine(one.offer_id)
    actual, contract, intended, following = _WORDS[one.phase]
    created = one.history[0].since
    return {
        "id": int(one.instance_id),
        "actual_status": actual,
        "cur_state": contract,
        "intended_status": intended,
        "next_state": following,
        "label": one.label or None,
        "status_msg": f"{one.phase} since {datetime.fromtimestamp(created, UTC):%H:%M:%S}",
        "image_uuid": one.image,
        "onstart": one.command,
        "gpu_name": CARDS[machine.gpu][0],
        "num_gpus": 1,
        "is_bid": one.bid is not None,
        "min_bid": usd(machine.least_bid),
        "dph_base": usd(one.hourly),
        "dph_total": usd(one.hourly + one.disk_running),
        "storage_cost": machine.storage_usd_gb_month,
        "storage_total_cost": usd(one.disk_running),
        "disk_space": float(one.disk_gb),
        "start_date": created,
        "geolocation": f"Somewhere, {machine.region}",
        "machine_id": machine.offer_id,
    }


def _own_kind(desk: Desk) -> list[Rented]:
    return [one for one in desk.cloud.living() if one.dialect == "vast"]


def _own(desk: Desk, request: Request) -> Rented | None:
    wanted = str(request.path_params.get("id", ""))
    return next((one for one in _own_kind(desk) if one.instance_id == wanted), None)


def _disk(machine: Machine, gb: float) -> int:
    return disk_hourly(Decimal(str(machine.storage_usd_gb_month)), Decimal(str(gb)))


def _no_instance(request: Request) -> Response:
    said = f"Instance {request.path_params['id']} does not exist."
    return _error(404, "no_such_instance", said)


def _error(status: int, error: str, said: str) -> Response:
    return JSONResponse({"success": False, "error": error, "msg": said}, status_code=status)
