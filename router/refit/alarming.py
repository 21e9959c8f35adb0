"""Whether what came since a version was made is what it was fitted on."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from router.learning.drift import Alarm, Reference, Remedy, Seen, What, rate_alarm, share_alarms
from router.refit.tasks import Came

LEAST_BEFORE: Final = 50
"""Tasks of a kind from which a rate before is known at all."""

_RATES: Final[tuple[tuple[What, Callable[[Came], bool | None]], ...]] = (
    ("agreement", lambda task: task.agrees),
    ("escalation", lambda task: None if task.agrees is None else task.is_escalated),
)


def alarms_of(
    tasks: Sequence[Came], kinds: Sequence[str], made_at: float, remedy: Remedy
) -> tuple[Alarm, ...]:
    """Return what drifted between the tasks of before a version was made and those after.

    Args:
        tasks: of the window, the oldest first.
        kinds: of the taxonomy.
        made_at: Unix seconds.
        remedy: for the advice.
    """
    before = [task for task in tasks if task.at <= made_at]
    after = [task for task in tasks if task.at > made_at]
    found = list(_rates(before, after, remedy))
    if after:
        old, new = _posteriors(before, kinds), _posteriors(after, kinds)
        found += share_alarms(old, new, kinds, since=after[0].at, remedy=remedy)
    return tuple(found)


def _rates(before: Sequence[Came], after: Sequence[Came], remedy: Remedy) -> Iterator[Alarm]:
    for kind in dict.fromkeys(task.kind for task in after):
        for what, read in _RATES:
            old = [read(task) for task in before if task.kind == kind]
            known = [one for one in old if one is not None]
            if len(known) < LEAST_BEFORE:
                continue
            series = [
                Seen(at=task.at, is_true=is_true)
                for task in after
                if task.kind == kind and (is_true := read(task)) is not None
            ]
            reference = Reference(true=sum(known), count=len(known))
            alarm = rate_alarm(what, kind, series, reference, remedy)
            if alarm is not None:
                yield alarm


def _posteriors(tasks: Sequence[Came], kinds: Sequence[str]) -> np.ndarray[tuple[int, int]]:
    rows = [[task.kinds.get(kind, 0.0) for kind in kinds] for task in tasks]
    return np.array(rows, float).reshape(len(tasks), len(kinds))
