"""What the pages about evidence show: migrations and quality; see `views` for the words."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalView:
    """An estimate with its interval; an end that is not bounded yet is `None`."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyInterval:
    """The same of money."""

    value_nano_usd: int
    low_nano_usd: int | None
    high_nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveView:
    """A kind's move with what it stood on."""

    seq: int
    at: float
    come_from: str
    to: str
    share: float
    by: str
    why: str
    evidence: tuple[tuple[str, str], ...]
    """Name and figure, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindView:
    """Where a kind of work is on its way to the local model."""

    kind: str
    state: str
    share: float
    since: float | None
    looked_at: float | None
    """`None`: nobody has looked yet."""
    waits: str
    """What it waits for, in words."""
    is_suspected: bool
    """It may have come to be worse, and is compared more often."""
    margin: float
    """How much quality may be lost: the line on the picture is at minus this."""
    quality: IntervalView | None
    """Of the local model less the API's."""
    saving: MoneyInterval | None
    """A month."""
    local_p95_s: tuple[float, float] | None
    """Between what seconds the 95th percentile surely is."""
    base_p95_s: tuple[float, float] | None
    pairs: int
    fresh: int
    """Pairs since its last move."""
    more_pairs: int | None
    """About so many more would bring a verdict."""
    tasks_a_month: float | None
    compared_by: Mapping[str, int]
    left: Mapping[str, int]
    """Pairs that were not compared, by reason."""
    moves: tuple[MoveView, ...]
    """The newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationsView:
    """`migrations.html`."""

    phase: str
    has_local: bool
    hold_out: float
    kinds: tuple[KindView, ...]
    empty_words: str
    """What to do where nothing was looked at yet; empty where something was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """Two answers to one task, compared off the request path."""

    task_id: str
    href: str
    at: float
    kind: str
    purpose: str
    side: str | None
    base: str
    tested: str
    state: str
    """`chosen`, `judged` or `left`."""
    reason: str | None
    """Why it was left."""
    by: str | None
    """`agreement`, `check` or `judge`."""
    judge: str | None
    base_quality: float | None
    tested_quality: float | None
    difference: float | None
    """The tested answer's quality less the base's."""
    is_consistent: bool | None
    nano_usd: int | None
    """What comparing cost: the extra answer and the judge; `None`: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedView:
    """A kind's comparisons of the last 30 days."""

    kind: str
    purpose: str
    judged: int
    left: int
    difference: float | None
    """Mean of the pairs; the interval that holds at every look is on the migrations' page."""
    better: int
    same: int
    worse: int
    by: Mapping[str, int]
    nano_usd: int
    """What comparing cost, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeView:
    """How a judge did on answers whose qualities are known."""

    judge: str
    items: int
    bias: float
    """Mean of what it said less the truth."""
    error: float
    """Mean absolute error."""
    consistent_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    """How good an arm's answers to a kind were, from one source."""

    kind: str
    arm: str
    source: str
    """`test` (golden tasks), `feedback`, `judge` or `shadow`."""
    count: int
    quality: float | None
    """Mean; `None`: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityView:
    """`quality.html`."""

    days: int
    """Of which `compared`, `left` and `judges` tell."""
    compared: tuple[ComparedView, ...]
    left: Mapping[str, int]
    """Pairs that were not compared, by reason."""
    samples: tuple[SampleRow, ...]
    """The newest."""
    judges: tuple[JudgeView, ...]
    golden: tuple[LabelView, ...]
    feedback: tuple[LabelView, ...]
