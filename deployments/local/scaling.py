"""Whether a replica of the local model should run: asked by Serve's controller, again and again.

It wakes for whatever waits at a handle, so nobody may wait there but who means to wake it: see
`deployments.local.caller`.
"""

from dataclasses import dataclass
from typing import Any, Protocol

State = dict[str, Any]
"""What was remembered last time: `busy_at` or `starting_at`, Unix seconds."""


class Context(Protocol):
    """What is used of Serve's `AutoscalingContext`."""

    @property
    def current_num_replicas(self) -> int:
        """Replicas that run; one that starts is not among them."""
        ...

    @property
    def target_num_replicas(self) -> int:
        """Replicas there should be."""
        ...

    @property
    def total_num_requests(self) -> float:
        """Requests under way and waiting."""
        ...

    @property
    def policy_state(self) -> State:
        """What the last decision returned."""
        ...

    @property
    def current_time(self) -> float:
        """Unix seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepAlive:
    """One replica while it is used or may still start; Serve's own policy would never give up."""

    idle_s: float
    give_up_s: float

    def __call__(self, ctx: Context) -> tuple[int, State]:
        """Return how many replicas there should be, and what to remember."""
        now, remembered = ctx.current_time, ctx.policy_state
        if ctx.current_num_replicas > 0:
            busy_at = now if ctx.total_num_requests > 0 else remembered.get("busy_at", now)
            return int(now - busy_at < self.idle_s), {"busy_at": busy_at}
        if ctx.target_num_replicas == 0:
            # Serve 2.60 wakes it for a request without asking us; this is for one that does not.
            return (1, {"starting_at": now}) if ctx.total_num_requests > 0 else (0, {})
        starting_at = remembered.get("starting_at", now)
        return int(now - starting_at < self.give_up_s), {"starting_at": starting_at}
