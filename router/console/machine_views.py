"""What the pages about machines, providers and keys show; see `views` for the words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tercet.leases import Decided

Health = Literal["healthy", "degraded", "down", "quiet"]
"""`quiet`: nothing was asked of it of late."""

GpuState = Literal["off", "asleep", "loading", "busy", "idle", "failed"]
"""`off`: no local model is configured. `asleep`: nothing runs and at most a stopped disk bills.
`busy`: at least one request was being answered. `idle`: it ran and answered nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuNow:
    """The local model's machine now."""

    state: GpuState
    words: str
    """The same in a sentence."""
    since: float | None
    model: str | None
    card: str | None
    """Of the rented machine; `None`: none is rented."""
    provider: str | None
    rate_nano_usd: int | None
    """What it costs an hour in this state."""
    month_nano_usd: int
    cap_nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchView:
    """A stretch of the timeline."""

    state: GpuState
    since: float
    until: float
    nano_usd: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTotal:
    """A state's part of the timeline."""

    state: GpuState
    seconds: float
    nano_usd: int
    share: float
    """Of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """A rented machine."""

    id: str
    provider: str
    card: str
    state: str
    since: float
    opened_at: float
    ended_at: float | None
    end: str | None
    boots: int
    rate_nano_usd: int
    spent_nano_usd: int
    held_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartView:
    """A cold start of the local model."""

    at: float
    node: str
    total_s: float
    phases_s: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuView:
    """`gpu.html`."""

    now: GpuNow
    since: float
    """Of the timeline."""
    until: float
    stretches: tuple[StretchView, ...]
    """They follow each other without a gap."""
    totals: tuple[StateTotal, ...]
    leases: tuple[LeaseView, ...]
    starts: tuple[StartView, ...]
    decisions: tuple[Decided, ...]
    """Changes of mind only, the newest first."""
    empty_words: str
    """What to do where there is no local model; empty where there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNow:
    """A provider in a line."""

    provider: str
    health: Health
    words: str
    attempts: int
    """Ended in the last 15 minutes."""
    failed: int
    exhausted_until: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowView:
    """What ended in a window of time."""

    attempts: int
    failed: int
    """For a reason that says something of the provider's health."""
    failed_share: float | None
    """`None`: nothing ended."""
    outcomes: Mapping[str, int]
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHealth:
    """A model at its provider."""

    provider: str
    model: str
    health: Health
    words: str
    quarter: WindowView
    """The last 15 minutes."""
    day: WindowView
    """The last 24 hours."""
    last_at: float | None
    """When an attempt last ended; `None`: not within 24 hours."""
    streak: int
    """Failures in a row up to now."""
    is_breaker_open: bool
    """As the rows tell: so many in a row that replicas but probe it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhaustedView:
    """A provider that refuses for want of money of its own."""

    provider: str
    until: float
    why: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidersView:
    """`providers.html`."""

    models: tuple[ModelHealth, ...]
    """Every model of the catalog, and those of rows that it lacks now."""
    exhausted: tuple[ExhaustedView, ...]
    breaker_words: str
    """When a breaker opens, by the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A caller's key; never its secret."""

    name: str
    cap_nano_usd: int | None
    spent_nano_usd: int
    held_nano_usd: int
    spent_share: float | None
    """Of the cap."""
    requests_per_minute: int | None
    concurrent: int | None
    tiers: tuple[str, ...] | None
    """`None`: every one."""
    models: tuple[str, ...] | None
    created_at: float | None
    """`None`: it is the environment's."""
    revoked_at: float | None
    overlap_until: float | None
    """Until when the secret before the last rotation still opens."""
    words: str
    """What it is, of those that no command made; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysView:
    """`keys.html`."""

    month: str
    keys: tuple[KeyView, ...]
    """Those in force first."""
    command: str
    """Makes one."""
