from datetime import UTC, datetime

import pytest

from tercet.keep_alive.schedule import parse_schedule


def holds(text: str, day: int, hour: int, minute: int = 0) -> bool:
    """November 2 of 2026 is a Monday."""
    return parse_schedule(text).holds(datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp())


def test_it_holds_from_its_first_minute_to_before_its_end() -> None:
    assert holds("mon-fri 08:00-18:00", 2, 8)
    assert holds("mon-fri 08:00-18:00", 6, 17, 59)
    assert not holds("mon-fri 08:00-18:00", 6, 18)
    assert not holds("mon-fri 08:00-18:00", 7, 12)


def test_a_night_ends_on_the_next_day_also_across_the_week() -> None:
    assert holds("sun 22:00-06:00", 8, 23)
    assert holds("sun 22:00-06:00", 9, 5, 59)
    assert not holds("sun 22:00-06:00", 9, 6)
    assert not holds("sun 22:00-06:00", 8, 5)


def test_days_go_round_the_week_and_parts_add_up() -> None:
    text = "sat-mon 10:00-12:00, Wed 09:30-09:45"
    assert [day for day in range(2, 9) if holds(text, day, 11)] == [2, 7, 8]
    assert holds(text, 4, 9, 44)
    assert not holds(text, 4, 9, 45)


def test_equal_times_are_a_whole_day() -> None:
    assert holds("tue 00:00-24:00", 3, 23, 59)
    assert holds("tue 06:00-06:00", 4, 5, 59)
    assert not holds("tue 00:00-24:00", 4, 0)


@pytest.mark.parametrize(
    "text", ["", "mon", "mon 8:00-9:00", "mum 08:00-09:00", "mon 08:00-25:00", "mon 08:60-09:00"]
)
def test_what_is_no_schedule_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"mon-fri 08:00-18:00|no day has"):
        parse_schedule(text)
