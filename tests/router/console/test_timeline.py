"""The machine's timeline: no gap, and money to the nano."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.console.making.timeline import coarse, joined, pieces, totals
from router.console.tally import within
from tercet.leases import Span

HOUR = 3600 * 10**9


def span(state: Any, since: float, until: float | None, nano_usd: int = 0) -> Span:
    end = None if until is None else round(until * HOUR)
    return Span(
        lease_id="a",
        seq=0,
        state=state,
        since_ns=round(since * HOUR),
        until_ns=end,
        accrued_ns=round(4 * HOUR) if end is None else end,
        hourly_nano_usd=0,
        nano_usd=nano_usd,
        month="2026-11",
        reason="",
    )


def told(found: Any) -> list[tuple[str, float, float, int]]:
    return [(one.state, one.since_ns / HOUR, one.until_ns / HOUR, one.nano_usd) for one in found]


def hours(*ends: float) -> tuple[int, int]:
    since, until = (round(end * HOUR) for end in ends)
    return since, until


def test_a_machine_that_runs_is_busy_where_it_answered_and_idle_elsewhere() -> None:
    spans = [span("loading", 1, 2, 10), span("running", 2, 4, 200), span("stopped", 4, 5, 5)]
    found = pieces(spans, [], [hours(2.5, 3)], hours(0, 6))
    assert told(found) == [
        ("asleep", 0, 1, 0),
        ("loading", 1, 2, 10),
        ("idle", 2, 2.5, 50),
        ("busy", 2.5, 3, 50),
        ("idle", 3, 4, 100),
        ("asleep", 4, 5, 5),
        ("asleep", 5, 6, 0),
    ]


def test_while_the_model_loads_a_running_machine_is_loading() -> None:
    found = pieces([span("running", 0, 4, 400)], [hours(0, 1)], [hours(3, 4)], hours(0, 4))
    assert told(found) == [("loading", 0, 1, 100), ("idle", 1, 3, 200), ("busy", 3, 4, 100)]


def test_a_span_that_reaches_into_the_window_counts_with_its_part() -> None:
    found = pieces([span("running", 0, 4, 400)], [], [], hours(3, 6))
    assert told(found) == [("idle", 3, 4, 100), ("asleep", 4, 6, 0)]


def test_an_open_span_goes_on_to_now_at_what_is_booked() -> None:
    found = pieces([span("running", 0, None, 400)], [], [], hours(0, 5))
    assert told(found) == [("idle", 0, 5, 400)]


def test_a_machine_of_ones_own_is_known_by_its_starts_and_its_answers() -> None:
    found = pieces([], [hours(1, 2)], [hours(2, 3)], hours(0, 4))
    assert told(found) == [
        ("asleep", 0, 1, 0), ("loading", 1, 2, 0), ("busy", 2, 3, 0), ("asleep", 3, 4, 0)
    ]  # fmt: skip


def test_two_machines_at_once_cost_both() -> None:
    spans = [span("running", 0, 2, 100), span("running", 1, 3, 100)]
    found = pieces(spans, [], [], hours(0, 3))
    assert told(found) == [("idle", 0, 2, 100), ("idle", 2, 3, 100)]


def test_a_correction_is_of_no_time() -> None:
    assert told(pieces([span("correction", 1, 1, -5)], [], [], hours(0, 2))) == [
        ("asleep", 0, 2, 0)
    ]


def test_totals_are_of_time_and_money() -> None:
    found = totals([span("running", 0, 3, 300)], [], [hours(1, 2)], hours(0, 4))
    assert [(one.state, one.seconds, one.nano_usd, one.share) for one in found] == [
        ("busy", 3600.0, 100, 0.25), ("idle", 7200.0, 200, 0.5), ("asleep", 3600.0, 0, 0.25)
    ]  # fmt: skip


def test_a_picture_joins_what_is_too_short_to_be_seen_and_keeps_its_money() -> None:
    busy = [hours(at / 100, at / 100 + 0.006) for at in range(100)]
    found = pieces([span("running", 0, 4, 4000)], [], busy, hours(0, 4))
    shown = coarse(found, HOUR)
    assert [one.state for one in shown] == ["busy", "idle"]
    assert sum(one.nano_usd for one in shown) == 4000


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 20)), max_size=8),
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 9)), max_size=8),
    st.integers(0, 10**12),
)
def test_there_is_never_a_gap_and_never_a_nano_lost(answers, starts, nano_usd) -> None:
    busy: list[tuple[int, int]] = []
    for since, lasts in sorted(answers):
        if not busy or since > busy[-1][1]:
            busy.append((since, since + lasts))
    window = (0, 100)
    one = Span(
        lease_id="a",
        seq=0,
        state="running",
        since_ns=10,
        until_ns=80,
        accrued_ns=80,
        hourly_nano_usd=0,
        nano_usd=nano_usd,
        month="2026-11",
        reason="",
    )
    found = pieces([one], [(at, at + lasts) for at, lasts in starts], busy, window)
    assert found[0].since_ns == 0
    assert found[-1].until_ns == 100
    assert all(a.until_ns == b.since_ns for a, b in pairwise(found))
    assert sum(piece.nano_usd for piece in found) == nano_usd
    assert sum(piece.nano_usd for piece in coarse(found, 10)) == nano_usd
    sums = totals([one], [(at, at + lasts) for at, lasts in starts], busy, window)
    assert sum(total.nano_usd for total in sums) == nano_usd
    assert sum(total.seconds for total in sums) == pytest.approx(100e-9)
    assert sum(total.share for total in sums) == pytest.approx(1.0)


def test_stretches_are_cut_to_a_time() -> None:
    assert within([(0, 2), (3, 5), (8, 9)], 1, 4) == [(1, 2), (3, 4)]
    assert within([(0, 2)], 2, 4) == []


def test_stretches_that_are_close_are_one() -> None:
    assert joined([(0, 1), (3, 4), (9, 10)], 2) == [(0, 4), (9, 10)]
    assert joined([], 2) == []


def test_a_machine_of_ones_own_has_totals_without_money() -> None:
    found = totals([], [hours(0, 1)], [hours(1, 2)], hours(0, 4))
    assert [(one.state, one.seconds, one.nano_usd) for one in found] == [
        ("busy", 3600.0, 0), ("loading", 3600.0, 0), ("asleep", 7200.0, 0)
    ]  # fmt: skip
