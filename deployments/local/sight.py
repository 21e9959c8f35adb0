"""What is seen of the local model's replica, and what that says of its readiness; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from tercet.readiness import Readiness, Start


class NotReadyError(Exception):
    """No replica runs, so that a call would only wait; it needs no arguments to be pickled."""

    def __init__(self) -> None:
        super().__init__("no replica of the local model runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A replica as Serve's controller tells of it."""

    id: str
    state: str
    """`STARTING`, `RUNNING`, `STOPPING` and others, in Serve's words."""
    started_at: float
    """Unix seconds at which the controller began to start it, node or no node."""
    node: str | None
    """The address of its node; `None`: none has room for it yet."""
    actor: str
    """The name of Ray's actor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The application as Serve's controller tells of it."""

    status: str
    """Of the deployment: `HEALTHY`, `UNHEALTHY`, `UPSCALING` and others, in Serve's words."""
    message: str
    replicas: tuple[Replica, ...] = ()

    def first(self, *states: str) -> Replica | None:
        """Return the first replica in one of these states."""
        return next((one for one in self.replicas if one.state in states), None)


def readiness_of(sight: Sight | None, answering: str | None, woken_at: float | None) -> Readiness:
    """Return the readiness that follows from what is seen.

    Args:
        sight: what the controller tells; `None`: there is no such application.
        answering: the id of the replica that answered when it was asked last.
        woken_at: Unix seconds at which a start was asked for that the controller does not show yet.
    """
    if sight is None:
        return Readiness(kind="away", why="its application is not deployed")
    running = sight.first("RUNNING")
    if running is not None:
        if running.id == answering:
            return Readiness(kind="ready", why=f"it runs on {running.node}")
        return Readiness(kind="away", why="its replica does not answer")
    if sight.status in ("UNHEALTHY", "DEPLOY_FAILED"):
        return Readiness(kind="away", why="it does not start; the Ray dashboard says why")
    starting = sight.first("STARTING")
    if starting is None:
        why = "nobody has woken it" if woken_at is None else "it was woken"
        return Readiness(kind="asleep", since=woken_at, why=why)
    if starting.node is None:
        why = "it was woken, and its machine is not there yet"
        return Readiness(kind="asleep", since=starting.started_at, why=why)
    return Readiness(kind="warming", since=starting.started_at, why=f"it loads on {starting.node}")


def start_of(replica: Replica, phases: Mapping[str, float], ready_at: float) -> Start:
    """Return the start that has ended: what the replica did not time was before it was there."""
    total_s = max(ready_at - replica.started_at, sum(phases.values()))
    placed_s = total_s - sum(phases.values())
    return Start(
        at=replica.started_at,
        phases={"placed": placed_s, **phases},
        total_s=total_s,
        node=replica.node or "",
    )
