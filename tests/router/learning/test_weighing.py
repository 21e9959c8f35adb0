import numpy as np
import pytest

from router.learning.weighing import cost_weight

QUALITY = np.array([[0.5, 0.9], [0.5, 0.7]])
COST = np.array([[10.0, 110.0], [10.0, 110.0]])
"""The dear arm brings 0.004 a nano-USD on the first task, and 0.002 on the second."""


@pytest.mark.parametrize(
    ("most", "weight"),
    [(1_000, 0.0), (220, 0.0), (219, 0.002), (120, 0.002), (119, 0.004), (20, 0.004), (0, 0.004)],
)
def test_cost_weighs_as_little_as_the_money_allows(most: float, weight: float) -> None:
    assert cost_weight(QUALITY, COST, most) == pytest.approx(weight)


def test_an_arm_that_may_not_answer_is_never_paid_for() -> None:
    quality = np.array([[-np.inf, 0.9]])
    assert cost_weight(quality, np.array([[1.0, 110.0]]), 110) == 0.0
    assert np.isfinite(cost_weight(quality, np.array([[1.0, 110.0]]), 50))


def test_without_tasks_cost_has_no_weight() -> None:
    assert cost_weight(np.zeros((0, 2)), np.zeros((0, 2)), 0) == 0.0
