"""Clues -> the evidence for each kind, what the rule makes of it, and calibrated probabilities."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from router.evidence.reading import Clue, Reading
from router.evidence.signals import FAMILIES
from router.evidence.weights import BIASES, WEIGHTS
from tercet.task import TaskKind
from tercet.taxonomy import BUILT_IN

KINDS: Final = BUILT_IN.names
"""Every kind there is evidence for; of two with equal evidence the earlier wins."""
BROAD: Final = tuple(kind for kind in KINDS if kind not in FAMILIES)
"""The kinds that compete; the finer ones are told apart within their family."""

REQUEST: Final = 2.0
"""Evidence from which a message makes a request of its own."""
_REQUEST_ON_CODE: Final = 1.0
"""The same where code, a diff or an error is shown: some work on it is wanted."""
_SHOWN: Final = frozenset(("code shown", "diff shown", "error shown"))
_COLUMNS: Final = tuple(zip(*WEIGHTS, strict=True))
"""What each feature says of every kind."""
_MOST: Final = 8.0
"""Evidence above this says no more."""

CRITICAL_FROM: Final[Mapping[TaskKind, float]] = {
    "security": 0.0,
    "architecture": 0.5,
    "code_review": 3.5,
    "bug_fix": 3.5,
    "implementation": 3.5,
}
"""Evidence of `security` that makes work of this kind critical: any at all for a design."""


def totals(clues: Iterable[Clue]) -> dict[TaskKind, float]:
    """Return the evidence for each kind."""
    scores = dict.fromkeys(KINDS, 0.0)
    for clue in clues:
        scores[clue.kind] += clue.weight
    return scores


def broadest(
    scores: Mapping[TaskKind, float], reading: Reading, kinds: Sequence[TaskKind] = BROAD
) -> TaskKind:
    """Return the broad kind that has the most evidence; `question` where nothing is asked for."""
    best = max(kinds, key=scores.__getitem__)
    needed = REQUEST if _SHOWN.isdisjoint(reading.mentions) else _REQUEST_ON_CODE
    if scores[best] < needed and "question" in kinds:
        return "question"
    return best


def is_critical_by_text(kind: TaskKind, scores: Mapping[TaskKind, float]) -> bool:
    """Whether work of a kind is critical by what else is said."""
    return kind in CRITICAL_FROM and scores["security"] >= CRITICAL_FROM[kind]


def features(scores: Mapping[TaskKind, float], broad: TaskKind) -> list[float]:
    """Return what the calibrated head sees: the evidence by kind, and the rule's choice.

    Evidence for a finer kind is seen beside a choice of its family alone.
    """
    seen = [
        min(scores[kind], _MOST) if FAMILIES.get(kind, broad) == broad else 0.0 for kind in KINDS
    ]
    return seen + [1.0 if kind == broad else 0.0 for kind in BROAD]


def probabilities(scores: Mapping[TaskKind, float], broad: TaskKind) -> dict[TaskKind, float]:
    """Return the calibrated probability of every kind; together 1."""
    found = [0.0] * len(BIASES)
    for column, value in zip(_COLUMNS, features(scores, broad), strict=True):
        if value:
            found = [sum_ + weight * value for sum_, weight in zip(found, column, strict=True)]
    logits = [bias + sum_ for bias, sum_ in zip(BIASES, found, strict=True)]
    most = max(logits)
    shares = [math.exp(logit - most) for logit in logits]
    whole = sum(shares)
    return {kind: share / whole for kind, share in zip(KINDS, shares, strict=True)}
