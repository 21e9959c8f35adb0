from dataclasses import replace

import pytest
from fakes.lessons_given import task
from fakes.rows import AT

from router.migrations.paying import bill, bill_a_month, displaced_by_kind, monthly, parts, tasks_of
from router.refit.tasks import Came
from tercet.leases import Span
from tercet.migration import Assignment
from tercet.usage import Usage

DAY_S = 86_400.0
HOUR_S = 3_600.0


def assigned(number: int, side: str, cost: int | None, **changes) -> Came:
    of = Assignment(
        kind="lookup", state="canary", side=side, propensity=0.5, conversation=f"c{number}"
    )
    return replace(
        task(f"t{number}", "lookup", nano_usd=cost, at=AT + number), assignment=of, **changes
    )


def constant(_model: str, _usage: Usage, _at: float) -> int:
    return 100


def doubled(_model: str, _usage: Usage, at: float) -> int:
    """Return prices that doubled at the beginning of the second day."""
    return 100 if at < AT // DAY_S * DAY_S + DAY_S else 200


def span(seq: int, since_s: float, hours: float, nano_usd: int, **changes) -> Span:
    since_ns = round((AT + since_s) * 1e9)
    fields = {
        "lease_id": "a", "seq": seq, "state": "running", "since_ns": since_ns,
        "until_ns": None, "accrued_ns": since_ns + round(hours * 3_600e9),
        "hourly_nano_usd": 100, "nano_usd": nano_usd, "month": "2026-11", "reason": "",
    }  # fmt: skip
    return Span(**(fields | changes))


def test_tasks_of_a_run_are_those_that_ended_since_it_began() -> None:
    rows = [
        task("unassigned", "lookup"),
        assigned(1, "waiting", 100),
        assigned(2, "treated", 0, seconds=None),
        assigned(3, "treated", None),
        assigned(4, "waiting", 100, kind="chat"),
    ]
    found = tasks_of("lookup", rows, AT + 2, AT + DAY_S)
    assert [one.task_id for one in found.tasks] == ["t3", "t4"]
    assert [one.task_id for one in found.treated] == ["t3"]


def test_what_could_not_be_treated_before_a_run_shows_what_the_api_costs() -> None:
    before = assigned(1, "waiting", 100)
    sure = replace(before.assignment, propensity=0.0)
    found = tasks_of(
        "lookup", [replace(before, assignment=sure), assigned(9, "treated", 0)], AT + 5, AT + DAY_S
    )
    assert [one.task_id for one in found.tasks] == ["t1", "t9"]
    assert [one.task_id for one in found.of_run] == ["t9"]
    assert found.a_month == pytest.approx(30.0, rel=1e-3)


def test_a_treated_task_that_fell_back_costs_what_it_cost() -> None:
    rows = [
        assigned(n, "treated" if n % 2 else "waiting", 1_000 if n % 2 == 0 or n % 3 == 0 else 0)
        for n in range(400)
    ]
    kind = tasks_of("lookup", rows, AT, AT + 30 * DAY_S)
    found = displaced_by_kind([kind], constant, AT)["lookup"]
    # Of 200 treated tasks 67 fell back.
    assert found.interval.value == pytest.approx(133 * 1_000, rel=0.02)
    assert (found.treated, found.held_out) == (200, 200)
    a_month = monthly(kind, found, 0.1)
    assert a_month is not None
    assert a_month.value == pytest.approx(found.interval.value / 200 * 400 * 0.9, rel=1e-3)


def test_a_price_that_doubled_leaves_no_doubt_once_it_is_told() -> None:
    rows = [
        assigned(n, "treated" if n % 2 else "waiting", 0 if n % 2 else cost, at=AT + at)
        for cost, at, first in ((500, 0.0, 0), (1_000, DAY_S, 300))
        for n in range(first, first + 300)
    ]
    now = AT + 2 * DAY_S
    kind = tasks_of("lookup", rows, AT, now)
    told, untold = (
        displaced_by_kind([kind], price, now)["lookup"].interval for price in (doubled, constant)
    )
    assert told.low < 150 * 500 + 150 * 1_000 < told.high
    assert told.value == pytest.approx(225_000, rel=0.01)
    assert told.high - told.low < 0.5 * (untold.high - untold.low)


def test_without_a_treated_task_there_is_no_saving_to_tell() -> None:
    kind = tasks_of("lookup", [assigned(n, "waiting", 100) for n in range(50)], AT, AT + DAY_S)
    assert monthly(kind, displaced_by_kind([kind], constant, AT)["lookup"], 0.1) is None
    assert displaced_by_kind([tasks_of("lookup", [], AT, AT + DAY_S)], constant, AT) == {}


def test_a_bill_is_the_part_of_each_span_that_is_in_the_time() -> None:
    spans = [span(0, -HOUR_S, 2, 200), span(1, HOUR_S, 1, 100), span(2, 50 * HOUR_S, 1, 100)]
    assert bill(spans, AT, AT + DAY_S) == pytest.approx(200)
    assert bill_a_month(spans, AT, AT + DAY_S) == pytest.approx(6_000)
    assert bill((), AT, AT + DAY_S) == 0


def test_a_correction_makes_every_hour_of_its_month_dearer() -> None:
    spans = [
        span(0, -HOUR_S, 2, 200),
        span(1, 40 * DAY_S, 0, 100, state="correction"),
        span(2, 5 * HOUR_S, 1, 100, month="2026-12"),
    ]
    assert bill(spans, AT, AT + DAY_S) == pytest.approx(150 + 100)


def test_a_bill_of_less_than_a_day_is_not_taken_for_more() -> None:
    assert bill_a_month([span(0, 0, 1, 100)], AT, AT + HOUR_S) == pytest.approx(3_000)


@pytest.mark.parametrize(
    ("seconds", "named", "shares"),
    [
        ({"lookup": 300.0, "chat": 100.0}, 0.0, {"lookup": 750, "chat": 250, "": 0}),
        ({"lookup": 300.0}, 100.0, {"lookup": 750, "": 250}),
        ({"lookup": 0.0, "chat": 0.0}, 0.0, {"lookup": 500, "chat": 500}),
        ({}, 0.0, {"": 1_000}),
    ],
)
def test_the_parts_of_a_bill_come_to_the_whole(
    seconds: dict[str, float], named: float, shares: dict[str, float]
) -> None:
    found = parts(1_000.0, seconds, named)
    assert found == pytest.approx(shares)
    assert sum(found.values()) == pytest.approx(1_000.0)
