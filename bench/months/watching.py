"""Intervals as they stood at every look, beside the truth that only a simulation knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.months.course import Course
from bench.months.workload import DAY_S, DAYS, Floats
from bench.months.world import Integers
from router.migrations.paying import PLANNED
from router.statistics.interval import Interval, Paths
from router.statistics.paired import degraded_path, paired_paths
from router.statistics.power import more_needed
from router.statistics.saving import Assigned, displaced_paths, displaced_paths_by_kind

LOOK_S: Final = 1800.0
"""The product looks every five minutes."""
LOOKS: Final = np.arange(1, round(DAYS * DAY_S / LOOK_S) + 1) * LOOK_S
SPREAD: Final = 0.5
"""What `router.migrations` plans with."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Watched:
    """An interval at every look; infinitely wide where it was too early."""

    values: Floats
    lows: Floats
    highs: Floats
    groups: Integers
    truths: Floats

    @classmethod
    def of(cls, paths: Paths, truths: Floats, moments: Floats) -> "Watched":
        """Read paths at the looks; `moments`: when each of their rows came."""
        last = np.searchsorted(moments, LOOKS) - 1
        return cls(
            values=_read(paths.values, last, np.nan),
            lows=_read(paths.lows, last, -np.inf),
            highs=_read(paths.highs, last, np.inf),
            groups=_read(paths.groups, last, 0).astype(np.intp),
            truths=_read(truths, last, np.nan),
        )

    def at(self, look: int) -> Interval:
        """Return the interval of a look."""
        return Interval(
            value=float(self.values[look]),
            low=float(self.lows[look]),
            high=float(self.highs[look]),
            groups=int(self.groups[look]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """What the pairs of a kind say: its conversations' means, each when its last pair came."""

    quality: Watched
    alarms: Floats
    """By look."""
    moments: Floats
    """When each conversation's last pair came, in order."""
    by_look: Integers
    """How many had come."""

    @classmethod
    def of(cls, course: Course, kind: int, margin: float) -> "Compared":
        """Read the pairs of a kind."""
        world = course.world
        rows = np.flatnonzero(course.is_pair & (world.kinds == kind))
        differences = (world.local_quality - world.api_quality)[rows]
        ends, (means, expected) = by_conversation(
            world.conversations[rows], differences, world.delta[rows]
        )
        at = world.at[rows][ends]
        paths = paired_paths(means, more_needed(SPREAD, 0, margin))
        truths = np.cumsum(expected) / np.arange(1, len(expected) + 1)
        last = np.searchsorted(at, LOOKS) - 1
        return cls(
            quality=Watched.of(paths, truths, at),
            alarms=_read(degraded_path(means, margin), last, 0.0),
            moments=at,
            by_look=last + 1,
        )

    def until(self, moment: float) -> int:
        """Return how many had come by then."""
        return int(np.searchsorted(self.moments, moment))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """Tasks of a kind by the look."""

    all: Integers
    treated: Integers
    """Of the run."""
    a_month: Floats
    """At the run's pace."""

    @classmethod
    def of(cls, course: Course, kind: int, since: float) -> "Counted":
        """Count those of a kind whose run began at a time."""
        mine = np.flatnonzero(course.world.kinds == kind)
        at = course.world.at[mine]
        first, until = int(np.searchsorted(at, since)), np.searchsorted(at, LOOKS)
        of_run = np.maximum(until - first, 0)
        treated = np.cumsum(np.append(0, course.is_treated[mine]))
        begun = at[first] if first < len(at) else np.inf
        return cls(
            all=until,
            treated=np.maximum(treated[until] - treated[first], 0),
            a_month=of_run * DAYS * DAY_S / np.maximum(LOOKS - begun, DAY_S),
        )


def savings(course: Course) -> tuple[Watched, Mapping[str, Watched]]:
    """Return what was displaced, in all and by kind, in nano-USD; the bill is not taken off."""
    world = course.world
    names = np.array(list(world.scenario.requests))
    rows = Assigned(
        kinds=names[world.kinds],
        conversations=world.conversations,
        propensities=course.propensities,
        is_treated=course.is_treated,
        cost_nano_usd=course.cost_nano_usd,
        size_tokens=world.size_tokens,
        # Of one constant and another it is as with 1 for the first, so it holds at each look.
        price_levels=world.price_levels,
    )
    saved = np.where(course.is_treated, world.api_nano_usd - course.cost_nano_usd, 0.0)
    total = displaced_paths(rows, PLANNED)
    by_kind: Mapping[str, Paths] = {}
    if len(names) > 1:
        by_kind = displaced_paths_by_kind(rows, PLANNED)
    of_kinds = {
        str(name): Watched.of(
            by_kind.get(str(name), total), np.cumsum(saved * (world.kinds == place)), world.at
        )
        for place, name in enumerate(names)
    }
    return Watched.of(total, np.cumsum(saved), world.at), of_kinds


def by_conversation(conversations: Integers, *columns: Floats) -> tuple[Integers, list[Floats]]:
    """Return each conversation's last row, in order, and its means of the columns."""
    _, first, of_row, counts = np.unique(
        conversations[::-1], return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(-first)
    means = [np.bincount(of_row, column[::-1]) / counts for column in columns]
    return len(conversations) - 1 - first[order], [mean[order] for mean in means]


def _read(path: Floats | Integers, last: Integers, before: float) -> Floats:
    """Return a path's values at some of its rows; -1: before the first."""
    padded = np.concatenate([[before], path])
    return padded[last + 1]
