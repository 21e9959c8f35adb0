"""What the extra seats of a composition added, against each seat alone and against repeats of one.

Two answers to one task are a pair. Tests (golden tasks) and traffic (sampled conversations) are
apart: they are not about the same work.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Final, Literal, Self, TypeVar

import numpy as np

from router.golden.tasks import PREFIX
from router.learning.cold import ArmSpec
from router.statistics.interval import Interval
from router.statistics.paired import FEWEST, paired_mean
from router.statistics.power import more_needed
from tercet.learning import Label
from tercet.migration import Sample
from tercet.usage import NANO_USD_PER_USD

PLANNED: Final = 100
"""Groups for which intervals are narrowest; a suite has about so many tasks."""

Ground = Literal["tests", "traffic"]
Rival = Literal["seat", "repeats"]
Pays = Literal["pays", "does not pay", "not yet known"]
Amount = TypeVar("Amount", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what a composition is judged in a kind."""

    margin: float
    """Quality that may be lost to save money."""
    quality_per_nano_usd: float
    """What money has to buy at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A composition's answer to a task minus a rival's."""

    ground: Ground
    kind: str
    composition: str
    rival: str
    group: str
    quality: float
    nano_usd: int | None
    """`None`: the cost of one of them is unknown."""
    seconds: float | None
    rival_nano_usd: int | None
    """What the rival's answer cost."""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A composition against one rival."""

    rival: str
    sort: Rival
    quality: Interval
    """What the composition has more."""
    extra_nano_usd: float | None
    """Mean of what it costs more; `None`: no pair has both costs."""
    extra_seconds: float | None
    more_pairs: int
    """Without a verdict: about so many more would bring one."""
    verdict: Pays

    @property
    def quality_per_usd(self) -> float | None:
        """What each extra dollar bought; `None`: none was spent, or it is unknown."""
        extra = self.extra_nano_usd
        return self.quality.value / extra * NANO_USD_PER_USD if extra and extra > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a composition's extra seats were worth in one kind, on one ground."""

    ground: Ground
    kind: str
    composition: str
    against: tuple[Against, ...]
    """The best seat first, then the others, then repeats of about the same cost."""
    not_asked: tuple[str, ...]
    """Rivals without which it cannot be said to pay. In traffic nobody repeats a seat."""
    verdict: Pays

    @property
    def more_pairs(self) -> int:
        """About so many more would settle what is not known yet."""
        return max((one.more_pairs for one in self.against), default=FEWEST)

    @property
    def better(self) -> Against | None:
        """The rival that shows that it does not pay, a seat before repeats."""
        return next((one for one in self.against if one.verdict == "does not pay"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Team:
    """A composition and who competes with it."""

    spec: ArmSpec
    seats: tuple[str, ...]
    """Arms of its members by themselves."""

    @classmethod
    def of(cls, spec: ArmSpec, specs: Sequence[ArmSpec]) -> Self:
        alone = {one.models[0]: one.id for one in specs if one.composition == "single"}
        members = spec.models[: spec.members]
        return cls(spec=spec, seats=tuple(alone[name] for name in members if name in alone))

    def sort_of(self, arm: str) -> Rival | None:
        if arm in self.seats:
            return "seat"
        base, star, _ = arm.rpartition("*")
        return "repeats" if star and base in self.seats else None


def receipts(
    pairs: Iterable[Pair], specs: Sequence[ArmSpec], terms: Mapping[str, Terms]
) -> Sequence[Receipt]:
    """Return what each composition was worth, by ground and kind; kinds without terms are left."""
    teams = {spec.id: _Team.of(spec, specs) for spec in specs if spec.composition != "single"}
    sorted_out: dict[tuple[Ground, str, str], list[Pair]] = {}
    for pair in pairs:
        if pair.composition in teams and pair.kind in terms:
            place = pair.ground, pair.composition, pair.kind
            sorted_out.setdefault(place, []).append(pair)
    return [
        _receipt(sorted_out[place], teams[place[1]], terms[place[2]])
        for place in sorted(sorted_out)
    ]


def _receipt(pairs: Sequence[Pair], team: _Team, terms: Terms) -> Receipt:
    by_rival: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_rival.setdefault(pair.rival, []).append(pair)
    found = [
        _against(rival, sort, seen, terms)
        for rival, seen in by_rival.items()
        if (sort := team.sort_of(rival)) is not None
    ]
    seats = sorted((one for one in found if one.sort == "seat"), key=lambda a: a.quality.value)
    repeats = sorted((one for one in found if one.sort == "repeats"), key=_gap)[:1]
    not_asked = [seat for seat in team.seats if seat not in by_rival]
    if pairs[0].ground == "tests" and seats and not repeats:
        not_asked.append(f"{seats[0].rival}*{_as_often(by_rival[seats[0].rival])}")
    against = (*seats, *repeats)
    return Receipt(
        ground=pairs[0].ground,
        kind=pairs[0].kind,
        composition=team.spec.id,
        against=against,
        not_asked=tuple(not_asked),
        verdict=_verdict(against, is_whole=not not_asked),
    )


def _verdict(against: Sequence[Against], *, is_whole: bool) -> Pays:
    said = {one.verdict for one in against}
    if "does not pay" in said:
        return "does not pay"
    return "pays" if is_whole and said == {"pays"} else "not yet known"


def _gap(one: Against) -> float:
    """Return how far repeats are from costing the same."""
    return float("inf") if one.extra_nano_usd is None else abs(one.extra_nano_usd)


def _as_often(pairs: Sequence[Pair]) -> int:
    """Return how often a seat can be asked for the composition's money, at least twice."""
    known = [
        (pair.nano_usd + pair.rival_nano_usd, pair.rival_nano_usd)
        for pair in pairs
        if pair.nano_usd is not None and pair.rival_nano_usd
    ]
    if not known:
        return 2
    return max(2, min(9, round(sum(whole for whole, _ in known) / sum(one for _, one in known))))


def _against(rival: str, sort: Rival, pairs: Sequence[Pair], terms: Terms) -> Against:
    groups = _by_group(pairs)
    quality = paired_mean(np.array(groups), PLANNED)
    extra = _mean(pair.nano_usd for pair in pairs)
    verdict = _verdict_on(quality, extra, terms)
    return Against(
        rival=rival,
        sort=sort,
        quality=quality,
        extra_nano_usd=extra,
        extra_seconds=_mean(pair.seconds for pair in pairs),
        more_pairs=_more(groups, terms.margin) if verdict == "not yet known" else 0,
        verdict=verdict,
    )


def _by_group(pairs: Sequence[Pair]) -> list[float]:
    """Return one difference for each group, in the order in which they were whole."""
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(pair.group, []).append(pair)
    ordered = sorted(found.values(), key=lambda group: max(pair.at for pair in group))
    return [fmean(pair.quality for pair in group) for group in ordered]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _verdict_on(quality: Interval, extra: float | None, terms: Terms) -> Pays:
    """Say whether a composition is worth its money against one rival.

    Dearer, it has to be better, by what its money should buy; it is beaten where it cannot be
    better by more than the margin. Cheaper, it may lose the margin.
    """
    if extra is None:
        return "not yet known"
    bought = extra * terms.quality_per_nano_usd
    if extra <= 0:
        least, most = -terms.margin, -terms.margin
    else:
        least, most = bought, max(terms.margin, bought)
    if quality.high <= most:
        return "does not pay"
    return "pays" if quality.low > least else "not yet known"


def _more(groups: Sequence[float], margin: float) -> int:
    """Return how many more groups make the interval as narrow as the margin, or half of it."""
    # Two differences of a point are added, as in `paired_mean`: few pairs do not show a spread.
    spread = sqrt((sum(one * one for one in groups) + 2) / (len(groups) + 2))
    wanted = more_needed(spread, len(groups), margin) or more_needed(
        spread, len(groups), margin / 2
    )
    return max(wanted, FEWEST - len(groups), 1)


def pairs_of_labels(labels: Iterable[Label], specs: Sequence[ArmSpec]) -> Iterator[Pair]:
    """Yield the pairs of tests: answers to one task that one sort of checker has checked."""
    compositions = {spec.id for spec in specs if spec.composition != "single"}
    by_task: dict[tuple[str, str], dict[str, Label]] = {}
    for label in labels:
        if label.source == "test" or label.task_id.startswith(PREFIX):
            by_task.setdefault((label.task_id, label.source), {})[label.arm] = label
    for found in by_task.values():
        for arm, label in found.items():
            if arm in compositions:
                yield from (
                    _pair(label, other) for name, other in found.items() if name not in compositions
                )


def _pair(whole: Label, rival: Label) -> Pair:
    return Pair(
        ground="tests",
        kind=whole.kind,
        composition=whole.arm,
        rival=rival.arm,
        group=whole.group_id,
        quality=whole.quality - rival.quality,
        nano_usd=_minus(whole.cost_nano_usd, rival.cost_nano_usd),
        seconds=_minus(whole.seconds, rival.seconds),
        rival_nano_usd=rival.cost_nano_usd,
        at=max(whole.at, rival.at),
    )


def pairs_of_samples(samples: Iterable[Sample]) -> Iterator[Pair]:
    """Yield the pairs of traffic: a composition answered, and its seats off the request path."""
    for one in samples:
        if one.purpose != "composition" or one.base_quality is None or one.tested_quality is None:
            continue
        yield Pair(
            ground="traffic",
            kind=one.kind,
            composition=one.base_arm,
            rival=one.tested_arm,
            group=one.conversation,
            quality=one.base_quality - one.tested_quality,
            nano_usd=_minus(one.base_nano_usd, one.tested_nano_usd),
            seconds=_minus(one.base_s, one.tested_s),
            rival_nano_usd=one.tested_nano_usd,
            at=one.at,
        )


def _minus(one: Amount | None, other: Amount | None) -> Amount | None:
    return None if one is None or other is None else one - other
