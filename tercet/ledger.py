"""The ledger's rows: what is written before a provider is asked, and what is written after."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from tercet.budget import Ask, Balance
from tercet.usage import Usage

AttemptState = Literal["reserved", "sent", "settled", "void", "estimated"]
"""`reserved`: the POST may have left. `sent`: the provider has begun to answer. `settled`: booked
from the provider's own count. `void`: nothing was billed. `estimated`: something was or may have
been billed, and the provider's count was not seen to the end."""

Flag = Literal["orphan", "doubtful_usage", "over_reserved"]
"""What an operator should know of a row. `orphan`: its process ended before the bill was known, so
it is booked at its upper bound. `doubtful_usage`: the provider's count was impossible and has been
clamped. `over_reserved`: it cost more than its upper bound, and is booked in full."""

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
    ask: Ask
    """The most the attempt can cost; the budget grants all of it, less output, or nothing."""
    price_source: str
    simulated: bool
    deadline_at: float
    """Unix seconds."""
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The provider has begun to answer, and said how much it read."""

    attempt_id: str
    usage: Usage
    """The provider's opening count."""
    upstream_id: str | None
    bound_nano_usd: int
    """The most the attempt can cost now that its input is counted; a hold only ever shrinks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of an attempt."""

    attempt_id: str
    state: Literal["settled", "void", "estimated"]
    outcome: str
    """`complete`, or the kind of the failure."""
    usage: Usage
    usage_source: UsageSource
    settled_nano_usd: int
    price_source: str | None = None
    """What it was priced by, the service tier's factor included; `None`: as it was reserved."""
    upstream_id: str | None
    flag: Flag | None = None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A request that must not be done twice, by the key its caller gave it."""

    key_id: str
    idempotency_key: str
    fingerprint: str
    """SHA-256 of path and body, in hex."""
    task_id: str
    at: float
    lease_until: float
    """Unix seconds after which the claim of a process that died may be taken over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The request is the caller's to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InProgress:
    """The same request is being done now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """The idempotency key was used for another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The request was done: what its caller was told."""

    task_id: str
    document: str
    """JSON, the surface's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What the ledger says of money at one moment: the snapshot that pacing and headers read."""

    month: str
    """By the ledger's own clock, as `2026-11`."""
    balances: Mapping[str, Balance] = field(default_factory=dict[str, Balance])
    """By scope, of this month."""
    hours: Mapping[int, int] = field(default_factory=dict[int, int])
    """Nano-USD spent by hour (Unix seconds // 3600), of the last 35 days; empty hours lack."""


def month_of(at: float) -> str:
    """Return the UTC month of a Unix time, as `2026-11`: the month an attempt is charged to."""
    day = datetime.fromtimestamp(at, UTC)
    return f"{day.year:04}-{day.month:02}"


def month_begin(month: str) -> float:
    """Return the Unix time at which a UTC month such as `2026-11` begins."""
    return datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC).timestamp()


def month_end(at: float) -> float:
    """Return the Unix time at which the UTC month of `at` ends."""
    day = datetime.fromtimestamp(at, UTC)
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp()
