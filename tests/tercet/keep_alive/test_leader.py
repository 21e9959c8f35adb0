from dataclasses import replace
from random import Random

import pytest
from fakes.minutes import ECONOMICS, MONDAY, PRICE, decided, minutes
from hypothesis import given, settings
from hypothesis import strategies as st

from tercet.keep_alive.habit import Habit
from tercet.keep_alive.leader import Leader
from tercet.keep_alive.rules import ALWAYS, NEVER, Pack, Pins, Rule, Sense, forecast_rules
from tercet.keep_alive.settings import KeepAliveSettings, policy_of
from tercet.keep_alive.shadow import Shadow

DAY_MIN = 24 * 60
COUNTS = st.lists(st.integers(0, 40), max_size=120)


def one_rule(start_at: float = 1.0, stop_at: float = 0.5) -> Leader:
    rule = Rule(sense=Sense(half_life_min=15), start_at=start_at, stop_at=stop_at)
    return Leader.of("one rule", Pack.of([rule]))


@pytest.mark.parametrize("name", ["rate", "forecast"])
@settings(max_examples=30)
@given(counts=COUNTS)
def test_while_no_price_is_known_it_stays_off(name, counts) -> None:
    policy = policy_of(KeepAliveSettings(policy=name))
    _, decisions = decided(policy, minutes(counts, price=0))
    assert not any(decision.on for decision in decisions)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.98, 1.03, 1.5, 4.0])
def test_a_constant_rate_changes_nothing_after_at_most_one_start(share) -> None:
    # 15 requests a minute each worth a share of a minute of the GPU.
    price = round(share * ECONOMICS.minute_nano_usd / 15)
    _, decisions = decided(one_rule(), minutes([15] * 600, price=price))
    wanted = [decision.on for decision in decisions]
    assert wanted == sorted(wanted)
    assert wanted[-1] == (share > 1)


def test_between_both_rates_it_stays_as_it_is() -> None:
    quiet, busy, between = [0] * 60, [3] * 120, [1, 0] * 120
    _, rising = decided(one_rule(), minutes([*quiet, *between]))
    _, falling = decided(one_rule(), minutes([*busy, *between]))
    assert not rising[-1].on
    assert falling[-1].on
    assert falling[-1].why.startswith("rate 29.")
    assert falling[-1].why.endswith("is not yet below 18.8/h, 0.5 x the break-even 37.5/h")


def test_the_reason_has_the_rate_the_half_life_and_the_break_even() -> None:
    _, decisions = decided(one_rule(), minutes([2] * 600))
    assert decisions[-1].why == ("rate 120.0/h (half-life 15 min) is above the break-even 37.5/h")
    numbers = decisions[-1].numbers
    assert numbers["rate_per_h"] == pytest.approx(120)
    assert numbers["break_even_per_h"] == pytest.approx(37.5)
    assert numbers["saved_usd_per_request"] == pytest.approx(0.008)
    assert (numbers["half_life_min"], numbers["start_at"], numbers["stop_at"]) == (15, 1, 0.5)


def test_dear_requests_need_a_lower_rate() -> None:
    _, cheap = decided(one_rule(), minutes([1, 0, 0] * 200))
    _, dear = decided(one_rule(), minutes([1, 0, 0] * 200, price=3 * PRICE))
    assert not cheap[-1].on
    assert dear[-1].on


@pytest.mark.parametrize("name", ["rate", "forecast"])
def test_folding_the_ledgers_minutes_after_a_restart_equals_going_on(name) -> None:
    rng = Random(5)
    ticks = minutes([rng.choice((0, 0, 0, 1, 7)) for _ in range(3 * DAY_MIN)])
    policy = policy_of(KeepAliveSettings(policy=name))
    going_on, _ = decided(policy, ticks[: 2 * DAY_MIN])
    _, later = decided(going_on, ticks[2 * DAY_MIN :])
    folded, _ = decided(policy, ticks[: 2 * DAY_MIN])
    assert folded == going_on
    assert [d.on for d in later] == [d.on for d in decided(policy, ticks)[1][2 * DAY_MIN :]]


def test_a_decision_uses_nothing_but_the_past() -> None:
    same = [0, 3] * 200
    policy = policy_of(KeepAliveSettings(policy="forecast"))
    _, one = decided(policy, minutes([*same, *[0] * 100]))
    _, other = decided(policy, minutes([*same, *[40] * 100]))
    assert one[: len(same)] == other[: len(same)]


def test_bursts_too_short_to_pay_end_its_starts() -> None:
    # Every two hours one minute of much: it is over before a start is.
    counts = ([20] + [0] * 119) * 12
    policy, _ = decided(policy_of(KeepAliveSettings()), minutes(counts * 3))
    _, decisions = decided(policy, minutes(counts * 3, since=MONDAY + 3 * 86400))
    assert not any(decision.on for decision in decisions)
    assert decisions[-1].why.startswith("of late, the API alone was cheapest; rate ")


def test_where_every_restart_is_dear_it_is_kept_through_the_gaps() -> None:
    # 20 minutes of very much every 80: what goes to the API in a start is worth hours of the GPU.
    counts = ([60] * 20 + [0] * 60) * 18
    policy, _ = decided(policy_of(KeepAliveSettings()), minutes(counts * 3))
    _, decisions = decided(policy, minutes(counts, since=MONDAY + 3 * 86400))
    assert all(decision.on for decision in decisions[1:])


def test_no_past_success_keeps_it_on_through_more_than_half_a_day_of_silence() -> None:
    # Twice a day what goes to the API in a start is worth 32 hours of the GPU.
    counts = ([300] * 20 + [0] * 700) * 2
    policy, before = decided(policy_of(KeepAliveSettings()), minutes(counts * 4))
    silence = minutes([0] * (14 * 60), since=MONDAY + 4 * 86400)
    _, decisions = decided(policy, silence)
    assert before[-1].why.startswith("of late, always on was cheapest")
    off_from_min = [decision.on for decision in decisions].index(False)
    assert 0 < off_from_min < 13 * 60
    assert not any(decision.on for decision in decisions[off_from_min:])


def test_a_habit_of_the_day_is_foreseen_by_forecast_alone() -> None:
    day = [0] * 600 + [40] * 60 + [0] * 780
    ticks = minutes(day * 5)
    before = {}
    for name in ("rate", "forecast"):
        _, decisions = decided(policy_of(KeepAliveSettings(policy=name)), ticks)
        before[name] = decisions[4 * DAY_MIN + 598].on
    assert before == {"rate": False, "forecast": True}


def test_a_rule_keeps_its_machine_for_the_least_run_and_says_so() -> None:
    economics = replace(ECONOMICS, min_run_s=3600)
    _, decisions = decided(one_rule(), minutes([20, *[0] * 90]), economics)
    wanted = [decision.on for decision in decisions]
    assert wanted.index(False, wanted.index(True)) - wanted.index(True) == 60
    assert decisions[59].why.endswith("but it is kept for the least run")


def test_pinned_numbers_are_kept() -> None:
    settings = KeepAliveSettings(half_life_min=30, start_at=1.2, stop_at=0.4)
    _, decisions = decided(policy_of(settings), minutes([3] * 2000))
    numbers = decisions[-1].numbers
    assert (numbers["half_life_min"], numbers["start_at"], numbers["stop_at"]) == (30, 1.2, 0.4)


def test_every_rule_is_charged_as_its_shadow_is() -> None:
    rng = Random(3)
    # So few minutes that no rule is held at the most it can be behind.
    ticks = minutes([rng.choice((0, 0, 0, 1, 5)) for _ in range(500)])
    economics = replace(ECONOMICS, min_run_s=900)
    pack = Pack.of(forecast_rules(Pins()))
    leader = Leader.of("all", pack)
    shadows = [Shadow(policy=Leader.of("one", Pack.of([rule]))) for rule in pack.rules]
    for tick in ticks:
        leader, _ = leader.decide(tick, economics, is_on=False)
        shadows = [shadow.after(tick, economics) for shadow in shadows]
    for rule, on_s, shadow in zip(pack.rules, leader.seen.on_s, shadows, strict=True):
        assert on_s == shadow.on_s or rule == ALWAYS
    spent = [
        cost - rule.handicap * economics.start_nano_usd
        for cost, rule in zip(leader.seen.costs, pack.rules, strict=True)
    ]
    for rule, cost, shadow in zip(pack.rules, spent, shadows, strict=True):
        # The week's half-life has taken 4 % at most, of a handicap too.
        allowed = 0.04 * shadow.outcome.nano_usd + 0.04 * rule.handicap * economics.start_nano_usd
        assert cost == pytest.approx(shadow.outcome.nano_usd, abs=allowed)
    assert NEVER in pack.rules


def test_a_habit_is_the_mean_of_days_in_which_the_latest_counts_half() -> None:
    habit = Habit()
    for day, count in enumerate((4, 2, 0)):
        for tick in minutes([count] * 31, since=MONDAY + 86400 * day):
            habit = habit.after(tick)
    habit = habit.after(minutes([0], since=MONDAY + 3 * 86400)[0])
    assert habit.at(MONDAY, "day") == (4 * 0.25 + 2 * 0.25) * PRICE
    assert habit.at(MONDAY + 86400, "week") == 2 * PRICE
    assert habit.at(MONDAY + 4 * 86400, "week") is None
