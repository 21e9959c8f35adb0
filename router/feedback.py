"""`POST /v1/feedback`: what callers say of their answers. It is kept as labels, and no text is."""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol

from router.labelling import propensity_of
from router.learning.cold import arm_id
from router.receipts import Row
from router.surfaces.body import parse
from router.surfaces.checking import (
    RefusedError,
    a_choice,
    a_name,
    given,
    is_number,
    refuse,
)
from router.surfaces.refusal import Refusal
from tercet.content import JsonObject
from tercet.drawing import Draw
from tercet.learning import Label

_RATINGS = {"up": 1.0, "down": 0.0}
_OPINIONS = ("score", "rating", "preferred_to")
_TEXTS = frozenset({"comment", "reason", "text"})
_DOCUMENTS = ("profile", "route", "answer")
"""Of a task's row, as JSON."""
_TASK_PREFIX = "req_"
_NAME_CHARS = 100
"""Of a field nobody knows, so many are echoed."""


class Books(Protocol):
    """The part of the ledger that feedback needs."""

    async def task(self, task_id: str, /) -> tuple[Row, Sequence[Row]] | None:
        """Return a task's row and its attempts, or `None`."""
        ...

    async def note_labels(self, rows: Sequence[Label], /) -> None:
        """Record labels; of one task, arm and source the last counts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How good an answer was to who asked for it."""

    path: str
    """Of the field that names it."""
    task_id: str
    quality: float
    """From 0 to 1."""


async def note(raw: bytes, key_id: str, books: Books, at: float) -> JsonObject | Refusal:
    """Keep the feedback of a body; return what its sender is told. `at` is Unix seconds.

    Raises:
        LedgerError: it is not known to be kept.
    """
    body = parse(raw)
    if isinstance(body, Refusal):
        return body
    try:
        said = read(body)
        labels = [await _label(one, key_id, books, at) for one in said]
    except RefusedError as refused:
        return refused.refusal
    await books.note_labels(labels)
    return {
        "object": "tercet.feedback",
        "request_id": labels[0].task_id,
        "kind": labels[0].kind,
        "quality": labels[0].quality,
    }


def read(body: JsonObject) -> list[Said]:
    """Return what a body says of one answer, or of two, of which the first was preferred.

    Raises:
        RefusedError: it is no feedback.
    """
    fields = given(body)
    for name in sorted(fields.keys() - {"request_id", *_OPINIONS}):
        if name in _TEXTS:
            refuse(name, "is not kept, as no text is; leave it out", "unsupported_parameter")
        fault = f"is no field of feedback, which are request_id and {', '.join(_OPINIONS)}"
        refuse(name[:_NAME_CHARS], fault, "unknown_parameter")
    task_id = _task_id(fields, "request_id")
    opinions = [name for name in _OPINIONS if name in fields]
    if len(opinions) != 1:
        refuse("score", "must be given, or rating, or preferred_to, and one of them alone")
    if opinions == ["preferred_to"]:
        other = _task_id(fields, "preferred_to")
        if other == task_id:
            refuse("preferred_to", "must name another request than request_id")
        return [_said("request_id", task_id, 1.0), _said("preferred_to", other, 0.0)]
    return [_said("request_id", task_id, _quality(fields))]


def _said(path: str, task_id: str, quality: float) -> Said:
    return Said(path=path, task_id=task_id, quality=quality)


def _task_id(fields: JsonObject, path: str) -> str:
    """Return the request's id, also where an answer's own is given, which ends with it."""
    if path not in fields:
        refuse(path, "is missing; it is in x-tercet-request-id", "missing_required_parameter")
    _, prefix, rest = a_name(fields[path], path).rpartition(_TASK_PREFIX)
    return prefix + rest


def _quality(fields: JsonObject) -> float:
    if "rating" in fields:
        return _RATINGS[a_choice(fields["rating"], "rating", _RATINGS)]
    score = fields["score"]
    if not isinstance(score, int | float) or not is_number(score, 0, 1):
        refuse("score", "must be a number from 0 to 1")
    return float(score)


async def _label(said: Said, key_id: str, books: Books, at: float) -> Label:
    found = await books.task(said.task_id)
    if found is None or found[0]["key_id"] != key_id:
        refuse(said.path, "is no request of yours: x-tercet-request-id has it", "not_found", 404)
    task, attempts = found
    if task["outcome"] != "answered":
        how = "it failed or was given up" if task["outcome"] else "it is under way"
        refuse(said.path, f"is a request without an answer: {how}", "not_answered", 409)
    return label_of(task, attempts, said.quality, at)


def label_of(task: Row, attempts: Sequence[Row], quality: float, at: float) -> Label:
    """Return a caller's label of an answered task, made from its rows; `at` is Unix seconds."""
    profile, route, answer = (json.loads(str(task[name])) for name in _DOCUMENTS)
    draw = None if route.get("draw") is None else Draw(**route["draw"])
    spoke = frozenset(row["model"] for row in attempts if row["outcome"] == "complete")
    arm = _arm(route, answer, draw, spoke)
    costs = [attempt["settled_nano_usd"] for attempt in attempts]
    booked = [cost for cost in costs if isinstance(cost, int)]
    return Label(
        task_id=str(task["task_id"]),
        group_id=profile.get("conversation") or str(task["task_id"]),
        kind=profile["kind"],
        kinds=profile.get("kinds") or {profile["kind"]: 1.0},
        is_declared=False,
        arm=arm,
        quality=quality,
        source="feedback",
        cost_nano_usd=sum(booked) if len(booked) == len(costs) else None,
        size_tokens=int(profile["size_tokens"]),
        sketch=None,
        policy_version=route.get("policy"),
        propensity=propensity_of(arm, draw),
        at=at,
        seconds=_seconds(task),
    )


def _arm(
    route: Mapping[str, Any], answer: Mapping[str, Any], draw: Draw | None, spoke: Set[object]
) -> str:
    """Return the arm that answered: another than was decided, where a voice came to nothing."""
    models = _models(route)
    instead = route.get("instead")
    if instead is not None and answer["model"] not in models:
        return arm_id(instead["name"], _models(instead))
    if set(answer.get("degraded", ())) - set(route.get("degraded", ())):
        found = dict.fromkeys((*(model for model in models if model in spoke), answer["model"]))
        return arm_id(route["name"], tuple(found))
    return arm_id(route["name"], models) if draw is None else draw.arm


def _models(route: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(seat["model"] for seat in route["seats"]))


def _seconds(task: Row) -> float | None:
    opened, closed = task["opened_at_ns"], task["closed_at_ns"]
    if not isinstance(opened, int) or not isinstance(closed, int):
        return None
    return max(0, closed - opened) / 1e9
