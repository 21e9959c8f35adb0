import random

import numpy as np
import pytest
from numpy.typing import NDArray

from router.learning.drift import (
    Alarm,
    Reference,
    Remedy,
    Seen,
    Sighting,
    Sum,
    prefix_alarms,
    rate_alarm,
    share_alarms,
    tier_share_alarms,
)

REMEDY = Remedy(version="41")
KINDS = ("question", "maths", "chat")


def agreement(*rates_and_counts: tuple[float, int]) -> list[Seen]:
    rng = random.Random(1)
    told = [rng.random() < rate for rate, count in rates_and_counts for _ in range(count)]
    return [Seen(at=float(at), is_true=is_true) for at, is_true in enumerate(told)]


def watched(series: list[Seen]) -> Alarm | None:
    return rate_alarm("agreement", "maths", series, Reference(true=600, count=1000), REMEDY)


def test_a_sum_grows_with_what_speaks_for_the_new_rate_and_forgets_the_rest() -> None:
    up = Sum.between(0.5, 0.75)
    assert up.if_true == pytest.approx(0.4055, abs=1e-4)
    assert up.if_false == pytest.approx(-0.6931, abs=1e-4)
    up = up.after(Seen(at=1.0, is_true=False))
    assert (up.value, up.since) == (0.0, None)
    up = up.after(Seen(at=2.0, is_true=True)).after(Seen(at=3.0, is_true=True))
    assert (up.value, up.since) == (pytest.approx(0.8109, abs=1e-4), 2.0)


def test_a_year_of_the_same_rate_gives_no_alarm() -> None:
    assert watched(agreement((0.6, 12_000))) is None


def test_a_fall_is_found_and_dated() -> None:
    seen = watched(agreement((0.6, 2_000), (0.4, 1_000)))
    assert seen is not None
    assert (seen.what, seen.kind, seen.key) == ("agreement", "maths", None)
    assert 1_900 <= seen.since <= 2_100
    # The logarithm of two sides of a year.
    assert seen.threshold == pytest.approx(10.086, abs=0.001)
    assert seen.measured >= seen.threshold
    assert seen.advice == (
        "agreement of maths went down from 60% (log likelihood ratio): "
        "freeze the policy to version 41 and raise exploration for maths to 0.1"
    )


def test_a_rise_is_found_too() -> None:
    seen = watched(agreement((0.8, 1_000)))
    assert seen is not None
    assert "went up from 60%" in seen.advice


def test_a_rate_at_its_end_can_be_watched() -> None:
    never = Reference(true=0, count=300)
    assert rate_alarm("judge", "chat", agreement((0.0, 5_000)), never, REMEDY) is None
    assert rate_alarm("judge", "chat", agreement((0.2, 200)), never, REMEDY) is not None


def posteriors(counts: tuple[int, int, int]) -> NDArray[np.float64]:
    sure = 0.9 * np.eye(3) + 0.05 - 0.05 * np.eye(3)
    return np.repeat(sure, counts, axis=0)


def alarms(window: tuple[int, int, int]) -> list[str | None]:
    seen = share_alarms(
        posteriors((1000, 1000, 100)), posteriors(window), KINDS, since=7.0, remedy=REMEDY
    )
    return [alarm.kind for alarm in seen]


def test_the_same_mix_gives_no_alarm() -> None:
    assert alarms((240, 235, 25)) == []


def test_a_kind_that_comes_far_more_often_is_named() -> None:
    assert alarms((190, 190, 120)) == ["chat"]


def test_few_tasks_say_nothing_of_a_mix() -> None:
    assert alarms((0, 0, 19)) == []


def test_an_alarm_of_the_mix_says_what_was_and_what_is() -> None:
    (seen,) = share_alarms(
        posteriors((1000, 1000, 100)), posteriors((190, 190, 120)), KINDS, since=7.0, remedy=REMEDY
    )
    # 0.164 times the logarithm of 2.82.
    assert seen.measured == pytest.approx(0.169, abs=0.002)
    assert (seen.what, seen.since) == ("input share", 7.0)
    assert seen.advice == (
        "chat went from 9% to 25% of what comes (share of the population stability index): "
        "freeze the policy to version 41 and raise exploration for chat to 0.1"
    )


def test_a_key_that_jumps_to_the_dearest_tier_is_named() -> None:
    before = {"team": Reference(true=20, count=200), "batch": Reference(true=0, count=300)}
    now = {"team": Reference(true=22, count=200), "batch": Reference(true=30, count=100)}
    (seen,) = tier_share_alarms(before, now, since=7.0, remedy=REMEDY)
    assert (seen.key, seen.kind) == ("batch", None)
    # 30.5 / 101 - 0.5 / 301
    assert seen.measured == pytest.approx(0.3003, abs=1e-4)
    assert seen.threshold == 0.15


def test_a_new_key_is_measured_against_all() -> None:
    before = {"team": Reference(true=50, count=1000)}
    usual = {"new": Reference(true=2, count=40)}
    odd = {"new": Reference(true=38, count=40)}
    assert tier_share_alarms(before, usual, since=7.0, remedy=REMEDY) == ()
    assert [a.key for a in tier_share_alarms(before, odd, since=7.0, remedy=REMEDY)] == ["new"]


def test_a_few_tasks_are_no_jump() -> None:
    before = {"team": Reference(true=0, count=1000)}
    few = {"team": Reference(true=19, count=19)}
    assert tier_share_alarms(before, few, since=7.0, remedy=REMEDY) == ()


def sightings(count: int, *, alike: bool, strong: float, same_body: bool = False) -> list[Sighting]:
    rng = random.Random(count)
    shared = frozenset(rng.sample(range(10**9), 30))
    body = frozenset(rng.sample(range(10**9), 80))
    return [
        Sighting(
            key="team",
            prefix=shared if alike else frozenset(rng.sample(range(10**9), 30)),
            body=body if same_body else frozenset(rng.sample(range(10**9), 80)),
            is_strong=number < strong * count,
            at=float(1000 + number),
        )
        for number in range(count)
    ]


def test_one_beginning_on_unlike_tasks_that_moves_the_tier_is_an_alarm() -> None:
    rows = sightings(200, alike=False, strong=0.1) + sightings(30, alike=True, strong=1.0)
    (seen,) = prefix_alarms(rows, REMEDY)
    assert (seen.what, seen.key, seen.since) == ("prefix", "team", 1000.0)
    # 30.5 / 31 - 20.5 / 201
    assert seen.measured == pytest.approx(0.8819, abs=1e-4)
    assert seen.advice.startswith("30 unlike tasks of key team begin alike")


def test_a_beginning_varied_here_and_there_is_still_one() -> None:
    rng = random.Random(3)
    gadget = [
        Sighting(
            key=row.key,
            prefix=frozenset(rng.sample(sorted(row.prefix), 27) + rng.sample(range(10**9), 3)),
            body=row.body,
            is_strong=True,
            at=row.at,
        )
        for row in sightings(60, alike=True, strong=1.0)
    ]
    assert len(prefix_alarms(sightings(200, alike=False, strong=0.1) + gadget, REMEDY)) == 1


def test_a_template_that_moves_no_tier_is_none() -> None:
    rows = sightings(200, alike=False, strong=0.1) + sightings(100, alike=True, strong=0.1)
    assert prefix_alarms(rows, REMEDY) == ()


def test_one_task_asked_again_and_again_is_none() -> None:
    again = sightings(50, alike=True, strong=1.0, same_body=True)
    assert prefix_alarms(sightings(200, alike=False, strong=0.1) + again, REMEDY) == ()
