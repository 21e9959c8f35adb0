"""The routes of work that moves to the local model."""

from dataclasses import replace

import pytest
from fakes.migrations import EARLY, HELD_OUT, LATE, migrations
from fakes.taught import (
    FLASH,
    HAIKU,
    QUALITY,
    TINY,
    WITH_LOCAL,
    choices,
    lessons,
    policy,
    profile,
    task,
)  # fmt: skip

from router.learned import route_as_learned
from router.migrating import migrating, stand_of
from router.policies import route_by_complexity
from tercet.content import Controls, Tool
from tercet.route import Refused, Route

LOOKUP = profile("lookup", is_routine=True)
CANARY = migrations("canary", 0.1)
PLAN = migrating(route_by_complexity)
LEARNED = migrating(route_as_learned)


def routed(asked, seen=LOOKUP, by=PLAN, readiness="ready", **changes) -> Route:
    found = by(asked, seen, choices(local=readiness, **({"migrations": CANARY} | changes)))
    assert isinstance(found, Route)
    return found


def side_of(route: Route) -> str | None:
    return None if route.assignment is None else route.assignment.side


def test_who_is_treated_goes_to_the_local_model_with_the_apis_route_instead() -> None:
    route = routed(task(EARLY))
    assert (route.name, side_of(route)) == ("local", "treated")
    assert route.reason == "local because lookup is in canary at 10%"
    assert route.instead is not None
    assert route.instead.name == "tier3"
    assert [seat.model for seat in route.instead.seats] == ["claude-haiku-5-5", "gemini-3.8-flash"]
    assert route.instead.reason == "tier3 because it is routine"


@pytest.mark.parametrize(
    ("text", "state", "share", "reason"),
    [
        (HELD_OUT, "promoted", 1.0, "held out: the API answers for comparison"),
        (HELD_OUT, "baseline", 0.0, "held out: the API answers for comparison"),
        (LATE, "canary", 0.25, "lookup is in canary at 25%, and this conversation waits"),
        (EARLY, "baseline", 0.0, "lookup is in baseline: the API answers"),
        (EARLY, "shadow", 0.0, "lookup is in shadow: the API answers"),
        (EARLY, "rolled_back", 0.0, "lookup is rolled back: the API answers"),
    ],
)
def test_who_is_not_treated_is_answered_by_the_api_and_told_why(text, state, share, reason) -> None:
    route = routed(task(text), migrations=migrations(state, share))
    assert route.name == "tier3"
    assert route.assignment is not None
    assert (route.assignment.state, route.instead) == (state, None)
    assert route.reason == f"tier3 because it is routine; {reason}"


@pytest.mark.parametrize("readiness", ["asleep", "warming", "away"])
def test_who_is_treated_stays_so_while_an_api_answers_for_the_local_model(readiness) -> None:
    route = routed(task(EARLY), readiness=readiness)
    assert (route.name, side_of(route)) == ("tier3", "treated")
    state = "out of reach" if readiness == "away" else readiness
    assert route.reason == (f"tier3 because it is routine, but the local model is {state} (a test)")


def test_who_may_wait_is_held_and_stays_treated() -> None:
    asked = task(EARLY, said={"batch": True})
    seen = choices(local="warming", migrations=CANARY)
    assert seen.local is not None
    loading = replace(seen.local, readiness=replace(seen.local.readiness, since=seen.at - 5))
    route = PLAN(asked, LOOKUP, replace(seen, local=loading))
    assert isinstance(route, Route)
    assert (route.name, side_of(route), route.hold_until) == (
        "local", "treated", asked.deadline_at - 30,
    )  # fmt: skip
    assert route.instead is not None


def test_who_is_held_out_does_not_wait_for_a_model_that_will_not_answer() -> None:
    route = routed(task(HELD_OUT, said={"batch": True}), readiness="warming")
    assert (route.name, route.hold_until) == ("tier3", None)


@pytest.mark.parametrize(
    ("asked", "seen", "reason"),
    [
        (
            task(EARLY),
            profile("routine_edit", is_routine=True),
            "routine_edit is not among the kinds that may move",
        ),
        (task(EARLY, said={"strict": True}), LOOKUP, "the caller asked for every voice"),
        (
            task(EARLY),
            replace(LOOKUP, size_tokens=4_000),
            "about 4000 tokens are too many for tiny-llama's window of 4096",
        ),
        (
            task(EARLY, controls=Controls(tools=(Tool(name="ls"),))),
            LOOKUP,
            "tiny-llama calls no tools",
        ),
    ],
)
def test_what_is_on_no_side_stays_with_the_api_and_is_told_why(asked, seen, reason) -> None:
    route = routed(asked, seen, migrations=migrations("promoted"))
    assert (route.name, route.assignment, route.instead) == ("tier3", None, None)
    assert route.reason.endswith(f"; {reason}")
    assert "there is no local model" not in route.reason


def test_work_that_was_never_routine_is_not_told_of_migrations() -> None:
    route = routed(task("What is recursion?"), profile("explanation"))
    assert (route.reason, route.assignment) == ("tier3 because it is quick", None)


def test_a_kind_that_may_move_need_not_be_routine() -> None:
    moves = migrations("promoted", kinds=("lookup", "summary"))
    route = routed(task(EARLY), profile("lookup"), migrations=moves)
    assert (route.name, side_of(route)) == ("local", "treated")


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        (task(EARLY, model="local"), {}),
        (task(EARLY, model="tier1"), {}),
        (task(EARLY, said={"tier": "tier2"}), {}),
        (task(EARLY, model="claude-opus-5-5"), {}),
        (task(EARLY), {"step": 4}),
        (task(EARLY), {"step": 5}),
        (task(EARLY), {"tiers": {"local"}}),
        (task(EARLY), {"migrations": migrations("baseline", phase="ungated")}),
        (task(EARLY), {"migrations": None}),
    ],
)
@pytest.mark.parametrize("rule", [route_by_complexity, route_as_learned])
def test_what_is_left_alone_is_routed_as_ever(asked, changes, rule) -> None:
    seen = choices(local="ready", **({"migrations": migrations("baseline")} | changes))
    assert migrating(rule)(asked, LOOKUP, seen) == rule(asked, LOOKUP, seen)
    assert stand_of(asked, LOOKUP, seen).choices is seen


def test_a_month_that_is_nearly_spent_leaves_what_is_left_to_the_local_model() -> None:
    route = routed(task(HELD_OUT), step=5)
    assert (route.name, route.assignment) == ("local", None)


def test_a_refusal_is_a_refusal() -> None:
    seen = choices(local="ready", migrations=CANARY, models={"nobody"})
    found = PLAN(task(EARLY), LOOKUP, seen)
    assert isinstance(found, Refused)


def test_the_baseline_month_is_assigned_without_a_local_model() -> None:
    for text, side in ((HELD_OUT, "held_out"), (EARLY, "waiting")):
        route = PLAN(task(text), LOOKUP, choices(migrations=migrations("baseline")))
        assert isinstance(route, Route)
        assert (route.name, side_of(route)) == ("tier3", side)
        assert route.reason.startswith("tier3 because it is routine, but there is no local model; ")


def test_a_kind_that_was_promoted_waits_while_there_is_no_local_model() -> None:
    route = PLAN(task(EARLY), LOOKUP, choices(migrations=migrations("promoted")))
    assert isinstance(route, Route)
    assert route.assignment is not None
    assert (route.assignment.side, route.assignment.propensity) == ("waiting", 0.0)
    assert route.reason.endswith("; lookup is promoted, without a local model")


TINY_IS_BEST = lessons(policy(quality=QUALITY | {TINY: 1.0}), WITH_LOCAL, floor=0.2)


def test_a_version_draws_the_local_arm_for_nobody() -> None:
    alone = routed(task(LATE), by=route_as_learned, lessons=TINY_IS_BEST)
    assert alone.draw is not None
    assert alone.draw.propensities[TINY] > 0.5
    for n in range(200):
        seen = task(f"Which year is it? {n}")
        route = routed(seen, profile("question"), LEARNED, lessons=TINY_IS_BEST)
        assert route.draw is not None
        assert route.name != "local"
        assert TINY not in route.draw.propensities


def test_a_version_that_would_have_drawn_it_is_told_why_it_may_not() -> None:
    stand = stand_of(task(LATE), LOOKUP, choices(local="ready", migrations=CANARY))
    assert stand.choices.local is None
    assert stand.choices.local_bar == "lookup is in canary at 10%, and this conversation waits"


def test_who_is_treated_was_not_drawn_by_the_version_and_who_answers_instead_was() -> None:
    route = routed(task(EARLY), by=LEARNED, lessons=TINY_IS_BEST)
    assert (route.name, route.policy, side_of(route)) == ("local", "v1", "treated")
    assert route.draw is not None
    assert (route.draw.arm, route.draw.is_forced, route.draw.reason) == (
        TINY, True, "lookup is in canary at 10%",
    )  # fmt: skip
    assert route.instead is not None
    assert route.instead.draw is not None
    assert not route.instead.draw.is_forced
    assert TINY not in route.instead.draw.propensities


def test_where_an_api_answers_for_the_treated_the_version_has_drawn_it() -> None:
    taught = lessons(policy(quality=QUALITY | {HAIKU: 0.99}), WITH_LOCAL)
    route = routed(task(EARLY), by=LEARNED, readiness="asleep", lessons=taught)
    assert (route.name, side_of(route)) == ("claude-haiku-5-5", "treated")
    assert route.draw is not None
    assert (route.draw.arm, route.draw.is_forced) == (HAIKU, False)
    assert route.reason.endswith(", but the local model is asleep (a test)")


def test_who_is_held_out_is_routed_by_the_version_and_told_both() -> None:
    taught = lessons(policy(quality=QUALITY | {FLASH: 0.99}), WITH_LOCAL)
    route = routed(task(HELD_OUT), by=LEARNED, lessons=taught)
    assert (route.name, side_of(route)) == ("gemini-3.8-flash", "held_out")
    assert route.reason.startswith("gemini-3.8-flash because version v1 expects 0.99 of it")
    assert route.reason.endswith("; held out: the API answers for comparison")
