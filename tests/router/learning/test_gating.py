from dataclasses import replace

import numpy as np
import pytest

from router.learning.drift import Alarm
from router.learning.gating import ALL_KINDS, Evidence, Trial, judge, paired_bound
from router.learning.off_policy import Estimate, Support
from tercet.learning import LearningRules, PolicyState

RULES = LearningRules(
    policy="auto",
    exploration_floor=0.05,
    exploration_nano_usd=250_000_000,
    margin=0.03,
    margins={"chat": 0.1},
    quality_per_nano_usd=None,
    canary_shares=(0.05, 0.25),
    refit_hour=3,
    window_s=30 * 86_400.0,
    least_labels=100,
    kept_s=180 * 86_400.0,
)
SAME = Evidence(kind="summary", differences=np.zeros(100), differing=0)
SUPPORT = Support(rows=900, forced=0, labelled=900, ess=400, most_weight=20, least_propensity=0.02)


def evidence(won: int, lost: int, same: int, kind: str = "summary") -> Evidence:
    numbers = np.array([1.0] * won + [-1.0] * lost + [0.0] * same)
    return Evidence(kind=kind, differences=numbers, differing=won + lost)


def trial(*found: Evidence, state: PolicyState = "candidate", share: float = 0.0, **more) -> Trial:
    fields = {
        "gain": 0.0, "saved_nano_usd": 100.0, "quality_per_nano_usd": 1e-9, "fresh": 20,
    } | more  # fmt: skip
    return Trial(state=state, share=share, evidence=found, **fields)


@pytest.mark.parametrize(
    ("state", "share", "to", "wider"),
    [
        ("candidate", 0.0, "canary", 0.05),
        ("canary", 0.05, "canary", 0.25),
        ("canary", 0.25, "in_force", 1.0),
    ],
)
def test_a_version_that_is_surely_as_good_and_cheaper_goes_on_step_by_step(
    state: PolicyState, share: float, to: PolicyState, wider: float
) -> None:
    judged = judge(trial(SAME, state=state, share=share), RULES)
    assert (judged.to, judged.share) == (to, wider)
    assert "summary: quality +0.000 [+0.000, +0.000] on 100 tasks, margin 0.03: good" in judged.why


def test_few_labels_keep_it_where_it_is() -> None:
    judged = judge(trial(replace(SAME, differences=np.zeros(99))), RULES)
    assert (judged.to, judged.share) == ("candidate", 0.0)
    assert judged.why.startswith("no kind has enough labels yet; the most are 99 tasks")


def test_a_kind_that_is_not_sure_yet_holds_the_others() -> None:
    judged = judge(trial(SAME, evidence(10, 10, 80, "maths")), RULES)
    assert judged.to == "candidate"
    assert judged.why == (
        "maths: quality +0.000 [-0.091, +0.091] on 100 tasks, margin 0.03: not yet sure"
    )


def test_a_kind_with_a_wider_margin_is_sure_sooner() -> None:
    assert judge(trial(SAME, evidence(10, 10, 80, "chat")), RULES).to == "canary"


def test_a_kind_with_few_labels_has_no_say_beside_one_with_enough() -> None:
    assert judge(trial(SAME, evidence(0, 9, 0, "maths")), RULES).to == "canary"


@pytest.mark.parametrize(
    ("gain", "saved", "passes"),
    [(0.0, 1.0, True), (-0.01, 1.0, True), (0.0, 0.0, False), (0.02, -1e6, True), (0.0, -1, False)],
)
def test_it_has_to_save_money_or_to_win_more_quality_than_it_costs(
    gain: float, saved: float, passes: bool
) -> None:
    judged = judge(trial(SAME, gain=gain, saved_nano_usd=saved), RULES)
    assert (judged.to == "canary") is passes
    assert ("nothing to win" in judged.why) is not passes


def test_a_canary_needs_labels_of_its_own_time() -> None:
    judged = judge(trial(SAME, state="canary", share=0.05, fresh=19), RULES)
    assert (judged.to, judged.share) == ("canary", 0.05)
    assert "19 tasks with labels for both since it has its share; 20 are needed" in judged.why


def test_a_canary_that_is_worse_is_rolled_back_and_a_candidate_stays_one() -> None:
    worse = evidence(5, 15, 180)
    assert judge(trial(worse), RULES).to == "candidate"
    judged = judge(trial(SAME, worse, state="canary", share=0.25), RULES)
    assert (judged.to, judged.share) == ("rolled_back", 0.0)
    assert "quality -0.050" in judged.why


def test_a_canary_is_rolled_back_on_an_alarm_with_its_advice() -> None:
    alarm = Alarm(
        what="agreement", kind="maths", key=None, measured=9, threshold=8, since=0, advice="look"
    )
    judged = judge(trial(SAME, state="canary", share=0.05, alarms=[alarm]), RULES)
    assert (judged.to, judged.why) == ("rolled_back", "look")


def test_single_labels_make_an_unsure_kind_sure() -> None:
    told = Estimate(value=0.01, low=-0.01, high=0.03, support=SUPPORT)
    unsure = evidence(10, 10, 80, ALL_KINDS)
    finding = judge(trial(replace(unsure, off_policy=told)), RULES).findings[0]
    assert finding.verdict == "good"
    assert (finding.value, finding.low, finding.high) == pytest.approx(
        (0.0095, -0.0100, 0.0291), abs=2e-4
    )


def test_equal_outcomes_of_different_arms_are_not_taken_for_certainty() -> None:
    low, high = paired_bound(replace(SAME, differing=100))
    assert (low, high) == pytest.approx((-0.0274, 0.0274), abs=1e-4)
    assert paired_bound(SAME) == (0.0, 0.0)
    assert paired_bound(replace(SAME, differences=np.zeros(0))) == (-1.0, 1.0)


def test_an_interval_that_holds_whenever_it_is_looked_at_can_come_in() -> None:
    assert judge(trial(SAME), RULES, bound=lambda _: (-0.5, 0.5)).to == "candidate"


def test_a_paired_interval_covers_the_truth() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(1_000):
        seen = random.choice([-1.0, 0.0, 1.0], 300, p=[0.1, 0.78, 0.12])
        one = Evidence(kind="x", differences=seen, differing=int((seen != 0).sum()))
        low, high = paired_bound(one)
        covered += low <= 0.02 <= high
    assert covered >= 940
