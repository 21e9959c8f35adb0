"""Kinds of work that move to the local model: who is assigned to it, and what that is decided on.

A conversation's side follows from a salted hash alone, so it is random and stays the same; what is
compared are the sides as they were assigned, whoever answered in the end. Money is nano-USD, times
are Unix seconds, shares, propensities and qualities 0 to 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tercet.catalog import ProviderName
from tercet.task import TaskKind

EVIDENCE_KEY: Final = "evidence"
"""The name that shadow runs and judges are charged to: its cap is their budget."""

SHADOW_PART: Final = 2 / 3
"""How much of that budget may be spent on what no caller is answered by: the rest is kept to watch
the kinds that the local model answers."""

Phase = Literal["baseline", "migrate", "ungated"]
"""`baseline`: the local model is asked by name alone. `migrate`: each kind moves to it on evidence.
`ungated`: routine work goes to it at once, without a hold-out, so nothing is proved."""

MigrationState = Literal["baseline", "shadow", "canary", "promoted", "rolled_back"]
"""`baseline`: the API answers, and what it costs is measured. `shadow`: the API answers, and the
local model answers a sample off the request path. `canary`: the local model answers a share.
`promoted`: it answers all but the hold-out. `rolled_back`: the API answers, until an operator says
otherwise."""

Side = Literal["treated", "held_out", "waiting"]
"""`treated`: the local model is to answer. `held_out`: the API is, for ever. `waiting`: the API is,
until the kind's share reaches the conversation."""

Purpose = Literal["migration", "composition"]
"""What two answers to one task are compared for: local against API, or a composition against the
best of its seats."""

SampleState = Literal["chosen", "judged", "left"]
"""`chosen`: under way, or lost with its process. `left`: it was not judged, and `reason` says why.
"""

LeftReason = Literal[
    "asleep", "budget", "full", "unfit", "tested_failed", "base_failed", "judge_failed", "ended"
]
"""`asleep`: the local model was not ready in time. `budget`: the evidence's own budget is spent.
`full`: too many waited already. `unfit`: what is asked cannot be compared (tools, images).
`tested_failed`, `base_failed`: there was no answer to compare. `judge_failed`: no judge could be
asked, or none gave a verdict. `ended`: the gateway ended."""

Verdict = Literal["agreement", "check", "judge"]
"""Who compared: the agreement ladder, a checker that runs, or a model."""

MovedBy = Literal["gate", "operator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The side that a conversation is on, and with what probability it would have been treated."""

    kind: TaskKind
    state: MigrationState
    side: Side
    propensity: float
    """Of `treated`, at that moment; 0 where nothing is treated."""
    conversation: str
    """Tasks of one conversation are not independent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """Where a kind is on its way."""

    kind: TaskKind
    state: MigrationState
    share: float
    """Of the conversations that are not held out, those treated."""
    since: float
    """When it came there."""
    seq: int
    """Of its last transition; 0: it has had none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One move of a kind, with what it stood on. A kind's moves are numbered without a gap."""

    kind: TaskKind
    seq: int
    """From 1."""
    come_from: MigrationState
    to: MigrationState
    share: float
    why: str
    by: MovedBy
    evidence: str
    """JSON: every figure that was looked at."""
    at: float

    @property
    def migration(self) -> Migration:
        """Return where the kind is after it."""
        return Migration(
            kind=self.kind, state=self.to, share=self.share, since=self.at, seq=self.seq
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was known of a kind when it was looked at last."""

    kind: TaskKind
    is_suspected: bool
    """Its answers may have come to be worse: more of them are compared until it is known."""
    document: str
    """JSON: every figure, and `why` it goes or stays."""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Two answers to one task, compared off the request path. It holds no text."""

    task_id: str
    tested_arm: str
    purpose: Purpose
    conversation: str
    kind: TaskKind
    side: Side | None
    """Of the task; `None`: it was not assigned."""
    probability: float
    """With which tasks like this one are chosen."""
    base_arm: str
    """What the caller was answered by, or would have been without the local model."""
    state: SampleState
    reason: LeftReason | None = None
    by: Verdict | None = None
    judge: str | None = None
    """The model that judged."""
    base_quality: float | None = None
    tested_quality: float | None = None
    is_consistent: bool | None = None
    """Whether the judge said the same in both orders; `None`: it was not asked."""
    base_chars: int | None = None
    tested_chars: int | None = None
    base_nano_usd: int | None = None
    tested_nano_usd: int | None = None
    judge_nano_usd: int | None = None
    base_s: float | None = None
    tested_s: float | None = None
    at: float
    """When it was chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeAudit:
    """What a judge said of two answers whose qualities are known."""

    item: str
    """Of the gold set."""
    judge: str
    kind: TaskKind
    judged: float
    """Difference of the two answers' qualities as the judge has it, -1 to 1."""
    truth: float
    """The same as the gold set has it."""
    is_consistent: bool
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRules:
    """How kinds of work move to the local model, as `config/migrations.yaml` states it."""

    phase: Phase
    kinds: tuple[TaskKind, ...]
    """Those that may move."""
    hold_out: float
    """Of the eligible conversations, those that stay with the API for ever."""
    salt: str
    """Another one assigns every conversation anew."""
    canary_shares: tuple[float, ...]
    """Step by step."""
    margin: float
    """How much quality may be lost."""
    margins: Mapping[TaskKind, float] = field(default_factory=dict[TaskKind, float])
    """The same by kind; the others have `margin`."""
    least_baseline: int
    """Answered tasks of a kind before it leaves `baseline`."""
    least_pairs: int
    """Pairs before a kind's first canary, and new ones before each further step."""
    shadow_share: float
    """Of the tasks that the API answers, those that the local model answers too."""
    watch_share: float
    """Of the treated tasks, those that the API answers too."""
    watch_closely_share: float
    """The same while a kind is suspected."""
    composition_share: float
    """Of the conversations that a composition answers, those that its seats answer alone too."""
    evidence_nano_usd: int
    """What shadow runs and judges may cost a month."""
    judges: Mapping[ProviderName, str]
    """The model that judges, by the provider of the answer that the local one is compared with: of
    another family than that."""
    slower_by: float
    """The local model's 95th percentile of seconds may be this many times the API's."""
    slower_s: float
    """Or this many seconds, if that is more."""
    suspicion: float
    """Odds against a loss beyond the margin being chance, from which a kind is watched closely."""
    alarm: float
    """Odds against a loss beyond the margin being chance, from which a kind is rolled back."""

    def margin_of(self, kind: TaskKind) -> float:
        """Return the margin of a kind."""
        return self.margins.get(kind, self.margin)
