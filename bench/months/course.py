"""What is seen of a month: who answered each task, at what cost, and which of them are compared."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from bench.months.workload import WINDOW_S, WINDOWS, Floats
from bench.months.world import Bools, World
from tercet.migration import SHADOW_PART, Migration, MigrationRules

HALF_LIFE: Final = 0.5 ** (WINDOW_S / (15 * 60))
"""What is left of a rate after a window: the usual rule of keep-alive, 15 minutes."""
STOP_AT: Final = 0.5
"""In break-evens: it starts at one."""
JUDGE: Final = 0.60
"""What two verdicts cost, over what the API's answer did. By the price book of 2026-11-29 the
0.020 USD of a request are 5,000 tokens read and 1,000 written by Sonnet 5.5 (2 and 10 USD a
million), five to one as in `router.plan.workload`. Each verdict of Gemini 3.8 Flash (0.75 and 3.75)
reads the request, both answers (the local one a quarter longer) and 300 tokens of instructions, and
writes 100: 0.0060 USD, and there are two."""
ANSWERING: Final = frozenset({"canary", "promoted"})
COMPARED: Final = ANSWERING | {"shadow"}


class _Wanted(NamedTuple):
    """Which tasks of the rest of a month are to be compared, if there is money for it."""

    watched: Bools
    """Treated: where the local model answers, the API is asked as well."""
    held_out: Bools
    """Of kinds that it answers: it is run."""
    shadowed: Bools
    """Of the others: it is run, from the shadow's part of the money."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """A month as it goes; `go_on` plays the rest of it over again, so it is never copied."""

    world: World
    rules: MigrationRules
    propensities: Floats
    is_treated: Bools
    is_local: Bools
    """The local model answered: assigned to it, and the machine was on."""
    is_pair: Bools
    """Both answered, and the two are compared."""
    is_on: Bools
    """By windows; so are the others below."""
    is_worth_it: Bools
    """The machine was on for what it saves, not to compare alone."""
    rates: Floats
    """What it would have saved a window of late, as each began."""

    @classmethod
    def of(cls, world: World, rules: MigrationRules) -> "Course":
        """Return a month of which nothing is played."""
        count = len(world.at)
        flags = np.zeros((3, count), bool)
        return cls(
            world=world,
            rules=rules,
            propensities=np.zeros(count),
            is_treated=flags[0],
            is_local=flags[1],
            is_pair=flags[2],
            is_on=np.zeros(WINDOWS, bool),
            is_worth_it=np.zeros(WINDOWS + 1, bool),
            rates=np.zeros(WINDOWS + 1),
        )

    @property
    def cost_nano_usd(self) -> Floats:
        """What each task's own answer cost: nothing where the local model gave it."""
        return np.where(self.is_local, 0.0, self.world.api_nano_usd)

    @property
    def window_nano_usd(self) -> float:
        """What ten minutes of the rented machine cost."""
        return self.world.scenario.gpu_usd * 1e9 * WINDOW_S / 3600

    def go_on(
        self, since: float, standing: Sequence[Migration], suspected: Collection[int] = ()
    ) -> bool:
        """Play from a moment on, as if no kind moved any more; say if other answers are given.

        Args:
            since: where a window of the machine begins.
            standing: where each kind is.
            suspected: places of the kinds that are watched closely.
        """
        first, window = int(np.searchsorted(self.world.at, since)), int(max(since, 0) // WINDOW_S)
        shares = np.array([one.share for one in standing])[self.world.kinds[first:]]
        before = self._answers(first)
        self.propensities[first:] = (1.0 - self.rules.hold_out) * shares
        self.is_treated[first:] = treated(self.world.side[first:], shares, self.rules.hold_out)
        wanted = self._wanted(first, standing, suspected)
        has_local = any(one.state != "baseline" for one in standing)
        may_run, may_watch = self._turn(first, window, wanted, has_local=has_local)
        windows = self.world.windows[first:]
        is_local = self.is_treated[first:] & self.is_on[windows]
        self.is_local[first:] = is_local
        for_ever = wanted.held_out | (wanted.watched & is_local)
        is_pair = (wanted.shadowed & may_run[windows]) | (for_ever & may_watch[windows])
        costs = np.where(is_pair, self.evidence_nano_usd[first:], 0.0)
        left = self.rules.evidence_nano_usd - self._spent(first)
        self.is_pair[first:] = is_pair & (np.cumsum(costs) <= left)
        return not np.array_equal(before, self._answers(first))

    @property
    def evidence_nano_usd(self) -> Floats:
        """What comparing each task's answers costs: the API's where there is none, and a judge."""
        return self.world.api_nano_usd * (self.is_local + self._judged)

    @property
    def _judged(self) -> Floats:
        return np.where(self.world.is_same, 0.0, JUDGE)

    def _answers(self, first: int) -> Floats:
        """Return a copy of all that says who answers what, and with what chance: 3 x n."""
        rows = (self.propensities[first:], self.is_treated[first:], self.is_local[first:])
        return np.stack(rows).astype(np.float64)

    def _spent(self, first: int) -> float:
        return float(self.evidence_nano_usd[:first][self.is_pair[:first]].sum())

    def _wanted(
        self, first: int, standing: Sequence[Migration], suspected: Collection[int]
    ) -> _Wanted:
        rules, world, kinds = self.rules, self.world, self.world.kinds[first:]
        is_answering = np.array([one.state in ANSWERING for one in standing])[kinds]
        is_compared = np.array([one.state in COMPARED for one in standing])[kinds]
        is_suspected = np.array([place in suspected for place in range(len(standing))])[kinds]
        watch = np.where(is_suspected, rules.watch_closely_share, rules.watch_share)
        is_treated, sample = self.is_treated[first:], world.sample[first:]
        held_out = is_answering & (world.side[first:] < rules.hold_out)
        shadowed = is_compared & ~is_treated & ~held_out & (sample < rules.shadow_share)
        return _Wanted(watched=is_treated & (sample < watch), held_out=held_out, shadowed=shadowed)

    def _turn(
        self, first: int, window: int, wanted: _Wanted, *, has_local: bool
    ) -> tuple[Bools, Bools]:
        """Turn the machine on and off: while what it is worth is more than it costs, or to compare.

        A window's own requests are not known when it begins, so a burst's first are missed: that
        stands for the start. Return in which windows there is money to shadow, and to watch.
        """
        paid = self.world.api_nano_usd[first:]
        judged = paid * self._judged[first:]
        worth = self._by_window(first, np.where(self.is_treated[first:], paid, 0.0)).tolist()
        shadow = self._by_window(first, np.where(wanted.shadowed, judged + 1.0, 0.0)).tolist()
        held_out = self._by_window(first, np.where(wanted.held_out, judged + 1.0, 0.0)).tolist()
        watch = self._by_window(first, np.where(wanted.watched, judged + paid, 0.0)).tolist()
        cap, even = float(self.rules.evidence_nano_usd), self.window_nano_usd
        spent = self._spent(first)
        rate, is_worth_it = float(self.rates[window]), bool(self.is_worth_it[window])
        may = np.zeros((2, WINDOWS), bool)
        for at in range(window, WINDOWS):
            may_run, may_watch = spent < SHADOW_PART * cap, spent < cap
            runs = (shadow[at] if may_run else 0.0) + (held_out[at] if may_watch else 0.0)
            is_worth_it = rate >= (STOP_AT if is_worth_it else 1.0) * even
            is_on = has_local and (is_worth_it or runs > 0 or self.world.scenario.always_on)
            spent += runs + (watch[at] if may_watch and is_on else 0.0)
            rate = HALF_LIFE * rate + (1.0 - HALF_LIFE) * worth[at]
            self.is_on[at], may[0, at], may[1, at] = is_on, may_run, may_watch
            self.rates[at + 1], self.is_worth_it[at + 1] = rate, is_worth_it
        return may[0], may[1]

    def _by_window(self, first: int, amounts: Floats) -> Floats:
        found = np.bincount(self.world.windows[first:], amounts, minlength=WINDOWS)
        return np.asarray(found, np.float64)


def treated(side: Floats, shares: Floats, hold_out: float) -> Bools:
    """Return which conversations the local model is to answer: the product's rule, in one step."""
    return (side >= hold_out) & ((side - hold_out) / (1.0 - hold_out) < shares)
