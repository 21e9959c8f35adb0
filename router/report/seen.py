"""What the attempts of all days come to, read once: by day, kind, tier and model."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from deployments.ledger.inspection import AttemptRow
from router.report.measures import DAY_S, Window
from tercet.catalog import LOCAL

UNREAD: Final = "(unknown)"
"""The kind of a task whose row there is not, or cannot be read."""
EVIDENCE_ROLES: Final = frozenset({"shadow", "judge"})
_DAY_NS: Final = int(DAY_S) * 10**9


@dataclass(slots=True, kw_only=True)
class Tally:
    """What some attempts come to."""

    attempts: int = 0
    tasks: int = 0
    """Each counted at the first attempt of its model."""
    nano_usd: int = 0
    read: int = 0
    """Input tokens."""
    written: int = 0

    def __iadd__(self, other: "Tally") -> "Tally":
        self.attempts += other.attempts
        self.tasks += other.tasks
        self.nano_usd += other.nano_usd
        self.read += other.read
        self.written += other.written
        return self


@dataclass(slots=True, kw_only=True)
class Checks:
    """What says how far the amounts may be trusted."""

    attempts: int = 0
    simulated: int = 0
    estimated: int = 0
    orphans: int = 0
    under_way: int = 0
    nano_usd: int = 0
    estimated_nano_usd: int = 0
    """The part that no provider has counted."""
    held_nano_usd: int = 0

    def __iadd__(self, other: "Checks") -> "Checks":
        self.attempts += other.attempts
        self.simulated += other.simulated
        self.estimated += other.estimated
        self.orphans += other.orphans
        self.under_way += other.under_way
        self.nano_usd += other.nano_usd
        self.estimated_nano_usd += other.estimated_nano_usd
        self.held_nano_usd += other.held_nano_usd
        return self


Place = tuple[str, str, str]
"""Kind, tier and model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The attempts by UTC day (Unix days)."""

    work: Mapping[tuple[int, Place], Tally] = field(
        default_factory=lambda: defaultdict[tuple[int, Place], Tally](Tally)
    )
    """Those that callers asked for."""
    evidence: Mapping[tuple[int, str], Tally] = field(
        default_factory=lambda: defaultdict[tuple[int, str], Tally](Tally)
    )
    """By role: shadow runs and judges."""
    checks: Mapping[int, Checks] = field(default_factory=lambda: defaultdict[int, Checks](Checks))
    local_days: set[int] = field(default_factory=set[int])
    """On which the local model was asked, off the request path too."""

    def places(self, window: Window) -> Mapping[Place, Tally]:
        """Return what callers' attempts came to in a window of whole days."""
        found = defaultdict[Place, Tally](Tally)
        for (day, place), tally in self.work.items():
            if window.has(day * DAY_S):
                found[place] += tally
        return found

    def evidence_in(self, window: Window) -> Mapping[str, Tally]:
        """Return what shadow runs and judges came to in a window, by role."""
        found = defaultdict[str, Tally](Tally)
        for (day, role), tally in self.evidence.items():
            if window.has(day * DAY_S):
                found[role] += tally
        return found

    def checks_in(self, window: Window) -> Checks:
        """Return how far the amounts of a window may be trusted."""
        found = Checks()
        for day, checks in self.checks.items():
            if window.has(day * DAY_S):
                found += checks
        return found

    def spent_by_day(self) -> Iterator[tuple[int, int]]:
        """Yield nano-USD by day."""
        return ((day, checks.nano_usd) for day, checks in self.checks.items())


def seen(rows: Iterable[AttemptRow], kinds: Mapping[str, str]) -> Seen:
    """Read attempts, in any order, given the kinds of tasks by their ids."""
    found = Seen()
    asked: set[tuple[str, str]] = set()
    for row in rows:
        if row.state == "void":
            continue
        day = row.reserved_at_ns // _DAY_NS
        _check(found.checks[day], row)
        if row.provider == LOCAL:
            found.local_days.add(day)
        tally = _tally(row)
        if row.role in EVIDENCE_ROLES:
            tally.tasks = 1
            found.evidence[day, row.role].__iadd__(tally)
            continue
        tally.tasks = (row.task_id, row.model) not in asked
        asked.add((row.task_id, row.model))
        place = kinds.get(row.task_id, UNREAD), row.tier, row.model
        found.work[day, place].__iadd__(tally)
    return found


def _tally(row: AttemptRow) -> Tally:
    read = (row.fresh_input, row.cache_read, row.cache_write_5m, row.cache_write_1h)
    return Tally(
        attempts=1,
        nano_usd=row.spent,
        read=sum(tokens or 0 for tokens in read),
        written=row.output or 0,
    )


def _check(checks: Checks, row: AttemptRow) -> None:
    checks.attempts += 1
    checks.simulated += row.simulated
    checks.estimated += row.state == "estimated"
    checks.orphans += row.flag == "orphan"
    checks.under_way += row.is_open
    checks.nano_usd += row.spent
    checks.estimated_nano_usd += row.spent if row.state == "estimated" else 0
    checks.held_nano_usd += row.held
