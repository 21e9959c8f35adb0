"""Leases: rented machines as rows of the ledger, from before they are asked for to their end.

A lease is one instance. Its spans say what state it was in, from when to when, and what that cost:
they follow each other without a gap, and a span ends at the latest with its UTC day, so that every
row belongs to one day of one month.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tercet.budget import GPU, MONTH
from tercet.renting import Instance, Offer

SpanState = Literal["requested", "loading", "running", "stopped", "failed"]
"""`requested`: the create was or is being sent. The others are `InstanceState`; `outbid` is
`stopped`. A span in `failed` costs what its provider bills for it, its disk."""

Correction = Literal["correction"]
"""What a row of the spans is that says how far the bill is from what was accrued; of no time."""

LeaseEnd = Literal["destroyed", "vanished", "never_created"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseOpened:
    """A machine about to be rented. It is durable before the create is sent."""

    lease_id: str
    """Also the label of the instance."""
    offer: Offer
    reserve_s: float
    """Warm-up plus minimum run: what is held for it in the budget, at its hourly price."""
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSeen:
    """What the provider says of a lease's instance now: ends a span and begins one, or goes on."""

    lease_id: str
    instance_id: str | None
    state: SpanState
    hourly_nano_usd: int
    """What this state costs an hour from now on."""
    reason: str = ""
    begins_boot: bool = False
    """A boot of ours begins with it: counted in `runs`."""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEnded:
    """The instance is gone, and no span is open any more."""

    lease_id: str
    end: LeaseEnd
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease as the ledger has it."""

    lease_id: str
    provider: str
    instance_id: str | None
    gpu: str
    state: SpanState
    since: float
    """When the state began, Unix seconds; across the ends of days."""
    rate_nano_usd: int
    """What the present state costs an hour."""
    hourly_nano_usd: int
    """Of the offer, running."""
    stopped_hourly_nano_usd: int
    interruptible: bool
    runs: int
    """How often its instance was begun to be booted, by us: 1 after the create."""
    opened_at: float
    ended_at: float | None
    end: LeaseEnd | None
    spent_nano_usd: int
    """Closed spans, and the open one up to its last accrual."""
    held_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A state of a lease's machine from when to when, on one UTC day; or a correction."""

    lease_id: str
    seq: int
    """From 0, in the order they were written."""
    state: SpanState | Correction
    since_ns: int
    """Unix nanoseconds, like all of them here."""
    until_ns: int | None
    """`None` while it is open."""
    accrued_ns: int
    """How far it is booked."""
    hourly_nano_usd: int
    nano_usd: int
    """Booked; negative only where a correction says that less was billed."""
    month: str
    """The month it is charged to, as `2026-11`."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseCharged:
    """What a provider has billed for a lease in a month, in all."""

    lease_id: str
    month: str
    """As `2026-11`."""
    charged_nano_usd: int
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a keep-alive policy wants at a moment, in force or in shadow."""

    at: float
    """Unix seconds."""
    policy: str
    wants_on: bool
    is_in_force: bool
    why: str
    numbers: Mapping[str, float]
    """What it was decided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """The requests of one minute that the local model answers if it is there."""

    minute: int
    """Unix seconds over the length of a minute, 60 but in a rehearsal; rounded down."""
    count: int
    """All of them, those that nobody answered too."""
    api_nano_usd: int
    """What APIs cost that answered in its place."""
    local_count: int
    """How many it answered itself."""
    local_input_tokens: int
    local_output_tokens: int
    """What those read and said: they would have cost an API's price for it."""


def lease_scopes(provider: str) -> tuple[str, ...]:
    """Return the scopes a lease is charged to, in the order they are locked."""
    return tuple(sorted((GPU, MONTH, f"provider:{provider}")))


def hourly(instance: Instance) -> int:
    """Return what the state an instance is in costs an hour, in nano-USD."""
    match instance.state:
        case "running":
            return instance.hourly_nano_usd
        case "loading":
            # Vast.ai bills the disk alone until it runs; RunPod from the build on.
            is_billed = instance.provider == "runpod"
            return instance.hourly_nano_usd if is_billed else instance.stopped_hourly_nano_usd
        case "stopped" | "outbid" | "failed":
            return instance.stopped_hourly_nano_usd


def span_state(instance: Instance) -> SpanState:
    """Return the span of an instance's state."""
    return "stopped" if instance.state == "outbid" else instance.state
