"""RunPod's words, and ours for them: pure. `runpod.py` says where they come from."""

import shlex
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ValidationError

from cluster.providers.prices import disk_hourly, nano
from tercet.renting import (
    Charge,
    Instance,
    InstanceState,
    MachineSpec,
    Offer,
    RentFailureKind,
    Want,
)

Cloud = Literal["SECURE", "COMMUNITY"]
CARDS: dict[str, tuple[str, ...]] = {
    "RTX 3090": ("NVIDIA GeForce RTX 3090",),
    "RTX 4090": ("NVIDIA GeForce RTX 4090",),
    "A40": ("NVIDIA A40",),
    "L40S": ("NVIDIA L40S",),
    "RTX 6000 Ada": ("NVIDIA RTX 6000 Ada Generation",),
    "A100 80": ("NVIDIA A100 80GB PCIe", "NVIDIA A100-SXM4-80GB"),
    "H100 80": ("NVIDIA H100 PCIe", "NVIDIA H100 80GB HBM3"),
}
"""Names of `config/local.yaml`, and RunPod's ids (references/gpu-types.mdx)."""
_OURS = {theirs: ours for ours, names in CARDS.items() for theirs in names}

DISK_RUNNING = Decimal("0.10")
VOLUME_STOPPED = Decimal("0.20")
"""USD a GB and month (pods/pricing.mdx). A container disk is lost and free while stopped; a network
volume costs 0.07 whether or not there is a pod, and is in no instance's price."""
SCRATCH_GB = 10
"""Container disk beside a volume disk."""
_LEAST_VOLUME_GB = 10
_CUDA = "12.8"
_STOCK = ("HIGH", "MEDIUM", "LOW")


class PriceJson(BaseModel):
    """Prices of one card, USD an hour."""

    secure: Decimal
    community: Decimal


class CenterJson(BaseModel):
    """Where there is a card."""

    id: str
    availability: str


class GpuJson(BaseModel):
    """A kind of card."""

    id: str
    secure: bool
    community: bool
    price: PriceJson
    availability: str = "NONE"
    dataCenters: list[CenterJson] = []  # noqa: N815  RunPod's spelling

    def hourly(self, cloud: Cloud) -> int:
        """Return its list price in nano-USD."""
        return nano(self.price.secure if cloud == "SECURE" else self.price.community)


class GpusJson(BaseModel):
    """The catalog."""

    gpus: list[GpuJson]


class CardsJson(BaseModel):
    """Cards of a pod."""

    id: str
    count: int = 1


class VolumeJson(BaseModel):
    """A volume disk."""

    size: Decimal


class MountsJson(BaseModel):
    """Disks of a pod beside its container's."""

    persistent: VolumeJson | None = None


class PodJson(BaseModel):
    """A pod."""

    id: str
    name: str
    status: str
    gpu: CardsJson | None = None
    cloud: Cloud
    cost: Decimal
    disk: Decimal
    mounts: MountsJson


class PodsJson(BaseModel):
    """All pods."""

    pods: list[PodJson]


class RecordJson(BaseModel):
    """A pod's bill of an hour."""

    startTime: datetime  # noqa: N815  RunPod's spelling
    endTime: datetime  # noqa: N815
    podId: str  # noqa: N815
    gpuAmount: Decimal  # noqa: N815
    cpuAmount: Decimal  # noqa: N815
    diskAmount: Decimal  # noqa: N815


class BillJson(BaseModel):
    """A bill."""

    records: list[RecordJson]


class ProblemJson(BaseModel):
    """A refusal, RFC 9457."""

    detail: str = ""
    errors: list[str] = []

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
        return "; ".join((self.detail, *self.errors)).strip("; ")


def offers_of(gpus: GpusJson, want: Want) -> Iterator[Offer]:
    """Yield what fits, a data centre each, fullest stock first; nothing there can be bid for."""
    cloud: Cloud = "SECURE" if want.trusted else "COMMUNITY"
    for gpu in gpus.gpus:
        ours = _OURS.get(gpu.id)
        is_there = gpu.secure if want.trusted else gpu.community
        hourly = gpu.hourly(cloud) + disk_hourly(DISK_RUNNING, want.disk_gb)
        is_dear = want.most_hourly_nano_usd is not None and hourly > want.most_hourly_nano_usd
        if want.interruptible or ours not in want.gpus or not is_there or is_dear:
            continue
        for center in _places(gpu, want):
            yield Offer(
                provider="runpod",
                offer_id=f"{gpu.id}@{center or 'anywhere'}",
                gpu=ours,
                hourly_nano_usd=hourly,
                stopped_hourly_nano_usd=disk_hourly(VOLUME_STOPPED, want.disk_gb),
                interruptible=False,
                trusted=want.trusted,
                region=center,
            )


def create_body(offer: Offer, spec: MachineSpec) -> dict[str, object]:
    """Return a create. The image must run its arguments: RunPod keeps its entry point.

    A network volume has a container disk of `disk_gb` beside it; without one, a volume disk of
    `disk_gb` keeps `/workspace`.
    """
    gb = spec.disk_gb
    mounts: dict[str, object] = (
        {"persistent": {"size": max(gb, _LEAST_VOLUME_GB), "path": "/workspace"}}
        if spec.volume is None
        else {"network": [{"volumeId": spec.volume, "path": "/workspace"}]}
    )
    body: dict[str, object] = {
        "name": spec.label,
        "image": spec.image,
        "gpu": {"id": offer.offer_id.rpartition("@")[0], "count": 1, "minCudaVersion": _CUDA},
        "cloud": "SECURE" if offer.trusted else "COMMUNITY",
        "mounts": mounts,
        "disk": SCRATCH_GB if spec.volume is None else gb,
        "env": dict(spec.environment),
        "args": shlex.join(["bash", "-c", spec.command]),
    }
    return body | ({} if offer.region is None else {"dataCenterIds": [offer.region]})


def instance_of(pod: PodJson, card_hourly: int) -> Instance:
    """Return a pod in our words; `cost` is its cards' alone, as the document's example shows."""
    volume = Decimal(0) if pod.mounts.persistent is None else pod.mounts.persistent.size
    state = state_of(pod)
    is_bare = state == "failed" and pod.status == "RUNNING"
    return Instance(
        provider="runpod",
        instance_id=pod.id,
        label=pod.name,
        state=state,
        gpu="" if pod.gpu is None else _OURS.get(pod.gpu.id, pod.gpu.id),
        hourly_nano_usd=card_hourly + disk_hourly(DISK_RUNNING, pod.disk + volume),
        stopped_hourly_nano_usd=disk_hourly(VOLUME_STOPPED, volume),
        interruptible=False,
        detail=f"{pod.status}{', without a card' if is_bare else ''}",
    )


def state_of(pod: PodJson) -> InstanceState:
    """Return the state of a pod that is not `TERMINATED`."""
    match pod.status:
        case "RUNNING":
            # Restarted on a host whose card is another's, it runs to have its data fetched
            # (pods/troubleshooting/zero-gpus.mdx).
            return "running" if has_card(pod) else "failed"
        case "EXITED":
            return "stopped"
        case "ERROR":
            return "failed"
        case _:
            return "loading"


def has_card(pod: PodJson) -> bool:
    """Say whether a pod has its card."""
    return pod.gpu is not None and pod.gpu.count > 0


def charges_of(record: RecordJson) -> Iterator[Charge]:
    """Yield the lines of one pod's hour."""
    parts: tuple[tuple[Literal["gpu", "storage", "other"], Decimal], ...] = (
        ("gpu", record.gpuAmount),
        ("storage", record.diskAmount),
        ("other", record.cpuAmount),
    )
    for kind, amount in parts:
        if amount:
            yield Charge(
                instance_id=record.podId,
                kind=kind,
                since=record.startTime.timestamp(),
                until=record.endTime.timestamp(),
                nano_usd=nano(amount),
            )


def refusal_kind(status: int, *, of_create: bool) -> RentFailureKind | None:
    """Return what kind of refusal a status is (create-a-pod: which failures to retry)."""
    if status in (401, 403) and not (of_create and status == 403):
        return "unauthorized"
    if status == 402:
        return "no_credit"
    if of_create and status in (400, 403, 404):
        return "no_offer"  # no room is told by no word of its own; 403: not this pool
    if status >= 500 or status < 200 or 300 <= status < 400:
        return "unreachable"
    return "rejected" if status >= 400 else None


def _places(gpu: GpuJson, want: Want) -> list[str | None]:
    """Return the data centres that have it; `None`: the catalog names none."""
    if not gpu.dataCenters and not want.regions:
        return [None] if gpu.availability in _STOCK else []
    stocked = [
        one
        for one in gpu.dataCenters
        if one.availability in _STOCK and (not want.regions or one.id in want.regions)
    ]
    return [one.id for one in sorted(stocked, key=lambda one: _STOCK.index(one.availability))]
