from dataclasses import replace
from datetime import date

import pytest

from tercet.answer import Answer
from tercet.budget import Ask, Balance
from tercet.drawing import Draw
from tercet.forecast import Forecast
from tercet.leases import Lease
from tercet.ledger import Reservation, Settlement
from tercet.metrics import (
    METRICS,
    Reading,
    attempt_readings,
    correction_readings,
    decision_readings,
    ending_readings,
    lease_readings,
    migration_readings,
    month_readings,
    outlook_readings,
    price_readings,
    request_readings,
    why_of,
)
from tercet.migration import Assignment, Migration, Side
from tercet.outlook import Outlook
from tercet.route import Refused, Route, Seat
from tercet.task import Hints, Profile, Task, turn
from tercet.usage import Usage

TASK = Task(
    id="req_1", key_id="default", model="auto", messages=(turn("user", "Hi"),), deadline_at=9
)
PROFILE = Profile(
    kind="question",
    requires_design=False,
    is_critical=False,
    requires_implementation=False,
    is_routine=False,
    size_tokens=5,
    confidence=1.0,
    reasons=(),
)
ROUTE = Route(
    name="tier3",
    composition="consensus",
    seats=(Seat(role="member", tier="tier3", model="claude-haiku-5-5"),),
    reason="tier3 because it is quick",
    deadline_at=9,
)
LOCAL = replace(ROUTE, name="local", composition="single")
DRAW = Draw(
    arm="a", propensities={"a": 1.0}, is_forced=False, seed=1, extra_nano_usd=0, reason="drawn"
)
ROW = Reservation(
    attempt_id="att_1",
    task_id="req_1",
    key_id="default",
    tier="tier1",
    provider="anthropic",
    model="claude-opus-5-5",
    role="brain",
    round=1,
    ask=Ask(fixed_nano_usd=1, token_nano_usd=1, output_tokens=1),
    price_source="overlay",
    simulated=False,
    deadline_at=9,
    at=1,
)
END = Settlement(
    attempt_id="att_1",
    state="settled",
    outcome="complete",
    usage=Usage(fresh_input=10, cache_write_5m=3, output=5, thinking=2),
    usage_source="provider",
    settled_nano_usd=700,
    upstream_id="msg_1",
    first_token_s=0.5,
    latency_s=2.0,
    at=3,
)
LEASE = Lease(
    lease_id="l1",
    provider="vast",
    instance_id="1",
    gpu="RTX_3090",
    state="running",
    since=1_000.0,
    rate_nano_usd=250_000_000,
    hourly_nano_usd=250_000_000,
    stopped_hourly_nano_usd=10_000_000,
    interruptible=True,
    runs=1,
    opened_at=500.0,
    ended_at=None,
    end=None,
    spent_nano_usd=0,
    held_nano_usd=0,
)
USD = 1_000_000_000


def side(side: Side) -> Route:
    assignment = Assignment(
        kind="question", state="canary", side=side, propensity=0.25, conversation="c"
    )
    return replace(ROUTE, assignment=assignment)


def test_an_attempt_is_counted_with_its_tokens_and_its_cost() -> None:
    assert list(attempt_readings(ROW, END)) == [
        Reading(
            "tercet_attempts_total",
            ("tier1", "anthropic", "claude-opus-5-5", "complete", "provider"),
            1,
        ),
        Reading("tercet_attempt_seconds", ("tier1", "claude-opus-5-5"), 2.0),
        Reading("tercet_first_token_seconds", ("tier1", "claude-opus-5-5"), 0.5),
        Reading("tercet_cost_nano_usd_total", ("tier1", "anthropic", "claude-opus-5-5"), 700),
        Reading("tercet_tokens_total", ("tier1", "claude-opus-5-5", "fresh_input"), 10),
        Reading("tercet_tokens_total", ("tier1", "claude-opus-5-5", "cache_write_5m"), 3),
        Reading("tercet_tokens_total", ("tier1", "claude-opus-5-5", "output"), 5),
    ]


def test_an_attempt_that_said_nothing_has_no_first_token() -> None:
    void = replace(
        END,
        outcome="unreachable",
        usage=Usage(),
        usage_source="none",
        settled_nano_usd=0,
        first_token_s=None,
    )
    assert [reading.metric for reading in attempt_readings(ROW, void)] == [
        "tercet_attempts_total",
        "tercet_attempt_seconds",
    ]


@pytest.mark.parametrize(
    ("task", "decision", "why"),
    [
        (TASK, ROUTE, "plan"),
        (replace(TASK, model="tier3"), ROUTE, "named"),
        (replace(TASK, hints=Hints(tier="tier3")), ROUTE, "named"),
        (TASK, replace(ROUTE, degraded=("gemini:no_key", "budget:step3")), "budget"),
        (TASK, side("treated"), "migration"),
        (TASK, side("held_out"), "held_out"),
        (TASK, side("waiting"), "plan"),
        (TASK, replace(ROUTE, draw=DRAW), "learned"),
        (TASK, replace(ROUTE, draw=replace(DRAW, is_forced=True)), "plan"),
        (TASK, Refused(reason="spent", resets_at=9.0), "refused_budget"),
        (TASK, Refused(reason="asleep", is_passing=True), "refused_local"),
        (TASK, Refused(reason="not yours"), "refused_key"),
    ],
)
def test_why_is_one_of_a_few_words(task: Task, decision: Route | Refused, why: str) -> None:
    assert why_of(task, decision) == why


@pytest.mark.parametrize(
    ("route", "told"),
    [
        (ROUTE, []),
        (LOCAL, ["go"]),
        (replace(LOCAL, hold_until=5.0), ["hold"]),
        (
            replace(ROUTE, reason="tier3 because it is routine, but the local model is asleep (x)"),
            ["spill"],
        ),
        (replace(ROUTE, reason="tier3 because it is routine, but there is no local model"), []),
    ],
)
def test_hold_and_spill_are_told_by_the_route(route: Route, told: list[str]) -> None:
    first, *rest = decision_readings(TASK, PROFILE, route)
    assert first == Reading("tercet_routes_total", ("question", route.name, "plan"), 1)
    assert [reading.labels for reading in rest] == [(word,) for word in told]


def test_a_refusal_has_no_kind_and_no_route() -> None:
    refused = Refused(reason="spent", resets_at=9.0)
    assert list(decision_readings(TASK, None, refused)) == [
        Reading("tercet_routes_total", ("none", "none", "refused_budget"), 1)
    ]


def test_a_request_that_was_held_in_vain_gave_up() -> None:
    answer = Answer(
        parts=(), model="m", finish="stop", steps=(), degraded=("local:not_ready",), settled_by=""
    )
    assert [r.labels for r in ending_readings(answer)] == [("gave_up",)]
    assert list(ending_readings(replace(answer, degraded=()))) == []
    assert list(ending_readings(None)) == []


@pytest.mark.parametrize(
    ("outcome", "has_time"),
    [("answered", True), ("failed", True), ("abandoned", False), ("replayed", False)],
)
def test_only_what_was_waited_for_to_its_end_has_a_time(outcome: str, has_time: bool) -> None:
    first, *rest = request_readings("/v1/messages", ROUTE, outcome, 1.5)
    labels = ("anthropic_messages", "tier3", "consensus", outcome)
    assert first == Reading("tercet_requests_total", labels, 1)
    assert rest == ([Reading("tercet_request_seconds", ("tier3",), 1.5)] if has_time else [])


def test_a_path_that_is_no_surface_is_other() -> None:
    (first,) = request_readings("/v1/../x", None, "refused", 1.0)
    assert first.labels == ("other", "none", "none", "refused")


def test_scopes_that_no_file_names_are_counted_together() -> None:
    balances = {
        "month": Balance(spent=3 * USD, held=USD),
        "key:team": Balance(spent=USD, held=0),
        "key:batch": Balance(spent=2 * USD, held=USD),
        "tier:gone": Balance(spent=USD, held=0),
    }
    told = month_readings(balances, {"month": 180 * USD, "key:team": 5 * USD}, frozenset({"month"}))
    assert {(name, *labels): value for name, labels, value in told} == {
        ("tercet_month_spent_usd", "month"): 3.0,
        ("tercet_month_spent_usd", "key:other"): 3.0,
        ("tercet_month_spent_usd", "other"): 1.0,
        ("tercet_month_held_usd", "month"): 1.0,
        ("tercet_month_held_usd", "key:other"): 1.0,
        ("tercet_month_held_usd", "other"): 0.0,
        ("tercet_month_cap_usd", "month"): 180.0,
    }


def test_the_step_of_the_ladder_is_one_and_the_others_are_zero() -> None:
    calm = replace(Outlook.normal(), step=4)
    told = list(outlook_readings(calm))
    assert [(r.labels[0], r.value) for r in told] == [
        ("1", 0.0), ("2", 0.0), ("3", 0.0), ("4", 1.0), ("5", 0.0), ("6", 0.0),
    ]  # fmt: skip


def test_a_forecast_is_told_where_there_is_one() -> None:
    seen = Forecast(low=USD, middle=2 * USD, high=3 * USD, days=20, method="")
    told = list(outlook_readings(replace(Outlook.normal(), forecast=seen)))[:3]
    assert [(r.labels[0], r.value) for r in told] == [("low", 1.0), ("middle", 2.0), ("high", 3.0)]


def values(readings) -> dict[tuple[str, ...], float]:
    return {(r.metric.removeprefix("tercet_"), *r.labels): r.value for r in readings}


def test_of_what_was_never_rented_nothing_is_told() -> None:
    assert list(lease_readings([], None, 9.0)) == []


def test_a_machine_that_runs_is_told_with_its_price_and_how_long_it_was_idle() -> None:
    ended = replace(LEASE, ended_at=900.0, state="stopped", end="destroyed")
    told = values(lease_readings([LEASE, ended], 1_400.0, 1_600.0))
    assert (told["gpu_state", "running"], told["gpu_state", "stopped"]) == (1.0, 0.0)
    assert told["gpu_hourly_usd",] == 0.25
    assert told["gpu_running_seconds",] == 600.0
    assert told["gpu_idle_seconds",] == 200.0


def test_a_machine_that_nobody_asked_since_it_runs_is_idle_since_then() -> None:
    assert values(lease_readings([LEASE], 400.0, 1_600.0))["gpu_idle_seconds",] == 600.0


def test_where_no_machine_runs_it_is_neither_running_nor_idle() -> None:
    told = values(lease_readings([replace(LEASE, ended_at=1_500.0)], 1_400.0, 1_600.0))
    assert (told["gpu_state", "none"], told["gpu_hourly_usd",]) == (1.0, 0.0)
    assert {name for name, *_ in told} == {"gpu_state", "gpu_hourly_usd"}


def test_corrections_are_told_as_a_share_of_what_was_accrued() -> None:
    told = list(correction_readings([("vast", -3, 100), ("runpod", 5, 0)]))
    assert told == [Reading("tercet_reconciliation_delta_ratio", ("vast",), -0.03)]


def test_a_kind_that_the_taxonomy_has_not_is_not_told() -> None:
    moved = [
        Migration(kind=kind, state="canary", share=0.25, since=0.0, seq=1)
        for kind in ("question", "gone")
    ]
    told = list(migration_readings(moved, frozenset({"question"})))
    assert told == [Reading("tercet_migration_share", ("question",), 0.25)]


def test_prices_are_as_old_as_the_newest() -> None:
    day = 86_400.0
    told = list(price_readings([date(1970, 1, 2), date(1970, 1, 4)], 5 * day))
    assert told == [Reading("tercet_price_age_seconds", (), 2 * day)]
    assert list(price_readings([], 5 * day)) == []


def test_whatever_is_told_is_a_metric_and_has_its_labels() -> None:
    told = [
        *attempt_readings(ROW, END),
        *decision_readings(TASK, PROFILE, replace(LOCAL, hold_until=5.0)),
        *request_readings("/v1/messages", ROUTE, "answered", 1.5),
        *lease_readings([LEASE], 1_400.0, 1_600.0),
    ]
    assert [r for r in told if len(METRICS[r.metric].labels) != len(r.labels)] == []
