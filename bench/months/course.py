"""What is seen of a month: who answered each task, at what cost, and which of them are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.months.workload import WINDOW_S, WINDOWS, Floats
from bench.months.world import Bools, World
from tercet.migration import Migration, MigrationRules

HALF_LIFE: Final = 0.5 ** (WINDOW_S / (15 * 60))
"""What is left of a rate after a window: the usual rule of keep-alive, 15 minutes."""
STOP_AT: Final = 0.5
"""In break-evens: it starts at one."""
JUDGE: Final = 0.5
"""What two verdicts of a cheap judge cost, over what the API's answer did."""
COMPARED: Final = frozenset({"shadow", "canary", "promoted"})


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
    """By windows."""

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
        )

    @property
    def cost_nano_usd(self) -> Floats:
        """What each task's own answer cost: nothing where the local model gave it."""
        return np.where(self.is_local, 0.0, self.world.api_nano_usd)

    @property
    def bill_nano_usd(self) -> Floats:
        """What the rented machine has cost by the end of each window."""
        return np.cumsum(self.is_on) * self.window_nano_usd

    @property
    def window_nano_usd(self) -> float:
        """What ten minutes of the rented machine cost."""
        return self.world.scenario.gpu_usd * 1e9 * WINDOW_S / 3600

    def go_on(self, since: float, standing: Sequence[Migration]) -> None:
        """Play from a moment on, as if no kind moved any more."""
        first, window = int(np.searchsorted(self.world.at, since)), int(max(since, 0) // WINDOW_S)
        states = np.array([one.state for one in standing])[self.world.kinds[first:]]
        shares = np.array([one.share for one in standing])[self.world.kinds[first:]]
        self.propensities[first:] = (1.0 - self.rules.hold_out) * shares
        self.is_treated[first:] = treated(self.world.side[first:], shares, self.rules.hold_out)
        wanted = self._shadowed(first, states)
        runs = np.bincount(self.world.windows[first:][wanted], minlength=WINDOWS) > 0
        has_local = any(one.state != "baseline" for one in standing)
        self._turn(window, runs[window:], has_local=has_local)
        is_local = self.is_treated[first:] & self.is_on[self.world.windows[first:]]
        self.is_local[first:] = is_local
        wanted |= is_local & (self.world.sample[first:] < self.rules.watch_share)
        spent = self.evidence_nano_usd[:first][self.is_pair[:first]].sum()
        spent += np.cumsum(np.where(wanted, self.evidence_nano_usd[first:], 0.0))
        self.is_pair[first:] = wanted & (spent <= self.rules.evidence_nano_usd)

    @property
    def evidence_nano_usd(self) -> Floats:
        """What comparing each task's answers costs: the API's where there is none, and a judge."""
        judged = np.where(self.world.is_same, 0.0, JUDGE)
        return self.world.api_nano_usd * (self.is_local + judged)

    def _shadowed(self, first: int, states: NDArray[np.str_]) -> Bools:
        """Whether the local model answers a task off its path; of the hold-out, in the end all."""
        shadow = self.world.sample[first:] < self.rules.shadow_share
        for_ever = (self.world.side[first:] < self.rules.hold_out) & (states == "promoted")
        compared = np.isin(states, list(COMPARED))
        return compared & ~self.is_treated[first:] & (shadow | for_ever)

    def _turn(self, window: int, runs: Bools, *, has_local: bool) -> None:
        """Turn the machine on and off: while what it is worth is more than it costs, or to compare.

        A window's own requests are not known when it begins, so a burst's first are missed: that
        stands for the start.
        """
        scenario, world = self.world.scenario, self.world
        worth = np.bincount(
            world.windows[self.is_treated],
            world.api_nano_usd[self.is_treated],
            minlength=WINDOWS,
        )
        even, rate, is_on = self.window_nano_usd, 0.0, False
        for at, paid in enumerate(worth.tolist()):
            if at >= window:
                is_on = rate >= (STOP_AT if is_on else 1.0) * even
                wanted = is_on or bool(runs[at - window]) or scenario.always_on
                self.is_on[at] = has_local and wanted
            else:
                is_on = bool(self.is_on[at])
            rate = HALF_LIFE * rate + (1.0 - HALF_LIFE) * paid


def treated(side: Floats, shares: Floats, hold_out: float) -> Bools:
    """Return which conversations the local model is to answer: the product's rule, in one step."""
    return (side >= hold_out) & ((side - hold_out) / (1.0 - hold_out) < shares)
