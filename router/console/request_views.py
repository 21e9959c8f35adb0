"""What the pages about requests show; see `views` for the words."""

from dataclasses import dataclass
from typing import Literal

from router.console.evidence_views import SampleRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A task in a list."""

    id: str
    href: str
    at: float
    key: str
    kind: str
    asked: str
    """The model its caller named."""
    route: str
    """`tier1`, `local`, or a model's name."""
    composition: str
    reason: str
    outcome: str
    """`answered`, `failed`, `abandoned` or `under_way`."""
    models: tuple[str, ...]
    """That were asked, in the order they were."""
    attempts: int
    nano_usd: int
    """Attempts under way count at what is held for them."""
    seconds: float | None
    """`None` while it is under way."""
    degraded: tuple[str, ...]
    is_simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterView:
    """What a list is narrowed to, and what there is to choose."""

    name: Literal["tier", "kind", "outcome", "key"]
    """Of the query parameter."""
    title: str
    value: str
    """Empty: everything."""
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsView:
    """`requests.html`."""

    rows: tuple[RequestRow, ...]
    filters: tuple[FilterView, ...]
    older: str | None
    """Address of the next page; `None`: this is the last."""
    newest: str
    """Address of the first page with the same filters."""
    is_live: bool
    """It is the first page, which may be asked for again and again (`poll`)."""
    poll: str
    """Address of this page's part, for htmx."""
    looked_until: float | None
    """With filters, rows are looked through so many at a time: no older one than of this time was;
    `None`: as many as fit were found, or all were looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One POST to a provider."""

    id: str
    tier: str
    provider: str
    model: str
    role: str
    round: int
    state: str
    """`reserved`, `sent`, `settled`, `void` or `estimated`."""
    flag: str | None
    outcome: str | None
    nano_usd: int
    """While it is under way, what is held."""
    reserved_nano_usd: int
    is_open: bool
    input_tokens: int | None
    """All of them; cached ones too."""
    cached_tokens: int | None
    """Of the input, those read from a cache."""
    output_tokens: int | None
    thinking_tokens: int | None
    """Of the output."""
    after_s: float
    """From the task's coming to the attempt's reservation."""
    first_token_s: float | None
    latency_s: float | None
    price_source: str
    usage_source: str | None
    upstream_id: str | None
    is_simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundView:
    """The attempts of one round of a composition."""

    number: int
    attempts: tuple[AttemptView, ...]
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatView:
    """A role and who had it."""

    role: str
    tier: str
    model: str
    alternates: tuple[str, ...]
    nano_usd: int
    """What its role's attempts cost, alternates' too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """What was decided before the first call."""

    name: str
    composition: str
    reason: str
    policy: str | None
    """The version of what was learned that decided; `None`: the plan's rule."""
    seats: tuple[SeatView, ...]
    max_rounds: int
    degraded: tuple[str, ...]
    side: str | None
    """Of its kind's migration: `treated`, `held_out`, `waiting`; `None`: it is on none."""
    propensity: float | None
    """With which probability it would have been treated."""
    instead: str | None
    """The route that is played where this one finds no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerView:
    """How it ended."""

    model: str
    finish: str
    settled_by: str
    agreement: str | None
    agreed_in_round: int | None
    changed_outcome: bool | None
    changed_words: str
    """Whether the extra voices changed the outcome, in a sentence."""
    is_escalated: bool
    degraded: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """`request.html`: a receipt opened to every attempt and round."""

    id: str
    key: str
    asked: str
    kind: str
    confidence: float | None
    is_unsure: bool
    reasons: tuple[str, ...]
    """Why the classifier thought so."""
    opened_at: float
    closed_at: float | None
    seconds: float | None
    outcome: str
    route: RouteView
    answer: AnswerView | None
    failures: tuple[str, ...]
    """Why nobody answered."""
    rounds: tuple[RoundView, ...]
    nano_usd: int
    is_simulated: bool
    samples: tuple[SampleRow, ...]
    poll: str | None
    """Address of this page's part while it is under way, for htmx; `None`: nothing changes."""
