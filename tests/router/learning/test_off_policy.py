from dataclasses import replace

import numpy as np
import pytest

from bench.off_policy import eps_greedy, made_up, targets_of
from router.learning.off_policy import (
    Estimate,
    Floats,
    Log,
    LoggedRow,
    NoVerdict,
    compare,
    estimate,
    shrunk_table,
)
from tercet.drawing import Draw

ROWS = 440
NEVER_A = np.tile([0.0, 1.0], (ROWS, 1))
ONLY_A = np.tile([1.0, 0.0], (ROWS, 1))


def log(propensity_of_b: float = 0.2) -> Log:
    """Return 110 times: a earned 1, a earned 0, b earned 1, b earned 1."""
    return Log(
        arms=("a", "b"),
        kinds=np.array(["question"] * ROWS),
        chosen=np.array([0, 0, 1, 1] * 110),
        propensities=np.tile([1 - propensity_of_b, propensity_of_b], (ROWS, 1)),
        rewards=np.array([1.0, 0.0, 1.0, 1.0] * 110),
        is_forced=np.zeros(ROWS, dtype=np.bool_),
        label_propensities=np.ones(ROWS),
        conversations=np.arange(ROWS),
    )


def half(_: Log, speak: Log) -> Floats:
    return np.full((len(speak), 2), 0.5)


def made(seen: Estimate | NoVerdict) -> Estimate:
    assert isinstance(seen, Estimate), seen
    return seen


def refused(seen: Estimate | NoVerdict) -> NoVerdict:
    assert isinstance(seen, NoVerdict), seen
    return seen


def test_ips_weights_rewards_with_target_over_propensity() -> None:
    # Of four rows, two were b's: each 1 / 0.2.
    assert made(estimate(log(), NEVER_A, method="ips")).value == pytest.approx(2.5)


def test_snips_is_the_same_over_the_weights() -> None:
    # All that b earned, over all its weights.
    assert made(estimate(log(), NEVER_A, method="snips")).value == pytest.approx(1.0)


def test_dr_corrects_what_the_model_expects() -> None:
    # Half everywhere, and (1 - 0.5) / 0.2 more in two rows of four.
    seen = made(estimate(log(), NEVER_A, expect=half))
    assert seen.value == pytest.approx(1.75)
    assert seen.low < 1.75 < seen.high


def test_a_perfect_model_needs_no_correction() -> None:
    def perfect(_: Log, speak: Log) -> Floats:
        return np.column_stack(
            [np.where(speak.chosen == 0, speak.rewards, 0.5), np.ones(len(speak))]
        )

    assert made(estimate(log(), NEVER_A, expect=perfect)).value == pytest.approx(1.0)


def test_a_difference_is_that_of_two_estimates_on_the_same_rows() -> None:
    # 2.5, less a quarter of 1 / 0.8.
    seen = made(compare(log(), NEVER_A, ONLY_A, method="ips"))
    assert seen.value == pytest.approx(2.1875)
    assert made(compare(log(), NEVER_A, ONLY_A, method="snips")).value == pytest.approx(0.5)


def test_policies_that_do_the_same_do_not_differ_at_all() -> None:
    seen = made(compare(log(), NEVER_A, NEVER_A))
    assert (seen.value, seen.low, seen.high) == (0.0, 0.0, 0.0)


def test_where_both_policies_do_the_same_no_support_is_needed() -> None:
    critical = np.arange(ROWS) < 4
    sure = np.where(critical[:, None], [0.0, 1.0], log().propensities)
    seen = replace(log(), propensities=sure, chosen=np.where(critical, 1, log().chosen))
    assert refused(estimate(seen, ONLY_A)).support.least_propensity == 0.0
    same = np.where(critical[:, None], NEVER_A, ONLY_A)
    assert made(compare(seen, NEVER_A, same)).support.least_propensity == pytest.approx(0.2)


def test_a_sampled_label_weighs_by_its_own_probability_too() -> None:
    labelled = np.arange(ROWS) % 8 < 4
    seen = replace(
        log(),
        rewards=np.where(labelled, log().rewards, np.nan),
        label_propensities=np.full(ROWS, 0.5),
    )
    # Half of the labels, each worth twice as much; worth fewer rows than are asked for otherwise.
    assert refused(estimate(seen, NEVER_A, method="ips")).support.ess == pytest.approx(110)
    both = np.tile([0.5, 0.5], (ROWS, 1))
    few = refused(estimate(seen, both, method="ips"))
    assert (few.support.rows, few.support.labelled) == (440, 220)
    seen = replace(seen, propensities=both)
    # Of eight rows, three labels of 1, each twice.
    assert made(estimate(seen, both, method="ips")).value == pytest.approx(0.75)


def test_forced_rows_are_left_out_and_counted() -> None:
    forced = replace(log(0.5), is_forced=np.arange(ROWS) % 4 == 0)
    seen = made(estimate(forced, NEVER_A, method="snips"))
    assert (seen.support.rows, seen.support.forced) == (330, 110)


def test_no_verdict_without_enough_rows_of_the_policys_own() -> None:
    few = log().where(np.arange(ROWS) < 396)
    seen = refused(estimate(few, NEVER_A[:396]))
    assert seen.why == (
        "the log is worth 198 rows of the policy's own, below 200: "
        "wait for more labels, explore more, or take shadow pairs"
    )
    assert (seen.support.ess, seen.support.most_weight) == (pytest.approx(198), pytest.approx(5))


def test_no_verdict_where_an_arm_that_is_played_was_hardly_drawn() -> None:
    seen = refused(estimate(log(0.005), NEVER_A))
    assert seen.why == (
        "an arm the policy plays was drawn with propensity 0.005 somewhere, below 0.01: leave the "
        "kinds or the days out in which it was not explored, or take shadow pairs"
    )


def test_no_verdict_on_an_empty_log() -> None:
    nothing = log().where(np.zeros(ROWS, dtype=np.bool_))
    assert refused(estimate(nothing, NEVER_A[:0])).support.ess == 0.0


def test_rows_of_one_conversation_count_once() -> None:
    alone = made(estimate(log(0.5), NEVER_A, method="ips"))
    together = replace(log(0.5), conversations=np.arange(ROWS) // 2)
    paired = made(estimate(together, NEVER_A, method="ips"))
    assert paired.value == alone.value
    # The pairs a, a and b, b vary as one: their sums' variance is twice that of two rows.
    assert (paired.high - paired.low) / (alone.high - alone.low) == pytest.approx(2**0.5, rel=0.01)


def test_a_draw_with_propensity_0_is_a_mistake_unless_forced() -> None:
    with pytest.raises(ValueError, match="row 2 was drawn with propensity 0: mark it as forced"):
        replace(log(), propensities=np.tile([1.0, 0.0], (ROWS, 1)))


def test_a_target_has_a_row_for_each_of_the_log() -> None:
    with pytest.raises(ValueError, match=r"a target is \(3, 2\), not \(440, 2\)"):
        estimate(log(), NEVER_A[:3])


def test_rows_become_columns() -> None:
    draw = Draw(
        arm="b",
        propensities={"b": 0.9, "a": 0.1},
        is_forced=False,
        seed=1,
        extra_nano_usd=0,
        reason="drawn",
    )
    other = replace(draw, arm="c", propensities={"c": 1.0}, is_forced=True)
    seen = Log.of(
        [
            LoggedRow(kind="question", draw=draw, reward=0.5, conversation="x"),
            LoggedRow(kind="maths", draw=other, reward=None, conversation="y"),
            LoggedRow(kind="maths", draw=draw, reward=1.0, conversation="x"),
        ]
    )
    assert seen.arms == ("a", "b", "c")
    assert seen.chosen.tolist() == [1, 2, 1]
    assert seen.propensities.tolist() == [[0.1, 0.9, 0.0], [0.0, 0.0, 1.0], [0.1, 0.9, 0.0]]
    assert np.isnan(seen.rewards).tolist() == [False, True, False]
    assert seen.conversations.tolist() == [0, 1, 0]


def test_a_cell_without_rewards_is_guessed_from_its_arm_and_its_kind() -> None:
    size = 30_000
    learn = Log(
        arms=("a", "b"),
        kinds=np.array(["easy", "easy", "hard"] * size),
        chosen=np.array([0, 1, 0] * size),
        propensities=np.full((3 * size, 2), 0.5),
        rewards=np.array([0.8, 0.9, 0.4] * size),
        is_forced=np.zeros(3 * size, dtype=np.bool_),
        label_propensities=np.ones(3 * size),
        conversations=np.arange(3 * size),
    )
    table = shrunk_table(learn, learn.where(np.arange(3 * size) < 3))
    assert table[0].tolist() == pytest.approx([0.8, 0.9], abs=0.001)
    # b earns 0.9 where it was seen; what is hard earns 0.2 less than its arm does elsewhere.
    assert table[2].tolist() == pytest.approx([0.4, 0.7], abs=0.001)


@pytest.mark.parametrize(("target", "most_error"), [("even", 0.010), ("near", 0.015)])
def test_the_interval_holds_on_simulated_logs(target: str, most_error: float) -> None:
    full, rng, logs = made_up(), np.random.default_rng(1), 60
    policy = targets_of(full)[target]
    truth = float((policy * full.quality).sum(axis=1).mean())
    seen: list[Estimate] = []
    for _ in range(logs):
        rows, log = eps_greedy(full, rng)
        one = estimate(log, policy[rows])
        seen += [one] if isinstance(one, Estimate) else []
    held = sum(one.low <= truth <= one.high for one in seen)
    assert np.mean([abs(one.value - truth) for one in seen]) <= most_error
    assert held >= 0.9 * len(seen)
