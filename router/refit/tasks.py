"""The ledger's rows of tasks, as learning sees them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from router.learning.cold import arm_id
from tercet.drawing import Draw


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
    )
