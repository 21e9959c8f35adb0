"""The read model: what this month and the one before cost and by what, row by row in memory.

It is fed the ledger's rows in the order they end, some of them more than once: those of the last
minute again and again, because a row is written a moment after the time it bears.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar

from deployments.ledger.viewing import ArrivedRow, SettledRow
from router.console.pulse import Pulse
from tercet.catalog import LOCAL
from tercet.migration import EVIDENCE_KEY

UNKNOWN = "unknown"
DAY_NS = 24 * 3600 * 10**9
BUSY_GAP_NS = 60 * 10**9
"""Between two requests at most a minute apart the local model counts as busy."""

Key = TypeVar("Key", bound=tuple[object, ...])
Axis = Literal["tier", "provider", "model", "kind", "key"]

_FIRST_FIELD = re.compile(r'\{"\w+": ("(?:[^"\\]|\\.)*")')


class Place(NamedTuple):
    """What an attempt is counted under."""

    month: str
    day: int
    """Since 1970, in UTC; that it was reserved on, because that is the one it is charged to."""
    tier: str
    provider: str
    model: str
    kind: str
    key: str


@dataclass(slots=True)
class Sums:
    """What attempts come to."""

    attempts: int = 0
    completed: int = 0
    nano_usd: int = 0


class Booked(NamedTuple):
    """An attempt as it was counted."""

    place: Place
    is_complete: bool
    nano_usd: int
    ended_ns: int
    is_guess: bool


def first_field(document: str | None) -> str:
    """Return the text of a JSON object's first field, of which only the beginning may be there."""
    found = _FIRST_FIELD.match(document or "")
    return _text(found[1]) if found else UNKNOWN


@lru_cache(maxsize=10_000)
def _text(spelt: str) -> str:
    return str(json.loads(spelt))


class Tally:
    """Sums of attempts and counts of tasks, and how providers did of late."""

    def __init__(self, months: frozenset[str]) -> None:
        """Count nothing yet, and later on these months alone."""
        self.months = months
        self.pulse = Pulse()
        self.busy: list[tuple[int, int]] = []
        """From when to when (Unix ns) the local model answered, in order and apart."""
        self._sums: dict[tuple[str, Axis, str], Sums] = defaultdict(Sums)
        self._days: Counter[tuple[str, int, str]] = Counter()
        self._kinds: dict[tuple[str, str, bool], Sums] = defaultdict(Sums)
        self._tasks: Counter[tuple[str, str]] = Counter()
        self._spared: Counter[tuple[str, str]] = Counter()
        self._booked: dict[str, Booked] = {}
        self._arrived: dict[str, int] = {}

    def keep(self, months: frozenset[str]) -> None:
        """Forget every other month."""
        self.months = months
        _keep(self._sums, months)
        _keep(self._days, months)
        _keep(self._kinds, months)
        _keep(self._tasks, months)
        _keep(self._spared, months)

    def add(self, rows: Iterable[SettledRow], remember_ns: int, now_ns: int) -> None:
        """Count attempts, each once; those that ended since `remember_ns` may come again."""
        late_ns = now_ns - DAY_NS
        fresh: Counter[tuple[Place, bool]] = Counter()
        spent: Counter[tuple[Place, bool]] = Counter()
        for row in rows:
            booked = _booked(row)
            if not self._is_news(row, booked, late_ns):
                continue
            if booked.ended_ns >= remember_ns or booked.is_guess:
                self._booked[row.attempt_id] = booked
            where = (booked.place, booked.is_complete)
            fresh[where] += 1
            spent[where] += booked.nano_usd
        for where, count in fresh.items():
            self._book(*where, count, spent[where])

    def _is_news(self, row: SettledRow, booked: Booked, late_ns: int) -> bool:
        """Say whether a row is to be counted; one that has changed is taken out first."""
        before = self._booked.get(row.attempt_id)
        if before is None:
            if row.settled_at_ns > late_ns:
                self.pulse.add(row)
            if row.provider == LOCAL:
                self._was_busy(row.settled_at_ns - (row.latency_ns or 0), row.settled_at_ns)
        elif before == booked:
            return False
        else:
            self._book(before.place, before.is_complete, -1, -before.nano_usd)
        return True

    def _book(self, place: Place, is_complete: bool, count: int, nano_usd: int) -> None:  # noqa: FBT001
        if place.month not in self.months:
            return
        named: Mapping[Axis, str] = {
            "tier": place.tier,
            "provider": place.provider,
            "model": place.model,
            "kind": place.kind,
            "key": place.key,
        }
        found = [self._sums[place.month, axis, name] for axis, name in named.items()]
        if place.key != EVIDENCE_KEY:
            found.append(self._kinds[place.month, place.kind, place.provider == LOCAL])
        for sums in found:
            sums.attempts += count
            sums.completed += count if is_complete else 0
            sums.nano_usd += nano_usd
        self._days[place.month, place.day, place.tier] += nano_usd

    def _was_busy(self, since_ns: int, until_ns: int) -> None:
        """Note when it answered, as one with what is at most `BUSY_GAP_NS` away."""
        first = bisect_left(self.busy, since_ns - BUSY_GAP_NS, key=lambda one: one[1])
        last = first
        while last < len(self.busy) and self.busy[last][0] <= until_ns + BUSY_GAP_NS:
            since_ns, until_ns = (
                min(since_ns, self.busy[last][0]),
                max(until_ns, self.busy[last][1]),
            )
            last += 1
        self.busy[first:last] = [(since_ns, until_ns)]

    def arrive(self, rows: Iterable[ArrivedRow], month: str, remember_ns: int) -> None:
        """Count tasks that came in a month, each once."""
        for row in rows:
            if row.task_id in self._arrived:
                continue
            if row.opened_at_ns >= remember_ns:
                self._arrived[row.task_id] = row.opened_at_ns
            kind = first_field(row.profile)
            self._tasks[month, kind] += 1
            if first_field(row.route) != LOCAL:
                self._spared[month, kind] += 1

    def forget(self, before_ns: int, now_ns: int) -> None:
        """Forget which rows of before a time were counted: they do not come again."""
        self._booked = {
            name: one
            for name, one in self._booked.items()
            if one.ended_ns >= before_ns or one.is_guess
        }
        self._arrived = {name: at for name, at in self._arrived.items() if at >= before_ns}
        self.pulse.forget(now_ns)

    def by(self, axis: Axis, month: str) -> Mapping[str, Sums]:
        """Return the sums of a month by one property of the attempts."""
        return {
            name: sums
            for (of, on, name), sums in self._sums.copy().items()
            if of == month and on == axis and sums.attempts
        }

    def days(self, month: str) -> Mapping[tuple[int, str], int]:
        """Return nano-USD of a month by day and tier."""
        return {
            (day, tier): spent
            for (of, day, tier), spent in self._days.copy().items()
            if of == month
        }

    def total(self, month: str) -> int:
        """Return nano-USD of a month."""
        return sum(sums.nano_usd for sums in self.by("tier", month).values())

    def of_kind(self, month: str, kind: str, *, is_local: bool) -> Sums:
        """Return what the local model's attempts at a kind come to, or the others'; for callers."""
        return self._kinds.get((month, kind, is_local), Sums())

    def tasks(self, month: str) -> Mapping[str, int]:
        """Return how many tasks came in a month, by kind."""
        return {kind: count for (of, kind), count in self._tasks.copy().items() if of == month}

    def routed_to_apis(self, month: str, kind: str) -> int:
        """Return how many tasks of a kind were not routed to the local model."""
        return self._spared[month, kind]


def _keep(kept: MutableMapping[Key, Any], months: frozenset[str]) -> None:
    """Delete what belongs to another month: a key's first part."""
    for key in [key for key in kept if key[0] not in months]:
        del kept[key]


def _booked(row: SettledRow) -> Booked:
    place = Place(
        month=row.month,
        day=row.reserved_at_ns // DAY_NS,
        tier=row.tier,
        provider=row.provider,
        model=row.model,
        kind=first_field(row.profile),
        key=row.key_id,
    )
    return Booked(
        place=place,
        is_complete=row.outcome == "complete",
        nano_usd=row.settled_nano_usd or 0,
        ended_ns=row.settled_at_ns,
        is_guess=row.flag == "orphan",
    )


def within(
    stretches: Sequence[tuple[int, int]], since_ns: int, until_ns: int
) -> Sequence[tuple[int, int]]:
    """Return the parts that are within a time of stretches in order and apart."""
    first = bisect_right(stretches, since_ns, key=lambda one: one[1])
    found = list(stretches[first : bisect_left(stretches, until_ns, key=lambda one: one[0])])
    if found:
        found[0] = (max(found[0][0], since_ns), found[0][1])
        found[-1] = (found[-1][0], min(found[-1][1], until_ns))
    return found
