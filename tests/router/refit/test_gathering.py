import numpy as np
import pytest
from fakes.learned import label
from fakes.lessons_given import FLASH, HAIKU, PAIR, task
from fakes.rows import AT

from router.refit.gathering import Frame, gathered, sizes

FRAME = Frame(kinds=("summary", "question", "maths"), arms=(FLASH, HAIKU, PAIR))


def test_labels_of_one_task_are_one_row_in_the_order_of_time() -> None:
    found = gathered(
        [label("b", FLASH, at=AT + 5), label("a", FLASH), label("a", HAIKU, quality=0.5)], FRAME
    )
    assert found.task_ids == ("a", "b")
    np.testing.assert_array_equal(
        found.examples.quality, [[1.0, 0.5, np.nan], [1.0, np.nan, np.nan]]
    )
    assert found.examples.shares.tolist() == [[0.75, 0.25, 0.0]] * 2
    assert found.examples.groups.tolist() == [0, 1]
    assert found.examples.weights[0].tolist() == [1, 1, 1]


def test_a_declared_kind_is_certain() -> None:
    assert gathered([label(arm=FLASH, is_declared=True)], FRAME).examples.shares.tolist() == [
        [1.0, 0.0, 0.0]
    ]


def test_of_two_sources_the_more_trusted_counts() -> None:
    rows = [
        label(arm=FLASH, source="judge", quality=0.1, propensity=0.5),
        label(arm=FLASH, source="test", quality=0.9),
        label(arm=FLASH, source="feedback", quality=0.2, propensity=0.5),
    ]
    assert gathered(rows, FRAME).examples.quality[0, 0] == 0.9


@pytest.mark.parametrize(
    ("source", "propensity", "counts"),
    [
        ("shadow", None, True),
        ("test", None, True),
        ("judge", None, False),
        ("feedback", None, False),
        ("judge", 0.5, True),
    ],
)
def test_opinions_of_an_arm_that_was_forced_do_not_count(
    source: str, propensity: float | None, counts: bool
) -> None:
    found = gathered([label(arm=FLASH, source=source, propensity=propensity)], FRAME)
    assert len(found.examples) == counts


def test_a_single_label_weighs_one_over_its_propensity_up_to_twenty_but_counts_once() -> None:
    rows = [
        label("a", FLASH, source="judge", propensity=0.5),
        label("b", FLASH, source="judge", propensity=0.01),
    ]
    weights = gathered(rows, FRAME).examples.weights[:, 0]
    assert weights[1] / weights[0] == pytest.approx(10)
    # 22 tasks' worth, but of two labels: 22^2 / (2^2 + 20^2) = 1.198.
    assert weights.sum() == pytest.approx(1.198, abs=1e-3)


def test_arms_and_kinds_that_are_gone_are_left_out() -> None:
    rows = [label("a", "gemini-1"), label("b", FLASH, kind="poetry"), label("c", FLASH)]
    assert gathered(rows, FRAME).task_ids == ("c",)


def test_a_sketch_that_is_none_is_left_out_and_its_label_is_not() -> None:
    found = gathered([label(arm=FLASH, sketch=b"12345")], FRAME).examples
    assert (len(found), found.sketches) == (1, [None])


def test_tasks_tell_what_their_arm_cost_if_they_were_answered() -> None:
    tasks = [task("a"), task("b", is_answered=False), task("c", arm="opus"), task("d", arm=FLASH)]
    np.testing.assert_array_equal(
        sizes(tasks, FRAME).cost_nano_usd,
        [[np.nan, np.nan, 1_300_000], [np.nan] * 3, [np.nan] * 3, [1_300_000, np.nan, np.nan]],
    )
