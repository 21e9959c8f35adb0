"""What a learned version makes of a task: hard rules first, then quality, cost and chance."""

import asyncio
import json
import math
import pickle
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, replace

import pytest
from fakes.script import Script, stage_of
from fakes.taught import (
    ARGON,
    CONFIG,
    COST,
    DEEP,
    FLASH,
    HAIKU,
    LADDER,
    NOW,
    OPUS,
    PAIR,
    QUALITY,
    SONNET,
    TINY,
    WITH_LOCAL,
    Versions,
    choices,
    lessons,
    policy,
    profile,
    task,
)  # fmt: skip
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.critical_fuzz import Fuzzed, fuzzed
from router.admitting import case_of
from router.answering import Answering, Decision
from router.learned import route_as_learned, weigh
from router.learning.cold import arms_of_catalog
from router.learning.deferral import Deferral
from router.learning.document import to_bytes
from router.learning.exploring import drawn
from router.lesson_feed import LessonFeed
from router.lessons import Kept
from router.policies import route_by_complexity
from tercet.content import Controls, Tool
from tercet.route import Refused, Route, Seat
from tercet.task import turn

TOOLS = Controls(tools=(Tool(name="ls", schema={"type": "object"}),))
LOOP = (turn("user", "hello"), turn("assistant", "ok"), turn("user", "result"))
WRONG = dict.fromkeys(QUALITY, 0.1) | {FLASH: 1.0, TINY: 1.0}
"""What nobody should believe: the cheapest is perfect at everything."""
NEVER = "design and critical work are never left to estimates"
SURE = 0.75
"""Above it, one arm has the most of chance."""


def routed(asked=None, seen=None, available=None) -> Route:
    route = route_as_learned(asked or task(), seen or profile(), available or choices())
    assert isinstance(route, Route)
    return route


def chosen(available, asked=None, seen=None) -> str:
    route = routed(asked, seen, available)
    assert route.draw is not None
    return route.draw.arm


def by(**changes):
    """Return choices with one version in force, made of other numbers."""
    return choices(lessons(policy(**changes)))


# The plan's rule, where it has the last word.


def test_without_a_version_the_plans_own_route_is_taken_as_it_is() -> None:
    for available in (choices(lessons()), choices(lessons=None)):
        plan = route_by_complexity(task(), profile(), available)
        assert routed(available=available) == plan
        assert (plan.policy, plan.draw) == (None, None)


@pytest.mark.parametrize(
    ("asked", "seen", "step", "why"),
    [
        (task(), profile(requires_design=True), 1, NEVER),
        (task(), profile(is_critical=True), 1, NEVER),
        (task(said={"strict": True}), profile(), 1, "the caller asked for every voice"),
        (task(said={"tier": "tier2"}), profile(), 1, "the caller asked for tier2"),
        (task(model="claude-opus-5-5"), profile(), 1, "the caller asked for claude-opus-5-5"),
        (task(), profile(), 4, "step 4 of the budget"),
    ],
    ids=["design", "critical", "strict", "tier", "model", "budget"],
)  # fmt: skip
def test_hard_rules_leave_a_task_to_the_plans_rule_and_say_which(asked, seen, step, why) -> None:
    available = choices(lessons(policy(quality=WRONG), floor=0.1), step=step)
    route, plan = routed(asked, seen, available), route_by_complexity(asked, seen, available)

    assert route.draw is not None
    assert (route.draw.is_forced, route.draw.reason, route.policy) == (True, why, "v1")
    assert route.draw.propensities == {route.draw.arm: 1.0}
    assert replace(route, policy=None, draw=None) == plan


def test_a_forced_route_is_logged_as_the_arm_it_is() -> None:
    assert chosen(choices(), task(said={"tier": "tier3"})) == PAIR
    assert chosen(choices(), task(model="tier1")) == DEEP
    assert chosen(choices(), task(), profile(requires_design=True)) == OPUS


def test_the_order_in_which_a_pair_is_seated_and_its_escalation_tell_which_arm_it_is() -> None:
    rules = replace(
        CONFIG.rules, prefer={"question": FLASH}, on_disagreement={"question": "escalate"}
    )
    seen = profile(is_unsure=False)
    plan = route_by_complexity(task(), seen, choices(rules=rules))
    assert isinstance(plan, Route)
    assert [seat.model for seat in plan.seats] == [FLASH, HAIKU]
    no_arm = choices(lessons(policy(quality={TINY: 1.0})), rules=rules)
    assert chosen(no_arm) == LADDER


def test_where_nobody_may_answer_the_refusal_is_the_plans() -> None:
    found = route_as_learned(task(), profile(), choices(tiers=["tier9"]))
    assert found == Refused(reason="the key team may use no tier and model that is there")


def test_where_no_arm_may_answer_the_plans_rule_does() -> None:
    route = routed(available=by(quality={TINY: 1.0}))
    assert route.draw is not None
    assert (route.name, route.draw.is_forced, route.draw.reason) == (
        "tier3", True, "no arm may answer",
    )  # fmt: skip


# Quality and cost.


def test_the_best_arm_is_taken_where_no_other_is_within_the_margin() -> None:
    assert chosen(choices()) == OPUS


@pytest.mark.parametrize(
    ("haiku", "margin", "arm"),
    [(0.921, 0.03, HAIKU), (0.919, 0.03, OPUS), (0.901, 0.05, HAIKU), (0.9499, 0.0, OPUS)],
)
def test_within_the_margin_the_cheapest_is_taken(haiku, margin, arm) -> None:
    quality = QUALITY | {HAIKU: haiku}
    assert chosen(by(quality=quality, margins={"question": margin})) == arm


def test_a_kind_without_a_margin_of_its_own_has_the_configurations() -> None:
    available = by(quality=QUALITY | {HAIKU: 0.921}, margins={"maths": 0.0})
    assert chosen(available) == HAIKU
    assert chosen(available, None, profile("maths")) == OPUS


def test_an_arm_that_is_not_sure_to_be_within_the_margin_is_not() -> None:
    quality = QUALITY | {HAIKU: 0.93}
    assert chosen(by(quality=quality, labels=1_000.0)) == HAIKU
    assert chosen(by(quality=quality, labels=50.0)) == OPUS


def test_a_rich_budget_does_not_collapse_onto_the_strongest() -> None:
    nearly = {arm: quality - 0.005 * at for at, (arm, quality) in enumerate(
        dict.fromkeys((OPUS, SONNET, ARGON, PAIR, HAIKU, FLASH), 0.95).items()
    )}  # fmt: skip
    assert chosen(by(quality=nearly, quality_per_nano_usd=0.0)) == FLASH


@pytest.mark.parametrize(
    ("weight", "arm"), [(0.25, OPUS), (1.0, SONNET), (4.0, LADDER), (100.0, FLASH)]
)
def test_the_months_cost_weight_moves_the_choice_to_cheaper_arms(weight, arm) -> None:
    taught_ = lessons(policy(quality_per_nano_usd=1e-9))
    assert chosen(choices(taught_, weight=weight)) == arm


def test_cost_grows_with_what_is_to_be_read() -> None:
    costly = choices(lessons(policy(quality_per_nano_usd=1e-12, per_token=1e4)))
    case = _case(task(), profile(size_tokens=1_000), costly)
    arms = {arm.arm: arm.cost_nano_usd for arm in weigh(case, *_version(costly)).arms}
    assert (arms[FLASH], arms[OPUS]) == (10_500_000, 50_000_000)


@pytest.mark.parametrize(
    ("changes", "arm"),
    [
        ({"tiers": ["tier3"]}, HAIKU),
        ({"tiers": ["tier2", "tier3"]}, LADDER),
        ({"tiers": ["tier2"]}, ARGON),
        ({"models": ["gemini-3.8-flash"]}, FLASH),
        ({"providers": {"google"}}, ARGON),
        ({"step": 3}, LADDER),
    ],
    ids=str,
)
def test_key_providers_and_budget_leave_the_best_of_what_is_left(changes, arm) -> None:
    assert chosen(choices(**changes)) == arm


def test_a_kind_the_caller_said_counts_alone() -> None:
    seen = profile("maths", kinds={"maths": 0.0, "chat": 1.0})
    table = policy().estimates.table
    chat = CONFIG.taxonomy.names.index("chat")
    quality = table.quality.copy()
    quality[chat, policy().estimates.arms.index(FLASH)] = 1.0
    learned = policy()
    learned = replace(
        learned, estimates=replace(learned.estimates, table=replace(table, quality=quality))
    )
    assert chosen(choices(lessons(learned)), task(said={"kind": "maths"}), seen) == OPUS
    assert chosen(choices(lessons(learned)), task(), seen) == FLASH


# How an arm is played.


def test_a_single_arm_is_one_seat_with_its_tier_mate_for_failures() -> None:
    route = routed(available=by(quality={HAIKU: 1.0}))
    assert (route.name, route.composition) == ("claude-haiku-5-5", "single")
    assert route.seats == (
        Seat(role="single", tier="tier3", model=HAIKU, alternates=("gemini-3.8-flash",)),
    )
    assert route.reason == (
        "claude-haiku-5-5 because version v1 expects 1.00 of it at 0.0010 USD for question; "
        "one arm is admissible"
    )


def test_the_reason_names_the_arm_that_is_thought_better() -> None:
    route = routed(available=by(quality=QUALITY | {HAIKU: 0.921}))
    assert route.reason == (
        "claude-haiku-5-5 because version v1 expects 0.92 of it at 0.0010 USD for question, "
        "and 0.95 of tier1(claude-opus-5-5) at 0.0400 USD; "
        "the best arm: nothing is tried on tasks like this"
    )


def test_a_tiers_lead_alone_keeps_the_tiers_name() -> None:
    route = routed(available=by(quality={SONNET: 1.0}))
    assert (route.name, route.composition) == ("tier2", "single")
    assert [(seat.tier, seat.model) for seat in route.seats] == [("tier2", "claude-sonnet-5-5")]


def test_a_pair_compares_answers_by_the_kinds_contract() -> None:
    route = routed(None, profile("maths"), by(quality={PAIR: 1.0}))
    assert (route.composition, route.contract, route.on_disagreement) == (
        "consensus", "number", "critique",
    )  # fmt: skip
    assert route.escalation is None


def test_a_pair_that_is_no_ladder_does_not_escalate_whatever_the_configuration_says() -> None:
    rules = replace(CONFIG.rules, on_disagreement={"question": "escalate"})
    route = routed(available=choices(lessons(policy(quality={PAIR: 1.0})), rules=rules))
    assert (route.on_disagreement, route.escalation) == ("critique", None)


def test_a_ladder_escalates_up_to_what_was_fitted_for_its_kind() -> None:
    fitted = Deferral(
        kind="maths", mode="escalate", arms=(FLASH, HAIKU), strong=SONNET, up_to_tokens=900,
        gain=-0.01, quality=0.8, nano_usd=4_000, strong_quality=0.81, strong_nano_usd=9_000,
        agreement=0.7, tasks=120, reasons=("a test",),
    )  # fmt: skip
    available = by(quality={LADDER: 1.0}, deferrals={"maths": fitted})
    maths, chat = (
        routed(None, profile("maths"), available),
        routed(None, profile("chat"), available),
    )
    assert maths.escalation is not None
    assert (maths.name, maths.on_disagreement, maths.escalation.model) == (
        "tier3", "escalate", "claude-sonnet-5-5",
    )  # fmt: skip
    assert (maths.escalates_up_to_tokens, chat.escalates_up_to_tokens) == (900, None)


def test_the_local_arm_has_another_route_behind_it() -> None:
    available = choices(lessons(policy(quality={TINY: 1.0}), WITH_LOCAL), local="ready")
    route = routed(None, profile(is_routine=True), available)
    assert route.instead is not None
    assert (route.name, route.instead.name) == ("local", "tier3")
    assert route.draw is not None
    assert (route.draw.arm, route.draw.is_forced) == (TINY, False)


def test_a_route_with_its_draw_survives_pickling_and_the_receipts_json() -> None:
    route = routed(available=choices(lessons(policy(), floor=0.1)))
    assert pickle.loads(pickle.dumps(route)) == route  # noqa: S301  our own bytes
    written = json.loads(json.dumps(asdict(route)))
    assert written["policy"] == "v1"
    assert written["draw"]["arm"] == route.draw.arm
    assert written["draw"]["propensities"] == dict(route.draw.propensities)
    assert written["draw"]["seed"] == route.draw.seed


# Chance.


def test_a_floor_tries_the_most_hopeful_arms_and_logs_with_what_probability() -> None:
    available = choices(lessons(policy(), floor=0.1, left_nano_usd=10**12))
    routes = [routed(task(f"task {n}"), None, available) for n in range(500)]
    shares = routes[0].draw.propensities
    counts = Counter(route.draw.arm for route in routes)

    assert shares == pytest.approx({OPUS: 0.925, SONNET: 0.025, ARGON: 0.025, LADDER: 0.025})
    assert all(route.draw.propensities == shares for route in routes)
    assert 445 <= counts[OPUS] <= 480
    assert set(counts) == set(shares)


def test_in_the_middle_of_a_conversation_nothing_is_tried() -> None:
    available = choices(lessons(policy(), floor=0.1))
    asked = (task(messages=(turn("user", f"task {n}"), *LOOP[1:])) for n in range(100))
    draws = [routed(one, None, available).draw for one in asked]
    assert {draw.arm for draw in draws} == {OPUS}
    assert all(draw.propensities[OPUS] == 1.0 and not draw.is_forced for draw in draws)


def test_when_the_days_budget_is_spent_nothing_is_tried() -> None:
    available = choices(lessons(policy(), floor=0.1, left_nano_usd=0))
    draws = [routed(task(f"task {n}"), None, available).draw for n in range(100)]
    assert {draw.arm for draw in draws} == {OPUS}
    assert draws[0].reason == "the best arm: the day's exploration budget is spent"


def test_an_arm_that_costs_more_than_the_day_has_left_is_not_tried() -> None:
    quality = QUALITY | {HAIKU: 0.94}
    available = choices(lessons(policy(quality=quality), floor=0.1, left_nano_usd=7_000_000))
    draw = routed(available=available).draw
    assert {arm for arm, share in draw.propensities.items() if share} == {HAIKU, ARGON}
    assert (draw.propensities[OPUS], draw.propensities[SONNET]) == (0.0, 0.0)


def test_what_trying_costs_more_than_the_best_arm_is_told() -> None:
    quality = QUALITY | {FLASH: 0.95}
    available = choices(lessons(policy(quality=quality), floor=0.1, left_nano_usd=10**12))
    extras = {}
    for number in range(500):
        draw = routed(task(f"task {number}"), None, available).draw
        extras[draw.arm] = draw.extra_nano_usd
    assert extras == {FLASH: 0, OPUS: 39_500_000, SONNET: 9_500_000, ARGON: 7_500_000}


def test_the_seed_and_the_propensities_give_the_arm_again() -> None:
    available = choices(lessons(policy(labels=20.0), floor=0.1))
    for number in range(50):
        draw = routed(task(f"task {number}"), None, available).draw
        assert drawn(draw.propensities, draw.seed) == draw.arm


def test_replicas_without_a_memory_of_a_loop_draw_the_same_at_every_turn() -> None:
    available = choices(lessons(policy(labels=20.0), floor=0.1, left_nano_usd=10**12))
    for number in range(50):
        first = task(f"task {number}", controls=TOOLS)
        later = task(messages=(first.messages[0], *LOOP[1:]), controls=TOOLS)
        assert chosen(available, first) == chosen(available, later)


# Conversations.


def kept(arm: str, age_s: float, tokens: int = 10_000) -> Kept:
    return Kept(arm=arm, tokens=tokens, at=NOW - age_s)


def test_a_loop_of_tools_stays_where_it_is_though_another_arm_is_better() -> None:
    loop = task(messages=LOOP, controls=TOOLS)
    draw = routed(loop, None, choices(lessons(policy(), floor=0.1), kept=kept(FLASH, 299.0))).draw
    assert (draw.arm, draw.is_forced, draw.reason) == (
        FLASH, True, "the conversation's own seat",
    )  # fmt: skip


def test_a_loop_is_free_again_once_the_providers_cache_is_gone() -> None:
    loop = task(messages=LOOP, controls=TOOLS)
    assert chosen(choices(kept=kept(FLASH, 300.0)), loop) == FLASH
    assert chosen(choices(kept=kept(FLASH, 301.0)), loop) == OPUS


def test_a_loop_leaves_an_arm_that_may_not_answer_any_more() -> None:
    loop = task(messages=LOOP, controls=TOOLS)
    assert chosen(choices(kept=kept(OPUS, 10.0), step=3), loop) == ARGON
    assert chosen(choices(kept=kept(PAIR, 10.0)), loop) == OPUS


def test_what_a_cache_holds_makes_the_conversations_arm_cheaper() -> None:
    version = policy(quality={OPUS: 0.90, SONNET: 0.90}, per_token=1_000.0)
    seen, asked = profile(size_tokens=50_000), task(messages=LOOP)
    costs = []
    for known in (None, kept(OPUS, 10.0), kept(OPUS, 10.0, tokens=90_000), kept(OPUS, 301.0)):
        available = choices(lessons(version), kept=known)
        weighing = weigh(_case(asked, seen, available), *_version(available))
        costs.append((weighing.arms[0].cost_nano_usd, weighing.draw.arm))
    # 40 m + 50,000 tokens at 1,000 are 90 m; nine tenths of 10,000 and of 50,000 tokens are saved.
    assert costs == [
        (90_000_000, SONNET), (81_000_000, SONNET), (45_000_000, OPUS), (90_000_000, SONNET),
    ]  # fmt: skip


def test_a_conversation_of_words_may_move_to_a_better_arm() -> None:
    assert chosen(choices(kept=kept(FLASH, 10.0)), task(messages=LOOP)) == OPUS


def test_a_canary_routes_its_conversations_by_its_own_numbers() -> None:
    other = policy("v2", quality=QUALITY | {FLASH: 1.0})
    available = choices(lessons(policy(), canary=other, canary_share=0.25))
    routes = [routed(task(f"task {n}"), None, available) for n in range(2_000)]
    by_version = {(route.policy, route.draw.arm) for route in routes}
    assert by_version == {("v1", OPUS), ("v2", FLASH)}
    assert 430 <= sum(route.policy == "v2" for route in routes) <= 570


# Safety.


def answering(version) -> Answering:
    """Return who decides by a version, as a replica would that has read it."""
    versions = Versions()
    versions.put(version.version, "in_force", document=to_bytes(version))
    rules = replace(WITH_LOCAL.learning, exploration_floor=0.1)
    specs = arms_of_catalog(WITH_LOCAL.catalog, WITH_LOCAL.rules)
    feed = LessonFeed(versions, rules, WITH_LOCAL.taxonomy, specs, lambda: 1)
    asyncio.run(feed.look())
    return Answering(
        policy=route_as_learned,
        choices=choices(lessons(), local="ready", lessons=None),
        stage=stage_of(Script({}), lambda: NOW),
        taxonomy=WITH_LOCAL.taxonomy,
        learning=feed,
    )


def below_tier1(tasks: Iterable[Fuzzed]) -> list[str]:
    """Return what was routed below tier 1 by a version that believes in the cheapest arm."""
    deciding = answering(policy(quality=WRONG, quality_per_nano_usd=1e-6))
    found = []
    for one in tasks:
        decision = deciding.decide(one.task)
        assert isinstance(decision, Decision)
        if any(seat.tier != "tier1" for seat in decision.route.seats):
            found.append(f"{one.at}, {one.disguise}: {decision.route.reason}")
    return found


@pytest.mark.parametrize("declared", [True, False])
def test_no_disguise_brings_critical_or_design_work_below_tier1(declared) -> None:
    assert below_tier1(fuzzed(1_000, seed=8, declared=declared)) == []


def test_the_same_version_gives_other_work_to_the_cheapest() -> None:
    deciding = answering(policy(quality=WRONG, quality_per_nano_usd=1e-6))
    decision = deciding.decide(task("What is the capital of Australia?"))
    assert isinstance(decision, Decision)
    assert decision.route.draw is not None
    assert decision.route.draw.propensities[FLASH] > SURE


def test_an_answering_remembers_what_a_loop_was_answered_by() -> None:
    deciding = answering(policy(quality=QUALITY, labels=20.0))
    first = deciding.decide(task("What is the capital of Australia?", controls=TOOLS))
    begun = turn("user", "What is the capital of Australia?")
    later = deciding.decide(task(messages=(begun, *LOOP[1:]), controls=TOOLS))
    assert isinstance(first, Decision)
    assert isinstance(later, Decision)
    assert later.route.draw.arm == first.route.draw.arm
    assert later.route.draw.reason == "the conversation's own seat"


NUMBERS = st.lists(st.floats(0, 1), min_size=len(QUALITY), max_size=len(QUALITY))
MONEY = st.lists(st.integers(0, 10**9), min_size=len(QUALITY), max_size=len(QUALITY))


WORLDS = st.fixed_dictionaries(
    {
        "numbers": NUMBERS,
        "money": MONEY,
        "labels": st.floats(1, 1e5),
        "floor": st.floats(0, 0.2),
        "left": st.integers(0, 10**9),
        "price": st.sampled_from([0.0, 1e-10, 1e-8]),
        "size": st.integers(0, 1_100_000),
        "controls": st.sampled_from([TOOLS, Controls()]),
        "is_unsure": st.booleans(),
        "tiers": st.sampled_from([None, ("tier3",), ("tier1", "tier2"), ("tier2", "local")]),
        "step": st.integers(1, 3),
        "local": st.sampled_from([None, "ready", "asleep"]),
    }
)


@settings(deadline=None, max_examples=150)
@given(WORLDS)
def test_propensities_sum_to_one_and_only_what_may_answer_has_any(world) -> None:
    version = policy(
        quality=dict(zip(QUALITY, world["numbers"], strict=True)),
        cost=dict(zip(COST, world["money"], strict=True)),
        labels=world["labels"],
        quality_per_nano_usd=world["price"],
    )
    config = CONFIG if world["local"] is None else WITH_LOCAL
    known = lessons(version, config, floor=world["floor"], left_nano_usd=world["left"])
    available = choices(known, **{name: world[name] for name in ("local", "tiers", "step")})
    asked = task(controls=world["controls"])
    seen = profile(size_tokens=world["size"], is_unsure=world["is_unsure"])
    route = routed(asked, seen, available)
    draw = route.draw

    assert math.isclose(sum(draw.propensities.values()), 1.0, abs_tol=1e-9)
    assert draw.propensities[draw.arm] > 0
    if not draw.is_forced:
        arms = weigh(_case(asked, seen, available), version, known).arms
        assert set(draw.propensities) <= {arm.arm for arm in arms if arm.bar is None}
        assert draw.extra_nano_usd <= world["left"]
        assert {seat.model for seat in route.seats} <= {*known.specs[draw.arm].models}


def _case(asked, seen, available):
    plan = route_by_complexity(asked, seen, available)
    assert isinstance(plan, Route)
    return case_of(asked, seen, available, plan)


def _version(available):
    return available.lessons.in_force, available.lessons
