from dataclasses import replace

import pytest
from fakes.minutes import ECONOMICS, MONDAY, decided, minutes

from tercet.keep_alive.settings import KeepAliveSettings, policy_of


def on(settings: KeepAliveSettings, counts, economics=ECONOMICS, since=MONDAY) -> list[bool]:
    _, decisions = decided(policy_of(settings), minutes(counts, since=since), economics)
    return [decision.on for decision in decisions]


def test_the_first_request_starts_it_and_so_many_idle_seconds_stop_it() -> None:
    settings = KeepAliveSettings(policy="idle_timeout", idle_s=120)
    assert on(settings, [0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 0]) == [
        *(False, False, True, True, False, False),
        *(True, True, True, True, False),
    ]


def test_the_log_says_how_long_it_has_been_idle() -> None:
    policy = policy_of(KeepAliveSettings(policy="idle_timeout", idle_s=600))
    _, decisions = decided(policy, minutes([3, 0, 0]))
    assert [decision.why for decision in decisions] == [
        "3 requests in the last minute",
        "no request for 60 s, of 600 s until it stops",
        "no request for 120 s, of 600 s until it stops",
    ]


def test_off_and_always_on_look_at_nothing() -> None:
    assert on(KeepAliveSettings(policy="off"), [500, 0]) == [False, False]
    assert on(KeepAliveSettings(policy="always_on"), [0, 500]) == [True, True]


@pytest.mark.parametrize("policy", ["idle_timeout", "schedule"])
def test_a_machine_is_kept_for_its_least_run(policy) -> None:
    settings = KeepAliveSettings(policy=policy, idle_s=60, schedule="mon 00:00-00:02")
    economics = replace(ECONOMICS, start_s=0, min_run_s=600)
    wanted = on(settings, [9, *[0] * 30], economics)
    assert wanted.index(False) - wanted.index(True) == 10
    assert True not in wanted[wanted.index(False) :]


def test_the_log_says_that_it_is_kept_and_why_it_would_stop() -> None:
    economics = replace(ECONOMICS, min_run_s=600)
    policy = policy_of(KeepAliveSettings(policy="idle_timeout", idle_s=60))
    _, decisions = decided(policy, minutes([1, 0]), economics)
    assert decisions[-1].why == (
        "kept for 60 of at least 600 s, though no request for 60 s, of 60 s until it stops"
    )


def test_a_schedule_asks_for_it_early_enough_to_be_warm() -> None:
    settings = KeepAliveSettings(policy="schedule", schedule="mon 00:10-00:15")
    wanted = on(settings, [0] * 20)
    # The decision of a minute is about the next: that of minute 6 has it start in minute 7.
    assert [minute for minute, is_on in enumerate(wanted) if is_on] == list(range(6, 14))


@pytest.mark.parametrize(
    "settings",
    [
        KeepAliveSettings(half_life_min=0),
        KeepAliveSettings(start_at=-1.0),
        KeepAliveSettings(start_at=1.0, stop_at=1.5),
        KeepAliveSettings(policy="idle_timeout", idle_s=0),
        KeepAliveSettings(policy="schedule", schedule="mornings"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings) -> None:
    with pytest.raises(ValueError, match=r"above|no time of the week"):
        policy_of(settings)
