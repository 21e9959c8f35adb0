"""What a policy would have cost on the minutes that were."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from tercet.keep_alive.policy import MINUTE_S, Decision, Economics, Policy, Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the minutes have come to."""

    gpu_nano_usd: int = 0
    api_nano_usd: int = 0
    """For requests while the GPU was off or not yet warm."""
    starts: int = 0
    on_s: int = 0
    arrivals: int = 0
    local: int = 0

    @property
    def nano_usd(self) -> int:
        """Both bills."""
        return self.gpu_nano_usd + self.api_nano_usd

    @property
    def local_share(self) -> float:
        """The share of requests that were answered locally."""
        return self.local / self.arrivals if self.arrivals else 0.0


UNDECIDED = Decision(on=False, why="no minute was seen yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A policy in a world where it is in force: every start succeeds and takes `start_s`."""

    policy: Policy
    on_s: int = 0
    """How long its GPU has been asked for; 0: it is off."""
    outcome: Outcome = Outcome()
    decision: Decision = UNDECIDED
    """The last one: whether it is asked for now, and why."""

    def after(self, tick: Tick, economics: Economics) -> Self:
        """Pay for a minute, then decide about the next."""
        paid = self.outcome
        is_on, is_warm = self.on_s > 0, self.on_s - MINUTE_S >= economics.start_s
        outcome = Outcome(
            gpu_nano_usd=paid.gpu_nano_usd + (economics.minute_nano_usd if is_on else 0),
            api_nano_usd=paid.api_nano_usd + (0 if is_warm else tick.saved_nano_usd),
            starts=paid.starts + (self.on_s == MINUTE_S),
            on_s=paid.on_s + (MINUTE_S if is_on else 0),
            arrivals=paid.arrivals + tick.arrivals,
            local=paid.local + (tick.arrivals if is_warm else 0),
        )
        policy, decision = self.policy.decide(tick, economics, is_on=is_on)
        on_s = self.on_s + MINUTE_S if decision.on else 0
        return type(self)(policy=policy, on_s=on_s, outcome=outcome, decision=decision)


def simulate(policy: Policy, ticks: Iterable[Tick], economics: Economics) -> Outcome:
    """Return what a policy would have cost, off at first."""
    shadow = Shadow(policy=policy)
    for tick in ticks:
        shadow = shadow.after(tick, economics)
    return shadow.outcome
