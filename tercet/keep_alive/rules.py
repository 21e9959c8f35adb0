"""The rules among which `rate` and `forecast` choose: each compares a rate with the break-even.

All rates are money, nano-USD that the API costs a minute, so that dear requests count for more. At
the break-even they are what a minute of the GPU costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log2
from typing import Self

from tercet.keep_alive.habit import Look

HALF_LIVES_MIN = (5.0, 15.0, 60.0)
STARTS_AT = (0.7, 1.0, 2.0)
STOPS_AFTER = (0.3, 0.7)
"""As shares of what a rule starts at."""
STOP_AFTER_AHEAD = (0.5,)
"""The same, for the rules that look ahead."""
AHEAD_HALF_LIFE_MIN = 15.0
AHEAD_SHARES = (0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sense:
    """A view of the rate."""

    half_life_min: float
    """Of the weight of a minute in the moving average."""
    look: Look | None = None
    """Mixed with what the half hour to come brought on past days, or weeks."""
    share: float = 0.0
    """Of what it brought then, in the mixture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """On from a rate upwards, off below another: three numbers."""

    sense: Sense
    start_at: float
    """In break-evens, as `stop_at`."""
    stop_at: float

    @property
    def handicap(self) -> float:
        """How far behind it is put at first, in costs of a start: far from the usual, further.

        The usual is a half-life of 15 minutes, start at the break-even and stop at half of it.
        """
        if self.start_at == inf:
            return 3.0
        if self.stop_at == 0:
            return 60.0
        if self.sense.look is not None:
            return 15.0
        off = abs(log2(self.sense.half_life_min / 15)) + abs(log2(self.start_at))
        return 5 * (off + abs(log2(2 * self.stop_at / self.start_at)))


_USUAL = Sense(half_life_min=15.0)
NEVER = Rule(sense=_USUAL, start_at=inf, stop_at=inf)
ALWAYS = Rule(sense=_USUAL, start_at=0.0, stop_at=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Numbers of the rules that a user has fixed; `None`: they are chosen."""

    half_life_min: float | None = None
    start_at: float | None = None
    stop_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Rules, laid out to be stepped through once a minute."""

    rules: tuple[Rule, ...]
    half_lives: tuple[float, ...]
    """Minutes."""
    steps: tuple[float, ...]
    """Of each half-life, the weight of the latest minute."""
    senses: tuple[Sense, ...]
    averages: tuple[int, ...]
    """Of each sense, which half-life it has."""
    lanes: tuple[tuple[int, float, float], ...]
    """Of each rule: which sense it has, what it starts at and stops at."""

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Self:
        """Lay rules out."""
        senses = tuple(dict.fromkeys(rule.sense for rule in rules))
        half_lives = tuple(dict.fromkeys(sense.half_life_min for sense in senses))
        return cls(
            rules=tuple(rules),
            half_lives=half_lives,
            steps=tuple(1 - 0.5 ** (1 / half_life) for half_life in half_lives),
            senses=senses,
            averages=tuple(half_lives.index(sense.half_life_min) for sense in senses),
            lanes=tuple((senses.index(rule.sense), rule.start_at, rule.stop_at) for rule in rules),
        )


def rate_rules(pins: Pins) -> list[Rule]:
    """Return never, always, and a rule of each combination of the numbers that are not pinned."""
    half_lives = HALF_LIVES_MIN if pins.half_life_min is None else (pins.half_life_min,)
    senses = [Sense(half_life_min=half_life) for half_life in half_lives]
    return [NEVER, ALWAYS, *_grid(senses, pins, STOPS_AFTER)]


def forecast_rules(pins: Pins) -> list[Rule]:
    """Return the rules of the rate, and those that look at the half hour to come."""
    half_life = pins.half_life_min or AHEAD_HALF_LIFE_MIN
    looks: tuple[Look, ...] = ("day", "week")
    ahead = [
        Sense(half_life_min=half_life, look=look, share=share)
        for look in looks
        for share in AHEAD_SHARES
    ]
    return [*rate_rules(pins), *_grid(ahead, pins, STOP_AFTER_AHEAD)]


def _grid(senses: Sequence[Sense], pins: Pins, stops_after: Sequence[float]) -> list[Rule]:
    starts = STARTS_AT if pins.start_at is None else (pins.start_at,)
    return [
        Rule(sense=sense, start_at=start, stop_at=stop)
        for sense in senses
        for start in starts
        for stop in (
            [start * share for share in stops_after]
            if pins.stop_at is None
            else [min(pins.stop_at, start)]
        )
    ]
