"""One month, looked at every half hour with the product's own statistics and decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from bench.months.course import COMPARED, Course
from bench.months.watching import LOOK_S, LOOKS, Compared, Counted, Watched, savings
from bench.months.workload import DAY_S, DAYS, WINDOW_S, Floats
from bench.months.world import Bools, World
from router.migrations.deciding import Bounds, KindEvidence, decide, is_suspected
from router.migrations.paying import parts
from router.statistics.interval import Interval
from router.statistics.slowness import percentile_bounds
from tercet.migration import Migration, MigrationRules, MigrationState

AT_LEAST: Final = round(4 * 3600.0 / LOOK_S)
"""Looks after which it is decided anew though no pair has come: money and times change slowly."""
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
    suspected: frozenset[int] = frozenset()
    """Places of the kinds that are watched closely."""
    entered: Sequence[float]
    """When each kind came into `shadow`; infinite: it has not."""
    savings: tuple[Watched, Mapping[str, Watched]]
    """What was displaced, in all and by kind."""
    read: dict[tuple[int, int], tuple[Bounds | None, Bounds | None]] = field(default_factory=dict)
    """Seconds that were reckoned, by kind and look: they are of what is past, so they stay."""

    @cached_property
    def compared(self) -> list[Compared]:
        """Return what the pairs say, by kind."""
        rules, kinds = self.course.rules, self.course.world.scenario.requests
        return [
            Compared.of(self.course, at, rules.margin_of(kind)) for at, kind in enumerate(kinds)
        ]

    @cached_property
    def counted(self) -> list[Counted]:
        """Return how many tasks had come, by kind."""
        return [Counted.of(self.course, at, since) for at, since in enumerate(self.entered)]

    def evidence(self, place: int, look: int) -> KindEvidence:
        """Return what is known of a kind at a look."""
        one, now, compared = self.standing[place], float(LOOKS[look]), self.compared[place]
        pairs, counted = compared.until(now), self.counted[place]
        seconds = self._seconds(place, look - look % A_DAY)
        return KindEvidence(
            kind=one.kind,
            state=one.state,
            share=one.share,
            since=one.since,
            now=now,
            has_local=True,
            baseline_tasks=int(counted.all[look]),
            pairs=pairs,
            fresh=pairs - compared.until(one.since),
            quality=compared.quality.at(look),
            alarm=float(compared.alarms[look]),
            saving=self._projected(place, look),
            treated_tasks=int(counted.treated[look]),
            base_p95_s=seconds[0],
            treated_p95_s=seconds[1],
        )

    def _projected(self, place: int, look: int) -> Interval | None:
        """Return what a month saves where the kind is promoted, as `router.migrations` has it."""
        treated, part = int(self.counted[place].treated[look]), self._part(place, look)
        if not treated or part is None:
            return None
        a_month = float(self.counted[place].a_month[look])
        by = a_month * (1 - self.course.rules.hold_out) / treated
        one = self.savings[1][self.standing[place].kind].at(look)
        month = Interval(
            value=one.value * by, low=one.low * by, high=one.high * by, groups=one.groups
        )
        return month.shifted(-part)

    def _part(self, place: int, look: int) -> float | None:
        """Return a kind's part of the machine's bill of a month; a task takes either as long.

        `None`: it is not under way.
        """
        under_way = [at for at, one in enumerate(self.standing) if one.state in COMPARED]
        if place not in under_way:
            return None
        since, now = min(self.entered[at] for at in under_way), float(LOOKS[look])
        is_on = self.course.is_on[int(since // WINDOW_S) : int(now // WINDOW_S)]
        a_month = is_on.sum() * self.course.window_nano_usd * DAYS * DAY_S / max(now - since, DAY_S)
        seconds = {str(at): float(self.counted[at].a_month[look]) for at in under_way}
        return parts(float(a_month), seconds, 0.0)[str(place)]

    def _seconds(self, place: int, look: int) -> tuple[Bounds | None, Bounds | None]:
        """Return the bounds of the 95th percentile of the API's tasks and of the treated ones."""
        if (place, look) not in self.read:
            course, now = self.course, float(LOOKS[look])
            at = course.world.at
            rows = (course.world.kinds == place) & (at >= self.entered[place]) & (at < now)
            seconds = np.where(course.is_local, course.world.local_s, course.world.api_s)
            treated = rows & course.is_treated
            if treated.any():
                local = self._p95(seconds, treated)
            else:
                local = self._p95(course.world.local_s, rows & course.is_pair)
            base = self._p95(seconds, rows & ~course.is_treated)
            self.read[place, look] = base, local
        return self.read[place, look]

    def _p95(self, seconds: Floats, which: Bools) -> Bounds | None:
        """Return the bounds of some rows', of a conversation its first task alone."""
        chosen = seconds[which & self.course.world.is_first]
        return percentile_bounds(chosen, PERCENTILE, SURELY) if len(chosen) else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Played:
    """What came of a month."""

    view: View
    moves: Sequence[Moved]
    toggles: int
    """How often a kind came to be suspected, or was no more."""


def play(world: World, rules: MigrationRules) -> Played:
    """Play a month.

    From each event on the rest of the month is played as if no other came, up to the next look at
    which one does: all that is drawn is in the world, so it is the same as going look by look.
    """
    course, moves, toggles, look = Course.of(world, rules), list[Moved](), 0, 0
    view = View(
        course=course,
        standing=tuple(
            Migration(kind=kind, state="baseline", share=0.0, since=0.0, seq=0)
            for kind in world.scenario.requests
        ),
        entered=(np.inf,) * len(world.scenario.requests),
        savings=savings(course),
    )
    while (event := _next(view, look)) is not None:
        moves += event.moves
        toggles += event.suspected != view.suspected
        view, look = _after(view, event), event.look + 1
    return Played(view=view, moves=moves, toggles=toggles)


class _Event(NamedTuple):
    """What happens at a look."""

    look: int
    moves: Sequence[Moved]
    suspected: frozenset[int]


def _next(view: View, look: int) -> _Event | None:
    """Return the next look from one on at which anything happens."""
    is_due = np.arange(len(LOOKS)) % AT_LEAST == 0
    for compared in view.compared:
        is_due |= np.diff(compared.by_look, prepend=0) > 0
    for at in range(look, len(LOOKS)):
        event = _seen(view, at) if is_due[at] else None
        if event is not None and (event.moves or event.suspected != view.suspected):
            return event
    return None


def _seen(view: View, look: int) -> _Event:
    """Return what a look comes to."""
    moves, suspected, rules = list[Moved](), set[int](), view.course.rules
    for place, one in enumerate(view.standing):
        if one.state == "rolled_back":
            continue
        evidence = view.evidence(place, look)
        move = decide(evidence, rules)
        if move is not None:
            moves.append(
                Moved(kind=place, to=move.to, share=move.share, at=evidence.now, why=move.why)
            )
        if is_suspected(evidence, rules):
            suspected.add(place)
    return _Event(look, moves, frozenset(suspected))


def _after(view: View, event: _Event) -> View:
    """Return what is seen of the month if nothing happens any more."""
    standing, entered = list(view.standing), list(view.entered)
    for move in event.moves:
        one = standing[move.kind]
        standing[move.kind] = replace(
            one, state=move.to, share=move.share, since=move.at, seq=one.seq + 1
        )
        if move.to == "shadow":
            entered[move.kind] = move.at
    at, course = float(LOOKS[event.look]), view.course
    is_other = course.go_on(at, standing, event.suspected)
    return View(
        course=course,
        standing=tuple(standing),
        suspected=event.suspected,
        entered=tuple(entered),
        savings=savings(course) if is_other else view.savings,
        read=view.read,
    )
