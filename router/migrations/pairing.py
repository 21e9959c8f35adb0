"""Compared answers of a kind -> how good the local model is, and whether it has come to be worse.

Conversations are independent and their tasks are not, so a conversation counts once, with the mean
of its pairs, in the order in which they began. Which are compared is chance alone, whoever answered
them: hence pairs from both sides are taken together.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean as mean

import numpy as np

from router.statistics.interval import Floats, Interval
from router.statistics.judged import FEWEST_AUDITS, corrected
from router.statistics.paired import degraded, paired_mean
from router.statistics.power import more_needed
from tercet.migration import JudgeAudit, LeftReason, Sample, Verdict

_SPREAD = 0.5
"""Of a conversation's difference, to plan with: half of them equal, the others a win or a loss of
0.7."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """The pairs of one kind since its run began."""

    differences: Floats
    """One a conversation: quality of the local model's answer less that of the API's."""
    begun: Floats
    """When each was first compared, Unix seconds."""
    opinions: Floats
    """Which share of each was judged by a model."""
    errors: Floats
    """What those judges were wrong by where the truth is known; empty: they were not audited."""
    by: Mapping[Verdict, int]
    """Answers, by who compared them."""
    left: Mapping[LeftReason, int]
    """Those that were not, by the reason."""

    @property
    def is_corrected(self) -> bool:
        """Whether what judges say is corrected by audits."""
        return len(self.errors) >= FEWEST_AUDITS and bool(self.opinions.any())

    @property
    def bias(self) -> float:
        """What judges say too much of the local model, on the mean."""
        return float(self.errors.mean()) if self.is_corrected else 0.0

    @property
    def spread(self) -> float:
        """The standard deviation of the differences."""
        return float(self.differences.std()) if len(self.differences) else 0.0

    def fresh(self, since: float) -> int:
        """Return how many began since then."""
        return int((self.begun >= since).sum())

    def quality(self, margin: float) -> Interval:
        """Return the mean difference, planned for as many as the margin takes."""
        planned = more_needed(_SPREAD, 0, margin)
        if not self.is_corrected:
            return paired_mean(self.differences, planned)
        # An opinion's error is in the mean as often as there are opinions in it.
        return corrected(self.differences, self.errors * float(self.opinions.mean()), planned)

    def alarm(self, margin: float) -> float:
        """Return the log of the odds that a loss beyond the margin has begun."""
        known = np.clip(self.differences - self.bias * self.opinions, -1.0, 1.0)
        return degraded(known, margin)


def pairs_of(samples: Iterable[Sample], audits: Iterable[JudgeAudit]) -> Pairs:
    """Return the pairs of one kind.

    Args:
        samples: of one kind and of migrations, the oldest first.
        audits: of the same kind.
    """
    rows = list(samples)
    compared = [row for row in rows if row.state == "judged"]
    by_conversation: dict[str, list[Sample]] = {}
    for row in compared:
        by_conversation.setdefault(row.conversation, []).append(row)
    groups = list(by_conversation.values())
    return Pairs(
        differences=np.array([mean(map(_difference, group)) for group in groups], np.float64),
        begun=np.array([group[0].at for group in groups], np.float64),
        opinions=np.array(
            [mean(float(row.by == "judge") for row in group) for group in groups], np.float64
        ),
        errors=_errors(audits, {row.judge for row in compared if row.by == "judge"}),
        by=dict(Counter(row.by for row in compared if row.by is not None)),
        left=dict(Counter(row.reason for row in rows if row.reason is not None)),
    )


def _difference(row: Sample) -> float:
    # The ledger holds that both are there where a pair was judged.
    return (row.tested_quality or 0.0) - (row.base_quality or 0.0)


def _errors(audits: Iterable[JudgeAudit], judges: set[str | None]) -> Floats:
    """Return the errors of these judges; of one item asked of twice the last answer counts."""
    last: dict[tuple[str, str], float] = {
        (row.item, row.judge): row.judged - row.truth for row in audits if row.judge in judges
    }
    return np.array(list(last.values()), np.float64)


def of_kind(rows: Sequence[Sample], kind: str, since: float) -> Sequence[Sample]:
    """Return the samples of a kind's migration since a time, by the local model of the last one.

    Those of a model before it say nothing of the one that answers now.
    """
    found = [
        row for row in rows if row.purpose == "migration" and row.kind == kind and row.at >= since
    ]
    return [row for row in found if row.tested_arm == found[-1].tested_arm]
