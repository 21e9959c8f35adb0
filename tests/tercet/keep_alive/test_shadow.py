from dataclasses import replace

import pytest
from fakes.minutes import ECONOMICS, PRICE, minutes
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.bounds import clairvoyant, clairvoyant_minutes, cost_of
from tercet.keep_alive.settings import KeepAliveSettings, policy_of
from tercet.keep_alive.shadow import Outcome, Shadow, simulate

GPU = ECONOMICS.minute_nano_usd
ALL = ["rate", "forecast", "idle_timeout", "schedule", "off", "always_on"]
BURSTY = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([0, 0, 1, 5, 60])), min_size=1, max_size=8
).map(lambda runs: [count for length, count in runs for _ in range(length)])


def test_until_it_is_warm_both_are_paid_and_then_the_gpu_alone() -> None:
    # Asked for after the first minute; three minutes of a start; warm in the fifth.
    policy = policy_of(KeepAliveSettings(policy="idle_timeout"))
    outcome = simulate(policy, minutes([2] * 6), ECONOMICS)
    assert outcome == Outcome(
        gpu_nano_usd=5 * GPU,
        api_nano_usd=8 * PRICE,
        starts=1,
        on_s=300,
        arrivals=12,
        local=4,
    )
    assert outcome.nano_usd == 5 * GPU + 8 * PRICE
    assert outcome.local_share == pytest.approx(1 / 3)


def test_every_start_is_paid_again() -> None:
    policy = policy_of(KeepAliveSettings(policy="idle_timeout", idle_s=60))
    outcome = simulate(policy, minutes([1, 0, 0, 1, 0, 0]), ECONOMICS)
    assert (outcome.starts, outcome.on_s, outcome.local) == (2, 120, 0)


def test_off_costs_what_the_api_costs() -> None:
    outcome = simulate(policy_of(KeepAliveSettings(policy="off")), minutes([3, 4]), ECONOMICS)
    assert (outcome.nano_usd, outcome.starts, outcome.local_share) == (7 * PRICE, 0, 0)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=30)
@given(counts=BURSTY)
def test_a_shadow_moved_on_by_hand_is_the_simulation(name, counts) -> None:
    shadow = Shadow(policy=policy_of(KeepAliveSettings(policy=name)))
    for tick in minutes(counts):
        shadow = shadow.after(tick, ECONOMICS)
    assert shadow.outcome == simulate(
        policy_of(KeepAliveSettings(policy=name)), minutes(counts), ECONOMICS
    )


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=30)
@given(counts=BURSTY, start_min=st.integers(0, 12))
def test_no_policy_is_cheaper_than_who_knows_all(name, counts, start_min) -> None:
    economics = replace(ECONOMICS, start_s=60 * start_min)
    cost = simulate(policy_of(KeepAliveSettings(policy=name)), minutes(counts), economics).nano_usd
    assert clairvoyant([count * PRICE for count in counts], economics) <= cost


@settings(max_examples=50)
@given(counts=st.lists(st.sampled_from([0, 1, 60]), max_size=8), start_min=st.integers(0, 3))
def test_who_knows_all_finds_the_cheapest_of_all_courses(counts, start_min) -> None:
    economics = replace(ECONOMICS, start_s=60 * start_min)
    saved = [count * PRICE for count in counts]
    courses = [
        [bool(number >> minute & 1) for minute in range(len(counts))]
        for number in range(2 ** len(counts))
    ]
    cheapest = min(cost_of(course, saved, economics) for course in courses)
    assert clairvoyant(saved, economics) == cheapest
    assert cost_of(clairvoyant_minutes(saved, economics), saved, economics) == cheapest
