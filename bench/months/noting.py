"""What is kept of a month that was played: small enough that a thousand fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final

import numpy as np

from bench.months.course import Course
from bench.months.playing import Moved, Played
from bench.months.watching import Watched
from bench.months.workload import DAY_S
from bench.months.world import Bools

LONGER: Final = 1.25
"""What the local model's tokens would cost at the API's prices, over what the API's own cost: it
says more to the same question."""
TREATING: Final = ("canary", "promoted")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """An interval at every look."""

    is_bounded: Bools
    is_true: Bools
    """It is bounded and the truth is in it."""
    half_width: float
    """At the month's end; infinite: none."""

    @property
    def always(self) -> bool:
        """Whether the truth was in it at every look."""
        return bool((self.is_true | ~self.is_bounded).all())

    @classmethod
    def of(cls, watched: Watched) -> "Held":
        """Compare an interval with the truth, at every look."""
        is_bounded = np.isfinite(watched.highs - watched.lows) & (watched.highs > watched.lows)
        inside = (watched.lows <= watched.truths) & (watched.truths <= watched.highs)
        half = float(watched.highs[-1] - watched.lows[-1]) / 2
        return cls(is_bounded=is_bounded, is_true=is_bounded & inside, half_width=half)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The month's end, in USD."""

    displaced: float
    estimate: float
    repriced: float
    """What re-pricing the local model's own tokens says."""
    before_after: float
    """What the mean costs before the first treated request and from then on say."""
    bill: float
    evidence: float
    """What was paid to compare answers, beside the machine's time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Note:
    """A month that was played."""

    saving: Held
    savings: Sequence[Held]
    qualities: Sequence[Held]
    """By kind."""
    money: Money
    promoted_day: float
    """When the last kind was; infinite: not all were."""
    is_promoted: bool
    """Any kind was, at any time."""
    rolled_back: Sequence[str]
    """Why, for each kind that was before anything fell."""
    found_after: float | None
    """Requests of the first kind from the fall to the rollback; infinite: it was not found; `None`:
    nothing fell while the local model answered."""
    found_pairs: float | None
    """The same in compared conversations."""


def noted(played: Played) -> Note:
    """Return what is kept."""
    view = played.view
    course, (total, by_kind) = view.course, view.savings
    compared = view.compared
    fell_at = course.world.scenario.fell_at
    last = [_first(played.moves, place, "promoted") for place in range(len(compared))]
    after, pairs = _found(played, fell_at)
    return Note(
        saving=Held.of(total),
        savings=[Held.of(one) for one in by_kind.values()],
        qualities=[Held.of(one.quality) for one in compared],
        money=_money(course, float(total.values[-1])),
        promoted_day=max(last) / DAY_S,
        is_promoted=any(isfinite(at) for at in last),
        rolled_back=[
            move.why.split(":")[0]
            for move in played.moves
            if move.to == "rolled_back" and move.at <= fell_at
        ],
        found_after=after,
        found_pairs=pairs,
    )


def _first(moves: Sequence[Moved], place: int, to: str) -> float:
    return min((move.at for move in moves if move.kind == place and move.to == to), default=inf)


def _found(played: Played, fell_at: float) -> tuple[float | None, float | None]:
    """Return in how many requests and compared conversations a fall was found."""
    before = [move for move in played.moves if move.kind == 0 and move.at <= fell_at]
    if not isfinite(fell_at) or not before or before[-1].to not in TREATING:
        return None, None
    found = min(
        (m.at for m in played.moves if m.to == "rolled_back" and m.at > fell_at), default=inf
    )
    if not isfinite(found):
        return inf, inf
    world = played.view.course.world
    came = (world.kinds == 0) & (world.at >= fell_at) & (world.at < found)
    pairs = came & played.view.course.is_pair
    return float(came.sum()), float(len(np.unique(world.conversations[pairs])))


def _money(course: Course, estimate: float) -> Money:
    world, cost = course.world, course.cost_nano_usd
    month = world.at >= 0
    treated = month & course.is_treated
    displaced = float((world.api_nano_usd - cost)[treated].sum())
    repriced = LONGER * float(world.api_nano_usd[treated & course.is_local].sum())
    before_after = 0.0
    if treated.any():
        is_after = world.at >= world.at[treated][0]
        before = float(cost[~is_after].mean())
        before_after = float((before - cost[is_after]).sum())
    return Money(
        displaced=displaced / 1e9,
        estimate=estimate / 1e9,
        repriced=repriced / 1e9,
        before_after=before_after / 1e9,
        bill=float(course.is_on.sum() * course.window_nano_usd) / 1e9,
        evidence=float(course.evidence_nano_usd[course.is_pair].sum()) / 1e9,
    )
