"""Which policy is in force, and its numbers."""

from dataclasses import dataclass, replace
from typing import Literal, Self

from tercet.keep_alive.leader import Leader
from tercet.keep_alive.plain import Constant, IdleTimeout, Scheduled
from tercet.keep_alive.policy import MINUTE_S, Decision, Economics, Policy, Tick
from tercet.keep_alive.rules import Pack, Pins, forecast_rules, rate_rules
from tercet.keep_alive.schedule import parse_schedule

PolicyName = Literal["rate", "forecast", "idle_timeout", "schedule", "off", "always_on"]
"""`always_on` is there to be compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAliveSettings:
    """A policy and what it needs; the numbers of the others are not looked at."""

    policy: PolicyName = "rate"
    half_life_min: float | None = None
    """Of `rate` and `forecast`, as the next two; `None`: chosen by what it would have cost."""
    start_at: float | None = None
    """In break-evens."""
    stop_at: float | None = None
    """In break-evens; at most `start_at`."""
    idle_s: float = 600.0
    schedule: str = "mon-fri 08:00-18:00"
    """Hours of the week, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A policy whose GPU, once asked for, is kept for the least time of a run."""

    policy: Policy
    on_s: float = 0.0

    @property
    def name(self) -> str:
        """The policy's."""
        return self.policy.name

    def decide(self, tick: Tick, economics: Economics, *, is_on: bool) -> tuple[Self, Decision]:
        """Do as the policy does, but for too early an end."""
        policy, decision = self.policy.decide(tick, economics, is_on=is_on)
        on_s = self.on_s + MINUTE_S if is_on else 0.0
        if 0 < on_s < economics.min_run_s and not decision.on:
            least_s = economics.min_run_s
            why = f"kept for {on_s:.0f} of at least {least_s:.0f} s, though {decision.why}"
            numbers = {**decision.numbers, "on_s": on_s, "min_run_s": least_s}
            decision = Decision(on=True, why=why, numbers=numbers)
        return replace(self, policy=policy, on_s=on_s), decision


def policy_of(settings: KeepAliveSettings) -> Policy:
    """Return the policy, having seen nothing.

    Raises:
        ValueError: A number or the schedule cannot be what it is.
    """
    numbers = (settings.half_life_min, settings.start_at, settings.stop_at, settings.idle_s)
    if any(number is not None and number <= 0 for number in numbers):
        raise ValueError("half_life_min, start_at, stop_at and idle_s are above 0")
    if (settings.stop_at or 0) > (settings.start_at or settings.stop_at or 0):
        raise ValueError(f"stop_at {settings.stop_at} is above start_at {settings.start_at}")
    return Kept(policy=_bare(settings))


def _bare(settings: KeepAliveSettings) -> Policy:
    pins = Pins(
        half_life_min=settings.half_life_min,
        start_at=settings.start_at,
        stop_at=settings.stop_at,
    )
    match settings.policy:
        case "rate":
            return Leader.of("rate", Pack.of(rate_rules(pins)))
        case "forecast":
            return Leader.of("forecast", Pack.of(forecast_rules(pins)))
        case "idle_timeout":
            return IdleTimeout(idle_s=settings.idle_s)
        case "schedule":
            return Scheduled(schedule=parse_schedule(settings.schedule))
        case "off" | "always_on":
            return Constant(name=settings.policy, on=settings.policy == "always_on")
