"""Whether a version goes on its way into force: candidate, canary by shares, in force; or back.

It goes on only if, for every kind with enough labels and for all together, its quality is surely no
more than the margin below that of the version in force, and it saves money or gains quality.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from router.learning.drift import Alarm
from router.learning.off_policy import Estimate
from tercet.learning import LearningRules, PolicyState

ALL_KINDS: Final = "*"
"""Stands for all tasks together."""
FRESH: Final = 20
"""Tasks with labels for both sides that a canary needs on each share, to leave it."""

Floats = NDArray[np.floating]
Verdict = Literal["good", "unsure", "worse", "few"]

_Z: Final = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """How much better a version does than the one in force, on tasks of one kind."""

    kind: str
    """Or `ALL_KINDS`."""
    differences: Floats
    """Quality of its arm minus that of the other's: a number for each group of tasks with labels
    for both arms, in the order of time; 0 where both choose the same."""
    differing: int
    """In how many of those the two choose different arms."""
    off_policy: Estimate | None = None
    """The same difference from tasks with one label, if those can tell."""


Bound = Callable[[Evidence], tuple[float, float]]
"""From the pairs of an evidence, the low and the high end of an interval for the mean difference.
Looking every night widens what 95 % means; an interval that is valid whenever it is looked at comes
in here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What an evidence says."""

    kind: str
    tasks: int
    """Groups of tasks with labels for both."""
    value: float
    low: float
    high: float
    margin: float
    verdict: Verdict

    @property
    def words(self) -> str:
        """Say it."""
        name = "all kinds" if self.kind == ALL_KINDS else self.kind
        if self.verdict == "few":
            return f"{name}: {self.tasks} tasks with labels for both, too few"
        return (
            f"{name}: quality {self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}] on {self.tasks}"
            f" tasks, margin {self.margin:g}: {_WORDS[self.verdict]}"
        )


_WORDS: Final = {"good": "good enough", "unsure": "not yet sure", "worse": "worse"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """A version on its way, and what is known of it."""

    state: PolicyState
    share: float
    evidence: Sequence[Evidence]
    """By kind, and for `ALL_KINDS`."""
    gain: float
    """Mean quality more than the version in force has, a task."""
    saved_nano_usd: float
    """Mean cost less, a task."""
    quality_per_nano_usd: float
    """What a nano-USD has to buy."""
    fresh: int = 0
    """Tasks with labels for both since it has its share."""
    alarms: Sequence[Alarm] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is to become of a version."""

    to: PolicyState
    share: float
    why: str
    findings: tuple[Finding, ...]


def paired_bound(evidence: Evidence) -> tuple[float, float]:
    """Return a 95 % interval for one look at a number of tasks fixed beforehand.

    Two tasks are added, one with each sign: few differences that happen to be equal are not taken
    for certainty.
    """
    count, seen = len(evidence.differences), evidence.differences
    if not count:
        return -1.0, 1.0
    if not evidence.differing:
        return 0.0, 0.0
    mean = float(seen.mean())
    variance = (float(seen @ seen) + 2) / (count + 2) - mean**2
    half = _Z * sqrt(max(variance, 0.0) / count)
    return mean - half, mean + half


def judge(trial: Trial, rules: LearningRules, bound: Bound = paired_bound) -> Judgement:
    """Say what is to become of a candidate or a canary.

    Args:
        trial: the version.
        rules: margins, least labels and shares.
        bound: see there.
    """
    findings = tuple(_finding(evidence, rules, bound) for evidence in trial.evidence)
    worse = [finding.words for finding in findings if finding.verdict == "worse"]
    if trial.state == "canary" and (worse or trial.alarms):
        said = [*worse, *(alarm.advice for alarm in trial.alarms)]
        return Judgement(to="rolled_back", share=0.0, why="; ".join(said), findings=findings)
    held = "; ".join(_holds(trial, findings))
    if held:
        return Judgement(to=trial.state, share=trial.share, why=held, findings=findings)
    wider = [share for share in rules.canary_shares if share > trial.share]
    why = "; ".join([*_passed(findings), _worth_words(trial)])
    if wider:
        return Judgement(to="canary", share=wider[0], why=why, findings=findings)
    return Judgement(to="in_force", share=1.0, why=why, findings=findings)


def _finding(evidence: Evidence, rules: LearningRules, bound: Bound) -> Finding:
    tasks = len(evidence.differences)
    value = float(evidence.differences.mean()) if tasks else 0.0
    low, high = bound(evidence)
    if evidence.off_policy is not None:
        value, low, high = _pooled((value, low, high), evidence.off_policy)
    margin = rules.margin_of(evidence.kind)
    return Finding(
        kind=evidence.kind,
        tasks=tasks,
        value=value,
        low=low,
        high=high,
        margin=margin,
        verdict=_verdict(evidence, (value, low, high), margin, rules.least_labels),
    )


def _pooled(pairs: tuple[float, float, float], other: Estimate) -> tuple[float, float, float]:
    """Return the mean of two estimates, each by how sure it is; the tasks are different ones."""
    value, low, high = pairs
    halves = np.maximum([(high - low) / 2, (other.high - other.low) / 2], 1e-6)
    weights = halves**-2.0
    mean = float(weights @ [value, other.value] / weights.sum())
    half = float(weights.sum() ** -0.5)
    return mean, mean - half, mean + half


def _verdict(
    evidence: Evidence, told: tuple[float, float, float], margin: float, least: int
) -> Verdict:
    value, low, high = told
    if len(evidence.differences) < least and evidence.off_policy is None:
        return "few"
    if value <= -margin or high < 0:
        return "worse"
    return "good" if low > -margin else "unsure"


def _holds(trial: Trial, findings: Sequence[Finding]) -> Iterator[str]:
    """Say what keeps a version where it is."""
    judged = [finding for finding in findings if finding.verdict != "few"]
    if not judged:
        most = max((finding.tasks for finding in findings), default=0)
        yield f"no kind has enough labels yet; the most are {most} tasks with labels for both"
    yield from (finding.words for finding in judged if finding.verdict != "good")
    if trial.state == "canary" and trial.fresh < FRESH:
        yield f"{trial.fresh} tasks with labels for both since it has its share; {FRESH} are needed"
    if judged and not _is_worth_it(trial):
        yield f"nothing to win: {_worth_words(trial)}"


def _is_worth_it(trial: Trial) -> bool:
    if trial.saved_nano_usd > 0:
        return True
    return trial.gain + trial.quality_per_nano_usd * trial.saved_nano_usd > 0


def _passed(findings: Sequence[Finding]) -> Iterator[str]:
    return (finding.words for finding in findings if finding.verdict == "good")


def _worth_words(trial: Trial) -> str:
    way = "less" if trial.saved_nano_usd >= 0 else "more"
    usd = abs(trial.saved_nano_usd) / 1e9
    return f"{trial.gain:+.3f} quality and {usd:.6f} USD {way} a task"
