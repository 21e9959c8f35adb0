"""The ledger's minutes as policies see them."""

from dataclasses import replace

import pytest

from tercet.keep_alive.ledger_minutes import Comparison, Pricing, rehearsed
from tercet.keep_alive.policy import Economics
from tercet.keep_alive.settings import KeepAliveSettings
from tercet.leases import Arrivals

ECONOMICS = Economics(hourly_nano_usd=300_000_000, start_s=120, min_run_s=0)
QUIET = Arrivals(
    minute=100,
    count=0,
    api_nano_usd=0,
    local_count=0,
    local_input_tokens=0,
    local_output_tokens=0,
)


def minutes(first: int, last: int, count: int, price: int) -> list[Arrivals]:
    return [
        replace(QUIET, minute=minute, count=count, api_nano_usd=count * price)
        for minute in range(first, last)
    ]


def last(comparison: Comparison, arrivals: list[Arrivals], until: int) -> Comparison:
    return list(comparison.after(arrivals, until, ECONOMICS))[-1]


def test_what_was_answered_locally_is_priced_by_what_was_not() -> None:
    pricing, saved = Pricing().read(replace(QUIET, count=4, api_nano_usd=4_000))
    assert (pricing.mean_nano_usd, saved) == (1_000, 4_000)
    pricing, saved = pricing.read(replace(QUIET, count=3, local_count=3))
    assert (pricing.mean_nano_usd, saved) == (1_000, 3_000)


def test_a_price_nobody_has_seen_is_not_guessed() -> None:
    pricing, saved = Pricing().read(replace(QUIET, count=3, local_count=3))
    assert (pricing.mean_nano_usd, saved) == (None, 0)


def test_new_prices_move_the_mean_by_as_many_requests_as_they_are_of() -> None:
    pricing, _ = Pricing(mean_nano_usd=1_000).read(replace(QUIET, count=1, api_nano_usd=2_000))
    assert pricing.mean_nano_usd == pytest.approx(1_020)
    many, _ = Pricing(mean_nano_usd=1_000).read(replace(QUIET, count=500, api_nano_usd=500 * 2_000))
    assert many.mean_nano_usd == pytest.approx(2_000, rel=0.001)


def test_minutes_without_requests_are_minutes_too() -> None:
    begun = Comparison.begin(KeepAliveSettings(), 100)
    seen = last(begun, minutes(105, 106, 7, 1_000), 110)
    assert seen.next_minute == 110
    assert seen.shadows["off"].outcome.arrivals == 7
    assert seen.shadows["always_on"].outcome.on_s == 9 * 60  # decided after the first


def test_a_fold_that_is_interrupted_comes_to_the_same() -> None:
    arrivals = minutes(100, 160, 5, 20_000_000)
    begun = Comparison.begin(KeepAliveSettings(), 100)
    whole = last(begun, arrivals, 160)
    half = last(begun, arrivals[:30], 130)
    assert last(half, arrivals[30:], 160) == whole


def test_every_policy_is_compared_and_the_plans_starts_at_the_first_request() -> None:
    begun = Comparison.begin(KeepAliveSettings(), 100)
    seen = last(begun, minutes(100, 101, 1, 1_000), 101)
    on = {name for name, shadow in seen.shadows.items() if shadow.decision.on}
    assert {"idle_timeout", "always_on"} <= on
    assert "rate" not in on
    assert "off" not in on


def test_a_minute_of_two_seconds_costs_what_two_seconds_do() -> None:
    quick = rehearsed(ECONOMICS, 2)
    assert quick.minute_nano_usd == pytest.approx(300_000_000 * 2 / 3600, abs=1)
    assert quick.start_s == 120 * 30
