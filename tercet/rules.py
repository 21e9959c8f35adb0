"""The numbers a route and an attempt are made with, as `config/routes.yaml` states them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tercet.budget import Caps
from tercet.catalog import ProviderName
from tercet.route import OnDisagreement
from tercet.task import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLimits:
    """Most output tokens of a call where the caller names no limit."""

    answer: int
    member: int
    advice: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait, in seconds."""

    deadline_s: float
    """From the request's arrival to the last byte of its answer."""
    connect_s: float
    first_event_s: float
    """From sending to the provider's first event."""
    between_events_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRules:
    """How a tier's proxy treats the providers it calls, as `config/upstreams.yaml` states it."""

    attempts_per_call: int
    backoff_base_s: float
    backoff_cap_s: float
    longest_wait_s: float
    """Longest retry-after of a provider that is waited for."""
    purse_capacity: float
    purse_per_call: float
    purse_per_s: float
    breaker_failures: int
    """Failures in a row after which a model is not asked."""
    probe_every_s: float
    probe_at_least_every_s: float
    throttle_k: float
    throttle_window_s: float
    concurrency: int
    """Attempts under way at once, per model and replica."""
    concurrency_wait_s: float
    on_disconnect: Mapping[ProviderName, Literal["drain", "cancel"]]
    drains: int
    """Most answers read on at once although nobody waits for them."""
    drain_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRules:
    """How a month's money is kept, as `config/budget.yaml` states it."""

    caps: Caps
    spent_from: Mapping[int, float]
    """Share of the month's cap at which a step of the ladder begins; of the steps 2 to 5."""
    forecast_from: Mapping[int, float]
    """The forecast's high end, over the cap, at which a step begins; of the steps 2 and 3."""
    margin: float
    """How far below its beginning, in the same share, a step or a bucket is left again."""
    pace_bucket: float
    """Points of the cap ahead of the pace that make one more bucket."""
    weight_per_bucket: float
    """What each bucket adds to the cost weight, which is 1 without."""
    most_weight: float
    premium_kinds: frozenset[TaskKind]
    """Kinds of task that keep the premium tier when the budget takes it from the others."""
    cheapest: str
    """The model that answers alone when little is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRules:
    """How requests for the local model are treated."""

    held: int
    """Most requests of one ingress replica that wait for it to load."""
    answer_s: float
    """How long an answer takes once it is begun: who waits for a load keeps so much time."""
    first_event_s: float
    """How long it may be silent before an API answers instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How routes are made."""

    memory_from_tokens: int
    """Conversations below this are read by the brain itself."""
    junior_from_tokens: int
    """Conversations below this leave the junior nothing to gather."""
    max_rounds: int
    prefer: Mapping[TaskKind, str]
    """The member whose answer stands when a vote is tied, by kind of task."""
    on_disagreement: Mapping[TaskKind, OnDisagreement]
    """What follows when the members disagree, by kind of task; the others are talked over."""
    escalate_to: str
    """The tier whose first seat is asked where a disagreement is escalated."""
    output: OutputLimits
    local: LocalRules
    limits: Limits
    upstreams: UpstreamRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A snapshot of what can answer now, read once per request."""

    providers: frozenset[str]
    """Providers with a key; `local`, if there is a local model."""
    simulated: bool = False
    """The providers are the project's own simulated upstreams."""
