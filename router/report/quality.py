"""How good the local model is beside the API, by kind, and what of it was not judged."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

import numpy as np

from router.migrations.pairing import of_kind, pairs_of
from router.refit.tasks import Came
from router.report.measures import Measure, Window, counted, mean_of, measured, unknown
from router.statistics.interval import Interval
from router.statistics.paired import paired_mean
from tercet.learning import Label
from tercet.migration import JudgeAudit, MigrationRules, Sample

LOST_AFTER_S: Final = 3600.0
"""A comparison that was begun so long ago went with its process."""

Finding = Literal["no worse than allowed", "worse than allowed", "not yet known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindQuality:
    """One kind of work."""

    kind: str
    pairs: int
    """Tasks with two answers that were compared."""
    conversations: int
    difference: Measure
    """The local model's quality less the API's, as it was judged."""
    corrected: Measure
    """The same without what the judge is known to be wrong by."""
    is_corrected: bool
    """Whether there are audits enough for that; it is what is decided on then."""
    margin: float
    finding: Finding
    more: int | None
    """Conversations until it is on one side of the margin, if they go on like this; `None`: nobody
    can say yet."""
    by: Mapping[str, int]
    """Pairs by who compared them."""
    inconsistent: Measure
    """Share of what judges said that was otherwise in the other order."""
    longer: Measure
    """Mean of the local answer's length over the API's, less 1."""
    left: Mapping[str, int]
    """Not judged, by the reason; `lost` and `under way` are among them."""
    eligible: int
    """Tasks of the kind that were assigned."""
    covered: Measure
    """Share of those whose answer was compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeQuality:
    """What a judge's audit on the gold set found."""

    judge: str
    audits: int
    bias: Measure
    """Judged less true difference of two answers' qualities."""
    right: Measure
    """Share of the pairs in which it has the better one, or sees that none is."""
    consistent: Measure
    """Share in which it said the same in both orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What callers said of one arm's answers to a kind."""

    kind: str
    arm: str
    count: int
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """All that is known of quality in a window."""

    window: Window
    kinds: tuple[KindQuality, ...]
    judges: tuple[JudgeQuality, ...]
    feedback: tuple[Feedback, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the ledger has of comparisons."""

    samples: Sequence[Sample]
    audits: Sequence[JudgeAudit]
    labels: Sequence[Label]


def quality(
    judged: Judged, tasks: Iterable[Came], window: Window, rules: MigrationRules, now: float
) -> Quality:
    """Judge a window; of kinds that may move, and of others that were compared."""
    samples = [one for one in judged.samples if window.has(one.at)]
    eligible = Counter(
        task.assignment.kind for task in tasks if task.assignment and window.has(task.at)
    )
    compared = (one.kind for one in samples if one.purpose == "migration")
    kinds = dict.fromkeys((*rules.kinds, *compared))
    return Quality(
        window=window,
        kinds=tuple(
            _kind(
                of_kind(samples, kind, window.since),
                [one for one in judged.audits if one.kind == kind],
                _Terms(kind=kind, margin=rules.margin_of(kind), eligible=eligible[kind], now=now),
            )
            for kind in kinds
        ),
        judges=tuple(_judges(judged.audits)),
        feedback=tuple(_feedback(one for one in judged.labels if window.has(one.at))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    kind: str
    margin: float
    eligible: int
    now: float


def _kind(samples: Sequence[Sample], audits: Sequence[JudgeAudit], terms: _Terms) -> KindQuality:
    pairs = pairs_of(samples, audits)
    compared = [one for one in samples if one.state == "judged"]
    decided = pairs.quality(terms.margin)
    plain = pairs_of(samples, ()).quality(terms.margin)
    return KindQuality(
        kind=terms.kind,
        pairs=len(compared),
        conversations=len(pairs.differences),
        difference=_difference(plain),
        corrected=_difference(decided) if pairs.is_corrected else unknown("quality"),
        is_corrected=pairs.is_corrected,
        margin=terms.margin,
        finding=finding(decided, terms.margin),
        more=_more(decided, terms.margin),
        by=dict(sorted(pairs.by.items())),
        inconsistent=_inconsistent(compared),
        longer=_longer(compared),
        left=not_judged(samples, terms.now),
        eligible=terms.eligible,
        covered=counted(len(compared) / terms.eligible, "share", terms.eligible)
        if terms.eligible
        else unknown("share", 0),
    )


def finding(difference: Interval, margin: float) -> Finding:
    """Say what an interval says of a margin."""
    if difference.low > -margin:
        return "no worse than allowed"
    return "worse than allowed" if difference.high < -margin else "not yet known"


def _difference(interval: Interval) -> Measure:
    return measured(interval, "quality", -1.0, 1.0)


def _more(difference: Interval, margin: float) -> int | None:
    """Return how many more it takes if they go on like this: a width goes with the root."""
    gap = abs(difference.value + margin)
    if not difference.is_bounded or gap == 0:
        return None
    half = (difference.high - difference.low) / 2
    return max(0, ceil(difference.groups * ((half / gap) ** 2 - 1)))


def _inconsistent(compared: Iterable[Sample]) -> Measure:
    said = [one.is_consistent for one in compared if one.is_consistent is not None]
    return _share(said.count(False), len(said))


def _share(part: int, whole: int) -> Measure:
    return counted(part / whole, "share", whole) if whole else unknown("share", 0)


def _longer(compared: Iterable[Sample]) -> Measure:
    ratios = [
        one.tested_chars / one.base_chars - 1
        for one in compared
        if one.tested_chars is not None and one.base_chars
    ]
    return counted(float(np.mean(ratios)), "share", len(ratios)) if ratios else unknown("share", 0)


def not_judged(samples: Iterable[Sample], now: float) -> Mapping[str, int]:
    """Count what was chosen and not judged, by the reason."""
    found = Counter[str]()
    for one in samples:
        if one.state == "left":
            found[one.reason or "no reason"] += 1
        elif one.state == "chosen":
            found["lost" if now - one.at > LOST_AFTER_S else "under way"] += 1
    return dict(sorted(found.items()))


def _judges(audits: Iterable[JudgeAudit]) -> Iterable[JudgeQuality]:
    # Of one item asked of twice the last answer counts.
    last = {(one.judge, one.item): one for one in audits}
    by_judge: dict[str, list[JudgeAudit]] = defaultdict(list)
    for (judge, _), one in last.items():
        by_judge[judge].append(one)
    for judge, of_it in sorted(by_judge.items()):
        right = [float(np.sign(one.judged) == np.sign(one.truth)) for one in of_it]
        yield JudgeQuality(
            judge=judge,
            audits=len(of_it),
            bias=_bias([one.judged - one.truth for one in of_it]),
            right=mean_of(right, "share"),
            consistent=mean_of([float(one.is_consistent) for one in of_it], "share"),
        )


def _bias(errors: Sequence[float]) -> Measure:
    # Halved they are between -1 and 1, as differences are.
    half = paired_mean(np.array(errors) / 2, len(errors))
    ends = (2 * half.low, 2 * half.high)
    return measured(
        Interval(value=2 * half.value, low=ends[0], high=ends[1], groups=half.groups), "quality"
    )


def _feedback(labels: Iterable[Label]) -> Iterable[Feedback]:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for label in labels:
        if label.source == "feedback":
            found[label.kind, label.arm].append(label.quality)
    for (kind, arm), qualities in sorted(found.items()):
        mean = float(np.mean(qualities))
        yield Feedback(kind=kind, arm=arm, count=len(qualities), mean=mean)
