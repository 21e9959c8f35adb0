"""What a fake cloud is made of; all of it is kept in one JSON file."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict

Dialect = Literal["vast", "runpod"]
Phase = Literal[
    "creating", "loading", "running", "stopped", "scheduling", "outbid", "exited", "offline", "gone"
]
"""`scheduling`: a stopped one that waits for its card. `gone`: destroyed, kept for the bill."""
_AS_WRITTEN = ConfigDict(extra="forbid")
HOLDS_A_CARD: frozenset[Phase] = frozenset({"creating", "loading", "running"})
NextCreate = Literal["half_failed", "slow", "refused"]
"""`half_failed`: answers 500 and makes the instance. `slow`: makes it and answers `slow_s` late.
`refused`: the offer is gone."""


@dataclass(slots=True, kw_only=True)
class Machine:
    """A host with one card, which is the same as an offer here. Prices are nano-USD an hour."""

    __pydantic_config__ = _AS_WRITTEN

    offer_id: int
    gpu: str
    """By the names of `config/local.yaml`."""
    hourly: int
    """Of the card, on demand."""
    least_bid: int
    storage_usd_gb_month: float = 0.15
    trusted: bool = True
    region: str = "DE"
    reliability: float = 0.995
    taken: bool = False
    """Another customer has the card."""


@dataclass(slots=True, kw_only=True)
class Stretch:
    """A time in one phase, which the next one ends; nano-USD an hour."""

    phase: Phase
    since: float
    gpu: int
    disk: int


@dataclass(slots=True, kw_only=True)
class Rented:
    """An instance, from its create on and for ever."""

    instance_id: str
    dialect: Dialect
    offer_id: int
    label: str
    image: str
    environment: dict[str, str]
    command: str
    disk_gb: int
    volume: str | None
    bid: int | None
    """`None`: on demand."""
    hourly: int
    """Of the card, as agreed."""
    disk_running: int
    disk_stopped: int
    key: str
    """It opens this instance alone."""
    wants_to_run: bool = True
    due: float | None = None
    """When the phase under way ends by itself."""
    boots: int = 0
    history: list[Stretch] = field(default_factory=list[Stretch])

    @property
    def phase(self) -> Phase:
        """What it is in now."""
        return self.history[-1].phase


@dataclass(slots=True, kw_only=True)
class Delays:
    """Seconds."""

    __pydantic_config__ = _AS_WRITTEN

    create_s: float = 0.2
    load_s: float = 0.5
    start_s: float = 0.5
    """From a start to running, of a stopped one."""
    slow_s: float = 30.0


@dataclass(slots=True, kw_only=True)
class Body:
    """A process that plays an instance."""

    pid: int
    started: int
    """Ticks since the machine's boot, by the kernel: with the pid, that process and no other."""
    boot: int
    kill_at: float | None = None
    """Told to end; killed then."""


@dataclass(slots=True, kw_only=True)
class Garbled:
    """What is answered instead of the next answers to requests of this kind."""

    kind: Literal["html", "truncated", "unsuccessful", "empty", "too_many"]
    method: str
    path: str
    """A part of it, its query included."""
    times: int = 1


@dataclass(slots=True, kw_only=True)
class World:
    """The cloud: what is configured, and what became of it."""

    __pydantic_config__ = _AS_WRITTEN

    machines: list[Machine]
    account_key: str = "fake-account-key"
    scopes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Further keys of the account (Vast.ai), and the scopes each has."""
    delays: Delays = field(default_factory=Delays)
    limits: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds between requests to an endpoint of Vast.ai; `minute`: requests a minute at RunPod.
    One that is missing has no limit."""
    page: int = 25
    """Instances on a page of Vast.ai's list and bill."""
    rented: list[Rented] = field(default_factory=list[Rented])
    bodies: dict[str, Body] = field(default_factory=dict[str, Body])
    next_create: NextCreate | None = None
    starts_ignored: int = 0
    garbled: list[Garbled] = field(default_factory=list[Garbled])
