"""Metrics: their names, labels and what is counted of what. No other file spells them.

Values of labels come from the catalog, the taxonomy and `config/`, so that there are few.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Final, Literal, NamedTuple

from tercet.answer import Answer, NoAnswer
from tercet.budget import Balance, Caps
from tercet.catalog import LOCAL
from tercet.leases import Lease
from tercet.ledger import Reservation, Settlement
from tercet.migration import Migration
from tercet.outlook import CLOSED, NORMAL, Outlook
from tercet.route import Refused, Route
from tercet.task import Profile, Task
from tercet.usage import NANO_USD_PER_USD, Usage

AUTO: Final = "auto"
NONE: Final = "none"
OTHER: Final = "other"
"""The label of what is in no file of `config/`."""


class Metric(NamedTuple):
    """A metric but for its name."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    says: str
    bounds: tuple[float, ...] = ()
    """Of a histogram, upper bounds of its buckets in seconds."""


class Reading(NamedTuple):
    """A number for a metric: to be added, to be observed, or what it is now."""

    metric: str
    labels: tuple[str, ...]
    value: float


_ANSWERS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
_FIRST_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)

METRICS: Mapping[str, Metric] = {
    "tercet_requests_total": Metric(
        "counter", ("surface", "route", "composition", "outcome"), "Requests that ended."
    ),
    "tercet_routes_total": Metric("counter", ("kind", "route", "why"), "Decisions."),
    "tercet_hold_or_spill_total": Metric(
        "counter", ("decision",), "What became of requests for the local model."
    ),
    "tercet_request_seconds": Metric(
        "histogram", ("route",), "From a request to its answer's end.", _ANSWERS_S
    ),
    "tercet_requests_in_flight": Metric("gauge", (), "Requests being answered by this replica."),
    "tercet_attempts_total": Metric(
        "counter", ("tier", "provider", "model", "outcome", "usage_source"), "POSTs settled."
    ),
    "tercet_tokens_total": Metric(
        "counter", ("tier", "model", "bucket"), "Tokens in buckets that do not overlap."
    ),
    "tercet_cost_nano_usd_total": Metric(
        "counter", ("tier", "provider", "model"), "Nano-USD booked for attempts."
    ),
    "tercet_first_token_seconds": Metric(
        "histogram", ("tier", "model"), "From sending to the first content.", _FIRST_S
    ),
    "tercet_attempt_seconds": Metric(
        "histogram", ("tier", "model"), "From sending to the end of an attempt.", _ANSWERS_S
    ),
    "tercet_breaker_open": Metric("gauge", ("model",), "1: only probes of the model pass here."),
    "tercet_spans_dropped_total": Metric("counter", ("why",), "Spans that no collector got."),
    "tercet_month_spent_usd": Metric("gauge", ("scope",), "Spent this month."),
    "tercet_month_held_usd": Metric("gauge", ("scope",), "What is under way may still cost."),
    "tercet_month_cap_usd": Metric("gauge", ("scope",), "What a month may cost."),
    "tercet_month_forecast_usd": Metric("gauge", ("bound",), "What the month will have cost."),
    "tercet_ladder_step": Metric("gauge", ("step",), "1: the budget's ladder is on this step."),
    "tercet_estimated_share": Metric(
        "gauge", (), "Share of the attempts' cost this month whose count was not seen."
    ),
    "tercet_open_attempts": Metric("gauge", (), "Attempts that hold money now."),
    "tercet_gpu_state": Metric("gauge", ("state",), "1: the rented machine is in this state."),
    "tercet_gpu_hourly_usd": Metric("gauge", (), "What open leases cost an hour now."),
    "tercet_gpu_running_seconds": Metric("gauge", (), "How long the rented machine has run."),
    "tercet_gpu_idle_seconds": Metric("gauge", (), "Since the local model's last answer."),
    "tercet_reconciliation_delta_ratio": Metric(
        "gauge", ("provider",), "Corrections of machines' bills this month over what was accrued."
    ),
    "tercet_price_age_seconds": Metric("gauge", (), "Since the newest price row."),
    "tercet_migration_share": Metric(
        "gauge", ("kind",), "Share of a kind's conversations that the local model answers."
    ),
    "tercet_look_age_seconds": Metric("gauge", (), "Since the ledger was last read."),
}
"""By name; Ray puts `ray_` before each. `docs/telemetry.md` says more of every one."""

SURFACES: Mapping[str, str] = {
    "/v1/chat/completions": "openai_chat",
    "/v1/responses": "openai_responses",
    "/v1/messages": "anthropic_messages",
}
_STATES = (NONE, "requested", "loading", "running", "stopped", "failed")
# What `router.local_route` says of a route that is not the local model's because that is not ready.
_SPILT = ", but the local model is "
# What `router.instead` says of an answer that was waited for in vain.
_GAVE_UP = "local:not_ready"


def request_readings(
    path: str, route: Route | None, outcome: str, seconds: float
) -> Iterator[Reading]:
    """Yield what is counted of a request that ended; without a route nobody was asked."""
    name = NONE if route is None else route.name
    composition = NONE if route is None else route.composition
    surface = SURFACES.get(path, OTHER)
    yield Reading("tercet_requests_total", (surface, name, composition, outcome), 1)
    if outcome in {"answered", "failed"}:
        yield Reading("tercet_request_seconds", (name,), seconds)


def decision_readings(
    task: Task, profile: Profile | None, decision: Route | Refused
) -> Iterator[Reading]:
    """Yield what is counted of a decision; of a refusal there is no profile."""
    kind = NONE if profile is None else profile.kind
    name = NONE if isinstance(decision, Refused) else decision.name
    yield Reading("tercet_routes_total", (kind, name, why_of(task, decision)), 1)
    if isinstance(decision, Refused):
        return
    if decision.name == LOCAL:
        yield _held("go" if decision.hold_until is None else "hold")
    elif _SPILT in decision.reason:
        yield _held("spill")


def ending_readings(ending: Answer | NoAnswer | None) -> Iterator[Reading]:
    """Yield what is counted of an ending beside its outcome."""
    if isinstance(ending, Answer) and _GAVE_UP in ending.degraded:
        yield _held("gave_up")


def _held(decision: str) -> Reading:
    return Reading("tercet_hold_or_spill_total", (decision,), 1)


def why_of(task: Task, decision: Route | Refused) -> str:
    """Return why somebody answers, or nobody does, as one of a few words."""
    if isinstance(decision, Refused):
        if decision.resets_at is not None:
            return "refused_budget"
        return "refused_local" if decision.is_passing else "refused_key"
    if any(mark.startswith("budget:") for mark in decision.degraded):
        return "budget"
    if (task.hints.tier or task.model) != AUTO:
        return "named"
    if decision.assignment is not None and decision.assignment.side != "waiting":
        return "migration" if decision.assignment.side == "treated" else "held_out"
    return "learned" if decision.draw is not None and not decision.draw.is_forced else "plan"


def attempt_readings(row: Reservation, end: Settlement) -> Iterator[Reading]:
    """Yield what is counted of an attempt that was settled."""
    seat = (row.tier, row.model)
    billed = (row.tier, row.provider, row.model)
    yield Reading("tercet_attempts_total", (*billed, end.outcome, end.usage_source), 1)
    yield Reading("tercet_attempt_seconds", seat, end.latency_s)
    if end.first_token_s is not None:
        yield Reading("tercet_first_token_seconds", seat, end.first_token_s)
    if end.settled_nano_usd:
        yield Reading("tercet_cost_nano_usd_total", billed, end.settled_nano_usd)
    for bucket, count in _buckets(end.usage):
        if count:
            yield Reading("tercet_tokens_total", (*seat, bucket), count)


def _buckets(usage: Usage) -> tuple[tuple[str, int], ...]:
    return (
        ("fresh_input", usage.fresh_input),
        ("cache_read", usage.cache_read),
        ("cache_write_5m", usage.cache_write_5m),
        ("cache_write_1h", usage.cache_write_1h),
        ("output", usage.output),
    )


def in_flight(count: int) -> Reading:
    """Return how many requests a replica is answering."""
    return Reading("tercet_requests_in_flight", (), count)


def breaker(model: str, *, is_open: bool) -> Reading:
    """Return what a replica's breaker of a model is."""
    return Reading("tercet_breaker_open", (model,), float(is_open))


def dropped(why: Literal["queue", "export"], count: int) -> Reading:
    """Return what is counted of spans that no collector got."""
    return Reading("tercet_spans_dropped_total", (why,), count)


def month_readings(
    balances: Mapping[str, Balance], caps: Caps, scopes: frozenset[str]
) -> Iterator[Reading]:
    """Yield the month's money; `scopes` are those that have a label of their own."""
    spent, held = dict[str, int](), dict[str, int]()
    for scope, balance in balances.items():
        label = _scope(scope, scopes)
        spent[label] = spent.get(label, 0) + balance.spent
        held[label] = held.get(label, 0) + balance.held
    yield from _usd("tercet_month_spent_usd", spent)
    yield from _usd("tercet_month_held_usd", held)
    yield from _usd("tercet_month_cap_usd", {s: cap for s, cap in caps.items() if s in scopes})


def _scope(scope: str, known: frozenset[str]) -> str:
    if scope in known:
        return scope
    return f"key:{OTHER}" if scope.startswith("key:") else OTHER


def _usd(name: str, amounts: Mapping[str, int]) -> Iterator[Reading]:
    for label, nano_usd in amounts.items():
        yield Reading(name, (label,), nano_usd / NANO_USD_PER_USD)


def outlook_readings(outlook: Outlook) -> Iterator[Reading]:
    """Yield where the month's money is heading."""
    seen = outlook.forecast
    if seen is not None:
        bounds = {"low": seen.low, "middle": seen.middle, "high": seen.high}
        yield from _usd("tercet_month_forecast_usd", bounds)
    for step in range(NORMAL, CLOSED + 1):
        yield Reading("tercet_ladder_step", (str(step),), float(step == outlook.step))


def certainty_readings(estimated: int, booked: int, opened: int) -> Iterator[Reading]:
    """Yield how much of what attempts cost is estimated, in nano-USD, and how many are open."""
    if booked > 0:
        yield Reading("tercet_estimated_share", (), estimated / booked)
    yield Reading("tercet_open_attempts", (), opened)


def lease_readings(
    leases: Sequence[Lease], served_at: float | None, now: float
) -> Iterator[Reading]:
    """Yield what is rented; times are Unix seconds."""
    if not leases:
        return
    there = [lease for lease in leases if lease.ended_at is None]
    states = {lease.state for lease in there} or {NONE}
    for state in _STATES:
        yield Reading("tercet_gpu_state", (state,), float(state in states))
    rate = sum(lease.rate_nano_usd for lease in there)
    yield Reading("tercet_gpu_hourly_usd", (), rate / NANO_USD_PER_USD)
    running = [lease.since for lease in there if lease.state == "running"]
    if running:
        since = min(running)
        yield Reading("tercet_gpu_running_seconds", (), now - since)
        yield Reading("tercet_gpu_idle_seconds", (), now - max(since, served_at or since))


def correction_readings(billed: Iterable[tuple[str, int, int]]) -> Iterator[Reading]:
    """Yield how far bills were from what was accrued: by provider, the corrections and that."""
    for provider, corrected, accrued in billed:
        if accrued > 0:
            ratio = corrected / accrued
            yield Reading("tercet_reconciliation_delta_ratio", (provider,), ratio)


def migration_readings(migrations: Iterable[Migration], kinds: frozenset[str]) -> Iterator[Reading]:
    """Yield how far kinds have moved that there still are."""
    for one in migrations:
        if one.kind in kinds:
            yield Reading("tercet_migration_share", (one.kind,), one.share)


def price_readings(read_on: Sequence[date], now: float) -> Iterator[Reading]:
    """Yield how old the newest price is, by the days on which prices were read."""
    if read_on:
        midnight = datetime.combine(max(read_on), time(), UTC).timestamp()
        yield Reading("tercet_price_age_seconds", (), max(now - midnight, 0.0))


def look_reading(age_s: float) -> Reading:
    """Return how long ago the ledger was read."""
    return Reading("tercet_look_age_seconds", (), age_s)
