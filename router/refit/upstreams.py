"""Whose answers the ledger's rows are of: what simulated upstreams said teaches no real gateway.

A label says nothing of it, its task's attempts do. Those who answered last are learned from; what
the others said is left out, whether they were the simulated ones or the real ones.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from deployments.ledger.inspection import AttemptRow, Inspection
from tercet.catalog import LOCAL
from tercet.learning import Label
from tercet.ledger import month_end, month_of

_LABELLED_S: Final = 600.0
"""Within that time after its attempt an answer to a golden task is labelled: under the golden
task's name, by which no attempt is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """Who was asked when."""

    asked: Sequence[tuple[float, bool]]
    """Unix seconds, and whether it was of those who answered last; in order of time."""
    tasks: Mapping[str, bool]
    """The same by task."""

    def answered(self, task_id: str) -> bool:
        """Whether a task may be of those who answered last."""
        return self.tasks.get(task_id, True)

    def said(self, label: Label) -> bool:
        """Whether a label may be."""
        if label.task_id in self.tasks:
            return self.tasks[label.task_id]
        return not self._others_at(label.at, _LABELLED_S)

    def learned(self, at: float) -> bool:
        """Whether a version that was made at a time may be."""
        return not self._others_at(at, inf)

    def _others_at(self, at: float, within_s: float) -> bool:
        """Whether the others were the last to be asked before a time, not too long before."""
        place = bisect_right(self.asked, (at, True)) - 1
        if place < 0:
            return False
        before, is_last = self.asked[place]
        return not is_last and at - before <= within_s


def upstreams_of(books: Inspection, since: float, now: float) -> Upstreams:
    """Return who was asked in the months from one time to another.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    return upstreams(row for month in _months(since, now) for row in books.attempts(month))


def upstreams(rows: Iterable[AttemptRow]) -> Upstreams:
    """Tell it from attempts; the local model's are nobody's, for it is never simulated."""
    found = sorted(
        (row.reserved_at_ns / 1e9, bool(row.simulated), row.task_id)
        for row in rows
        if row.provider != LOCAL
    )
    last = found[-1][1] if found else False
    return Upstreams(
        asked=[(at, simulated == last) for at, simulated, _ in found],
        tasks={task_id: simulated == last for _, simulated, task_id in found},
    )


def _months(since: float, now: float) -> Iterator[str]:
    while since <= now:
        yield month_of(since)
        since = month_end(since)
