"""Whether a kind of work goes on its way to the local model, goes back, or stays where it is.

On, one step at a time: `baseline`, `shadow`, `canary` share by share, `promoted`. Only for reasons
that hold at every look, because it is looked at every few minutes. Back at once, from wherever the
local model is asked; from there an operator alone resumes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, inf, isfinite, log, sqrt
from typing import Final

from router.statistics.interval import Interval
from tercet.migration import MigrationRules, MigrationState
from tercet.task import TaskKind
from tercet.usage import NANO_USD_PER_USD

Bounds = tuple[float, float]

_UNDER_WAY: Final = frozenset({"shadow", "canary", "promoted"})
_ANSWERING: Final = frozenset({"canary", "promoted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KindEvidence:
    """All that is known of a kind at one moment."""

    kind: TaskKind
    state: MigrationState
    share: float
    """Of the conversations that are not held out, those treated."""
    since: float
    """When it came there, Unix seconds; 0: it has never moved."""
    now: float
    has_local: bool
    baseline_tasks: int
    """Answered while the kind was in `baseline`."""
    pairs: int
    """Tasks with two answers that were compared since the kind's latest entry into `shadow`."""
    fresh: int
    """Those of them since its last transition."""
    quality: Interval
    """Of the local model less the API's, -1 to 1, over the pairs; valid at every look."""
    alarm: float
    """Natural logarithm of the odds that the quality has come to be lower than the margin allows.
    """
    saving: Interval | None = None
    """Nano-USD a month, the kind's part of the rented machine paid, projected to where it is
    promoted; `None`: nothing was treated yet. Not to its next share: the machine costs about the
    same at each, so that a canary of a tenth would say of most kinds that they do not pay."""
    treated_tasks: int = 0
    """Assigned to the local model since its latest entry into `shadow`, whoever answered."""
    base_p95_s: Bounds | None = None
    """Between what seconds the API's 95th percentile surely is; `None`: too few tasks."""
    treated_p95_s: Bounds | None = None
    """The same of the local model's tasks, or of its shadow runs before there are any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where a kind goes."""

    to: MigrationState
    share: float
    why: str


def decide(evidence: KindEvidence, rules: MigrationRules) -> Move | None:
    """Return where a kind goes now, or `None`: it stays, and `why_it_stays` says why."""
    step = next_step(evidence, rules)
    if not evidence.has_local:
        return None
    harms = "; ".join(_harms(evidence, rules)) if evidence.state in _UNDER_WAY else ""
    if harms:
        return Move(to="rolled_back", share=0.0, why=harms)
    if step is None or any(_holds(evidence, rules, step[1])):
        return None
    return Move(to=step[0], share=step[1], why="; ".join(_stands_on(evidence, rules, step[1])))


def is_suspected(evidence: KindEvidence, rules: MigrationRules) -> bool:
    """Say whether what the local model answers is to be watched closely.

    Only where it answers nearly all: of a canary the others' answers are compared, for less money.
    """
    return evidence.state == "promoted" and evidence.alarm >= log(rules.suspicion)


def why_it_stays(evidence: KindEvidence, rules: MigrationRules) -> str:
    """Say what a kind that does not move waits for."""
    step = next_step(evidence, rules)
    if evidence.state == "rolled_back":
        return f"until an operator says `tercet migration resume {evidence.kind}`"
    if not evidence.has_local:
        return "there is no local model: the API answers"
    if step is None:
        return f"good enough: {_quality_words(evidence)}"
    return "; ".join(_holds(evidence, rules, step[1]))


def next_step(evidence: KindEvidence, rules: MigrationRules) -> tuple[MigrationState, float] | None:
    """Return the state and the share that come next on a kind's way, or `None`: it is at an end."""
    if evidence.state == "baseline":
        return "shadow", 0.0
    if evidence.state not in {"shadow", "canary"}:
        return None
    wider = next((share for share in rules.canary_shares if share > evidence.share), None)
    return ("promoted", 1.0) if wider is None else ("canary", wider)


def floor(share: float, margin: float) -> float:
    """Return what the low end of the quality has to be above, before a share is treated.

    A share s of the work that is worse by d costs s * d of its quality, so the first steps may be
    taken on less: at s the loss may be no more than margin / sqrt(s), which risks sqrt(s) * margin
    of the whole, the more the further it goes. At 1 it is the margin itself: who is promoted in
    error is who was below an interval that holds at every look, so at most one in twenty.
    """
    return -margin / sqrt(share)


def _harms(evidence: KindEvidence, rules: MigrationRules) -> Iterator[str]:
    """Say what is surely bad."""
    margin = rules.margin_of(evidence.kind)
    if evidence.alarm >= log(rules.alarm):
        yield (
            f"alarm: odds of {_odds(evidence.alarm)} (from {rules.alarm:g} on) that it has come to "
            f"be worse by more than {margin:g}; {_quality_words(evidence)}"
        )
    if evidence.quality.high < -margin:
        yield f"surely worse by more than {margin:g}: {_quality_words(evidence)}"
    if evidence.state in _ANSWERING:
        if evidence.saving is not None and evidence.saving.high < 0:
            yield f"it surely does not pay: {_saving_words(evidence.saving)}"
        if _is_slower(evidence, rules):
            yield _slower_words(evidence, rules)


def _holds(evidence: KindEvidence, rules: MigrationRules, share: float) -> Iterator[str]:
    """Say what keeps a kind from a share."""
    if evidence.state == "baseline":
        if evidence.baseline_tasks < rules.least_baseline:
            yield (
                f"{evidence.baseline_tasks:,} of {rules.least_baseline:,} answered tasks of the "
                "baseline"
            )
        return
    if evidence.fresh < rules.least_pairs:
        yield f"{evidence.fresh:,} of {rules.least_pairs:,} pairs since it came here"
    least = floor(share, rules.margin_of(evidence.kind))
    if not evidence.quality.low > least:
        yield f"{_quality_words(evidence)}: its low end is to be above {least:+.3f}"
    yield from _unpaid(evidence.saving, share)
    if _is_slower(evidence, rules):
        yield _slower_words(evidence, rules)


def _unpaid(saving: Interval | None, share: float) -> Iterator[str]:
    """Say what about the saving keeps a kind from a share."""
    if saving is not None and saving.high <= 0:
        yield f"it surely does not pay: {_saving_words(saving)}"
    elif share == 1.0 and (saving is None or not saving.low > 0):
        yield f"whether it pays is not sure: {_saving_words(saving)}"


def _stands_on(evidence: KindEvidence, rules: MigrationRules, share: float) -> Iterator[str]:
    """Say what a step is taken on."""
    if evidence.state == "baseline":
        yield f"{evidence.baseline_tasks:,} answered tasks are the baseline"
        return
    yield (
        f"{_quality_words(evidence)}, above {floor(share, rules.margin_of(evidence.kind)):+.3f}; "
        f"{evidence.fresh:,} pairs since it came there"
    )
    yield _saving_words(evidence.saving)
    yield f"{_p95_words(evidence)}: not surely slower"


def _is_slower(evidence: KindEvidence, rules: MigrationRules) -> bool:
    """Whether the local model is surely slower than is allowed."""
    return evidence.treated_p95_s is not None and evidence.treated_p95_s[0] > _most_s(
        evidence, rules
    )


def _most_s(evidence: KindEvidence, rules: MigrationRules) -> float:
    """Return what the local model's 95th percentile may be, taking the API's to be the highest."""
    most = inf if evidence.base_p95_s is None else evidence.base_p95_s[1] * rules.slower_by
    return max(rules.slower_s, most)


def _slower_words(evidence: KindEvidence, rules: MigrationRules) -> str:
    most = _most_s(evidence, rules)
    return f"surely slower: {_p95_words(evidence)}; it may be {most:.1f} s"


def _quality_words(evidence: KindEvidence) -> str:
    quality = evidence.quality
    if not (isfinite(quality.low) and isfinite(quality.high)):
        return f"quality is not known yet ({evidence.pairs:,} pairs)"
    return (
        f"quality {quality.value:+.3f} [{quality.low:+.3f}, {quality.high:+.3f}] "
        f"on {evidence.pairs:,} pairs"
    )


def _saving_words(saving: Interval | None) -> str:
    if saving is None or not (isfinite(saving.low) and isfinite(saving.high)):
        return "the saving is not known yet"
    value, low, high = (
        f"{one / NANO_USD_PER_USD:+.2f}" for one in (saving.value, saving.low, saving.high)
    )
    return f"saving {value} USD a month [{low}, {high}]"


def _p95_words(evidence: KindEvidence) -> str:
    return (
        f"95th percentile {_seconds(evidence.treated_p95_s)}, of the API "
        f"{_seconds(evidence.base_p95_s)}"
    )


def _seconds(bounds: Bounds | None) -> str:
    return "not known yet" if bounds is None else f"{bounds[0]:.1f} to {bounds[1]:.1f} s"


def _odds(alarm: float) -> str:
    # Beyond what anybody reads, and before `exp` overflows.
    return f"{exp(alarm):,.0f}" if alarm < log(1e6) else "more than 1,000,000"
