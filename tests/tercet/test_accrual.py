from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tercet.accrual import (
    DAY_NS,
    HOUR_NS,
    SECOND_NS,
    accrue,
    by_hour,
    months,
    price,
    price_ahead,
    running_ns,
)
from tercet.leases import Span

MIDNIGHT = 1_796_083_200 * SECOND_NS  # 2026-12-01 00:00 UTC
PRICES = st.integers(0, 10**12)
TIMES = st.integers(-40 * DAY_NS, 40 * DAY_NS).map(lambda ns: MIDNIGHT + ns)


def span(since_ns: int, hourly_nano_usd: int = 3_600, **changes) -> Span:
    whole = Span(
        lease_id="a", seq=0, state="running", since_ns=since_ns, until_ns=None,
        accrued_ns=since_ns, hourly_nano_usd=hourly_nano_usd, nano_usd=0, month="2026-11",
        reason="",
    )  # fmt: skip
    return replace(whole, **changes)


def test_a_second_of_3600_an_hour_costs_1_and_less_costs_nothing_yet() -> None:
    assert price(3_600, SECOND_NS) == 1
    assert price(3_600, SECOND_NS - 1) == 0
    assert price(3_600, 25 * HOUR_NS + 1) == 90_000


def test_what_is_held_is_rounded_up() -> None:
    assert price_ahead(3_600, 1.5) == 2
    assert price_ahead(3_600, 2.0) == 2
    assert price_ahead(3_600, 0.0) == 0


def test_a_span_ends_with_its_day_and_goes_on_in_the_next_month() -> None:
    found = accrue(span(MIDNIGHT - 10 * SECOND_NS), MIDNIGHT + DAY_NS + 5 * SECOND_NS, 4)
    rows = [(s.seq, s.since_ns, s.until_ns, s.nano_usd, s.month) for s in found.spans]
    assert rows == [
        (0, MIDNIGHT - 10 * SECOND_NS, MIDNIGHT, 10, "2026-11"),
        (4, MIDNIGHT, MIDNIGHT + DAY_NS, 86_400, "2026-12"),
        (5, MIDNIGHT + DAY_NS, None, 5, "2026-12"),
    ]
    assert found.grown_nano_usd == 86_415


def test_a_span_that_is_booked_to_midnight_has_no_empty_row_after_it() -> None:
    (found,) = accrue(span(MIDNIGHT - SECOND_NS), MIDNIGHT, 1).spans
    assert (found.until_ns, found.accrued_ns) == (None, MIDNIGHT)


def test_a_clock_that_goes_back_takes_nothing_back() -> None:
    (later,) = accrue(span(MIDNIGHT - 100 * SECOND_NS), MIDNIGHT, 1).spans
    again = accrue(later, MIDNIGHT - 50 * SECOND_NS, 1)
    assert (again.spans, again.grown_nano_usd) == ([later], 0)


@given(TIMES, st.lists(TIMES, max_size=12), PRICES)
def test_however_often_it_is_booked_a_span_comes_to_the_same(
    since_ns: int, stops: list[int], hourly: int
) -> None:
    begun = span(since_ns, hourly)
    last = max([since_ns, *stops])
    at_once = accrue(begun, last, 1)
    rows, now, grown = {0: begun}, begun, 0
    for stop in stops:
        step = accrue(now, stop, len(rows))
        grown += step.grown_nano_usd
        rows |= {one.seq: one for one in step.spans}
        now = step.spans[-1]
    assert list(rows.values()) == list(at_once.spans)
    assert grown == at_once.grown_nano_usd == sum(one.nano_usd for one in rows.values())


@given(TIMES, TIMES, PRICES)
def test_a_span_is_split_without_a_gap_and_costs_its_price_but_for_a_nano_dollar_a_day(
    since_ns: int, at_ns: int, hourly: int
) -> None:
    spans = accrue(span(since_ns, hourly), at_ns, 1).spans
    at_ns = max(since_ns, at_ns)
    assert [one.until_ns for one in spans[:-1]] == [one.since_ns for one in spans[1:]]
    first, last = since_ns // DAY_NS, max(at_ns - 1, since_ns) // DAY_NS
    assert [one.since_ns // DAY_NS for one in spans] == list(range(first, last + 1))
    whole = price(hourly, at_ns - since_ns)
    assert 0 <= whole - sum(one.nano_usd for one in spans) <= len(spans)


@given(TIMES, TIMES, PRICES)
def test_every_nano_dollar_is_of_one_hour(since_ns: int, at_ns: int, hourly: int) -> None:
    spans = accrue(span(since_ns, hourly), at_ns, 1).spans
    hours = by_hour(spans)
    assert sum(hours.values()) == sum(one.nano_usd for one in spans)
    assert all(0 <= amount <= hourly + len(spans) for amount in hours.values())


def test_a_span_is_spread_over_its_hours_and_a_correction_is_of_one() -> None:
    begun = MIDNIGHT - HOUR_NS - 60 * SECOND_NS
    first = accrue(span(begun), MIDNIGHT - 30 * SECOND_NS, 1).spans
    extra = span(MIDNIGHT, state="correction", until_ns=MIDNIGHT, nano_usd=7)
    hour = MIDNIGHT // HOUR_NS
    assert by_hour([*first, extra]) == {hour - 2: 60, hour - 1: 3_570, hour: 7}


def test_only_running_counts_and_only_todays() -> None:
    noon = MIDNIGHT + DAY_NS // 2
    spans = [
        span(MIDNIGHT - 100, until_ns=MIDNIGHT),
        span(MIDNIGHT, until_ns=MIDNIGHT + 50),
        span(MIDNIGHT + 50, until_ns=MIDNIGHT + 60, state="stopped"),
        span(noon - 30),
    ]
    assert running_ns(spans, noon) == 80
    assert running_ns([span(MIDNIGHT - 100)], noon) == DAY_NS // 2


def test_a_time_touches_its_months() -> None:
    assert list(months(MIDNIGHT - 1, MIDNIGHT)) == ["2026-11", "2026-12"]
    assert list(months(MIDNIGHT, MIDNIGHT - DAY_NS)) == ["2026-12"]
    assert list(months(MIDNIGHT, MIDNIGHT + 62 * DAY_NS)) == ["2026-12", "2027-01", "2027-02"]
