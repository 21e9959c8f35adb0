"""The numbers a route and an attempt are made with, as `config/routes.yaml` states them."""

from collections.abc import Mapping
from dataclasses import dataclass

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
class Rules:
    """How routes are made."""

    memory_from_tokens: int
    """Conversations below this are read by the brain itself."""
    junior_from_tokens: int
    """Conversations below this leave the junior nothing to gather."""
    max_rounds: int
    prefer: Mapping[TaskKind, str]
    """The member whose answer stands when a vote is tied, by kind of task."""
    output: OutputLimits
    local_available: bool
    local_stand_in: str
    """The model that answers for `local` until the vLLM deployment exists."""
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A snapshot of what can answer now, read once per request."""

    providers: frozenset[str]
    """Providers with a key."""
    local_available: bool
    simulated: bool = False
    """The providers are the project's own simulated upstreams."""
