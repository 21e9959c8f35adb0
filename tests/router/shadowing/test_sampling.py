from dataclasses import replace

import pytest
from fakes.shadowed import (
    ARGON,
    FLASH,
    HAIKU,
    LOCAL_ARM,
    LOCAL_MODEL,
    NOW,
    OPUS,
    RULES,
    SAMPLING,
    TIER3_ARM,
    answer,
    held_out,
    local_route,
    profile,
    route,
    task,
    treated,
)

from router.assigning import side_of
from router.lessons import conversation_of
from router.shadowing.sampling import Given, answering_arm, is_fit
from tercet.config import load, settings
from tercet.content import Controls, Media, Text, Tool, ToolUse
from tercet.drawing import Draw
from tercet.route import Seat
from tercet.task import Hints, Message

COMPOSED = replace(SAMPLING, rules=replace(RULES, composition_share=1.0))


def test_an_answer_of_the_api_is_compared_with_the_local_model() -> None:
    (pair,) = SAMPLING.pairs(held_out())
    sample = pair.sample
    assert (sample.tested_arm, sample.base_arm) == (LOCAL_ARM, TIER3_ARM)
    assert (sample.purpose, sample.state, sample.side) == ("migration", "chosen", "held_out")
    assert (sample.task_id, sample.kind, sample.probability, sample.at) == (
        "req_1", "lookup", 1.0, NOW,
    )  # fmt: skip
    assert (pair.run.name, pair.run.seats[0].model, pair.is_base_run) == (
        "local", LOCAL_MODEL, False,
    )  # fmt: skip


def test_an_answer_of_the_local_model_is_compared_with_what_would_have_answered_instead() -> None:
    (pair,) = SAMPLING.pairs(treated())
    assert (pair.sample.tested_arm, pair.sample.base_arm) == (LOCAL_ARM, "tier3(claude-haiku-5-5)")
    assert (pair.run.seats[0].model, pair.is_base_run, pair.sample.side) == (HAIKU, True, "treated")


def test_a_treated_task_that_fell_back_has_nothing_to_compare() -> None:
    assert SAMPLING.pairs(treated(model=HAIKU)) == ()
    spilt = treated(model=HAIKU)
    assert (
        SAMPLING.pairs(replace(spilt, route=route(HAIKU, assignment=spilt.route.assignment))) == ()
    )


@pytest.mark.parametrize(
    ("state", "compared"),
    [
        ("baseline", False), ("shadow", True), ("canary", True), ("promoted", True),
        ("rolled_back", False),
    ],
)  # fmt: skip
def test_states_decide_whether_there_is_a_comparison(state, compared) -> None:
    assert bool(SAMPLING.pairs(held_out(state=state))) is compared


def test_a_task_without_a_side_is_not_compared() -> None:
    given = held_out()
    assert SAMPLING.pairs(replace(given, route=route(HAIKU, FLASH))) == ()


def test_without_a_local_model_there_is_nothing_to_compare_with() -> None:
    bare = load(chosen=settings({}))
    assert replace(SAMPLING, catalog=bare.catalog).pairs(held_out()) == ()


def test_tasks_are_sampled_in_the_share_that_is_said_each_by_itself() -> None:
    some = replace(SAMPLING, rules=replace(RULES, shadow_share=0.4))
    asked = [task(id=f"req_{n}") for n in range(2_000)]
    chosen = [bool(some.pairs(held_out(asked=one))) for one in asked]
    assert 740 <= sum(chosen) <= 860
    assert [bool(some.pairs(held_out(asked=one))) for one in asked] == chosen
    salted = replace(some, rules=replace(some.rules, salt="other"))
    assert [bool(salted.pairs(held_out(asked=one))) for one in asked] != chosen


def test_whether_a_task_is_sampled_does_not_depend_on_its_side() -> None:
    some = replace(SAMPLING, rules=replace(RULES, shadow_share=0.4))
    asked = [task(f"Who made film {n}?", id=f"req_{n}") for n in range(4_000)]
    out = [one for one in asked if side_of(conversation_of(one), 0.0, RULES) == "held_out"]
    share = sum(bool(some.pairs(held_out(asked=one))) for one in out) / len(out)
    assert 330 <= len(out) <= 470
    assert 0.32 <= share <= 0.48


def test_of_a_suspected_kind_more_is_compared_and_the_row_says_with_what_probability() -> None:
    rules = replace(RULES, shadow_share=0.4, watch_share=0.1, watch_closely_share=0.5)
    usual = replace(SAMPLING, rules=rules)
    close = replace(usual, suspected=lambda: {"lookup"})
    asked = [task(id=f"req_{n}") for n in range(1_000)]
    for sampling, given, share in (
        (usual, held_out, 0.4), (usual, treated, 0.1),
        (close, held_out, 0.4), (close, treated, 0.5),
    ):  # fmt: skip
        pairs = [pair for one in asked for pair in sampling.pairs(given(asked=one))]
        assert abs(len(pairs) / len(asked) - share) < 0.05
        assert {pair.sample.probability for pair in pairs} == {share}
    elsewhere = replace(close, suspected=lambda: {"routine_code"})
    assert elsewhere.pairs(treated(asked=asked[0])) == usual.pairs(treated(asked=asked[0]))


@pytest.mark.parametrize(
    ("given", "is_watch"),
    [
        (held_out(), False), (held_out(state="canary", side="waiting"), False),
        (held_out(state="canary"), True), (held_out(state="promoted"), True), (treated(), True),
    ],
)  # fmt: skip
def test_what_says_how_callers_are_answered_is_told_from_what_does_not_yet(given, is_watch) -> None:
    (pair,) = SAMPLING.pairs(given)
    assert pair.is_watch is is_watch


@pytest.mark.parametrize("state", ["canary", "promoted"])
def test_where_the_local_model_answers_all_that_are_held_out_are_compared(state) -> None:
    none = replace(SAMPLING, rules=replace(RULES, shadow_share=0.0))
    (pair,) = none.pairs(held_out(state=state))
    assert pair.sample.probability == 1.0
    assert none.pairs(held_out(state=state, side="waiting")) == ()
    assert none.pairs(held_out(state="shadow")) == ()


def test_a_composition_is_sampled_by_the_conversation() -> None:
    some = replace(COMPOSED, rules=replace(COMPOSED.rules, shadow_share=0.0, composition_share=0.4))
    asked = [task(f"Who wrote book {n}?", id=f"req_{n}") for n in range(1_000)]
    chosen = [bool(some.pairs(held_out(asked=one))) for one in asked]
    assert 340 <= sum(chosen) <= 460
    later = [replace(one, messages=(*one.messages, *one.messages), id="req_x") for one in asked]
    assert [bool(some.pairs(held_out(asked=one))) for one in later] == chosen


def test_each_seat_of_a_composition_is_compared_with_it() -> None:
    given = replace(held_out(), route=route(FLASH, HAIKU))
    pairs = COMPOSED.pairs(given)
    assert [(p.sample.tested_arm, p.sample.base_arm) for p in pairs] == [
        (FLASH, TIER3_ARM), (HAIKU, TIER3_ARM),
    ]  # fmt: skip
    assert [p.run.seats for p in pairs] == [
        (Seat(role="single", tier="tier3", model=FLASH),),
        (Seat(role="single", tier="tier3", model=HAIKU),),
    ]
    assert {p.sample.purpose for p in pairs} == {"composition"}
    assert {p.sample.side for p in pairs} == {None}


def test_a_brain_alone_is_its_tiers_arm() -> None:
    seats = (
        Seat(role="brain", tier="tier1", model=OPUS),
        Seat(role="memory", tier="tier1", model=ARGON),
    )
    composed = replace(route(OPUS, name="tier1"), composition="memory_brain", seats=seats)
    pairs = COMPOSED.pairs(replace(held_out(), route=composed))
    assert [(p.sample.tested_arm, p.run.name) for p in pairs] == [
        ("tier1(claude-opus-5-5)", "tier1"), (ARGON, ARGON),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{"model": "tier3"}, {"hints": Hints(tier="tier3")}, {"hints": Hints(strict=True)}],
)
def test_a_composition_that_the_caller_asked_for_is_not_compared(changes) -> None:
    given = replace(held_out(asked=task(**changes)), route=route(HAIKU, FLASH))
    assert COMPOSED.pairs(given) == ()


def test_one_model_alone_is_no_composition() -> None:
    assert COMPOSED.pairs(replace(held_out(), route=route(HAIKU))) == ()


def test_a_drawn_arm_is_the_arm_that_was_drawn_and_one_that_escalates_has_its_own() -> None:
    draw = Draw(
        arm="x", propensities={"x": 1.0}, is_forced=False, seed=1, extra_nano_usd=0, reason=""
    )
    assert answering_arm(route(HAIKU, FLASH, draw=draw), SAMPLING.specs) == "x"
    lead = Seat(role="lead", tier="tier2", model="claude-sonnet-5-5")
    assert answering_arm(route(FLASH, HAIKU, escalation=lead), SAMPLING.specs) == (
        "tier3+tier2(claude-haiku-5-5+gemini-3.8-flash+claude-sonnet-5-5)"
    )
    assert answering_arm(route("new", "newer"), SAMPLING.specs) == "tier3(new+newer)"
    assert answering_arm(local_route(None), SAMPLING.specs) == LOCAL_ARM


def test_tools_images_and_long_texts_are_not_compared() -> None:
    image = Media(kind="image", mime="image/png", data="AAAA")
    shown = task(messages=(Message(speaker="user", parts=(Text("What is this?"), image)),))
    tooled = task(controls=Controls(tools=(Tool(name="ls"),)))
    use = replace(answer(""), parts=(ToolUse(id="1", name="ls", arguments="{}"),))
    long = replace(profile(), size_tokens=32_001)
    assert is_fit(held_out())
    assert not is_fit(held_out(asked=shown))
    assert not is_fit(held_out(asked=tooled))
    assert not is_fit(held_out(answer=use))
    assert not is_fit(held_out(profile=long))


def test_what_is_given_has_the_task_its_kind_and_the_seconds() -> None:
    given = Given(
        task=task(), profile=profile("maths"), route=route(HAIKU), answer=answer("7"),
        seconds=1.5, at=NOW,
    )  # fmt: skip
    assert SAMPLING.pairs(given) == ()
