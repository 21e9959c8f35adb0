"""The fake cloud as RunPod's REST API v2: shapes by its OpenAPI document, named in `runpod.py`."""

import asyncio
import math
import shlex
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cluster.providers.fake.bill import Line, lines
from cluster.providers.fake.cloud import Order
from cluster.providers.fake.desk import Caller, Desk
from cluster.providers.fake.world import Machine, Phase, Rented
from cluster.providers.prices import disk_hourly, usd
from cluster.providers.runpod_wire import CARDS, DISK_RUNNING, SCRATCH_GB, VOLUME_STOPPED
from tercet.usage import NANO_USD_PER_USD

Handler = Callable[[Desk, Request], Awaitable[Response]]
_OURS = {theirs: ours for ours, names in CARDS.items() for theirs in names}
_HOUR_S = 3600
_STATUS: Mapping[Phase, str] = {
    "creating": "PROVISIONING",
    "loading": "STARTING",
    "running": "RUNNING",
    "stopped": "EXITED",
    "scheduling": "EXITED",
    "exited": "ERROR",
    "offline": "ERROR",
}
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "PROVISIONING": ("stop", "terminate"),
    "STARTING": ("stop", "terminate"),
    "RUNNING": ("stop", "restart", "terminate"),
    "EXITED": ("start", "terminate"),
    "ERROR": ("start", "terminate"),
}


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Gpu(_Told):
    id: str
    count: int = 1
    minCudaVersion: str | None = None  # noqa: N815  RunPod's spelling


class _Volume(_Told):
    size: int
    path: str


class _Network(_Told):
    volumeId: str  # noqa: N815
    path: str


class _Mounts(_Told):
    persistent: _Volume | None = None
    network: list[_Network] | None = None


class _Create(_Told):
    name: str
    image: str
    gpu: _Gpu
    cloud: str = "SECURE"
    dataCenterIds: list[str] = []  # noqa: N815
    mounts: _Mounts = _Mounts()
    disk: int = SCRATCH_GB
    env: dict[str, str] = {}
    args: str = ""

    def order(self) -> Order:
        """Return what it asks for."""
        kept = self.mounts.persistent
        running_gb = self.disk + (0 if kept is None else kept.size)
        words = shlex.split(self.args)
        return Order(
            dialect="runpod",
            label=self.name,
            image=self.image,
            environment=self.env,
            command=words[2] if words[:2] == ["bash", "-c"] else self.args,
            disk_gb=self.disk if kept is None else kept.size,
            volume=self.mounts.network[0].volumeId if self.mounts.network else None,
            disk_running=disk_hourly(DISK_RUNNING, running_gb),
            disk_stopped=0 if kept is None else disk_hourly(VOLUME_STOPPED, kept.size),
            injected=("RUNPOD_POD_ID", "RUNPOD_API_KEY"),
        )


class _Action(_Told):
    action: str


def routes(desk: Desk) -> list[Route]:
    """Return the endpoints."""
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/v2/catalog/gpus", _catalog),
        ("POST", "/v2/pods", _create),
        ("GET", "/v2/pods", _list),
        ("GET", "/v2/pods/{id}", _show),
        ("DELETE", "/v2/pods/{id}", _delete),
        ("POST", "/v2/pods/{id}/action", _act),
        ("GET", "/v2/billing/pods", _bill),
    ]
    return [
        Route(path, partial(_guarded, desk, handler), methods=[method])
        for method, path, handler in table
    ]


async def _guarded(desk: Desk, handler: Handler, request: Request) -> Response:
    """Let pass who may, not too often, and say how often that is."""
    caller = desk.caller(request)
    if caller is None:
        return _problem(401, "Unauthorized", "invalid bearer token")
    if not caller.may("pods", _own(desk, request)):
        return _problem(403, "Forbidden", "access denied")
    limit = _limit(desk, caller)
    if limit is None:
        return await handler(desk, request)
    remaining, reset_s = limit
    if remaining < 0:
        said = "rate limit exceeded for the minute window"
        response = _problem(429, "Too Many Requests", said)
        response.headers["Retry-After"] = str(reset_s)
    else:
        response = await handler(desk, request)
    quota = int(desk.cloud.world.limits["minute"])
    response.headers["RateLimit"] = f'"minute";r={max(remaining, 0)};t={reset_s}'
    response.headers["RateLimit-Policy"] = f'"minute";q={quota};w={_window_s(desk):.0f}'
    return response


def _limit(desk: Desk, caller: Caller) -> tuple[int, int] | None:
    """Return how many requests are left, and seconds until there are more."""
    quota = desk.cloud.world.limits.get("minute")
    if quota is None:
        return None
    window_s = _window_s(desk)
    before = desk.asked(caller.key, "runpod", window_s)
    oldest = desk.asked_at[caller.key, "runpod"][0]
    return int(quota) - before - 1, max(1, math.ceil(oldest + window_s - desk.clock()))


def _window_s(desk: Desk) -> float:
    return desk.cloud.world.limits.get("window_s", 60.0)


async def _catalog(desk: Desk, request: Request) -> Response:
    desk.now()
    wants = request.query_params.get("include") == "AVAILABILITY"
    if wants and "product" not in request.query_params:
        return _problem(400, "Bad Request", "include=AVAILABILITY requires product")
    is_secure = request.query_params.get("cloud", "SECURE") == "SECURE"
    free = [one for one in desk.cloud.free() if one.trusted == is_secure]
    gpus = [
        _gpu(desk, ours, theirs, [one for one in free if one.gpu == ours])
        for ours, names in CARDS.items()
        for theirs in names[:1]
        if any(one.gpu == ours for one in desk.cloud.world.machines)
    ]
    return JSONResponse({"gpus": gpus})


def _gpu(desk: Desk, ours: str, theirs: str, free: list[Machine]) -> dict[str, object]:
    machines = [one for one in desk.cloud.world.machines if one.gpu == ours]
    prices = {
        cloud: min((usd(one.hourly) for one in machines if one.trusted == secure), default=0.0)
        for cloud, secure in (("secure", True), ("community", False))
    }
    regions = sorted({one.region for one in free})
    centers = [{"id": one, "name": one, "availability": "HIGH"} for one in regions]
    return {
        "id": theirs,
        "name": ours,
        "pool": None,
        "manufacturer": "NVIDIA",
        "memory": 24,
        "secure": any(one.trusted for one in machines),
        "community": any(not one.trusted for one in machines),
        "price": prices,
        "maxCount": {"secure": 1, "community": 1},
        "availability": "HIGH" if free else "NONE",
        **({"dataCenters": centers} if centers else {}),
    }


async def _create(desk: Desk, request: Request) -> Response:
    try:
        told = _Create.model_validate_json(await request.body())
    except ValidationError as error:
        errors = [f"$.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return _problem(422, "Unprocessable Entity", "Request validation failed.", errors)
    now = desk.now()
    world = desk.cloud.world
    trouble, world.next_create = world.next_create, None
    machine = next((one for one in desk.cloud.free() if _fits(one, told)), None)
    if machine is None or trouble == "refused":
        return _problem(400, "Bad Request", "no instances available with these specifications")
    one = desk.cloud.create(machine, told.order(), now)
    if trouble == "half_failed":
        return PlainTextResponse("upstream connect error", status_code=502)
    if trouble == "slow":
        await asyncio.sleep(world.delays.slow_s)
    return JSONResponse(_pod(desk, one), status_code=201)


def _fits(machine: Machine, told: _Create) -> bool:
    return (
        machine.gpu == _OURS.get(told.gpu.id)
        and machine.trusted == (told.cloud == "SECURE")
        and (not told.dataCenterIds or machine.region in told.dataCenterIds)
    )


async def _list(desk: Desk, _request: Request) -> Response:
    desk.now()
    return JSONResponse({"pods": [_pod(desk, one) for one in _pods(desk)]})


async def _show(desk: Desk, request: Request) -> Response:
    desk.now()
    one = _own(desk, request)
    return _no_pod() if one is None else JSONResponse(_pod(desk, one))


async def _delete(desk: Desk, request: Request) -> Response:
    now = desk.now()
    one = _own(desk, request)
    if one is None:
        return _no_pod()
    desk.cloud.destroy(one, now)
    return Response(status_code=204)


async def _act(desk: Desk, request: Request) -> Response:
    told = _Action.model_validate_json(await request.body())
    now = desk.now()
    one = _own(desk, request)
    if one is None:
        return _no_pod()
    if told.action not in _ACTIONS[_STATUS[one.phase]]:
        return _problem(409, "Conflict", f"{told.action} is not valid for {_STATUS[one.phase]}")
    if told.action == "terminate":
        desk.cloud.destroy(one, now)
        return Response(status_code=204)
    if told.action == "start":
        one.wants_to_run = True
        if not desk.cloud.can_have_card(one):
            one.wants_to_run = False
            said = "There are not enough free GPUs on the host machine to start this pod."
            return _problem(400, "Bad Request", said)
        desk.cloud.start(one, now)
    elif told.action == "stop":
        desk.cloud.stop(one, now)
    return JSONResponse(_pod(desk, one))


async def _bill(desk: Desk, request: Request) -> Response:
    """By whole hours, the window widened to them; other buckets are not spoken here."""
    now = desk.now()
    query = request.query_params
    if query.get("bucketSize", "day") != "hour":
        return _problem(400, "Bad Request", "this cloud bills by the hour: bucketSize=hour")
    since = _at(query["startTime"]) // _HOUR_S * _HOUR_S
    until = math.ceil(_at(query["endTime"]) / _HOUR_S) * _HOUR_S
    rented = [one for one in desk.cloud.world.rented if one.dialect == "runpod"]
    pod_id = query.get("podId")
    records = [
        record
        for start in range(int(since), until, _HOUR_S)
        for one in rented
        if pod_id in (None, one.instance_id)
        for record in _records(one, start, now)
    ]
    total = _amounts([line for one in rented for line in lines([one], since, min(until, now))])
    ranged = {"startTime": _told(since), "endTime": _told(until)}
    return JSONResponse(
        {
            "records": records,
            "metadata": {
                "query": ranged | {"bucketSize": "hour", "podId": pod_id},
                "recordCount": len(records),
                "uniquePodCount": len({str(one["podId"]) for one in records}),
                "totals": total,
            },
        }
    )


def _records(one: Rented, start: int, now: float) -> Iterator[dict[str, object]]:
    bill = lines([one], start, min(start + _HOUR_S, now))
    if bill:
        ranged = {"startTime": _told(start), "endTime": _told(start + _HOUR_S)}
        yield {**ranged, "podId": one.instance_id, **_amounts(bill)}


def _amounts(bill: list[Line]) -> dict[str, float]:
    by_kind = {
        kind: sum(line.nano_usd for line in bill if line.kind == kind) for kind in ("gpu", "disk")
    }
    return {
        "totalAmount": usd(sum(by_kind.values())),
        "gpuAmount": usd(by_kind["gpu"]),
        "cpuAmount": 0.0,
        "diskAmount": usd(by_kind["disk"]),
    }


def _pod(desk: Desk, one: Rented) -> dict[str, object]:
    machine = desk.cloud.machine(one.offer_id)
    status = _STATUS[one.phase]
    begun = [stretch.since for stretch in one.history if stretch.phase == "running"]
    network = [{"volumeId": one.volume, "path": "/workspace"}]
    persistent = {"size": one.disk_gb, "path": "/workspace"}
    return {
        "id": one.instance_id,
        "name": one.label,
        "status": status,
        "actions": list(_ACTIONS[status]),
        "image": one.image,
        "args": shlex.join(["bash", "-c", one.command]),
        "disk": SCRATCH_GB if one.volume is None else one.disk_gb,
        "mounts": {"persistent": persistent} if one.volume is None else {"network": network},
        "ports": [],
        "env": one.environment,
        "registry": None,
        "gpu": {"id": CARDS[machine.gpu][0], "count": 1},
        "cloud": "SECURE" if machine.trusted else "COMMUNITY",
        "dataCenterId": machine.region,
        "cudaVersion": "12.8",
        "ssh": {"proxy": None, "direct": None},
        "template": None,
        "cost": one.history[-1].gpu / NANO_USD_PER_USD,
        "locked": False,
        "globalNetworking": {"enabled": False},
        "runtime": {"uptime": int(desk.clock() - begun[-1])} if status == "RUNNING" else None,
        "createdAt": _told(one.history[0].since),
        "startedAt": _told(begun[-1]) if begun else None,
    }


def _pods(desk: Desk) -> list[Rented]:
    return [one for one in desk.cloud.living() if one.dialect == "runpod"]


def _own(desk: Desk, request: Request) -> Rented | None:
    wanted = request.path_params.get("id")
    return next((one for one in _pods(desk) if one.instance_id == wanted), None)


def _at(told: str) -> float:
    return datetime.fromisoformat(told).timestamp()


def _told(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _no_pod() -> Response:
    return _problem(404, "Not Found", "pod not found")


def _problem(status: int, title: str, detail: str, errors: list[str] | None = None) -> Response:
    said: dict[str, object] = {"title": title, "status": status, "detail": detail}
    return JSONResponse(
        said | ({"errors": errors} if errors else {}),
        status_code=status,
        media_type="application/problem+json",
    )
