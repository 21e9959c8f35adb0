import numpy as np
from fakes.examples import examples


def test_some_of_the_tasks_keep_all_that_is_known_of_them() -> None:
    all_of_them = examples(
        ["x", "y", "x"], [[0, 1], [1, np.nan], [0.5, 0]], sizes=[10, 20, 30], texts=["p", "q", "r"]
    )
    some = all_of_them.take(np.array([2, 1]))
    assert len(some) == 2
    assert some.kinds == ("x", "y")
    assert some.shares.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert some.quality[0].tolist() == [0.5, 0.0]
    assert some.size_tokens.tolist() == [30.0, 20.0]
    assert some.groups.tolist() == [2, 1]
    assert some.sketches == [all_of_them.sketches[2], all_of_them.sketches[1]]


def test_a_mask_takes_the_same_tasks_as_their_places() -> None:
    all_of_them = examples(["x", "y", "x"], [[0], [1], [0.5]])
    assert all_of_them.take(np.array([True, False, True])).quality.tolist() == [[0.0], [0.5]]


def test_a_kind_is_certain_where_its_share_is_one() -> None:
    mixed = examples(["x", "y"], [[0], [1]])
    mixed.shares[1] = [0.4, 0.6]
    assert mixed.is_certain.tolist() == [True, False]


def test_there_may_be_no_task_at_all() -> None:
    none = examples(["x", "y"], [[0], [1]]).take(np.array([], np.intp))
    assert len(none) == 0
    assert none.is_certain.tolist() == []
