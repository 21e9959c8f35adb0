from dataclasses import replace

import pytest
from fakes.learned import label, version
from fakes.lessons_given import (
    CONFIG,
    COSTS,
    FLASH,
    HAIKU,
    PAIR,
    given,
    policy,
    shadowed,
    task,
)  # fmt: skip
from fakes.rows import AT

from router.learning.gating import ALL_KINDS, judge
from router.refit.judging import trial_of
from router.refit.making import make
from tercet.drawing import Draw

CHEAP = policy("new", {FLASH: 0.9, PAIR: 0.5}, labels=400)
DEAR = policy("old", {FLASH: 0.5, PAIR: 0.9}, labels=400)
LATE = version(made_at=AT - 90_000, changed_at=AT - 90_000)
"""Made before every label of a test."""


def pairs(count: int, flash: float, pair: float, kind: str = "chat", day: float = 0.0):
    return [
        label(f"{kind}{n}", arm, kind=kind, is_declared=True, quality=quality,
              cost_nano_usd=COSTS[arm], at=AT - 1_000 + day + n)
        for n in range(count)
        for arm, quality in ((FLASH, flash), (PAIR, pair))
    ]  # fmt: skip


def by_kind(trial) -> dict[str, list[float]]:
    return {one.kind: one.differences.tolist() for one in trial.evidence if len(one.differences)}


def test_pairs_say_how_much_better_a_version_does_than_the_one_in_force() -> None:
    rows = pairs(3, 1.0, 0.5) + pairs(2, 0.0, 1.0, "summary", day=100)
    trial = trial_of(LATE, CHEAP, given(rows, in_force=DEAR))
    assert by_kind(trial) == {
        "chat": [0.5] * 3, "summary": [-1.0] * 2, ALL_KINDS: [0.5] * 3 + [-1.0] * 2,
    }  # fmt: skip
    assert trial.gain == pytest.approx((1.5 - 2) / 5)
    assert trial.saved_nano_usd == COSTS[PAIR] - COSTS[FLASH]
    assert [one.differing for one in trial.evidence if one.kind == "chat"] == [3]


def test_without_a_version_in_force_the_plans_rule_is_what_it_has_to_beat() -> None:
    assert by_kind(trial_of(LATE, CHEAP, given(pairs(2, 1.0, 0.5))))["chat"] == [0.5, 0.5]


def test_design_and_critical_work_is_not_weighed_for_it_stays_the_plans() -> None:
    rows = pairs(2, 1.0, 0.5, "security")
    trial = trial_of(LATE, CHEAP, given(rows, in_force=DEAR))
    assert by_kind(trial) == {}
    assert "security" not in {one.kind for one in trial.evidence}


def test_tasks_of_one_conversation_are_one_number() -> None:
    rows = [replace(row, group_id="one") for row in pairs(4, 1.0, 0.5)]
    assert by_kind(trial_of(LATE, CHEAP, given(rows, in_force=DEAR)))["chat"] == [0.5]


def test_labels_since_it_has_its_share_are_counted_as_fresh() -> None:
    row = replace(LATE, state="canary", share=0.05, changed_at=AT - 1_000 + 1)
    assert trial_of(row, CHEAP, given(pairs(5, 1.0, 0.5), in_force=DEAR)).fresh == 3


def test_a_task_with_a_label_for_one_side_alone_says_nothing_by_itself() -> None:
    rows = [row for row in pairs(5, 1.0, 0.5) if row.arm == FLASH]
    assert by_kind(trial_of(LATE, CHEAP, given(rows, in_force=DEAR))) == {}


def test_on_what_it_was_fitted_on_a_version_is_judged_by_fits_that_had_not_seen_it() -> None:
    # Which arm is better is chance, task by task, so nothing can be known of an unseen one.
    rows = shadowed(150)
    made = make(given(rows, cold=policy("public results", {FLASH: 0.8, HAIKU: 0.8, PAIR: 0.8})))
    row = version(made_at=AT, changed_at=AT)
    honest = trial_of(row, made.policy, given(rows, in_force=DEAR))
    flattered = trial_of(LATE, made.policy, given(rows, in_force=DEAR))
    assert honest.gain <= flattered.gain + 1e-9
    assert by_kind(honest).keys() == by_kind(flattered).keys()


def test_tasks_with_one_drawn_label_are_weighed_by_their_propensities() -> None:
    rows, tasks = [], []
    for n in range(1_200):
        arm = (FLASH, PAIR)[n % 2]
        draw = Draw(
            arm=arm, propensities={FLASH: 0.5, PAIR: 0.5}, is_forced=False, seed=n,
            extra_nano_usd=0, reason="drawn",
        )  # fmt: skip
        tasks.append(task(f"d{n}", "chat", draw=draw, arm=arm, at=AT - 900))
        rows.append(
            label(f"d{n}", arm, kind="chat", is_declared=True, source="judge", propensity=0.5,
                  quality=0.9 if arm == FLASH else 0.7, at=AT - 800)
        )  # fmt: skip
    found = trial_of(LATE, CHEAP, given(rows, tasks, in_force=DEAR))
    chat = next(one for one in found.evidence if one.kind == "chat")
    assert chat.off_policy is not None
    assert chat.off_policy.value == pytest.approx(0.2, abs=0.01)
    judged = judge(replace(found, saved_nano_usd=1.0), CONFIG.learning)
    assert judged.to == "canary"


def test_without_any_label_nothing_is_known() -> None:
    trial = trial_of(LATE, CHEAP, given())
    assert (by_kind(trial), trial.gain, trial.fresh) == ({}, 0.0, 0)
