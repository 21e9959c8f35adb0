"""Leases: rented machines as rows of the ledger, from before they are asked for to their end.

A lease is one instance. Its spans say what state it was in, from when to when, and what that cost:
they follow each other without a gap, and a span ends at the latest with its UTC day, so that every
row belongs to one day of one month.
"""

from dataclasses import dataclass
from typing import Literal

from tercet.renting import Instance, Offer

SpanState = Literal["requested", "loading", "running", "stopped", "failed"]
"""`requested`: the create was or is being sent. The others are `InstanceState`; `outbid` is
`stopped`. A span in `failed` costs what its provider bills for it, its disk."""

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
