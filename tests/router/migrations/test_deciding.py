from dataclasses import replace
from math import inf, log, nan

import pytest

from router.migrations.deciding import (
    KindEvidence,
    Move,
    decide,
    floor,
    is_suspected,
    why_it_stays,
)
from router.statistics.interval import Interval
from tercet.migration import MigrationRules, MigrationState

RULES = MigrationRules(
    phase="migrate",
    kinds=("lookup", "routine_code"),
    hold_out=0.1,
    salt="tercet",
    canary_shares=(0.1, 0.25, 0.5),
    margin=0.05,
    margins={"routine_code": 0.03},
    least_baseline=200,
    least_pairs=100,
    shadow_share=0.4,
    watch_share=0.1,
    watch_closely_share=0.5,
    composition_share=0.02,
    evidence_nano_usd=12_000_000_000,
    judges={},
    slower_by=1.5,
    slower_s=30.0,
    suspicion=4.0,
    alarm=200.0,
)
USD = 1e9
TOO_EARLY = Interval(value=nan, low=-inf, high=inf, groups=3)


def within(low: float, high: float) -> Interval:
    return Interval(value=(low + high) / 2, low=low, high=high, groups=1_000)


GOOD = KindEvidence(
    kind="lookup",
    state="shadow",
    share=0.0,
    since=1_000.0,
    now=2_000.0,
    has_local=True,
    baseline_tasks=200,
    pairs=1_000,
    fresh=100,
    quality=within(-0.04, 0.03),
    alarm=0.0,
    saving=within(1 * USD, 3 * USD),
    treated_tasks=500,
    base_p95_s=(8.0, 10.0),
    treated_p95_s=(9.0, 14.0),
)


def at(state: MigrationState, share: float = 0.0, **changes) -> KindEvidence:
    return replace(GOOD, state=state, share=share, **changes)


@pytest.mark.parametrize(
    ("state", "share", "to", "wider"),
    [
        ("baseline", 0.0, "shadow", 0.0),
        ("shadow", 0.0, "canary", 0.1),
        ("canary", 0.1, "canary", 0.25),
        ("canary", 0.25, "canary", 0.5),
        ("canary", 0.3, "canary", 0.5),
        ("canary", 0.5, "promoted", 1.0),
        ("canary", 0.9, "promoted", 1.0),
    ],
)
def test_a_kind_that_is_surely_good_enough_goes_on_step_by_step(
    state: MigrationState, share: float, to: MigrationState, wider: float
) -> None:
    move = decide(at(state, share), RULES)
    assert move is not None
    assert (move.to, move.share) == (to, wider)


def test_a_step_says_the_numbers_that_it_stands_on() -> None:
    assert decide(at("canary", 0.5), RULES) == Move(
        to="promoted",
        share=1.0,
        why="quality -0.005 [-0.040, +0.030] on 1,000 pairs, above -0.050; 100 pairs since it came "
        "there; saving +2.00 USD a month [+1.00, +3.00]; 95th percentile 9.0 to 14.0 s, of the API "
        "8.0 to 10.0 s: not surely slower",
    )


def test_the_baseline_is_left_when_it_was_measured_and_there_is_a_local_model() -> None:
    few = at("baseline", baseline_tasks=199, quality=TOO_EARLY, saving=None)
    assert decide(few, RULES) is None
    assert why_it_stays(few, RULES) == "199 of 200 answered tasks of the baseline"
    none = at("baseline", has_local=False)
    assert decide(none, RULES) is None
    assert why_it_stays(none, RULES) == "there is no local model: the API answers"
    move = decide(replace(few, baseline_tasks=200), RULES)
    assert move == Move(to="shadow", share=0.0, why="200 answered tasks are the baseline")


@pytest.mark.parametrize(
    ("share", "least"), [(0.1, -0.158114), (0.25, -0.1), (0.5, -0.070711), (1.0, -0.05)]
)
def test_the_more_is_risked_the_surer_it_has_to_be(share: float, least: float) -> None:
    assert floor(share, 0.05) == pytest.approx(least, abs=1e-6)


@pytest.mark.parametrize(
    ("state", "share", "low", "moves"),
    [
        ("shadow", 0.0, -0.158, True),
        ("shadow", 0.0, -0.159, False),
        ("canary", 0.1, -0.099, True),
        ("canary", 0.1, -0.1, False),
        ("canary", 0.25, -0.0707, True),
        ("canary", 0.25, -0.0708, False),
        ("canary", 0.5, -0.0499, True),
        ("canary", 0.5, -0.05, False),
    ],
)
def test_a_step_needs_the_low_end_of_the_quality_above_what_its_share_may_lose(
    state: MigrationState, share: float, low: float, moves: bool
) -> None:
    assert (decide(at(state, share, quality=within(low, 0.02)), RULES) is not None) is moves


def test_a_kind_has_its_own_margin() -> None:
    assert decide(at("canary", 0.5, kind="routine_code"), RULES) is None
    strict = at("canary", 0.5, kind="routine_code", quality=within(-0.029, 0.03))
    assert decide(strict, RULES) is not None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"fresh": 99}, "99 of 100 pairs since it came here"),
        (
            {"quality": within(-0.06, 0.02)},
            "quality -0.020 [-0.060, +0.020] on 1,000 pairs: its low end is to be above -0.050",
        ),
        (
            {"quality": TOO_EARLY, "pairs": 3},
            "quality is not known yet (3 pairs): its low end is to be above -0.050",
        ),
        ({"saving": None}, "whether it pays is not sure: the saving is not known yet"),
        ({"saving": TOO_EARLY}, "whether it pays is not sure: the saving is not known yet"),
        (
            {"saving": within(-1 * USD, 2 * USD)},
            "whether it pays is not sure: saving +0.50 USD a month [-1.00, +2.00]",
        ),
    ],
)
def test_what_keeps_a_canary_from_being_promoted_is_said(changes: dict, why: str) -> None:
    evidence = at("canary", 0.5, **changes)
    assert decide(evidence, RULES) is None
    assert why_it_stays(evidence, RULES) == why


@pytest.mark.parametrize("saving", [None, TOO_EARLY, within(-1 * USD, 2 * USD)])
def test_a_canary_is_begun_unless_it_surely_does_not_pay(saving: Interval | None) -> None:
    assert decide(at("shadow", saving=saving), RULES) is not None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"saving": within(-3 * USD, -1 * USD)},
            "it surely does not pay: saving -2.00 USD a month [-3.00, -1.00]",
        ),
        (
            {"treated_p95_s": (30.1, 40.0)},
            "surely slower: 95th percentile 30.1 to 40.0 s, of the API 8.0 to 10.0 s; it may be "
            "30.0 s",
        ),
    ],
)
def test_what_does_not_pay_or_is_too_slow_stays_in_shadow_and_leaves_a_canary(
    changes: dict, why: str
) -> None:
    shadow = at("shadow", **changes)
    assert decide(shadow, RULES) is None
    assert why_it_stays(shadow, RULES) == why
    back = Move(to="rolled_back", share=0.0, why=why)
    assert decide(at("canary", 0.1, **changes), RULES) == back
    assert decide(at("promoted", 1.0, **changes), RULES) == back


def test_a_local_model_may_be_as_slow_as_a_multiple_of_the_apis_own_percentile() -> None:
    slow = at("canary", 0.1, base_p95_s=(25.0, 30.0))
    moves = [decide(replace(slow, treated_p95_s=(least, 60.0)), RULES) for least in (45.0, 45.1)]
    assert [move.to for move in moves if move is not None] == ["canary", "rolled_back"]


@pytest.mark.parametrize(("base", "treated"), [(None, (99.0, 200.0)), ((1.0, 2.0), None)])
def test_while_either_latency_is_unknown_neither_is_slower(
    base: tuple[float, float] | None, treated: tuple[float, float] | None
) -> None:
    move = decide(at("shadow", base_p95_s=base, treated_p95_s=treated), RULES)
    assert move is not None
    assert move.to == "canary"
    assert "not known yet" in move.why


@pytest.mark.parametrize("state", ["shadow", "canary", "promoted"])
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"alarm": log(200.0) + 1e-9},
            "alarm: odds of 200 (from 200 on) that it has come to be worse by more than 0.05; "
            "quality -0.005 [-0.040, +0.030] on 1,000 pairs",
        ),
        (
            {"alarm": 5_000.0},
            "alarm: odds of more than 1,000,000 (from 200 on) that it has come to be worse by more "
            "than 0.05; quality -0.005 [-0.040, +0.030] on 1,000 pairs",
        ),
        (
            {"quality": within(-0.2, -0.051)},
            "surely worse by more than 0.05: quality -0.126 [-0.200, -0.051] on 1,000 pairs",
        ),
    ],
)
def test_a_kind_that_is_surely_worse_goes_back_at_once_from_wherever_it_is(
    state: MigrationState, changes: dict, why: str
) -> None:
    evidence = at(state, 0.1, fresh=0, **changes)
    assert decide(evidence, RULES) == Move(to="rolled_back", share=0.0, why=why)


@pytest.mark.parametrize(
    "changes", [{"alarm": log(200.0) - 1e-9}, {"quality": within(-0.2, -0.05)}]
)
def test_a_kind_that_may_still_be_good_enough_stays(changes: dict) -> None:
    assert decide(at("promoted", 1.0, **changes), RULES) is None


@pytest.mark.parametrize("state", ["shadow", "canary", "promoted"])
def test_without_a_local_model_nothing_moves_either_way(state: MigrationState) -> None:
    for evidence in (at(state, 0.1, has_local=False), at(state, has_local=False, alarm=99.0)):
        assert decide(evidence, RULES) is None
        assert why_it_stays(evidence, RULES) == "there is no local model: the API answers"


def test_what_was_rolled_back_stays_until_an_operator_resumes_it() -> None:
    for evidence in (at("rolled_back"), at("rolled_back", alarm=99.0), at("rolled_back", fresh=0)):
        assert decide(evidence, RULES) is None
        assert why_it_stays(evidence, RULES) == (
            "until an operator says `tercet migration resume lookup`"
        )


def test_what_is_promoted_stays_while_it_is_good_enough() -> None:
    promoted = at("promoted", 1.0)
    assert decide(promoted, RULES) is None
    assert why_it_stays(promoted, RULES) == (
        "good enough: quality -0.005 [-0.040, +0.030] on 1,000 pairs"
    )


def test_several_reasons_are_all_said() -> None:
    said = why_it_stays(at("canary", 0.5, fresh=1, saving=None), RULES)
    assert said == (
        "1 of 100 pairs since it came here; whether it pays is not sure: the saving is not known "
        "yet"
    )


@pytest.mark.parametrize(
    ("state", "odds", "suspected"),
    [
        ("promoted", 4.1, True), ("promoted", 3.9, False), ("canary", 100.0, False),
        ("shadow", 100.0, False), ("rolled_back", 100.0, False),
    ],
)  # fmt: skip
def test_what_answers_nearly_all_is_suspected_from_small_odds_on(state, odds, suspected) -> None:
    assert is_suspected(at(state, alarm=log(odds)), RULES) is suspected
