"""What happened: the events of a composition and the answer they end in."""

from dataclasses import dataclass
from typing import Literal

from tercet.call import Completion, Failure, FinishReason, Outcome
from tercet.catalog import Role
from tercet.content import Said, text_of

AgreementKind = Literal["exact", "number", "choice", "json", "code", "meaning"]
"""The rung of the ladder on which two answers were found to be the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of a composition and what came of it."""

    role: Role
    round: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Progress:
    """A note for whoever waits: what is being done while no answer text comes."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaking:
    """The answering seat begins: only what it says follows, then the answer."""

    model: str
    degraded: tuple[str, ...] = ()
    """Voices missing so far, as `role:reason`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The last event of a composition that found an answer."""

    parts: tuple[Said, ...]
    model: str
    """Who said it."""
    finish: FinishReason
    stop_sequence: str | None = None
    """The caller's stop sequence that ended it, where the provider says so."""
    steps: tuple[Step, ...]
    degraded: tuple[str, ...] = ()
    """Voices that were missing or failed, as `role:reason`."""
    settled_by: str
    """How the answer was settled, in words: agreement, vote, one seat."""
    changed_outcome: bool | None = None
    """Whether the extra voices changed the text that answered; `None` when it cannot be told."""
    agreement: AgreementKind | None = None
    """How the members of a consensus agreed; `None` where they did not, or nobody compared."""
    agreed_in_round: int | None = None
    """The round after which they did."""
    is_escalated: bool = False
    """The escalation seat was asked, whether or not its answer stands."""

    @property
    def text(self) -> str:
        """What is said in text, joined."""
        return text_of(self.parts)

    @property
    def cost_nano_usd(self) -> int:
        """What every voice cost, those that failed included."""
        return sum(step.outcome.cost_nano_usd for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The last event of a composition in which every seat that may answer failed."""

    failures: tuple[Failure, ...]
    steps: tuple[Step, ...]


def completions(steps: tuple[Step, ...]) -> tuple[Completion, ...]:
    """Return what was said, in order, leaving failures out."""
    return tuple(step.outcome for step in steps if isinstance(step.outcome, Completion))
