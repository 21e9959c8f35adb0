"""One request opened: its route, every attempt by round, and how its answer was settled."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from deployments.ledger.page import OPEN_STATES
from deployments.ledger.viewing import Found
from router.console.making.documents import Document, part, read
from router.console.making.quality import sample_row
from router.console.making.requests import cost_of, seconds_of
from router.console.pages import PAGES
from router.console.request_views import (
    AnswerView,
    AttemptView,
    RequestView,
    RoundView,
    RouteView,
    SeatView,
)

_INPUTS = ("fresh_input", "cache_read", "cache_write_5m", "cache_write_1h")


def request(task: Found, attempts: Sequence[Found], samples: Sequence[Found]) -> RequestView:
    """Return the page of a task."""
    profile, route = read(task["profile"]), read(task["route"])
    made = [_attempt(one, task["opened_at_ns"]) for one in attempts]
    is_open = task["outcome"] is None or any(one.is_open for one in made)
    answer = read(task["answer"])
    return RequestView(
        id=task["task_id"],
        key=task["key_id"],
        asked=task["asked_model"],
        kind=str(profile.get("kind", "")),
        confidence=profile.get("confidence"),
        is_unsure=bool(profile.get("is_unsure")),
        reasons=_texts(profile.get("reasons")),
        opened_at=task["opened_at_ns"] / 1e9,
        closed_at=None if task["closed_at_ns"] is None else task["closed_at_ns"] / 1e9,
        seconds=seconds_of(task),
        outcome=task["outcome"] or "under_way",
        route=_route(route, made),
        answer=_answer(answer, made) if answer.get("model") else None,
        failures=tuple(_failure(one) for one in answer.get("failures", ())),
        rounds=tuple(_rounds(made)),
        nano_usd=sum(one.nano_usd for one in made),
        is_simulated=any(one.is_simulated for one in made),
        samples=tuple(sample_row(one) for one in samples),
        poll=f"{PAGES['requests'].href}/{task['task_id']}?part=1" if is_open else None,
    )


def _attempt(row: Found, opened_ns: int) -> AttemptView:
    counted = [row[name] for name in _INPUTS if row[name] is not None]
    return AttemptView(
        id=row["attempt_id"],
        tier=row["tier"],
        provider=row["provider"],
        model=row["model"],
        role=row["role"],
        round=row["round"],
        state=row["state"],
        flag=row["flag"],
        outcome=row["outcome"],
        nano_usd=cost_of(row),
        reserved_nano_usd=row["reserved_nano_usd"],
        is_open=row["state"] in OPEN_STATES,
        input_tokens=sum(counted) if counted else None,
        cached_tokens=row["cache_read"],
        output_tokens=row["output"],
        thinking_tokens=row["thinking"],
        after_s=(row["reserved_at_ns"] - opened_ns) / 1e9,
        first_token_s=_seconds(row["first_token_ns"]),
        latency_s=_seconds(row["latency_ns"]),
        price_source=row["price_source"],
        usage_source=row["usage_source"],
        upstream_id=row["upstream_id"],
        is_simulated=bool(row["simulated"]),
    )


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9


def _rounds(made: Sequence[AttemptView]) -> Sequence[RoundView]:
    by_number: dict[int, list[AttemptView]] = defaultdict(list)
    for one in made:
        by_number[one.round].append(one)
    return [
        RoundView(number=number, attempts=tuple(of), nano_usd=sum(one.nano_usd for one in of))
        for number, of in sorted(by_number.items())
    ]


def _route(route: Document, made: Sequence[AttemptView]) -> RouteView:
    assignment, instead = part(route, "assignment"), part(route, "instead")
    cost: dict[str, int] = defaultdict(int)
    for one in made:
        cost[one.role] += one.nano_usd
    return RouteView(
        name=str(route.get("name", "")),
        composition=str(route.get("composition", "")),
        reason=str(route.get("reason", "")),
        policy=route.get("policy"),
        seats=tuple(_seat(seat, cost) for seat in route.get("seats", ())),
        max_rounds=int(route.get("max_rounds", 1)),
        degraded=_texts(route.get("degraded")),
        side=assignment.get("side"),
        propensity=assignment.get("propensity"),
        instead=instead.get("name"),
    )


def _seat(seat: Document, cost: Mapping[str, int]) -> SeatView:
    role = str(seat.get("role", ""))
    return SeatView(
        role=role,
        tier=str(seat.get("tier", "")),
        model=str(seat.get("model", "")),
        alternates=_texts(seat.get("alternates")),
        nano_usd=cost.get(role, 0),
    )


def _answer(answer: Document, made: Sequence[AttemptView]) -> AnswerView:
    changed = answer.get("changed_outcome")
    return AnswerView(
        model=str(answer["model"]),
        finish=str(answer.get("finish", "")),
        settled_by=str(answer.get("settled_by", "")),
        agreement=answer.get("agreement"),
        agreed_in_round=answer.get("agreed_in_round"),
        changed_outcome=changed,
        changed_words=_changed(changed, {one.role for one in made} | {""}, len(made)),
        is_escalated=bool(answer.get("escalated")),
        degraded=_texts(answer.get("degraded")),
    )


def _changed(changed: bool | None, roles: set[str], attempts: int) -> str:  # noqa: FBT001
    if changed is None:
        return (
            "One voice answered: there was nothing to change."
            if attempts <= 1 or len(roles) <= 2
            else "Whether the extra voices changed the outcome cannot be told."
        )
    return (
        "The extra voices changed the outcome: another text would have answered without them."
        if changed
        else "The extra voices did not change the outcome: the same text would have answered."
    )


def _failure(one: Document) -> str:
    return f"{one.get('model', '')}: {one.get('kind', '')}, {one.get('message', '')}"


def _texts(found: Sequence[object] | None) -> tuple[str, ...]:
    return tuple(map(str, found or ()))
