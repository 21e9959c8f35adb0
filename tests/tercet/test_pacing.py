from datetime import UTC, datetime

import pytest

from tercet.pacing import WEEK, share_by_now, weekly


def moment(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()


def hour(*date: int) -> int:
    return int(moment(*date) // 3600)


def test_an_hour_of_the_week_is_the_mean_of_its_past_and_hours_without_spending_count() -> None:
    monday_noon = hour(2026, 11, 2, 12)
    hours = {monday_noon: 100, monday_noon + WEEK: 300, monday_noon + 1: 50}
    curve = weekly(hours, monday_noon + 2 * WEEK)
    assert curve is not None
    assert curve[monday_noon % WEEK] == 200
    assert curve[(monday_noon + 1) % WEEK] == 25
    assert sum(curve) == 225


@pytest.mark.parametrize("hours", [{}, {hour(2026, 11, 2): 5}])
def test_less_than_a_week_makes_no_curve(hours) -> None:
    assert weekly(hours, hour(2026, 11, 8, 23)) is None


@pytest.mark.parametrize("hours", [{}, {hour(2026, 11, 15): 7}])
def test_without_past_weeks_the_pace_is_a_straight_line(hours) -> None:
    assert share_by_now(hours, moment(2026, 11, 16)) == 0.5


def test_the_pace_follows_the_hours_of_past_weeks() -> None:
    # November 2026 has nine weekend days among its thirty; all money is spent on work days at noon.
    noons = [hour(2026, 10, day, 12) for day in range(5, 31)]
    hours = {noon: 10 for noon in noons if datetime.fromtimestamp(noon * 3600, UTC).weekday() < 5}
    past_until = moment(2026, 11, 2)
    assert share_by_now(hours, past_until) == 0
    assert share_by_now(hours, moment(2026, 11, 2, 12, 30)) == pytest.approx(0.5 / 21)


def test_the_pace_begins_with_nothing_and_ends_with_everything() -> None:
    hours = {hour(2026, 10, 1) + step: 1 + step % 24 for step in range(31 * 24)}
    assert share_by_now(hours, moment(2026, 11, 1)) == 0
    assert share_by_now(hours, moment(2026, 12, 1) - 0.001) == pytest.approx(1, abs=1e-6)
