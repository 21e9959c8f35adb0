"""How figures and times are written."""

import pytest
from fakes.console import NOW

from router.console.evidence_views import IntervalView, MoneyInterval
from router.console.spelling import document
from router.console.wording import (
    ago,
    count,
    interval,
    iso,
    money,
    percent,
    seconds,
    usd_interval,
    utc,
)


@pytest.mark.parametrize(
    ("nano_usd", "text"),
    [
        (None, "unknown"),
        (0, "$0.00"),
        (12_345_678_900_000, "$12,345.68"),
        (1_000_000_000, "$1.00"),
        (12_300_000, "$0.0123"),
        (700_000, "$0.000700"),
        (80, "$0.000000080"),
        (-2_500_000_000, "-$2.50"),
    ],
)
def test_money_has_the_digits_it_needs(nano_usd: int | None, text: str) -> None:
    assert money(nano_usd) == text


def test_an_interval_without_bounds_is_too_early() -> None:
    assert interval(None) == interval(IntervalView(value=0.1, low=None, high=None)) == "too early"
    assert interval(IntervalView(value=0.012, low=-0.01, high=0.03)) == "+0.012 [-0.010, +0.030]"
    open_ended = MoneyInterval(value_nano_usd=1, low_nano_usd=None, high_nano_usd=2)
    assert usd_interval(None) == usd_interval(open_ended) == "too early"
    whole = MoneyInterval(value_nano_usd=2 * 10**9, low_nano_usd=-(10**9), high_nano_usd=3 * 10**9)
    assert usd_interval(whole) == "$2.00 [-$1.00, $3.00]"


def test_numbers_that_are_unknown_are_told_so() -> None:
    assert percent(0.1234) == "12.3 %"
    assert count(1234567) == "1,234,567"
    assert percent(None) == count(None) == seconds(None) == utc(None) == "unknown"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (0.5, "0.50 s"),
        (42.4, "42 s"),
        (150.0, "2.5 min"),
        (9000.0, "2.5 h"),
        (216_000.0, "2.5 days"),
    ],
)
def test_seconds_are_told_in_what_fits(found: float, text: str) -> None:
    assert seconds(found) == text


def test_times_are_utc_and_beside_now() -> None:
    assert utc(NOW) == "2026-11-23 09:00 UTC"
    assert iso(NOW) == "2026-11-23T09:00:00Z"
    assert iso(None) == ""
    assert ago(NOW - 90, NOW) == "90 s ago"
    assert ago(NOW - 900, NOW) == "15 min ago"
    assert ago(NOW + 10_800, NOW) == "in 3 h"
    assert ago(NOW - 5 * 86_400, NOW) == "5 days ago"
    assert ago(NOW, NOW) == "now"
    assert ago(None, NOW) == "unknown"


def test_a_document_has_dollars_beside_every_amount() -> None:
    value = MoneyInterval(value_nano_usd=1_500_000_000, low_nano_usd=None, high_nano_usd=7)
    assert document({"saving": value, "of_nano_usd": {"a": 1}, "names": ("x",)}) == {
        "saving": {
            "value_nano_usd": 1_500_000_000,
            "value_usd": "1.500000000",
            "low_nano_usd": None,
            "low_usd": None,
            "high_nano_usd": 7,
            "high_usd": "0.000000007",
        },
        "of_nano_usd": {"a": 1},
        "of_usd": {"a": "0.000000001"},
        "names": ["x"],
    }
