"""Vast.ai's words, and ours for them: pure. `vast.py` says where they come from."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, Self, cast

from pydantic import BaseModel, ValidationError

from cluster.providers.prices import disk_hourly, nano, nano_up, usd
from tercet.renting import (
    Charge,
    Instance,
    InstanceState,
    MachineSpec,
    Offer,
    ProviderOfMachines,
    RentFailureKind,
    Want,
)

Wish = Literal["starting", "up", "stopped"]
"""What this process knows of an instance: it asked for it and has not seen it up since; it saw it
up; it stopped it."""

CARDS: dict[str, tuple[str, ...]] = {
    "RTX 3090": ("RTX 3090",),
    "RTX 4090": ("RTX 4090",),
    "A40": ("A40",),
    "L40S": ("L40S",),
    "RTX 6000 Ada": ("RTX 6000Ada",),
    "A100 80": ("A100 PCIE", "A100 SXM4"),
    "H100 80": ("H100 PCIE", "H100 SXM"),
}
"""Names of `config/local.yaml`, and Vast.ai's."""
_OURS = {theirs: ours for ours, names in CARDS.items() for theirs in names}
_LEAST_RAM_MB = {"A100 80": 79_000}
"""Of the A100 there is one of 40 GB by the same name."""

_SOUND: dict[str, object] = {
    "verified": {"eq": True},
    "rentable": {"eq": True},
    "rented": {"eq": False},
    "num_gpus": {"eq": 1},
    "reliability": {"gte": 0.98},
    "inet_down": {"gte": 500},
    "disk_bw": {"gte": 1000},
    "cuda_max_good": {"gte": 12.8},
}
"""A machine on which a start takes minutes: image and weights have to be fetched and read."""

_DEAD = ("exited", "unknown", "offline")
_MOST_LABEL = 256
_MOST_COMMAND = 4096
_MOST_VARIABLE = 256
_MOST_ENVIRONMENT = 32_768
"""`x-input-validation` of create_instance.yaml."""
_KINDS = {"gpu": "gpu", "disk": "storage", "bwd": "bandwidth", "bwu": "bandwidth"}


class OfferJson(BaseModel):
    """An offer of a search."""

    id: int
    gpu_name: str
    gpu_ram: float = 0
    dph_total: Decimal
    min_bid: Decimal | None = None
    storage_cost: Decimal
    geolocation: str | None = None
    reliability: float | None = None

    @classmethod
    def read(cls, said: object) -> Self | None:
        """Read it; `None` if it cannot be rented as it is described."""
        try:
            return cls.model_validate(said)
        except ValidationError:
            return None


class OffersJson(BaseModel):
    """The answer to a search."""

    offers: list[object]


class CreatedJson(BaseModel):
    """The answer to a create."""

    new_contract: int


class InstanceJson(BaseModel):
    """An instance."""

    id: int
    actual_status: str | None = None
    cur_state: str | None = None
    intended_status: str | None = None
    label: str | None = None
    status_msg: str | None = None
    gpu_name: str | None = None
    is_bid: bool | None = None
    dph_total: Decimal
    storage_cost: Decimal
    disk_space: Decimal


class ShownJson(BaseModel):
    """The answer about one instance."""

    instances: InstanceJson | None


class PageJson(BaseModel):
    """A page of the list of instances."""

    instances: list[InstanceJson]
    next_token: str | None = None


class ItemJson(BaseModel):
    """A line of a bill."""

    start: float
    end: float
    type: str
    amount: Decimal


class ContractJson(BaseModel):
    """An instance's part of a bill."""

    source: str
    items: list[ItemJson]


class ChargesJson(BaseModel):
    """A page of a bill."""

    results: list[ContractJson]
    next_token: str | None = None


class ErrorJson(BaseModel):
    """What may be said beside or instead of an answer; every field may be missing."""

    success: bool | None = None
    error: str | None = None
    msg: str | None = None
    message: str | None = None
    detail: str | None = None

    @classmethod
    def read(cls, said: object) -> Self:
        """Read it out of anything."""
        try:
            return cls.model_validate(said)
        except ValidationError:
            return cls()

    @property
    def words(self) -> str:
        """What was said to a human."""
        return ": ".join(filter(None, (self.error, self.msg or self.message or self.detail)))


def search_body(want: Want) -> dict[str, object]:
    """Return a search; without `type` on demand, of which its document has two spellings."""
    names = [name for gpu in want.gpus for name in CARDS.get(gpu, (gpu,))]
    # The document's example has underscores, its answer and Vast.ai's own client have blanks.
    spelt = [*names, *(name.replace(" ", "_") for name in names if " " in name)]
    body: dict[str, object] = _SOUND | {
        "gpu_name": {"in": spelt},
        "disk_space": {"gte": want.disk_gb},
        "allocated_storage": want.disk_gb,
        "order": [["dph_total", "asc"]],
        "limit": 64,
    }
    if want.interruptible:
        body["type"] = "bid"
    if want.trusted:
        body["datacenter"] = {"eq": True}
    if want.regions:
        body["geolocation"] = {"in": list(want.regions)}
    if want.most_hourly_nano_usd is not None:
        body["dph_total"] = {"lte": usd(want.most_hourly_nano_usd)}
    return body


def offer_of(said: OfferJson | None, want: Want, provider: ProviderOfMachines) -> Offer | None:
    """Return an offer in our words; `None` if it is none for us."""
    gpu = None if said is None else _OURS.get(said.gpu_name.replace("_", " "))
    if said is None or gpu not in want.gpus or said.gpu_ram < _LEAST_RAM_MB.get(gpu, 0):
        return None
    stopped = disk_hourly(said.storage_cost, want.disk_gb)
    hourly = nano(said.dph_total)
    if want.interruptible:
        if said.min_bid is None:
            return None
        hourly = nano_up(said.min_bid) + stopped
    if want.most_hourly_nano_usd is not None and hourly > want.most_hourly_nano_usd:
        return None
    return Offer(
        provider=provider,
        offer_id=str(said.id),
        gpu=gpu,
        hourly_nano_usd=hourly,
        stopped_hourly_nano_usd=stopped,
        interruptible=want.interruptible,
        trusted=want.trusted,
        region=(said.geolocation or "").rpartition(",")[2].strip() or None,
        reliability=said.reliability,
    )


def unfit(spec: MachineSpec) -> str | None:
    """Return why Vast.ai would refuse it, or `None`."""
    if len(spec.label) > _MOST_LABEL:
        return f"a label has at most {_MOST_LABEL} characters, {spec.label!r} {len(spec.label)}"
    if len(spec.command) > _MOST_COMMAND:
        return (
            f"a boot command has at most {_MOST_COMMAND} characters, this one has "
            f"{len(spec.command)}: let it fetch the rest"
        )
    for name, value in spec.environment.items():
        if len(value) > _MOST_VARIABLE:
            return f"a variable has at most {_MOST_VARIABLE} characters, {name} has {len(value)}"
    if spec.volume is not None and not spec.volume.isdecimal():
        return f"a volume's id is a number, not {spec.volume!r}"
    if sum(len(name) + len(value) for name, value in spec.environment.items()) > _MOST_ENVIRONMENT:
        return f"an environment has at most {_MOST_ENVIRONMENT} characters"
    return None


def create_body(spec: MachineSpec) -> dict[str, object]:
    """Return a create without a price. An image's own entry point is replaced: runtype `ssh`.

    `env` is an object, as in the guide creating-instances-with-api.mdx; in create_instance.yaml
    it is a string of Docker's flags, which has no sure way to quote a value.
    """
    body: dict[str, object] = {
        "image": spec.image,
        "disk": spec.disk_gb,
        "label": spec.label,
        "env": dict(spec.environment),
        "onstart": spec.command,
        "runtype": "ssh",
        "target_state": "running",
        "cancel_unavail": True,
    }
    if spec.volume is not None:
        body["volume_info"] = {
            "create_new": False,
            "volume_id": int(spec.volume),
            "mount_path": "/workspace",
        }
    return body


def instance_of(said: InstanceJson, wish: Wish | None, provider: ProviderOfMachines) -> Instance:
    """Return an instance in our words."""
    gpu = (said.gpu_name or "").replace("_", " ")
    return Instance(
        provider=provider,
        instance_id=str(said.id),
        label=said.label or "",
        state=state_of(said, wish),
        gpu=_OURS.get(gpu, gpu),
        hourly_nano_usd=nano(said.dph_total),
        stopped_hourly_nano_usd=disk_hourly(said.storage_cost, said.disk_space),
        interruptible=bool(said.is_bid),
        detail=_detail(said),
    )


def state_of(said: InstanceJson, wish: Wish | None) -> InstanceState:
    """Return the state of an instance.

    An instance that was outbid has `cur_state`, `intended_status` and `next_state` "stopped"
    (dstack, vastai/compute.py), and so has one that we stopped; by Vast.ai's own reference the
    intended status is the user's wish, and would stay "running". So it is `outbid` where either
    the intended status says that it should run, or this process saw it up and did not stop it;
    but not while this process waits for its start.
    """
    actual = said.actual_status
    if actual == "exited" and said.intended_status == "stopped":
        return "stopped"  # what ends a container is its stop
    if actual in _DEAD or said.cur_state == "unloaded":
        return "failed"
    if actual in ("running", "frozen"):
        return "running"  # its card is billed in both
    if "stopped" not in (said.cur_state, actual):
        return "loading"
    is_wanted = wish == "up" or (wish is None and said.intended_status == "running")
    return "outbid" if said.is_bid and is_wanted else "stopped"


def charges_of(said: ContractJson) -> Iterator[Charge]:
    """Yield the lines of one instance's part of a bill."""
    instance_id = said.source.rpartition("-")[2]
    for item in said.items:
        kind = _KINDS.get(item.type)
        yield Charge(
            instance_id=instance_id,
            kind=kind if kind in ("gpu", "storage", "bandwidth") else "other",
            since=item.start,
            until=item.end,
            nano_usd=nano(item.amount),
        )


def refusal_kind(status: int, said: ErrorJson) -> RentFailureKind | None:
    """Return what kind of refusal an answer with JSON is; `None`: it is none."""
    error = said.error or ""
    if error == "auth_error" or (status in (401, 403) and error != "invalid_args"):
        return "unauthorized"  # charges/ says so with 404
    if status == 402 or error in ("missing_billing", "insufficient_credit"):
        return "no_credit"
    if error == "resources_unavailable":
        return "no_gpu"
    if status == 410 or "no_such_ask" in said.words:
        return "no_offer"
    if status >= 500 or status < 200 or 300 <= status < 400:
        return "unreachable"
    return "rejected" if status >= 400 or said.success is False else None


def is_gone(status: int, json: object) -> bool:
    """Say whether an answer tells that there is no such instance: a proxy's page does not."""
    is_spoken = status == 404 and isinstance(json, dict)
    return is_spoken and ErrorJson.read(cast("object", json)).error != "auth_error"


def _detail(said: InstanceJson) -> str:
    states = {
        "actual": said.actual_status,
        "contract": said.cur_state,
        "intended": said.intended_status,
    }
    words = ", ".join(f"{name} {state}" for name, state in states.items())
    return f"{words}: {said.status_msg.strip()}" if said.status_msg else words
