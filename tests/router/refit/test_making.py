import json
from dataclasses import replace

import numpy as np
import pytest
from fakes.learned import label
from fakes.lessons_given import (
    COLD,
    COSTS,
    FLASH,
    HAIKU,
    PAIR,
    SONNET,
    SPECS,
    WORLD,
    given,
    policy,
    shadowed,
    task,
)  # fmt: skip
from fakes.rows import AT

from router.learned import Weighed as One
from router.learned import _prospects
from router.learning.document import Policy, from_bytes, to_bytes
from router.learning.exploring import best_of
from router.refit.choosing import weighed
from router.refit.gathering import Frame, sizes
from router.refit.inheriting import believed
from router.refit.making import make


def value(policy: Policy) -> float:
    """Return the true quality of what a policy chooses for every kind, less its weighed cost."""
    arms = policy.estimates.arms
    frame = Frame(kinds=policy.estimates.kinds, arms=arms)
    tasks = sizes([task(kind, kind) for kind in WORLD], frame)
    chosen = weighed(policy.estimates, tasks, given().terms).choose(policy.quality_per_nano_usd)
    found = [
        WORLD[kind].get(arms[at], 0.8) - policy.quality_per_nano_usd * COSTS[arms[at]]
        for kind, at in zip(WORLD, chosen.tolist(), strict=True)
    ]
    return float(np.mean(found))


def test_500_paired_prompts_with_three_arms_are_worth_more_than_what_was_believed() -> None:
    made = make(given(shadowed(500)))
    # What is unsure is not trusted: sonnet for all, 0.8 less 0.08.
    assert value(COLD) == pytest.approx(0.72)
    # Flash for two kinds, haiku for maths: 0.9 and 0.8 less 0.002, 0.9 less 0.02.
    assert value(made.policy) == pytest.approx((0.898 + 0.798 + 0.88) / 3)


def test_the_same_rows_make_the_same_document() -> None:
    rows = shadowed(80)
    assert to_bytes(make(given(rows)).policy) == to_bytes(make(given(rows)).policy)


def test_a_summary_says_what_it_was_made_from_and_what_is_expected_of_it() -> None:
    tasks = [task("x"), task("y", "maths"), task("z", "security")]
    made = make(given(shadowed(90), tasks, in_force=policy("v0", {PAIR: 0.8, SONNET: 0.9})))
    summary = json.loads(made.summary)
    assert made.policy.version == "20261123T090000"
    assert summary["made_from"] == {
        "tasks": 3, "labelled_tasks": 90, "labels": 270, "paired_tasks": 90,
    }  # fmt: skip
    assert summary["believed_before"] == ["v0", "public results"]
    assert sum(summary["labels"]["maths"].values()) == 3 * summary["labels"]["maths"][FLASH]
    assert sum(summary["expected"]["arms"].values()) == 1
    assert summary["expected_in_force"]["nano_usd_a_task"] == 4_000_000
    assert from_bytes(to_bytes(made.policy)).made_from == summary["made_from"]


def test_an_arm_that_was_hardly_tried_costs_what_was_believed() -> None:
    rows = [label(f"t{n}", FLASH, cost_nano_usd=7, size_tokens=0) for n in range(5)]
    rows += [label(f"t{n}", HAIKU, cost_nano_usd=7) for n in range(4)]
    table = make(given(rows)).policy.estimates
    cost = dict(zip(table.arms, table.table.cost_fixed[0].tolist(), strict=True))
    assert (cost[HAIKU], cost[SONNET]) == (1_000_000, 4_000_000)
    assert cost[FLASH] == pytest.approx(7)


def test_an_arm_of_which_nobody_knows_what_it_costs_is_left_out() -> None:
    rows = [label("t", "claude-haiku-5-5", cost_nano_usd=None)]
    cold = policy("public results", {FLASH: 0.7})
    assert make(given(rows, cold=cold)).policy.estimates.arms == (FLASH,)
    with pytest.raises(ValueError, match="no arm's cost is known"):
        make(given(rows, cold=None))


def test_a_weight_that_is_set_is_taken_and_one_that_is_not_keeps_the_cap() -> None:
    tasks = [task(f"t{n}", "chat") for n in range(10)]
    loose = make(given((), tasks, cap_nano_usd=None)).policy
    tight = make(given((), tasks, cap_nano_usd=10 * COSTS[PAIR])).policy
    assert loose.quality_per_nano_usd == 1e-9
    # Flash for all is far below the cap, and sonnet for all is above it.
    assert 0 < tight.quality_per_nano_usd < 1e-7
    terms = given().terms
    rules = replace(terms.rules, quality_per_nano_usd=5e-9)
    set_ = make(given((), tasks, terms=replace(terms, rules=rules))).policy
    assert set_.quality_per_nano_usd == 5e-9


def test_what_is_held_to_the_plan_is_paid_first() -> None:
    tasks = [task(f"t{n}", "chat") for n in range(10)]
    held = [task("s", "security", nano_usd=10 * COSTS[PAIR])]
    cap = 20 * COSTS[PAIR]
    free = make(given((), tasks, cap_nano_usd=cap)).policy.quality_per_nano_usd
    bound = make(given((), tasks + held, cap_nano_usd=cap)).policy.quality_per_nano_usd
    assert bound >= free


FRAME = Frame(kinds=("summary",), arms=(PAIR, "gemini-9-flash"))


def test_a_new_version_of_a_model_begins_with_half_of_what_is_known_of_the_old() -> None:
    old = policy("v1", {FLASH: 0.6, PAIR: 0.7}, labels=400)
    places = {**old.places, "gemini-9-flash": old.places[FLASH]}
    found = believed(FRAME, places, [old]).table
    assert found.quality.tolist() == [[0.7, 0.6]]
    assert found.labels.tolist() == [[15, 7.5]]
    assert found.cost_fixed.tolist() == [[1_300_000, 100_000]]


def test_nobody_inherits_from_an_arm_that_is_still_there() -> None:
    old = policy("v1", {FLASH: 0.6})
    places = {"gemini-9-flash": old.places[FLASH]}
    frame = Frame(kinds=("summary",), arms=(FLASH, "gemini-9-flash"))
    found = believed(frame, places, [old]).table
    assert found.labels.tolist() == [[4, 0]]
    assert np.isnan(found.cost_fixed[0, 1])


def test_the_version_in_force_is_believed_before_public_results_and_other_kinds_by_their_mean() -> (
    None
):
    frame = Frame(kinds=("summary", "poetry"), arms=(FLASH, SONNET))
    found = believed(frame, {}, [policy("v1", {FLASH: 0.1}), COLD]).table
    assert found.quality == pytest.approx(np.array([[0.1, 0.8], [0.1, 0.8]]))
    assert found.labels.tolist() == [[4, 4], [0, 0]]


def test_arms_are_weighed_as_the_request_path_weighs_them() -> None:
    random = np.random.default_rng(3)
    base = policy("v", dict.fromkeys([FLASH, HAIKU, PAIR, SONNET], 0.5))
    table = replace(
        base.estimates.table,
        quality=random.uniform(0.3, 0.9, base.estimates.table.quality.shape),
        labels=random.uniform(3, 90, base.estimates.table.labels.shape),
    )
    estimates = replace(base.estimates, table=table)
    kinds = estimates.kinds
    tasks = sizes(
        [task(kind, kind) for kind in kinds], Frame(kinds=estimates.kinds, arms=estimates.arms)
    )
    found = weighed(estimates, tasks, given().terms).choose(20e-9)
    for row, kind in enumerate(kinds):
        seen = estimates.expect({kind: 1.0}, 100, None)
        ones = [
            One(
                arm=arm, quality=float(seen.quality[at]), deviation=float(seen.variance[at]) ** 0.5,
                cost_nano_usd=round(float(seen.cost_nano_usd[at])), bar=None,
            )
            for at, arm in enumerate(estimates.arms)
        ]  # fmt: skip
        assert estimates.arms[found[row]] == best_of(_prospects(ones, 0.03), 20e-9)


def test_an_arm_with_too_little_to_read_is_not_chosen() -> None:
    junior = next(spec.id for spec in SPECS if spec.id.startswith("tier2(") and spec.from_tokens)
    estimates = policy("v", {junior: 0.9, FLASH: 0.1}).estimates
    frame = Frame(kinds=estimates.kinds, arms=estimates.arms)
    tasks = sizes([task("a", size_tokens=999), task("b", size_tokens=1_000)], frame)
    chosen = weighed(estimates, tasks, given().terms).choose(0.0)
    assert [estimates.arms[at] for at in chosen] == [FLASH, junior]


def test_where_pairs_were_compared_and_the_strong_one_is_labelled_deferral_is_fitted() -> None:
    tasks = [
        task(f"t{n}", "maths", agrees=n % 2 == 0, members=(HAIKU, FLASH), at=AT) for n in range(60)
    ]
    rows = [
        label(f"t{n}", arm, kind="maths", quality=float(n % 2 == 0 or arm == SONNET),
              cost_nano_usd=cost)
        for n in range(60)
        for arm, cost in ((FLASH, 100), (HAIKU, 1_000), (SONNET, 9_000))
    ]  # fmt: skip
    deferrals = make(given(rows, tasks)).policy.deferrals
    assert deferrals["maths"].mode == "escalate"
    assert deferrals["maths"].strong == "claude-sonnet-5-5"
    assert make(given(rows[:90], tasks)).policy.deferrals == {}
