"""How models did of late: outcomes and latencies by the minute, of the last 24 hours."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, exp, log

from deployments.gate import SICK
from deployments.ledger.viewing import SettledRow

MINUTE_NS = 60 * 10**9
KEPT_MINUTES = 24 * 60
_STEP = log(1.05)
"""Latencies are counted in classes 5 % wide, so a percentile is right to 2.5 %."""

Named = tuple[str, str]
"""Provider and model."""


@dataclass(slots=True)
class Beat:
    """What ended in some minutes."""

    outcomes: Counter[str] = field(default_factory=Counter[str])
    classes: Counter[int] = field(default_factory=Counter[int])
    """Attempts that answered, by the class of their seconds."""

    @property
    def attempts(self) -> int:
        """How many."""
        return self.outcomes.total()

    @property
    def failed(self) -> int:
        """Those whose failure says something of the provider's health."""
        return sum(self.outcomes[kind] for kind in FAILED)

    def quantile_s(self, share: float) -> float | None:
        """Return a quantile of the seconds of those that answered; `None`: none did."""
        left = ceil(self.classes.total() * share)
        for of in sorted(self.classes):
            left -= self.classes[of]
            if left <= 0:
                return exp((of + 0.5) * _STEP)
        return None


FAILED = SICK | {"exhausted", "unauthorised"}


class Pulse:
    """Beats by model and minute."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.last_ns: dict[Named, int] = {}
        """When an attempt last ended, of those that are kept."""
        self.streaks: dict[Named, int] = {}
        """Failures in a row that say something of the provider's health, up to the last row."""
        self._minutes: dict[Named, deque[tuple[int, Beat]]] = {}

    def add(self, row: SettledRow) -> None:
        """Count an attempt."""
        name, minute = (row.provider, row.model), row.settled_at_ns // MINUTE_NS
        self.last_ns[name] = max(row.settled_at_ns, self.last_ns.get(name, 0))
        self.streaks[name] = self.streaks.get(name, 0) + 1 if row.outcome in SICK else 0
        beat = self._beat(self._minutes.setdefault(name, deque()), minute)
        if beat is None:
            return
        beat.outcomes[row.outcome or "unknown"] += 1
        if row.outcome == "complete" and row.latency_ns:
            beat.classes[int(log(max(row.latency_ns, 1) / 1e9) // _STEP)] += 1

    def _beat(self, kept: deque[tuple[int, Beat]], minute: int) -> Beat | None:
        """Return the beat of a minute; `None`: it is too long ago."""
        newest = kept[-1][0] if kept else minute
        if minute > newest or not kept:
            kept.append((minute, Beat()))
            while kept[0][0] <= minute - KEPT_MINUTES:
                kept.popleft()
            return kept[-1][1]
        late = next((beat for of, beat in reversed(kept) if of == minute), None)
        # A row of a minute that had none yet, written late: counted with the newest.
        return late or (kept[-1][1] if newest - minute < KEPT_MINUTES else None)

    def forget(self, now_ns: int) -> None:
        """Forget what ended more than 24 hours before."""
        least = now_ns // MINUTE_NS - KEPT_MINUTES
        for name, kept in list(self._minutes.items()):
            while kept and kept[0][0] < least:
                kept.popleft()
            if not kept:
                del self._minutes[name], self.last_ns[name], self.streaks[name]

    def names(self) -> Sequence[Named]:
        """Return the models something is known of."""
        return sorted(self._minutes.copy())

    def window(self, name: Named, since_ns: int) -> Beat:
        """Return what ended since a time."""
        return _sum(
            beat for of, beat in list(self._minutes.get(name, ())) if of >= since_ns // MINUTE_NS
        )


def _sum(beats: Iterable[Beat]) -> Beat:
    found = Beat()
    # Not by `Counter.update`, which takes three times as long for so few at a time.
    outcomes, classes = found.outcomes, found.classes
    for beat in beats:
        for outcome, count in beat.outcomes.items():
            outcomes[outcome] += count
        for of, count in beat.classes.items():
            classes[of] += count
    return found
