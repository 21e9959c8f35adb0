from dataclasses import replace

import pytest

from router.policies import Choices, route_by_complexity
from tercet.config import load
from tercet.content import Controls, Tool
from tercet.keys import Key
from tercet.outlook import Outlook
from tercet.route import Refused, Seat
from tercet.rules import Fleet
from tercet.task import Hints, Profile, Task, turn

CONFIG = load()
BOTH = frozenset({"anthropic", "google"})


def choices(providers=BOTH, local_available=False, step=1, weight=1.0, tiers=None) -> Choices:
    """Return what may be chosen from; `tiers` are those of the caller's key."""
    key = Key(id="default", sha256="0" * 64, tiers=tiers and frozenset(tiers))
    normal = Outlook.normal()
    return Choices(
        catalog=CONFIG.catalog,
        rules=CONFIG.rules,
        budget=CONFIG.budget,
        fleet=Fleet(providers=frozenset(providers), local_available=local_available),
        keys={"default": key},
        outlook=replace(normal, step=step, cost_weight=weight, why="much is spent"),
    )


def task(model: str = "auto", **hints) -> Task:
    return Task(
        id="req_1",
        key_id="default",
        model=model,
        messages=(turn("user", "hello"),),
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


@pytest.mark.parametrize("flags", [{"requires_design": True}, {"requires_implementation": True}])
def test_step_two_forbids_nothing(flags) -> None:
    profile = replace(PLAIN, **flags)

    route = route_by_complexity(task(), profile, choices(step=2))

    assert route == route_by_complexity(task(), profile, choices())


def test_an_assistant_pays_later_when_cost_weighs_more_and_the_reason_says_so() -> None:
    profile = replace(PLAIN, requires_design=True, size_tokens=15_000)

    route = route_by_complexity(task(), profile, choices(step=2, weight=1.5))

    assert route.composition == "single"
    assert route.reason == (
        "tier1 because it requires design; memory not seated: about 15000 tokens to read, "
        "it pays from 15750, as cost weighs 1.5 times"
    )


def test_a_pinned_tier_and_a_strict_task_seat_assistants_whatever_cost_weighs() -> None:
    dear = choices(step=2, weight=4)

    assert route_by_complexity(task("tier2"), PLAIN, dear).composition == "lead_junior"
    profile = replace(PLAIN, requires_implementation=True)
    assert route_by_complexity(task(strict=True), profile, dear).composition == "lead_junior"


def test_step_three_takes_the_premium_tier_from_what_is_routed_by_itself() -> None:
    profile = replace(PLAIN, requires_design=True, kind="architecture", size_tokens=2_000)

    route = route_by_complexity(task(), profile, choices(step=3))

    assert route.name == "tier2"
    assert route.degraded == ("budget:step3",)
    assert route.reason == (
        "tier2 because it requires design; step 3 of the budget keeps tier1 for security"
    )


@pytest.mark.parametrize(
    ("model", "kind", "expected"),
    [("auto", "security", "tier1"), ("tier1", "question", "tier1"), ("auto", "question", "tier2")],
)
def test_step_three_leaves_the_premium_tier_to_the_allow_list_and_to_who_names_it(
    model, kind, expected
) -> None:
    profile = replace(PLAIN, is_critical=True, kind=kind)

    assert route_by_complexity(task(model), profile, choices(step=3)).name == expected


@pytest.mark.parametrize("model", ["auto", "tier1", "claude-opus-5-5"])
def test_on_step_four_the_cheapest_model_answers_everything_alone(model) -> None:
    profile = replace(PLAIN, requires_design=True)

    route = route_by_complexity(task(model, strict=True), profile, choices(step=4))

    assert (route.name, route.composition) == ("claude-haiku-5-5", "single")
    assert [seat.tier for seat in route.seats] == ["tier3"]
    assert route.degraded == ("budget:step4",)
    assert route.reason == "claude-haiku-5-5 because the budget is on step 4: much is spent"


@pytest.mark.parametrize("step", [4, 5])
def test_on_the_steps_four_and_five_the_local_model_answers_if_it_is_available(step) -> None:
    route = route_by_complexity(task("tier1"), PLAIN, choices(step=step, local_available=True))

    assert route.name == "local"
    assert route.degraded == ("local:stand_in", f"budget:step{step}")


@pytest.mark.parametrize(("step", "local_available"), [(5, False), (6, False), (6, True)])
def test_the_last_steps_refuse_with_the_time_of_the_reset(step, local_available) -> None:
    refused = route_by_complexity(
        task("tier3"), PLAIN, choices(step=step, local_available=local_available)
    )

    assert refused == Refused(
        reason=f"the budget is on step {step}: much is spent", resets_at=2_678_400.0
    )


@pytest.mark.parametrize(
    ("flags", "tiers", "expected"),
    [
        ({"requires_design": True}, ["tier2", "tier3"], "tier2"),
        ({"requires_design": True}, ["tier3"], "tier3"),
        ({}, ["tier1", "tier2"], "tier2"),
        ({"is_routine": True}, ["tier1"], "tier1"),
        ({"is_routine": True}, ["local"], "local"),
    ],
)
def test_a_key_gets_the_nearest_tier_it_may_use(flags, tiers, expected) -> None:
    route = route_by_complexity(task(), replace(PLAIN, **flags), choices(tiers=tiers))

    assert route.name == expected
    assert f"; the key default may use {', '.join(tiers)} alone" in route.reason
    assert not any(word.startswith("budget:") for word in route.degraded)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("tier1", "the key default may use tier2, tier3 alone, not tier1"),
        ("local", "the key default may use tier2, tier3 alone, not local"),
        (
            "claude-opus-5-5",
            "the key default may use tier2, tier3 alone; claude-opus-5-5 is of tier1",
        ),
    ],
)
def test_a_key_is_refused_what_it_names_outside_its_tiers_and_no_time_would_help(
    model, reason
) -> None:
    refused = route_by_complexity(task(model), PLAIN, choices(tiers=["tier2", "tier3"]))

    assert refused == Refused(reason=reason, resets_at=None)


def test_a_model_of_several_tiers_is_asked_in_one_that_the_key_may_use() -> None:
    route = route_by_complexity(task("gemini-4-argon"), PLAIN, choices(tiers=["tier2"]))

    assert [(seat.tier, seat.model) for seat in route.seats] == [("tier2", "gemini-4-argon")]


def test_a_key_of_the_premium_tier_alone_keeps_it_on_step_three() -> None:
    profile = replace(PLAIN, requires_design=True)

    route = route_by_complexity(task(), profile, choices(step=3, tiers=["tier1"]))

    assert (route.name, route.degraded) == ("tier1", ())


def test_a_key_that_may_not_use_the_cheapest_model_is_refused_on_step_four() -> None:
    refused = route_by_complexity(task(), PLAIN, choices(step=4, tiers=["tier1"]))

    assert refused == Refused(
        reason="the budget is on step 4: much is spent; only claude-haiku-5-5 answers, "
        "and the key default may use tier1 alone",
        resets_at=2_678_400.0,
    )


def choices_of_models(*models: str) -> Choices:
    """Return what may be chosen from with a key that may ask these models alone."""
    key = Key(id="default", sha256="0" * 64, models=frozenset(models))
    return replace(choices(), keys={"default": key})


def with_tools(asked: Task) -> Task:
    return replace(asked, controls=Controls(tools=(Tool(name="ls"),)))


def test_a_loop_of_tools_is_given_to_one_seat_of_its_tier_and_to_no_assistant() -> None:
    profile = replace(PLAIN, requires_design=True, size_tokens=100_000)
    route = route_by_complexity(with_tools(task()), profile, choices())

    assert (route.name, route.composition) == ("tier1", "single")
    assert route.seats == (
        Seat(
            role="single",
            tier="tier1",
            model="claude-opus-5-5",
            alternates=("gemini-4-argon",),
        ),
    )
    assert route.reason == "tier1 because it requires design; one seat, because tools are in use"


def test_a_loop_of_tools_in_a_tier_without_its_first_model_goes_to_the_second() -> None:
    route = route_by_complexity(with_tools(task("tier3")), PLAIN, choices(providers={"google"}))

    assert [seat.model for seat in route.seats] == ["gemini-3.8-flash"]
    assert route.degraded == ("single:no_key",)


def test_a_key_that_may_ask_one_model_gets_that_one_wherever_it_sits() -> None:
    allowed = choices_of_models("gemini-4-argon")

    assert route_by_complexity(task(), PLAIN, allowed).name == "tier2"
    assert route_by_complexity(task("gemini-4-argon"), PLAIN, allowed).name == "gemini-4-argon"
    for seat in route_by_complexity(task("tier1"), PLAIN, allowed).seats:
        assert (seat.model, seat.alternates) == ("gemini-4-argon", ())


def test_a_key_is_refused_a_model_it_may_not_ask() -> None:
    refused = route_by_complexity(
        task("claude-opus-5-5"), PLAIN, choices_of_models("gemini-4-argon")
    )

    assert refused == Refused(reason="the key default may not ask claude-opus-5-5")


def test_a_key_without_a_model_that_is_there_is_refused_everything() -> None:
    refused = route_by_complexity(task(), PLAIN, choices_of_models("gemini-9"))

    assert refused == Refused(reason="the key default may use no tier and model that is there")
