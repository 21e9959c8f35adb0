"""Whether a replica of the local model should run: asked by Serve's controller, again and again.

It wakes for whatever waits at a handle, so nobody may wait there but who means to wake it: see
`deployments.local.caller`.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

State = dict[str, Any]
"""What was remembered last time: `busy_at`, `starting_at` or `gave_up_at`, Unix seconds; and
`is_wished`: a policy wanted it, and ends it too."""


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
    """One replica while it is wanted, used or may still start; Serve's own would never give up.

    Where a machine is rented, `tercet.keep_alive` says when it is wanted. A replica that somebody
    woke by hand, and any where nothing is rented, goes `idle_s` after its last request.
    """

    idle_s: float
    give_up_s: float
    is_rented: bool = False
    config: str | None = None
    """Folder of the configuration that says how; the project's own if left out."""

    def __call__(self, ctx: Context) -> tuple[int, State]:
        """Return how many replicas there should be, and what to remember."""
        if not self.is_rented:
            return self.decide(ctx, wish=False)
        # On the machine this class is unpickled too, and the ledger's library is not there.
        keeper_of = import_module("deployments.local.keeper").keeper_of
        keeper = keeper_of(None if self.config is None else Path(self.config))
        replicas, state = self.decide(ctx, wish=False if keeper is None else keeper.wish)
        if keeper is not None:
            keeper.hear(max(replicas, ctx.current_num_replicas))
        return replicas, state

    def decide(self, ctx: Context, wish: bool | None) -> tuple[int, State]:  # noqa: FBT001  three-valued
        """Return the same for what is wished."""
        now, remembered = ctx.current_time, ctx.policy_state
        if ctx.current_num_replicas > 0:
            return self._running(ctx, wish)
        if ctx.target_num_replicas == 0:
            # Serve 2.60 wakes it for a request without asking us; this is for one that does not.
            if ctx.total_num_requests > 0 or (wish and not self._has_given_up(now, remembered)):
                return 1, {"starting_at": now, "is_wished": bool(wish)}
            return 0, {name: at for name, at in remembered.items() if name == "gave_up_at"}
        starting_at = remembered.get("starting_at", now)
        if now - starting_at >= self.give_up_s:
            return 0, {"gave_up_at": now}
        return 1, {"starting_at": starting_at, "is_wished": remembered.get("is_wished", bool(wish))}

    def _running(self, ctx: Context, wish: bool | None) -> tuple[int, State]:  # noqa: FBT001
        now, remembered = ctx.current_time, ctx.policy_state
        is_used = ctx.total_num_requests > 0
        busy_at = now if is_used else remembered.get("busy_at", now)
        was_wished = bool(wish) or remembered.get("is_wished", False)
        state: State = {"busy_at": busy_at, "is_wished": was_wished}
        if wish is not False:
            return 1, state  # also while nobody knows: a controller has just started
        return int(not was_wished and now - busy_at < self.idle_s), state

    def _has_given_up(self, now: float, remembered: State) -> bool:
        """Say whether a start has just failed: the next may not cost as much at once."""
        return now - remembered.get("gave_up_at", -self.give_up_s) < self.give_up_s
