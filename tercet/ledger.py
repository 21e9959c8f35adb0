"""The ledger's rows: what is written before a provider is asked, and what is written after."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from tercet.usage import Usage

AttemptState = Literal["reserved", "settled", "void", "estimated"]
"""`reserved`: the POST may have left and its bill is not known yet. `void`: nothing was billed.
`estimated`: something was billed, and the provider's own count was not seen to the end."""

UsageSource = Literal["provider", "estimated", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An attempt about to be made. It is durable before the first byte leaves."""

    attempt_id: str
    task_id: str
    key_id: str
    tier: str
    provider: str
    model: str
    role: str
    round: int
    reserved_nano_usd: int
    """The most the attempt can cost."""
    price_source: str
    simulated: bool
    deadline_at: float
    """Unix seconds."""
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of an attempt."""

    attempt_id: str
    state: AttemptState
    outcome: str
    """`complete`, or the kind of the failure."""
    usage: Usage
    usage_source: UsageSource
    settled_nano_usd: int
    upstream_id: str | None
    first_token_s: float | None
    latency_s: float
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOpened:
    """A task and the route decided for it, as JSON documents for the receipt."""

    task_id: str
    key_id: str
    asked_model: str
    profile: str
    route: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestClosed:
    """How a task ended, as a JSON document for the receipt."""

    task_id: str
    outcome: str
    """`answered`, `failed` or `abandoned` (the caller went away)."""
    answer: str
    at: float


def month_of(at: float) -> str:
    """Return the UTC month of a Unix time, as `2026-11`: the month an attempt is charged to."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")
