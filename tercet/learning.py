"""What routing learns from (`Label`), what came of it (`PolicyVersion`), and by which rules.

A label holds no text. Money is nano-USD, times are Unix seconds, shares and qualities 0 to 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tercet.task import TaskKind

LabelSource = Literal["shadow", "test", "judge", "feedback"]
"""Who says so. `shadow`: several arms answered the same task off the request path, and were
compared. `test`: the answer was checked by running or comparing it. `judge`: a model's opinion.
`feedback`: the caller's."""

PolicyState = Literal["candidate", "canary", "in_force", "retired", "rolled_back"]
"""`candidate`: fitted, routes nothing. `canary`: routes a share of the tasks. `in_force`: routes
the others. `retired`: another took its place. `rolled_back`: it was found worse, or ended by an
operator."""

PolicyChoice = Literal["auto", "plan", "learned"]

Threshold = Literal["quality_per_usd", "margin", "escalates_up_to_tokens"]
"""What tuning may move: how much quality a US dollar must buy, how much may be lost to save money,
and how many tokens of a disagreement are still escalated."""

THRESHOLDS: Final[tuple[str, ...]] = ("quality_per_usd", "margin", "escalates_up_to_tokens")

BY_TRUST: Final[tuple[LabelSource, ...]] = ("test", "shadow", "judge", "feedback")
"""Of two labels for one arm on one task the earlier counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """How good one arm's answer to one task was. One task, arm and source have one label."""

    task_id: str
    group_id: str
    """Of the conversation or the prompt: labels of one group are not independent."""
    kind: TaskKind
    kinds: Mapping[TaskKind, float]
    """The probability of each kind, as the classifier had it; empty: it was not asked."""
    is_declared: bool
    """The kind is known for certain: the caller said it, or whoever made the label."""
    arm: str
    quality: float
    source: LabelSource
    cost_nano_usd: int | None
    """Of this answer; `None`: unknown."""
    size_tokens: int
    """Of the whole conversation."""
    sketch: bytes | None
    """Hashed features of what was asked (`router.learning.features`); `None`: none was made."""
    policy_version: str | None
    """The version that routed the task; `None`: the plan's rule, or nobody."""
    propensity: float | None
    """With what probability the arm was drawn; `None`: it was not, but forced or a shadow."""
    at: float
    seconds: float | None = None
    """How long this answer took; `None`: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCount:
    """How many labels there are of one sort."""

    kind: TaskKind
    arm: str
    source: LabelSource
    count: int
    quality: float
    """Their mean."""
    latest_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """One version of what was learned, as the ledger has it."""

    version: str
    made_at: float
    state: PolicyState
    share: float
    """Of the tasks it routes: 1 in force, 0 where it routes none."""
    document: bytes | None
    """See `router.learning.document`; `None`: it was not read along."""
    summary: str
    """JSON: what it was made from, and what is expected of it."""
    why: str
    """Why it is in its state."""
    changed_at: float
    in_force_at: float | None = None
    """When it last came into force; `None`: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMove:
    """A version's way from one state to another. It is not made if it is in neither any more."""

    version: str
    come_from: PolicyState
    to: PolicyState
    share: float
    why: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What only one may do at a time (`refit`), or nobody for a while (`freeze`)."""

    name: Literal["refit", "freeze"]
    owner: str
    until: float | None
    """After which it no longer holds; `None`: until it is given back."""
    why: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRules:
    """How routing learns, as `config/learning.yaml` states it."""

    policy: PolicyChoice
    """`auto`: the plan's rule until a version is in force. `plan`: always the plan's rule.
    `learned`: from the first task, on public results."""
    exploration_floor: float
    """The share of the tasks spread evenly over the admissible arms; never of critical kinds."""
    exploration_nano_usd: int
    """What exploring may cost more than the arms thought best, a UTC day."""
    margin: float
    """How much quality may be lost to save money."""
    margins: Mapping[TaskKind, float] = field(default_factory=dict[TaskKind, float])
    """The same by kind; the others have `margin`."""
    quality_per_nano_usd: float | None
    """How much quality a nano-USD has to buy; `None`: as little as the month's cap allows."""
    canary_shares: tuple[float, ...]
    """A canary's share of the tasks, step by step."""
    refit_hour: int
    """UTC."""
    window_s: float
    """How far back labels and tasks are read."""
    least_labels: int
    """Tasks with a label for both sides, from which a kind is judged."""
    kept_s: float
    """How long labels are kept."""
    bounds: Mapping[str, tuple[float, float]] = field(
        default_factory=dict[str, tuple[float, float]]
    )
    """Between what values a threshold of a version may be; without, it is as it was fitted."""

    def margin_of(self, kind: TaskKind) -> float:
        """Return the margin of a kind."""
        return self.margins.get(kind, self.margin)
