"""`rate` and `forecast`: the rule in force is the one that would have been cheapest of late.

Every rule runs on the arrivals as if it were in force. "Of late" is a sum in which a week halves
the weight. Among the rules is to leave the GPU off: where it cannot pay, that one leads. The leader
changes when another is ahead by the cost of a start.
"""

from dataclasses import dataclass
from typing import Self

from tercet.keep_alive.habit import Habit
from tercet.keep_alive.policy import MINUTE_S, Decision, Economics, Tick
from tercet.keep_alive.rules import ALWAYS, NEVER, Pack, Rule

_FADE = 0.5 ** (1 / (7 * 24 * 60))
_LEAD_H = 12
"""How far behind a rule can be at most, in hours of the GPU: no past success keeps it on longer
than that when nothing arrives any more."""
_USD = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What has been learned from the minutes so far. Money is nano-USD."""

    rates: tuple[float, ...]
    """Moving averages of what the API costs a minute, of each half-life."""
    on_s: tuple[int, ...]
    """Of each rule, how long its GPU has been asked for, with the minute to come; 0: it is off."""
    costs: tuple[float, ...] = ()
    """Of each rule, of late, its handicap included; empty before the first minute."""
    leader: int = 0
    arrivals: float = 0.0
    """Of late, as the next."""
    saved: float = 0.0
    habit: Habit | None = None
    """Where the half hour to come is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """Follows the rule that leads."""

    name: str
    pack: Pack
    seen: Seen

    @classmethod
    def of(cls, name: str, pack: Pack) -> Self:
        """Begin."""
        looks = any(sense.look for sense in pack.senses)
        seen = Seen(
            rates=(0.0,) * len(pack.half_lives),
            on_s=(0,) * len(pack.rules),
            habit=Habit() if looks else None,
        )
        return cls(name=name, pack=pack, seen=seen)

    def decide(self, tick: Tick, economics: Economics, *, is_on: bool) -> tuple[Self, Decision]:
        """Charge every rule for the minute, move it on, and do as the leader does."""
        del is_on
        seen, saved = self.seen, tick.saved_nano_usd
        rates = tuple(
            rate + (saved - rate) * step
            for rate, step in zip(seen.rates, self.pack.steps, strict=True)
        )
        habit = None if seen.habit is None else seen.habit.after(tick)
        levels = _levels(self.pack, rates, habit, tick.at + MINUTE_S + economics.start_s)
        costs = _charged(self.pack, seen, saved, economics)
        seen = Seen(
            rates=rates,
            on_s=_moved(self.pack, seen.on_s, levels, economics),
            costs=costs,
            leader=_leader(costs, seen, economics.start_nano_usd),
            arrivals=seen.arrivals * _FADE + tick.arrivals,
            saved=seen.saved * _FADE + saved,
            habit=habit,
        )
        after = type(self)(name=self.name, pack=self.pack, seen=seen)
        return after, _decision(self.pack, seen, levels, economics)


def _levels(pack: Pack, rates: tuple[float, ...], habit: Habit | None, ahead: float) -> list[float]:
    """Return the rate as each sense has it; `ahead`: when a start begun now would be done."""
    levels = [rates[average] for average in pack.averages]
    if habit is None:
        return levels
    for index, sense in enumerate(pack.senses):
        past = None if sense.look is None else habit.at(ahead, sense.look)
        if past is not None:
            levels[index] += sense.share * (past - levels[index])
    return levels


def _charged(pack: Pack, seen: Seen, saved: int, economics: Economics) -> tuple[float, ...]:
    """Return what every rule has cost after a minute, as `Shadow` has it, of late."""
    gpu, warm_from_s = economics.minute_nano_usd, economics.start_s + MINUTE_S
    costs = seen.costs or [rule.handicap * economics.start_nano_usd for rule in pack.rules]
    charged = [
        cost * _FADE + (saved if not on_s else gpu if on_s >= warm_from_s else gpu + saved)
        for cost, on_s in zip(costs, seen.on_s, strict=True)
    ]
    ceiling = min(charged) + _LEAD_H * economics.hourly_nano_usd
    return (
        tuple(min(cost, ceiling) for cost in charged) if max(charged) > ceiling else tuple(charged)
    )


def _moved(
    pack: Pack, was_on_s: tuple[int, ...], levels: list[float], economics: Economics
) -> tuple[int, ...]:
    """Return how long each rule's GPU has been asked for, with the next minute."""
    shares = [level / max(economics.minute_nano_usd, 1) for level in levels]
    least_s = economics.min_run_s
    return tuple(
        on_s + MINUTE_S if shares[sense] >= (stop if on_s else start) or 0 < on_s < least_s else 0
        for on_s, (sense, start, stop) in zip(was_on_s, pack.lanes, strict=True)
    )


def _leader(costs: tuple[float, ...], seen: Seen, margin: float) -> int:
    least = min(costs)
    is_first = not seen.costs
    return costs.index(least) if is_first or least < costs[seen.leader] - margin else seen.leader


def _decision(pack: Pack, seen: Seen, levels: list[float], economics: Economics) -> Decision:
    if not seen.saved or not seen.arrivals:
        return Decision(on=False, why="no request that it could answer has a known price yet")
    price = seen.saved / seen.arrivals
    rule = pack.rules[seen.leader]
    rate = levels[pack.lanes[seen.leader][0]] * 60 / price
    break_even = economics.hourly_nano_usd / price
    numbers = {
        "rate_per_h": rate,
        "break_even_per_h": break_even,
        "gpu_usd_per_h": economics.hourly_nano_usd / _USD,
        "saved_usd_per_request": price / _USD,
        "start_s": economics.start_s,
        "rule_usd": seen.costs[seen.leader] / _USD,
        "api_only_usd": seen.saved / _USD,
    }
    if rule not in (NEVER, ALWAYS):
        numbers["half_life_min"] = rule.sense.half_life_min
        numbers["start_at"], numbers["stop_at"] = rule.start_at, rule.stop_at
    on = seen.on_s[seen.leader] > 0
    return Decision(on=on, why=_why(rule, rate, break_even, is_on=on), numbers=numbers)


def _why(rule: Rule, rate: float, break_even: float, *, is_on: bool) -> str:
    if rule in (NEVER, ALWAYS):
        what = "the API alone" if rule == NEVER else "always on"
        return f"of late, {what} was cheapest; rate {rate:.1f}/h, break-even {break_even:.1f}/h"
    look = rule.sense.look
    name = "rate" if look is None else f"rate expected by the half hour of the {look}"
    is_above = rate >= rule.start_at * break_even
    times = rule.stop_at if is_on and not is_above else rule.start_at
    is_below = rate < times * break_even
    word = "above" if is_above else "below" if is_below else "not yet below"
    than = f"the break-even {break_even:.1f}/h"
    if times != 1:
        than = f"{times * break_even:.1f}/h, {times:.2g} x {than}"
    kept = ", but it is kept for the least run" if is_on and is_below else ""
    return (
        f"{name} {rate:.1f}/h (half-life {rule.sense.half_life_min:g} min) is {word} {than}{kept}"
    )
