from dataclasses import replace

import pytest

from router.policies import Choices, route_by_complexity
from tercet.config import load
from tercet.route import Seat
from tercet.rules import Fleet
from tercet.task import Hints, Message, Profile, Task

CONFIG = load()
BOTH = frozenset({"anthropic", "google"})


def choices(providers=BOTH, local_available=False) -> Choices:
    fleet = Fleet(providers=frozenset(providers), local_available=local_available)
    return Choices(catalog=CONFIG.catalog, rules=CONFIG.rules, fleet=fleet)


def task(model: str = "auto", **hints) -> Task:
    return Task(
        id="req_1",
        key_id="default",
        model=model,
        messages=(Message(speaker="user", text="hello"),),
        hints=Hints(**hints),
        deadline_at=600.0,
    )


PLAIN = Profile(
    kind="question",
    requires_design=False,
    is_critical=False,
    requires_implementation=False,
    is_routine=False,
    size_tokens=20,
    confidence=0.9,
    reasons=("test",),
)


@pytest.mark.parametrize(
    ("flags", "local", "expected"),
    [
        ({"requires_design": True}, False, "tier1"),
        ({"is_critical": True}, False, "tier1"),
        ({"requires_design": True, "requires_implementation": True}, False, "tier1"),
        ({"requires_implementation": True}, False, "tier2"),
        ({"requires_implementation": True, "is_routine": True}, True, "tier2"),
        ({"is_routine": True}, True, "local"),
        ({"is_routine": True}, False, "tier3"),
        ({}, True, "tier3"),
        ({}, False, "tier3"),
    ],
)
def test_the_plan_is_followed_for_every_combination_of_flags(flags, local, expected) -> None:
    route = route_by_complexity(task(), replace(PLAIN, **flags), choices(local_available=local))

    assert route.name == expected


def test_a_short_design_question_is_decided_by_the_brain_alone_and_the_reason_says_why() -> None:
    route = route_by_complexity(task(), replace(PLAIN, requires_design=True), choices())

    assert route.composition == "single"
    assert [seat.model for seat in route.seats] == ["claude-opus-5-5"]
    assert route.reason == (
        "tier1 because it requires design; "
        "memory not seated: about 20 tokens to read, it pays from 10500"
    )


def test_a_long_design_task_seats_the_memory() -> None:
    profile = replace(PLAIN, requires_design=True, size_tokens=10_500)

    route = route_by_complexity(task(), profile, choices())

    assert route.composition == "memory_brain"
    assert [(seat.role, seat.model) for seat in route.seats] == [
        ("brain", "claude-opus-5-5"),
        ("memory", "gemini-4-argon"),
    ]


@pytest.mark.parametrize(
    ("tier", "composition"),
    [("tier1", "memory_brain"), ("tier2", "lead_junior"), ("tier3", "consensus")],
)
def test_a_pinned_tier_gets_its_whole_composition(tier, composition) -> None:
    by_model = route_by_complexity(task(tier), PLAIN, choices())
    by_hint = route_by_complexity(task(tier=tier), PLAIN, choices())

    assert by_model.composition == composition
    assert by_hint == by_model
    assert by_model.reason == f"{tier} because the caller asked for {tier}"


def test_strict_seats_everyone_and_does_not_stop_on_agreement() -> None:
    route = route_by_complexity(task(strict=True), PLAIN, choices())

    assert (route.name, route.composition) == ("tier3", "consensus")
    assert not route.stops_on_agreement
    assert route.max_rounds == 3


def test_a_named_model_answers_alone_with_its_tier_mate_as_alternate() -> None:
    route = route_by_complexity(task("claude-haiku-5-5"), PLAIN, choices())

    assert route.name == "claude-haiku-5-5"
    assert route.seats == (
        Seat(
            role="single",
            tier="tier3",
            model="claude-haiku-5-5",
            alternates=("gemini-3.8-flash",),
        ),
    )


def test_local_is_answered_by_a_stand_in_that_the_route_names() -> None:
    route = route_by_complexity(task("local"), PLAIN, choices())

    assert route.name == "local"
    assert route.seats[0].model == "claude-haiku-5-5"
    assert route.degraded == ("local:stand_in",)
    assert "claude-haiku-5-5 stands in until the local deployment exists" in route.reason


@pytest.mark.parametrize(
    ("model", "providers", "seats", "degraded"),
    [
        ("tier1", {"google"}, ["gemini-4-argon"], ("brain:no_key",)),
        ("tier1", {"anthropic"}, ["claude-opus-5-5"], ("memory:no_key",)),
        ("tier2", {"google"}, ["gemini-4-argon"], ("lead:no_key",)),
        ("tier3", {"anthropic"}, ["claude-haiku-5-5"], ("member:no_key",)),
        ("tier3", {"google"}, ["gemini-3.8-flash"], ("member:no_key",)),
        ("claude-opus-5-5", {"google"}, ["gemini-4-argon"], ("single:no_key",)),
        ("local", {"google"}, ["gemini-3.8-flash"], ("single:no_key", "local:stand_in")),
    ],
)
def test_a_missing_key_degrades_the_route_instead_of_failing_it(
    model, providers, seats, degraded
) -> None:
    route = route_by_complexity(task(model), PLAIN, choices(providers=providers))

    assert [seat.model for seat in route.seats] == seats
    assert route.composition == "single"
    assert route.degraded == degraded


def test_the_member_preferred_for_a_kind_takes_the_first_seat() -> None:
    rules = replace(CONFIG.rules, prefer={"question": "gemini-3.8-flash"})

    route = route_by_complexity(task(), PLAIN, replace(choices(), rules=rules))

    assert [seat.model for seat in route.seats] == ["gemini-3.8-flash", "claude-haiku-5-5"]
