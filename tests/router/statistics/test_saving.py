from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pytest

from bench.intervals import Month
from router.statistics.saving import (
    FEWEST,
    Assigned,
    displaced,
    displaced_paths,
    displaced_paths_by_kind,
)

MONTH = Month(tasks=2_000, before=600)


def rows(
    costs: list[float], treated: list[bool], propensity: float | list[float] = 0.5
) -> Assigned:
    """Return tasks of one kind and size, each its own conversation."""
    count = len(costs)
    return Assigned(
        kinds=np.array(["lookup"] * count, dtype=np.str_),
        conversations=np.arange(count),
        propensities=np.broadcast_to(np.array(propensity, dtype=np.float64), (count,)),
        is_treated=np.array(treated, dtype=np.bool_),
        cost_nano_usd=np.array(costs, dtype=np.float64),
        size_tokens=np.full(count, 50.0),
    )


def drawn(seed: int = 1, month: Month = MONTH) -> Assigned:
    return month.drawn(np.random.default_rng(seed))[0]


def constant(cost: float = 100.0) -> Assigned:
    """Return 200 tasks before, and 200 that chance assigned; all cost the same at the API."""
    treated = [False] * 200 + [bool(at % 2) for at in range(200)]
    costs = [0.0 if is_treated else cost for is_treated in treated]
    return rows(costs, treated, [0.0] * 200 + [0.5] * 200)


def test_an_api_answer_stands_for_the_treated_ones_and_corrects_what_was_predicted() -> None:
    # First: nothing to predict from, so all of its 100, once. Then 100 is expected and 10 is paid.
    assert displaced(rows([100.0, 10.0], [False, True]), 10).total.value == 190.0


def test_what_is_held_out_of_ten_counts_for_nine() -> None:
    # The second costs 30 more than the first made one expect.
    assert displaced_paths(rows([100.0, 130.0], [False, False], [0.0, 0.9]), 10).values[
        -1
    ] == pytest.approx(270.0)


def test_costs_that_never_vary_leave_no_doubt() -> None:
    seen = displaced(constant(), 400).total
    assert seen.value == pytest.approx(10_000.0)
    assert seen.high - seen.low < 800.0


def test_prices_that_doubled_are_no_surprise_once_told() -> None:
    then = np.array([0.5] * 300 + [1.0] * 100)
    told = replace(constant(), cost_nano_usd=constant().cost_nano_usd * then, price_levels=then)
    # 50 treated tasks displaced half of 100 each, and 50 all of it.
    assert displaced(told, 400).total.value == pytest.approx(7_500.0)


def test_a_baseline_displaces_nothing_for_certain() -> None:
    seen = displaced(rows([100.0, 120.0], [False, False], 0.0), 10)
    assert (seen.total.value, seen.total.low, seen.total.high) == (0.0, 0.0, 0.0)
    assert seen.by_kind["lookup"].api_nano_usd == 110.0


def test_without_a_row_there_is_nothing_to_say() -> None:
    seen = displaced(rows([], []), 10)
    assert isnan(seen.total.value)
    assert (seen.total.low, seen.total.high, dict(seen.by_kind)) == (-inf, inf, {})


def test_thirty_conversations_on_each_side_come_first() -> None:
    path = displaced_paths(constant(), 400)
    at = 200 + 2 * FEWEST - 1
    assert path.lows[at - 1] == -inf
    assert np.isfinite(path.lows[at:]).all()


def test_sides_are_counted_in_conversations() -> None:
    plain = constant()
    seen = displaced(
        replace(plain, conversations=plain.conversations // 4 * 4 + np.arange(400) % 2), 400
    )
    kind = seen.by_kind["lookup"]
    assert (kind.treated, kind.held_out, seen.total.groups) == (50, 50, 100)


def test_a_task_treated_alone_has_no_cost_at_the_api() -> None:
    assert isnan(displaced(rows([0.0], [True]), 10).by_kind["lookup"].api_nano_usd)


def test_in_another_currency_all_is_the_same() -> None:
    plain = drawn()
    dear = displaced(replace(plain, cost_nano_usd=plain.cost_nano_usd * 7.0), 2_000).total
    seen = displaced(plain, 2_000).total
    assert (dear.value, dear.low, dear.high) == pytest.approx(
        (7 * seen.value, 7 * seen.low, 7 * seen.high)
    )


@pytest.mark.parametrize("later", [1.0, 5.0])
def test_at_ten_times_the_price_level_all_is_ten_times_as_much(later: float) -> None:
    # Costs that rise untold are doubted by what is seen since then, others by all there was.
    rise = np.where(np.arange(2_600) < 1_300, 1.0, later)
    plain = drawn()
    plain = replace(plain, cost_nano_usd=plain.cost_nano_usd * rise)
    level = np.full(len(plain), 10.0)
    dear = replace(plain, cost_nano_usd=plain.cost_nano_usd * 10.0, price_levels=level)
    # The plan is in tasks at today's prices: a task at ten times those is worth a hundred.
    seen, told = displaced(plain, 2_000).total, displaced(dear, 200_000).total
    assert (told.value, told.low, told.high) == pytest.approx(
        (10 * seen.value, 10 * seen.low, 10 * seen.high)
    )


def test_conversations_are_known_by_being_the_same_alone() -> None:
    plain = drawn()
    named = np.random.default_rng(2).permutation(int(plain.conversations.max()) + 1)
    renamed = displaced(replace(plain, conversations=named[plain.conversations]), 2_000).total
    assert (renamed.low, renamed.high) == pytest.approx(
        (displaced(plain, 2_000).total.low, displaced(plain, 2_000).total.high)
    )


def test_kinds_add_up_to_the_total() -> None:
    seen = displaced(drawn(), 2_000)
    assert sum(one.interval.value for one in seen.by_kind.values()) == pytest.approx(
        seen.total.value
    )


def test_a_look_is_what_the_paths_came_to() -> None:
    seen, path = displaced(drawn(), 2_000), displaced_paths(drawn(), 2_000)
    by_kind = displaced_paths_by_kind(drawn(), 2_000)
    assert path.last() == seen.total
    assert {kind: one.last() for kind, one in by_kind.items()} == {
        kind: one.interval for kind, one in seen.by_kind.items()
    }
    assert len(by_kind["code"]) == len(path) == 2_600


def test_tasks_that_share_a_fate_are_worth_less() -> None:
    plain, rng = drawn(month=replace(MONTH, shared=0.0)), np.random.default_rng(2)
    place = np.repeat(rng.random(650), 4)
    is_treated = place < plain.propensities
    cost = np.repeat(rng.lognormal(0.0, 1.0, 650), 4) * 1e6 * ~is_treated
    alone = replace(plain, is_treated=is_treated, cost_nano_usd=cost)
    together = replace(alone, conversations=np.repeat(np.arange(650), 4))
    alone = replace(alone, conversations=np.arange(2_600))
    one, four = displaced(alone, 2_000).total, displaced(together, 2_000).total
    # Twice as wide at least where four tasks are one draw.
    assert four.high - four.low > 1.8 * (one.high - one.low)


def test_the_truth_is_inside_at_all_looks_together_and_the_estimate_is_not_biased() -> None:
    rng, held, errors, truths = np.random.default_rng(3), [], [], []
    for _ in range(200):
        tasks, truth = MONTH.drawn(rng)
        path, true = displaced_paths(tasks, 2_000), truth[""]
        held.append(bool(((path.lows <= true + 1) & (true - 1 <= path.highs)).all()))
        errors.append(path.values[-1] - true[-1])
        truths.append(true[-1])
    assert np.mean(held) >= 0.94
    its_error = np.std(errors) / np.sqrt(200)
    assert its_error <= 0.02 * np.mean(truths)
    assert abs(np.mean(errors)) <= 3 * its_error


@pytest.mark.parametrize(
    ("column", "wrong", "says"),
    [
        ("propensities", [0.0, 0.5], "row 0 is treated with propensity 0"),
        ("propensities", [0.5, 1.0], r"propensities\[1\] is 1"),
        ("cost_nano_usd", [1.0, nan], r"cost_nano_usd\[1\] is nan"),
        ("size_tokens", [-1.0, 1.0], r"size_tokens\[0\] is -1"),
        ("price_levels", [0.0, 1.0], r"price_levels\[0\] is 0"),
        ("size_tokens", [1.0], "columns differ in length"),
    ],
)
def test_rows_that_cannot_be_are_refused(column: str, wrong: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(rows([0.0, 1.0], [True, False]), **{column: np.array(wrong)})


def test_a_plan_for_no_tasks_is_refused() -> None:
    with pytest.raises(ValueError, match="planned is 0"):
        displaced(constant(), 0)
