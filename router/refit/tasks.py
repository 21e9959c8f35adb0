"""The ledger's rows of tasks, as learning sees them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from router.learning.cold import arm_id
from tercet.drawing import Draw
from tercet.migration import Assignment


class TaskDocuments(Protocol):
    """A row of the tasks' table."""

    @property
    def task_id(self) -> str:
        """Its id."""
        ...

    @property
    def profile(self) -> str:
        """JSON."""
        ...

    @property
    def route(self) -> str:
        """JSON."""
        ...

    @property
    def outcome(self) -> str | None:
        """How it ended."""
        ...

    @property
    def answer(self) -> str | None:
        """JSON."""
        ...

    @property
    def opened_at_ns(self) -> int:
        """Unix nanoseconds."""
        ...

    @property
    def closed_at_ns(self) -> int | None:
        """Unix nanoseconds; `None`: it is under way, or its process ended."""
        ...

    @property
    def nano_usd(self) -> int | None:
        """What its attempts cost."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """A task that came, and how it was routed."""

    task_id: str
    kind: str
    kinds: Mapping[str, float]
    size_tokens: int
    arm: str
    """That answered, by the route's seats."""
    draw: Draw | None
    policy_version: str | None
    is_answered: bool
    agrees: bool | None
    """Whether the members of a consensus agreed at once; `None`: there was none."""
    members: tuple[str, ...]
    """Of a consensus."""
    is_escalated: bool
    nano_usd: int | None
    at: float
    seconds: float | None
    """From its coming to its end; `None`: it has not ended, or its process did."""
    conversation: str | None
    """As `router.lessons.conversation_of` has it; `None`: the row is of an older release."""
    assignment: Assignment | None
    """Which side of its kind's migration it was on; `None`: on none."""
    route: str
    """Its name, as it was decided: to the local model also if an API answered in the end."""
    composition: str
    models: tuple[str, ...]
    """Of the route's seats, each once."""
    settled_by: str | None
    """How the answer was settled, in words; `None`: there is none."""
    changed_outcome: bool | None
    """Whether the extra voices changed the text that answered; `None` when it cannot be told."""


def came(rows: Iterable[TaskDocuments]) -> Iterator[Came]:
    """Yield the tasks that can be read; a row of another release is left out."""
    for row in rows:
        try:
            yield _came(row)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue


def _came(row: TaskDocuments) -> Came:
    profile, route = json.loads(row.profile), json.loads(row.route)
    answer: dict[str, Any] = json.loads(row.answer or "{}")
    draw = route.get("draw")
    models = tuple(dict.fromkeys(seat["model"] for seat in route["seats"]))
    assignment = route.get("assignment")
    is_consensus = route["composition"] == "consensus" and row.outcome == "answered"
    return Came(
        task_id=row.task_id,
        kind=profile["kind"],
        kinds=profile.get("kinds") or {profile["kind"]: 1.0},
        size_tokens=int(profile["size_tokens"]),
        arm=arm_id(route["name"], models) if draw is None else draw["arm"],
        draw=None if draw is None else Draw(**draw),
        policy_version=route.get("policy"),
        is_answered=row.outcome == "answered",
        agrees=answer.get("agreed_in_round") == 1 if is_consensus else None,
        members=models if is_consensus else (),
        is_escalated=bool(answer.get("escalated")),
        nano_usd=row.nano_usd,
        at=row.opened_at_ns / 1e9,
        seconds=_seconds(row),
        conversation=profile.get("conversation"),
        assignment=None if assignment is None else Assignment(**assignment),
        route=route["name"],
        composition=route["composition"],
        models=models,
        settled_by=answer.get("settled_by"),
        changed_outcome=answer.get("changed_outcome"),
    )


def _seconds(row: TaskDocuments) -> float | None:
    if row.closed_at_ns is None:
        return None
    # The clock may have been set back meanwhile.
    return max(0, row.closed_at_ns - row.opened_at_ns) / 1e9
