from collections import Counter
from statistics import NormalDist

import pytest

from router.learning.exploring import Exploration, Prospect, best_of, draw, drawn, forced, seed_of
from tercet.drawing import Draw

USUAL = Exploration(floor=0.06, quality_per_nano_usd=0.0, left_nano_usd=10**9)


def prospect(mean: float, cost: int = 0, spread: float = 0.05) -> Prospect:
    return Prospect(mean=mean, variance=spread**2, cost_nano_usd=cost)


def tried(prospects: dict[str, Prospect], exploration: Exploration = USUAL) -> Draw:
    return draw(prospects, exploration, seed_of("task", "1"))


def test_an_arm_is_drawn_as_often_as_it_is_believed_to_be_best() -> None:
    # 0.7 against 0.65, each +- 0.05: the difference is 0.05 +- 0.05 * sqrt(2).
    seen = tried({"a": prospect(0.7), "b": prospect(0.65)})
    likely = NormalDist().cdf(0.05 / (0.05 * 2**0.5))
    assert seen.propensities["a"] == pytest.approx(0.94 * likely + 0.03, abs=0.01)
    assert sum(seen.propensities.values()) == pytest.approx(1)


def test_a_hopeless_arm_keeps_its_floor() -> None:
    seen = tried({"a": prospect(0.9, spread=0.001), "b": prospect(0.1, spread=0.001)})
    assert seen.propensities == {"a": pytest.approx(0.97), "b": pytest.approx(0.03)}


def test_no_arm_that_can_be_drawn_has_less_than_a_fiftieth() -> None:
    arms = {f"arm {number}": prospect(0.2, spread=0.001) for number in range(5)}
    seen = tried({"best": prospect(0.9, spread=0.001)} | arms)
    assert min(seen.propensities.values()) == pytest.approx(0.02)
    assert seen.propensities["best"] == pytest.approx(0.9)


def test_cost_counts_by_its_weight() -> None:
    arms = {"dear": prospect(0.9, cost=2_000_000), "cheap": prospect(0.85, cost=100_000)}
    assert best_of(arms, 0.0) == "dear"
    # 0.9 - 0.1 against 0.85 - 0.005.
    assert best_of(arms, 5e-8) == "cheap"


def test_of_equals_the_cheaper_is_best() -> None:
    assert best_of({"dear": prospect(0.9, cost=2), "cheap": prospect(0.9, cost=1)}, 0.0) == "cheap"


def test_with_a_floor_of_0_nothing_is_tried() -> None:
    critical = Exploration(floor=0.0, quality_per_nano_usd=0.0, left_nano_usd=10**9)
    seen = tried({"a": prospect(0.7), "b": prospect(0.69)}, critical)
    assert (seen.arm, seen.propensities) == ("a", {"a": 1.0, "b": 0.0})
    assert seen.reason == "the best arm: nothing is tried on tasks like this"
    assert not seen.is_forced


def test_with_the_exploration_budget_spent_nothing_is_tried() -> None:
    spent = Exploration(floor=0.1, quality_per_nano_usd=0.0, left_nano_usd=0)
    seen = tried({"a": prospect(0.7), "b": prospect(0.69)}, spent)
    assert (seen.arm, seen.propensities) == ("a", {"a": 1.0, "b": 0.0})
    assert seen.reason == "the best arm: the day's exploration budget is spent"


def test_an_arm_dearer_than_what_is_left_cannot_be_drawn() -> None:
    arms = {"a": prospect(0.7, cost=100), "b": prospect(0.65, cost=150), "c": prospect(0.69, 151)}
    left = Exploration(floor=0.1, quality_per_nano_usd=0.0, left_nano_usd=50)
    seen = tried(arms, left)
    assert seen.propensities["c"] == 0.0
    assert seen.propensities["b"] > 0.05
    assert seen.reason == "drawn: 1 arms cost more than the exploration budget has left"


def test_a_draw_says_what_it_costs_more_than_the_best() -> None:
    arms = {"a": prospect(0.7, cost=100), "b": prospect(0.65, cost=150)}
    draws = [draw(arms, USUAL, seed_of(f"task {number}", "1")) for number in range(100)]
    assert {(one.arm, one.extra_nano_usd) for one in draws} == {("a", 0), ("b", 50)}


def test_one_admissible_arm_is_drawn_for_certain() -> None:
    seen = tried({"a": prospect(0.7)})
    assert (seen.arm, seen.propensities, seen.reason) == ("a", {"a": 1.0}, "one arm is admissible")


def test_a_task_draws_the_same_arm_again_under_one_version_only() -> None:
    arms = {name: prospect(0.7) for name in "abcd"}
    first = [draw(arms, USUAL, seed_of(f"{n}", "1")).arm for n in range(50)]
    assert [draw(arms, USUAL, seed_of(f"{n}", "1")).arm for n in range(50)] == first
    assert [draw(arms, USUAL, seed_of(f"{n}", "2")).arm for n in range(50)] != first


def test_what_is_logged_is_what_is_drawn_by() -> None:
    arms = {"a": prospect(0.7), "b": prospect(0.66), "c": prospect(0.6)}
    draws = [draw(arms, USUAL, seed_of(f"task {number}", "1")) for number in range(20_000)]
    by_arm = draws[0].propensities
    assert {tuple(one.propensities.items()) for one in draws} == {tuple(by_arm.items())}
    assert all(drawn(one.propensities, one.seed) == one.arm for one in draws[:100])
    counts = Counter(one.arm for one in draws)
    for arm, propensity in by_arm.items():
        assert counts[arm] / 20_000 == pytest.approx(propensity, abs=0.012)


def test_the_ends_of_the_line_fall_on_arms_that_can_be_drawn() -> None:
    by_arm = {"never": 0.0, "a": 0.4, "b": 0.6, "nor this": 0.0}
    assert drawn(by_arm, 0) == "a"
    assert drawn(by_arm, 2**64 - 1) == "b"
    assert [drawn(by_arm, round(x * 2**64)) for x in (0.39, 0.41)] == ["a", "b"]


def test_counts_are_believed_as_a_beta_distribution() -> None:
    seen = Prospect.of_counts(6, 2, 10)
    # Beta(6, 2): 6 / 8, and 6 * 2 / (8^2 * 9).
    assert (seen.mean, seen.variance) == (0.75, pytest.approx(12 / 576))


def test_a_forced_arm_says_so() -> None:
    seen = forced("a", "the conversation stays where it is")
    assert (seen.arm, seen.propensities, seen.is_forced) == ("a", {"a": 1.0}, True)
