import json
from dataclasses import replace

import numpy as np
import pytest
from fakes.learned import label
from fakes.lessons_given import COSTS, FLASH, HAIKU, KINDS, SONNET, given, policy, task, terms

from router.learning.gating import Evidence, Trial
from router.learning.off_policy import Estimate, NoVerdict, Support
from router.refit.bounding import at_every_look, bound
from router.refit.choosing import weighed
from router.refit.gathering import Frame, sizes
from router.refit.making import Made
from router.refit.replaying import Replay, Rows, replay
from router.refit.thresholds import moved, nearby, settings_of, thresholds_of, within
from router.refit.tuning import refined, tuned
from tercet.drawing import Draw
from tercet.errors import ConfigError

TRIED = {FLASH: 0.5, SONNET: 0.5}


def drawn(number: int, tried=None, *, forced: bool = False, **changes):
    """Return a task whose arm was drawn: the arms tried take turns."""
    tried = tried or TRIED
    arm = list(tried)[number % len(tried)]
    draw = Draw(
        arm=arm, propensities=tried, is_forced=forced, seed=1, extra_nano_usd=0, reason="drawn"
    )
    fields = {"arm": arm, "draw": draw, "nano_usd": COSTS[arm]}
    return task(f"t{number}", "chat", **(fields | changes))


def rules(**changes):
    return replace(terms(), rules=replace(terms().rules, **changes))


CHEAP = policy("v1", {FLASH: 0.8, SONNET: 0.8}, labels=400)
DEAR = policy("v2", {FLASH: 0.5, SONNET: 0.9}, labels=400)


def test_a_replay_says_what_another_choice_would_have_cost() -> None:
    found = replay(CHEAP, given(tasks=[drawn(n) for n in range(800)]))
    assert (found.tasks, found.changed, found.arms) == (800, 400, {FLASH: 1.0})
    assert found.cost.logged == 2_050_000
    assert isinstance(found.cost.replayed, Estimate)
    assert found.cost.replayed.value == pytest.approx(100_000, rel=0.05)
    assert isinstance(found.cost.difference, Estimate)
    assert found.cost.difference.value == pytest.approx(-1_950_000, rel=0.05)
    assert found.cost.difference.low < -1_950_000 < found.cost.difference.high


def test_the_quality_comes_from_the_labels_of_drawn_arms() -> None:
    tasks = [drawn(n) for n in range(1_000)]
    quality = {FLASH: 0.5, SONNET: 1.0}
    labels = [
        label(t.task_id, t.arm, kind="chat", source="test", quality=quality[t.arm]) for t in tasks
    ]
    found = replay(DEAR, given(labels, tasks))
    assert found.quality.logged == 0.75
    assert isinstance(found.quality.difference, Estimate)
    assert found.quality.difference.value == pytest.approx(0.25, abs=0.02)


def test_two_labels_for_a_task_say_the_difference_itself() -> None:
    tasks = [drawn(n) for n in range(60)]
    labels = [
        label(t.task_id, arm, kind="chat", quality=quality)
        for t in tasks
        for arm, quality in ((FLASH, 0.5), (SONNET, 1.0))
    ]
    found = replay(DEAR, given(labels, tasks)).pairs
    assert (found.groups, found.value) == (60, 0.25)
    assert found.low < 0.25 < found.high


def test_forced_tasks_and_arms_that_were_not_tried_are_left_out_and_counted() -> None:
    tasks = [drawn(0, forced=True), drawn(1, {HAIKU: 1.0}), drawn(2), task("x")]
    found = replay(CHEAP, given(tasks=tasks))
    assert (found.tasks, found.forced, found.outside) == (1, 1, 1)
    assert isinstance(found.cost.replayed, NoVerdict)
    assert "below 200" in found.cost.replayed.why


def test_nothing_that_was_drawn_is_a_replay_that_says_nothing() -> None:
    found = replay(CHEAP, given())
    assert (found.tasks, found.cost.logged, found.pairs.groups) == (0, None, 0)


def test_the_local_model_is_no_choice_of_a_version() -> None:
    local = replace(next(iter(terms().specs.values())), id="local(x)", tier="local")
    specs = {**terms().specs, "local(x)": local}
    tried = policy("v1", {"local(x)": 1.0, FLASH: 0.5, SONNET: 0.5}, labels=400)
    found = replay(tried, given(tasks=[drawn(n) for n in range(4)], terms=rules_with(specs)))
    assert found.arms == {FLASH: 1.0}


def rules_with(specs):
    return replace(terms(), specs=specs)


def test_thresholds_are_read_and_moved_by_name() -> None:
    assert thresholds_of(CHEAP) == pytest.approx({"quality_per_usd": 20.0})
    other = moved(CHEAP, {"quality_per_usd": 40.0, "margin": 0.02})
    assert thresholds_of(other) == pytest.approx({"quality_per_usd": 40.0, "margin": 0.02})
    assert other.margins == dict.fromkeys(KINDS, 0.02)


def test_a_version_is_held_within_the_bounds() -> None:
    held = within(CHEAP, replace(terms().rules, bounds={"quality_per_usd": (30.0, 60.0)}))
    assert thresholds_of(held) == pytest.approx({"quality_per_usd": 30.0})
    assert within(CHEAP, replace(terms().rules, bounds={})) is not None


def test_a_step_leads_to_what_is_nearby_and_never_out_of_bounds() -> None:
    bounds = {"quality_per_usd": (10.0, 50.0)}
    steps = list(nearby(CHEAP, replace(terms().rules, bounds=bounds)))
    assert [step["quality_per_usd"] for step in steps] == pytest.approx([10.0, 40.0, 50.0])


@pytest.mark.parametrize("text", ["margin", "margin=", "margin=-1", "margin=nan", "margin=inf"])
def test_a_threshold_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write a number above 0, as margin=0\.05"):
        settings_of([text])


def test_an_unknown_threshold_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'speed' is no threshold; .* quality_per_usd, margin"):
        settings_of(["speed=3"])


def equal_pairs(tasks):
    return [
        label(t.task_id, arm, kind="chat", quality=0.8) for t in tasks for arm in (FLASH, SONNET)
    ]


def careful():
    """Return a version that asks sonnet for so little quality that it should not."""
    return policy("v3", {FLASH: 0.75, SONNET: 0.9}, labels=4_000, quality_per_nano_usd=20e-9)


BOUNDS = {"quality_per_usd": (1.0, 1_000.0)}


def test_tuning_moves_the_threshold_that_saves_where_quality_is_the_same() -> None:
    tasks = [drawn(n) for n in range(3_000)]
    found = tuned(careful(), given(equal_pairs(tasks), tasks, terms=rules(bounds=BOUNDS)))
    assert found.settings == pytest.approx({"quality_per_usd": 40.0})
    assert isinstance(found.after.cost.replayed, Estimate)
    assert found.after.arms == {FLASH: 1.0}
    assert found.why.startswith("quality_per_usd is 40: ")


def test_tuning_moves_nothing_where_quality_would_be_lost() -> None:
    tasks = [drawn(n) for n in range(3_000)]
    quality = {FLASH: 0.5, SONNET: 0.9}
    labels = [
        label(t.task_id, arm, kind="chat", quality=quality[arm]) for t in tasks for arm in TRIED
    ]
    found = tuned(careful(), given(labels, tasks, terms=rules(bounds=BOUNDS)))
    assert found.settings == {}
    assert found.why == ("no threshold is moved: none of 4 steps is surely good enough and cheaper")


def test_margins_and_weights_are_moved_without_weighing_again() -> None:
    tasks = [drawn(n, {FLASH: 0.4, HAIKU: 0.3, SONNET: 0.3}) for n in range(900)]
    world = given(equal_pairs(tasks[::2]), tasks)
    sure = policy("v3", {FLASH: 0.8, HAIKU: 0.83, SONNET: 0.9}, labels=4_000)
    rows = Rows.of(sure.estimates, world)
    # A cent buys 0.2 of quality: sonnet's answer costs 0.08, haiku's 0.02, flash's 0.002.
    for step, arm in (
        ({"margin": 0.0001}, SONNET),
        ({"margin": 0.08}, HAIKU),
        ({"margin": 0.2}, FLASH),
        ({"margin": 0.2, "quality_per_usd": 1.0}, FLASH),
        ({"margin": 0.0001, "quality_per_usd": 100.0}, FLASH),
    ):
        found = rows.replay(moved(sure, step))
        assert found.arms == {arm: 1.0}
        assert found == replay(moved(sure, step), world)


def test_with_other_margins_it_is_as_if_weighed_with_them() -> None:
    barred = {SONNET: replace(terms().specs[SONNET], from_tokens=50)}
    told = replace(rules(margin=0.01), specs={**terms().specs, **barred})
    tried = policy("v1", {FLASH: 0.8, SONNET: 0.9}, labels=40).estimates
    frame = Frame(kinds=tried.kinds, arms=tried.arms)
    tasks = sizes([drawn(n, size_tokens=n) for n in range(100)], frame)
    other = rules(margin=0.3, margins={"chat": 0.06}).rules
    found = weighed(tried, tasks, told).within(other)
    anew = weighed(tried, tasks, replace(told, rules=other))
    assert np.isneginf(found.counted[:50, 1]).all()
    assert (found.counted == anew.counted).all()
    assert (found.counted != weighed(tried, tasks, told).counted).any()


def test_without_drawn_tasks_tuning_says_why_nothing_is_moved() -> None:
    found = tuned(careful(), given(terms=rules(bounds=BOUNDS)))
    assert found.settings == {}
    assert "below 200" in found.why


def test_what_tuning_stood_on_is_in_the_summary() -> None:
    tasks = [drawn(n) for n in range(3_000)]
    world = given(equal_pairs(tasks), tasks, terms=rules(bounds=BOUNDS))
    found = refined(Made(policy=careful(), summary='{"made_from": 1}'), world)
    told = json.loads(found.summary)
    assert told["made_from"] == 1
    assert told["tuning"]["tried"] == 4
    assert told["tuning"]["after"]["arms"] == {FLASH: 1.0}
    assert Replay.__dataclass_fields__.keys() == told["tuning"]["after"].keys()


def evidence(differences, differing: int = 1, off: Estimate | None = None) -> Evidence:
    return Evidence(
        kind="chat", differences=np.array(differences), differing=differing, off_policy=off
    )


def test_a_gate_that_looks_every_night_has_a_wider_interval_than_one_look() -> None:
    low, high = bound(evidence([0.1, -0.1] * 500))
    assert low == -high
    assert low == pytest.approx(-0.0105, abs=0.001)
    assert bound(evidence([])) == (-1.0, 1.0)
    assert bound(evidence([0.0] * 9, differing=0)) == (0.0, 0.0)
    assert bound(evidence([0.1] * 5)) == (-1.0, 1.0)


def test_off_policy_estimates_are_widened_for_many_looks() -> None:
    support = Support(
        rows=1_000, forced=0, labelled=1_000, ess=900.0, most_weight=2.0, least_propensity=0.5
    )
    told = Estimate(value=0.0, low=-0.02, high=0.02, support=support)

    trial = Trial(
        state="canary", share=0.1, evidence=[evidence([0.0], off=told)], gain=0.0,
        saved_nano_usd=0.0, quality_per_nano_usd=1e-9,
    )  # fmt: skip
    wider = at_every_look(trial).evidence[0].off_policy
    assert wider is not None
    assert wider.high == pytest.approx(0.0307, abs=0.0005)
