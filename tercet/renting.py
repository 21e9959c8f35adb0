"""Rented machines: what is offered, what is asked for, what there is, and what it cost.

Every provider of machines is spelt in one file of `cluster/providers/`; all of them speak in these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

ProviderOfMachines = Literal["vast", "runpod", "fake"]

InstanceState = Literal["loading", "running", "stopped", "outbid", "failed"]
"""`loading`: it may come up; the card is not billed at Vast.ai, and is at RunPod. `running`: the
card is billed. `stopped`: its disk is billed alone, and the card may be another's. `outbid`: as
`stopped`, but by the provider; it may come back by itself. `failed`: it will never run, and is to
be destroyed. An instance that is gone has no state: it is not listed."""

RentFailureKind = Literal[
    "no_offer", "no_gpu", "rejected", "rate_limited", "no_credit", "unauthorized", "unreachable"
]
"""`no_offer`: the offer is taken, or none fits. `no_gpu`: a stopped instance cannot have its card
back now. `rejected`: the request was refused as it stands. `no_credit`: the account is empty.
`unauthorized`: the key is wrong or lacks a scope. `unreachable`: it may have been done or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a machine must have."""

    gpus: tuple[str, ...]
    """Names of cards as `config/local.yaml` has them, such as `RTX 3090`."""
    disk_gb: int
    interruptible: bool
    """Bid for it; only Vast.ai has such machines."""
    trusted: bool = True
    """In a datacenter, verified (Vast.ai) or Secure Cloud (RunPod)."""
    most_hourly_nano_usd: int | None = None
    regions: tuple[str, ...] = ()
    """Provider's names (RunPod: data centres); empty: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A machine to be had."""

    provider: ProviderOfMachines
    offer_id: str
    gpu: str
    hourly_nano_usd: int
    """While running, its disk included: what is paid. For a bid, the price that would win now."""
    stopped_hourly_nano_usd: int
    """While stopped: its disk alone."""
    interruptible: bool
    trusted: bool
    region: str | None = None
    reliability: float | None = None
    """Share of time up, 0 to 1, by the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """What is put on a machine. No provider's account key is ever in it."""

    label: str
    """The lease's id: how the instance is found again, also after a create that seemed to fail."""
    image: str
    """By digest."""
    disk_gb: int
    environment: Mapping[str, str]
    command: str
    """Shell script run at every boot, also at that of a stopped instance started again."""
    volume: str | None = None
    """The id of a persistent volume to mount at `/workspace` (RunPod: network volume)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A machine as its provider tells of it now."""

    provider: ProviderOfMachines
    instance_id: str
    label: str
    state: InstanceState
    gpu: str
    hourly_nano_usd: int
    stopped_hourly_nano_usd: int
    interruptible: bool
    detail: str = ""
    """The provider's own words about the state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A line of a provider's bill."""

    instance_id: str
    kind: Literal["gpu", "storage", "bandwidth", "other"]
    since: float
    """Unix seconds."""
    until: float
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RentFailure:
    """Why a provider did not do what was asked, as a value."""

    kind: RentFailureKind
    message: str
    """Names the cause and the remedy."""
    retry_after_s: float | None = None
    """When the provider says, or its documents do."""


class GpuProvider(Protocol):
    """A provider of machines. Everything it cannot do is a `RentFailure`, never an exception."""

    @property
    def name(self) -> ProviderOfMachines:
        """Who it is."""
        ...

    async def search(self, want: Want) -> Sequence[Offer] | RentFailure:
        """Return what fits, the cheapest first; empty if nothing does."""
        ...

    async def create(self, offer: Offer, spec: MachineSpec) -> Instance | RentFailure:
        """Rent it and boot it. After a failure there may be an instance all the same."""
        ...

    async def start(self, instance_id: str) -> RentFailure | None:
        """Boot a stopped instance. Success says that it was asked for: look at its state."""
        ...

    async def stop(self, instance_id: str) -> RentFailure | None:
        """Give the card back and keep the disk; also of one that is loading."""
        ...

    async def destroy(self, instance_id: str) -> RentFailure | None:
        """End all billing; of one that is gone too, that is success."""
        ...

    async def status(self, instance_id: str) -> Instance | RentFailure | None:
        """Return what there is; `None`: it is gone."""
        ...

    async def instances(self, prefix: str) -> Sequence[Instance] | RentFailure:
        """Return every instance of the account whose label begins so, all pages of them."""
        ...

    async def charges(self, since: float, until: float) -> Sequence[Charge] | RentFailure:
        """Return the lines of the bill that overlap the time, by the provider's own account."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
