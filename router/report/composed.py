"""What compositions added in quality for each extra dollar and second, as figures of a report."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from router.golden.proposing import Proposal, proposals
from router.golden.receipts import (
    Against,
    Receipt,
    Terms,
    pairs_of_labels,
    pairs_of_samples,
    receipts,
)
from router.learning.cold import ArmSpec
from router.report.measures import Measure, Unit, counted, measured, unknown
from router.report.quality import Judged, not_judged
from tercet.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A composition against one rival in one kind."""

    composition: str
    kind: str
    ground: str
    """Golden tests, or traffic: they are not about the same work."""
    rival: str
    quality: Measure
    """What the composition has more."""
    extra_cost: Measure
    extra_seconds: Measure
    quality_per_usd: float | None
    """`None`: no dollar was spent more, or it is unknown."""
    quality_per_second: float | None
    """`None`: it took no second more, or it is unknown."""
    verdict: str
    more_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Paying:
    """Whether a composition pays in one kind, against all of its rivals."""

    composition: str
    kind: str
    ground: str
    verdict: str
    more_pairs: int
    """About so many more would tell; 0: it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """All compositions."""

    paying: tuple[Paying, ...]
    compared: tuple[Compared, ...]
    missing: tuple[str, ...]
    """Rivals that were not asked, without whom none can be said to pay."""
    left: Mapping[str, int]
    """Answers of traffic that were chosen and not judged, by the reason."""
    proposals: tuple[Proposal, ...]
    """Changes for an operator to make or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """What there is to compare, and by which terms."""

    specs: Sequence[ArmSpec]
    terms: Mapping[str, Terms]
    """By kind."""
    catalog: Catalog


def composed(judged: Judged, arms: Arms, now: float) -> Composed:
    """Reckon the receipts of all labels and samples."""
    sampled = (one for one in judged.samples if one.purpose == "composition")
    pairs = [*pairs_of_labels(judged.labels, arms.specs), *pairs_of_samples(judged.samples)]
    found = receipts(pairs, arms.specs, arms.terms)
    return Composed(
        paying=tuple(
            Paying(
                composition=one.composition,
                kind=one.kind,
                ground=one.ground,
                verdict=one.verdict,
                more_pairs=one.more_pairs if one.verdict == "not yet known" else 0,
            )
            for one in found
        ),
        compared=tuple(_compared(found)),
        missing=tuple(
            f"{one.composition}, {one.kind}, {one.ground}: {name}"
            for one in found
            for name in one.not_asked
        ),
        left=not_judged(sampled, now),
        proposals=tuple(proposals(found, arms.specs, arms.catalog)),
    )


def _compared(found: Iterable[Receipt]) -> Iterator[Compared]:
    for receipt in found:
        for one in receipt.against:
            yield Compared(
                composition=receipt.composition,
                kind=receipt.kind,
                ground=receipt.ground,
                rival=one.rival,
                quality=measured(one.quality, "quality", -1.0, 1.0),
                extra_cost=_mean(one, one.extra_nano_usd, "nano_usd"),
                extra_seconds=_mean(one, one.extra_seconds, "seconds"),
                quality_per_usd=one.quality_per_usd,
                quality_per_second=_per_second(one),
                verdict=one.verdict,
                more_pairs=one.more_pairs,
            )


def _mean(one: Against, value: float | None, unit: Unit) -> Measure:
    many = one.quality.groups
    return unknown(unit, many) if value is None else counted(value, unit, many)


def _per_second(one: Against) -> float | None:
    extra = one.extra_seconds
    return one.quality.value / extra if extra is not None and extra > 0 else None
