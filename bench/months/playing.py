"""One month, looked at every four hours with the product's own statistics and decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from bench.months.course import COMPARED, Course
from bench.months.watching import LOOK_S, LOOKS, Compared, Watched, savings
from bench.months.workload import DAY_S, DAYS, WINDOW_S, Floats
from bench.months.world import Bools, World
from router.migrations.deciding import Bounds, KindEvidence, Move, decide
from router.migrations.paying import parts
from router.statistics.interval import Interval
from router.statistics.slowness import percentile_bounds
from tercet.migration import Migration, MigrationRules, MigrationState

A_DAY: Final = round(DAY_S / LOOK_S)
"""Looks from one reading of the seconds to the next: they are slow to reckon."""
PERCENTILE, SURELY = 0.95, 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move of a kind."""

    kind: int
    to: MigrationState
    share: float
    at: float
    why: str


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A month as it would be if no kind moved any more, and all that is known of it at any look."""

    course: Course
    standing: Sequence[Migration]
    entered: Sequence[float]
    """When each kind came into `shadow`; infinite: it has not."""
    _read: dict[tuple[int, int], tuple[Bounds, Bounds]] = field(default_factory=dict)
    """Seconds that were reckoned, by kind and look."""

    @cached_property
    def compared(self) -> list[Compared]:
        """Return what the pairs say, by kind."""
        rules, kinds = self.course.rules, self.course.world.scenario.requests
        return [
            Compared.of(self.course, at, rules.margin_of(kind)) for at, kind in enumerate(kinds)
        ]

    @cached_property
    def savings(self) -> tuple[Watched, Mapping[str, Watched]]:
        """Return what was displaced, in all and by kind."""
        return savings(self.course)

    def evidence(self, place: int, look: int) -> KindEvidence:
        """Return what is known of a kind at a look."""
        one, now, compared = self.standing[place], float(LOOKS[look]), self.compared[place]
        pairs, rows = compared.until(now), self._rows(place, -np.inf, now)
        seconds = self._seconds(place, look - look % A_DAY)
        return KindEvidence(
            kind=one.kind,
            state=one.state,
            share=one.share,
            since=one.since,
            now=now,
            has_local=True,
            baseline_tasks=np.count_nonzero(rows),
            pairs=pairs,
            fresh=pairs - compared.until(one.since),
            quality=compared.quality.at(look),
            alarm=float(compared.alarms[look]),
            saving=self._projected(place, look),
            treated_tasks=np.count_nonzero(rows & self.course.is_treated),
            base_p95_s=seconds[0],
            treated_p95_s=seconds[1],
        )

    def _rows(self, place: int, since: float, until: float) -> Bools:
        world = self.course.world
        return (world.kinds == place) & (world.at >= since) & (world.at < until)

    def _projected(self, place: int, look: int) -> Interval | None:
        """Return what a month saves where the kind is promoted, as `router.migrations` has it."""
        course, now = self.course, float(LOOKS[look])
        of_run = self._rows(place, self.entered[place], now)
        treated = np.count_nonzero(of_run & course.is_treated)
        if not treated:
            return None
        by = self._a_month(place, now) * (1 - course.rules.hold_out) / treated
        one = self.savings[1][self.standing[place].kind].at(look)
        month = Interval(
            value=one.value * by, low=one.low * by, high=one.high * by, groups=one.groups
        )
        return month.shifted(-self._part(place, now))

    def _a_month(self, place: int, now: float) -> float:
        of_run = self.course.world.at[self._rows(place, self.entered[place], now)]
        if not len(of_run):
            return 0.0
        return len(of_run) * DAYS * DAY_S / max(now - of_run[0], DAY_S)

    def _part(self, place: int, now: float) -> float:
        """Return a kind's part of the machine's bill of a month; a task takes either as long."""
        under_way = [at for at, one in enumerate(self.standing) if one.state in COMPARED]
        since = min(self.entered[at] for at in under_way)
        is_on = self.course.is_on[int(since // WINDOW_S) : int(now // WINDOW_S)]
        a_month = is_on.sum() * self.course.window_nano_usd * DAYS * DAY_S / max(now - since, DAY_S)
        seconds = {str(at): self._a_month(at, now) for at in under_way}
        return parts(float(a_month), seconds, 0.0)[str(place)]

    def _seconds(self, place: int, look: int) -> tuple[Bounds | None, Bounds | None]:
        """Return the bounds of the 95th percentile of the API's tasks and of the treated ones."""
        if (place, look) not in self._read:
            course, now = self.course, float(LOOKS[look])
            rows = self._rows(place, self.entered[place], now)
            seconds = np.where(course.is_local, course.world.local_s, course.world.api_s)
            treated = rows & course.is_treated
            if treated.any():
                local = self._p95(seconds, treated)
            else:
                local = self._p95(course.world.local_s, rows & course.is_pair)
            base = self._p95(seconds, rows & ~course.is_treated)
            self._read[place, look] = base, local
        return self._read[place, look]

    def _p95(self, seconds: Floats, which: Bools) -> Bounds | None:
        """Return the bounds of some rows', of a conversation its first task alone."""
        chosen = seconds[which & self.course.world.is_first]
        return percentile_bounds(chosen, PERCENTILE, SURELY) if len(chosen) else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Played:
    """What came of a month."""

    view: View
    moves: Sequence[Moved]


def play(world: World, rules: MigrationRules) -> Played:
    """Play a month.

    From each move on the rest of the month is played as if no other came, up to the next look at
    which one does: all that is drawn is in the world, so it is the same as going look by look.
    """
    course, moves, look = Course.of(world, rules), list[Moved](), 0
    standing = [
        Migration(kind=k, state="baseline", share=0.0, since=0.0, seq=0)
        for k in world.scenario.requests
    ]
    entered = [np.inf] * len(standing)
    while True:
        view = View(course=course, standing=tuple(standing), entered=tuple(entered))
        look, now = _next(view, look)
        if not now:
            return Played(view=view, moves=moves)
        at = float(LOOKS[look])
        for place, move in now.items():
            one = standing[place]
            standing[place] = Migration(
                kind=one.kind, state=move.to, share=move.share, since=at, seq=one.seq + 1
            )
            entered[place] = at if move.to == "shadow" else entered[place]
            moves.append(Moved(kind=place, to=move.to, share=move.share, at=at, why=move.why))
        course.go_on(at, standing)
        look += 1


def _next(view: View, look: int) -> tuple[int, Mapping[int, Move]]:
    """Return the next look from one on at which anything moves, and what does."""
    for at in range(look, len(LOOKS)):
        found = {
            place: decide(view.evidence(place, at), view.course.rules)
            for place, one in enumerate(view.standing)
            if one.state != "rolled_back"
        }
        moves = {place: move for place, move in found.items() if move is not None}
        if moves:
            return at, moves
    return len(LOOKS), {}
