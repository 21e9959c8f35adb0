"""What was decided, and why, before any model is called."""

from dataclasses import dataclass
from typing import Literal

from tercet.catalog import CompositionName, Role
from tercet.drawing import Draw
from tercet.migration import Assignment
from tercet.taxonomy import Contract

OnDisagreement = Literal["critique", "prefer", "escalate"]
"""What follows when the members of a consensus answer differently: they look at each other's
answers, the preferred member's answer stands, or a stronger model is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A role taken by a model, with who stands in when that model fails."""

    role: Role
    tier: str
    """The tier whose proxy makes the call."""
    model: str
    alternates: tuple[str, ...] = ()
    """Models of the same tier asked, in order, when `model` fails before its first content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The decision: who answers, in what composition, by when. Complete before the first call."""

    name: str
    """`tier1`, `tier2`, `tier3`, `local`, or the model's name when one model was asked for."""
    composition: CompositionName
    seats: tuple[Seat, ...]
    """The answering seat first; the members of a consensus in order of preference."""
    max_rounds: int = 1
    """Most rounds a consensus may play."""
    stops_on_agreement: bool = True
    contract: Contract = "text"
    """What form the members' final answers have."""
    on_disagreement: OnDisagreement = "critique"
    """What follows a disagreement of a consensus that stops on agreement."""
    escalation: Seat | None = None
    """Who is asked when the members disagree; its tier's proxy makes the call."""
    escalates_up_to_tokens: int | None = None
    """Most output tokens, of all members together, after which a disagreement is still escalated:
    where the cheap wrote much, the strong is dear and seldom right either. `None`: always."""
    degraded: tuple[str, ...] = ()
    """Voices known to be missing when the route was decided, as `role:reason`, and `budget:stepN`
    where the month's money made it a lesser route."""
    reason: str
    deadline_at: float
    """Unix seconds."""
    hold_until: float | None = None
    """Unix seconds until which the task waits for the local model to load; `None`: not at all."""
    instead: "Route | None" = None
    """What is played if this one finds no answer before its first content, or is held in vain."""
    policy: str | None = None
    """The version of what was learned that decided; `None`: the plan's rule, or nobody had to."""
    draw: Draw | None = None
    """How that version chose its arm; `None` without a version."""
    assignment: Assignment | None = None
    """Which side of its kind's migration it is on; `None`: on none, it is not eligible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The decision that nobody answers: the budget or the caller's key allows no route."""

    reason: str
    resets_at: float | None = None
    """Unix seconds from which the budget allows it again; `None`: it is not about the budget."""
    is_passing: bool = False
    """It is about the local model alone, which may be ready later; else the key never allows it."""
