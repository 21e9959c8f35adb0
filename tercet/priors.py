"""What is expected of each model in each kind of work before anything was measured here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tercet.task import TaskKind

FILE: Final = "config/priors.yaml"
GUESS_LABELS: Final = 2.0
"""What an expectation is worth that nobody wrote down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What is expected of a model in a kind."""

    quality: float
    """From 0 to 1."""
    labels: float
    """How many labels it is worth, above 0."""
    source: str
    """Where it comes from, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindPriors:
    """What is expected of work of one kind."""

    output_tokens: float
    """Of an answer, thinking included."""
    agree: float
    """How often two cheap models of different makers agree, from 0 to 1."""
    beliefs: Mapping[str, Belief]
    """By model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priors:
    """Everything `config/priors.yaml` says."""

    kinds: Mapping[TaskKind, KindPriors]
    """At least one."""
    tiers: Mapping[str, str]
    """By model, the tier it is of by its capability; models that came and went may be there."""
    advice_tokens: int
    """What a memory or a junior hands over."""

    def of_kind(self, kind: TaskKind) -> KindPriors:
        """Return what is expected of a kind; of one that is not there the mean over those that are.

        Such means count as guesses.
        """
        if kind in self.kinds:
            return self.kinds[kind]
        there = tuple(self.kinds.values())
        models = dict.fromkeys(model for one in there for model in one.beliefs)
        why = f"the mean over kinds: {kind} is not in {FILE}"
        return KindPriors(
            output_tokens=sum(one.output_tokens for one in there) / len(there),
            agree=sum(one.agree for one in there) / len(there),
            beliefs={
                model: _mean([one.beliefs[model] for one in there if model in one.beliefs], why)
                for model in models
            },
        )

    def belief(self, model: str, kind: TaskKind, tier: str) -> Belief:
        """Return what is expected of a model; of one that is not there its tier's mean, as a guess.

        Args:
            model: its name.
            kind: the kind of work.
            tier: the catalog's tier that seats it.
        """
        beliefs = self.of_kind(kind).beliefs
        if model in beliefs:
            return beliefs[model]
        peers = [belief for name, belief in beliefs.items() if self.tiers[name] == tier]
        whose = f"{tier}'s models" if peers else "all models"
        why = f"the mean of {whose}: {model} is not in {FILE}"
        return _mean(peers or beliefs.values(), why)


def _mean(beliefs: Iterable[Belief], source: str) -> Belief:
    qualities = [belief.quality for belief in beliefs]
    return Belief(quality=sum(qualities) / len(qualities), labels=GUESS_LABELS, source=source)
