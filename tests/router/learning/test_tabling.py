import numpy as np
import pytest
from fakes.examples import examples

from router.learning.examples import Prior
from router.learning.tabling import table_of

NAN = np.nan


def test_five_labels_move_a_belief_worth_fifteen_by_a_quarter() -> None:
    prior = Prior(quality=np.array([[0.5]]), labels=np.array([[15.0]]))
    table = table_of(examples(["x"] * 5, [1, 1, 1, 1, 1]), prior)
    assert table.quality.tolist() == [[0.625]]  # (5 * 1 + 15 * 0.5) / 20
    assert table.labels.tolist() == [[20.0]]


def test_without_a_prior_a_kind_is_held_to_the_arms_mean_by_fifteen_labels() -> None:
    table = table_of(examples(["x"] * 5 + ["y"] * 5, [1] * 5 + [0] * 5))
    assert table.quality.tolist() == [[0.625], [0.375]]
    assert table.labels.tolist() == [[20.0], [20.0]]


def test_an_arm_never_tried_is_expected_to_be_like_all_others() -> None:
    seen = examples(["x"] * 4, [[1, NAN], [1, NAN], [1, NAN], [0, NAN]])
    table = table_of(seen)
    assert table.quality[0].tolist() == [0.75, 0.75]
    assert table.labels[0].tolist() == [19.0, 15.0]


def test_without_any_label_everything_is_as_good_as_a_coin() -> None:
    table = table_of(examples(["x", "y"], [[NAN, NAN], [NAN, NAN]]))
    assert table.quality.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert table.labels.tolist() == [[15.0, 15.0], [15.0, 15.0]]


def test_a_weight_counts_like_so_many_labels() -> None:
    prior = Prior(quality=np.array([[0.5]]), labels=np.array([[15.0]]))
    one = examples(["x"], [1])
    one.weights[:] = 5
    assert table_of(one, prior).quality.tolist() == [[0.625]]


def ordered_rightly(*, paired: bool) -> int:
    """Of 200 draws of 100 labels, count those whose table puts the better of two arms first."""
    right = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        difficulty = draw.random(100)
        quality = np.clip(difficulty[:, None] + [-0.04, 0.04] + draw.normal(0, 0.1, (100, 2)), 0, 1)
        if paired:
            quality = quality[:50]
        else:
            quality[np.arange(100), draw.integers(0, 2, 100)] = NAN
        table = table_of(examples(["x"] * len(quality), quality))
        right += bool(table.quality[0, 1] > table.quality[0, 0])
    return right


def test_labels_in_pairs_order_arms_where_as_many_single_ones_do_not() -> None:
    assert ordered_rightly(paired=True) == 200
    assert ordered_rightly(paired=False) < 190


def test_an_arm_is_not_worse_for_having_been_asked_the_hard_tasks() -> None:
    draw = np.random.default_rng(0)
    difficulty = np.concatenate([draw.random(50), draw.uniform(0, 0.3, 200)])
    quality = np.clip(difficulty[:, None] + [-0.05, 0.05], 0, 1)
    quality[50:, 0] = NAN  # the better arm alone was asked the hard ones
    table = table_of(examples(["x"] * 250, quality)).quality[0]
    means = np.nanmean(quality, axis=0)
    assert means[1] < means[0]
    assert table[1] > table[0]


def test_a_cost_that_is_a_line_is_found() -> None:
    sizes = np.arange(100, 300)
    cost = 1_000 + 2 * sizes
    table = table_of(examples(["x", "y"] * 100, [NAN] * 200, cost=cost[:, None], sizes=sizes))
    assert table.cost_fixed == pytest.approx(np.array([[1_000], [1_000]]))
    assert table.cost_per_token == pytest.approx(np.array([[2], [2]]))


def test_kinds_whose_answers_are_longer_cost_more() -> None:
    sizes = np.random.default_rng(0).integers(100, 1_000, 400)
    kinds = ["x", "y"] * 200
    cost = np.where(np.array(kinds) == "x", 1_000, 9_000) + 2 * sizes
    table = table_of(examples(kinds, [NAN] * 400, cost=cost[:, None], sizes=sizes))
    assert table.cost_fixed.ravel() == pytest.approx([1_000, 9_000], rel=0.15)
    assert table.cost_per_token.ravel() == pytest.approx([2, 2], rel=0.1)


def test_no_arm_gets_cheaper_the_more_it_reads() -> None:
    sizes = np.arange(100, 200)
    cost = 10_000 - 50 * sizes
    table = table_of(examples(["x"] * 100, [NAN] * 100, cost=cost[:, None], sizes=sizes))
    assert table.cost_per_token.tolist() == [[0.0]]
    assert table.cost_fixed.ravel() == pytest.approx([2_525])  # the mean


def test_costs_of_equal_sizes_are_their_mean() -> None:
    table = table_of(examples(["x"] * 3, [NAN] * 3, cost=[[1], [2], [6]], sizes=[7, 7, 7]))
    assert table.cost_fixed.ravel() == pytest.approx([3])
    assert table.cost_per_token.ravel() == pytest.approx([0])


def test_an_arm_whose_cost_was_never_seen_has_none() -> None:
    table = table_of(examples(["x"] * 2, [[1, 1], [1, 1]], cost=[[5, NAN], [5, NAN]]))
    assert table.cost_fixed[0, 1] == 0
