"""Policies that look at no price."""

from dataclasses import dataclass, replace
from typing import Self

from tercet.keep_alive.policy import MINUTE_S, Decision, Economics, Tick
from tercet.keep_alive.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """The same, whatever happens."""

    name: str
    on: bool

    def decide(self, tick: Tick, economics: Economics, *, is_on: bool) -> tuple[Self, Decision]:
        """Say it again."""
        del tick, economics, is_on
        return self, Decision(on=self.on, why=f"the policy is {self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleTimeout:
    """The first request starts it, idle time stops it."""

    idle_s: float
    name: str = "idle_timeout"
    idle_so_far_s: float = 0.0

    def decide(self, tick: Tick, economics: Economics, *, is_on: bool) -> tuple[Self, Decision]:
        """Want it from a minute with a request on, until `idle_s` have passed without one."""
        del economics
        idle_s = 0.0 if tick.arrivals else self.idle_so_far_s + MINUTE_S
        on = tick.arrivals > 0 or (is_on and idle_s < self.idle_s)
        numbers = {"idle_s": idle_s, "idle_timeout_s": self.idle_s}
        if tick.arrivals:
            why = f"{tick.arrivals} requests in the last minute"
        else:
            why = f"no request for {idle_s:.0f} s, of {self.idle_s:.0f} s until it stops"
        return replace(self, idle_so_far_s=idle_s), Decision(on=on, why=why, numbers=numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """On in given hours of the week, and asked for early enough to be warm when they begin."""

    schedule: Schedule
    name: str = "schedule"

    def decide(self, tick: Tick, economics: Economics, *, is_on: bool) -> tuple[Self, Decision]:
        """Want it within the hours, and for one start's length before them."""
        del is_on
        now = tick.at + MINUTE_S
        if self.schedule.holds(now):
            return self, Decision(on=True, why=f"within {self.schedule.text} UTC")
        if self.schedule.holds(now + economics.start_s):
            why = f"a start of {economics.start_s:.0f} s before {self.schedule.text} UTC"
            return self, Decision(on=True, why=why, numbers={"start_s": economics.start_s})
        return self, Decision(on=False, why=f"outside {self.schedule.text} UTC")
