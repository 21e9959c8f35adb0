"""Every billed POST has one row, and every settled row its amount: join by our attempt id."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from deployments.ledger.inspection import AttemptRow
from tercet.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One line of the billing log: one POST as the upstream saw it."""

    attempt_id: str | None
    """What we named it, if we did."""
    model: str
    cost_nano_usd: int
    upstream_id: str | None = None
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An attempt and what was billed for it."""

    row: AttemptRow
    posted: tuple[Posted, ...]

    @property
    def booked(self) -> int:
        """Nano-USD in the ledger: settled, estimated, or held while it is open."""
        return self.row.spent + self.row.held

    @property
    def billed(self) -> int:
        """Nano-USD in the log."""
        return sum(post.cost_nano_usd for post in self.posted)

    @property
    def is_doubled(self) -> bool:
        """Whether more than one POST was billed."""
        return sum(post.cost_nano_usd > 0 for post in self.posted) > 1

    @property
    def is_sure(self) -> bool:
        """Whether the amount is said to be exact."""
        return self.row.state in ("settled", "void")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """What the join has found, and both sums by model."""

    booked: Mapping[str, int]
    billed: Mapping[str, int]
    matched: int
    lost: Sequence[Posted]
    """Billed, and there is no row."""
    doubled: Sequence[Pair]
    """One row for which more than one POST was billed."""
    wrong: Sequence[Pair]
    """Booked as exact, and billed otherwise."""
    unsure: Sequence[Pair]
    """Estimated or still open: what is above the bill is safety, not an error."""
    unexplained: Mapping[str, int]
    """By model, what is left of the difference of the sums when `unsure` is taken out of it."""

    @property
    def is_right(self) -> bool:
        """Whether every sure nano-dollar is where it should be."""
        return not (self.lost or self.doubled or self.wrong or any(self.unexplained.values()))


def match(rows: Iterable[AttemptRow], lines: Iterable[Posted], as_of: float = inf) -> Matching:
    """Join the ledger and the log; lines without a name count in the sums alone.

    The log was read at `as_of` (Unix seconds), before the ledger was: what has been settled since
    may not be in it, and is left out on both sides.
    """
    named: defaultdict[str, list[Posted]] = defaultdict(list)
    billed: Counter[str] = Counter()
    is_named = True
    for line in lines:
        billed[line.model] += line.cost_nano_usd
        if line.attempt_id is not None:
            named[line.attempt_id].append(line)
        elif line.cost_nano_usd:
            is_named = False
    settled = (row for row in rows if not _is_newer(row, as_of, named, billed))
    pairs, booked = _pairs(settled, named, keeps_unbilled=is_named)
    unsure = [pair for pair in pairs if not pair.is_sure]
    return Matching(
        booked=+booked,
        billed=+billed,
        matched=sum(bool(pair.posted) for pair in pairs),
        lost=[post for posts in named.values() for post in posts if post.cost_nano_usd],
        doubled=[pair for pair in pairs if pair.is_doubled],
        wrong=[p for p in pairs if p.is_sure and p.booked != p.billed and not p.is_doubled],
        unsure=[pair for pair in unsure if pair.booked != pair.billed],
        unexplained=_unexplained(booked, billed, unsure),
    )


def _is_newer(
    row: AttemptRow, as_of: float, named: dict[str, list[Posted]], billed: Counter[str]
) -> bool:
    """Whether the row was settled after the log was read; if so, take its lines out."""
    if (row.settled_at_ns or 0) <= as_of * 1e9:
        return False
    for post in named.pop(row.attempt_id, ()):
        billed[post.model] -= post.cost_nano_usd
    return True


def _pairs(
    rows: Iterable[AttemptRow], named: dict[str, list[Posted]], *, keeps_unbilled: bool
) -> tuple[list[Pair], Counter[str]]:
    """Take the lines of every row out of `named`; what stays there has no row.

    A row without a line is evidence only where every line of the log has a name.
    """
    pairs: list[Pair] = []
    booked: Counter[str] = Counter()
    for row in rows:
        posted = tuple(named.pop(row.attempt_id, ()))
        booked[row.model] += row.spent + row.held
        if posted or keeps_unbilled:
            pairs.append(Pair(row=row, posted=posted))
    return pairs, booked


def _unexplained(
    booked: Counter[str], billed: Counter[str], unsure: Iterable[Pair]
) -> Mapping[str, int]:
    left = Counter(booked)
    left.subtract(billed)
    for pair in unsure:
        left[pair.row.model] -= pair.booked
        for post in pair.posted:
            left[post.model] += post.cost_nano_usd
    return {model: nano_usd for model, nano_usd in left.items() if nano_usd}
