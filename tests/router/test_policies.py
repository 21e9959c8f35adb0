from dataclasses import replace

import pytest

from router.choices import Choices
from router.policies import route_by_complexity
from router.waking import Held, LoadTimes, Local
from tercet.config import load, settings
from tercet.content import Controls, Media, Text, Tool, Verbatim
from tercet.keys import Key
from tercet.outlook import Outlook
from tercet.readiness import Readiness
from tercet.route import Refused, Seat
from tercet.rules import Fleet
from tercet.task import Hints, Message, Profile, Task, turn

CONFIG = load(chosen=settings({}))
WITH_LOCAL = load(chosen=settings({"TERCET_LOCAL": "cpu"}))
BOTH = frozenset({"anthropic", "google"})
READY = Readiness(kind="ready", why="it runs")
ASLEEP = Readiness(kind="asleep", why="nobody has woken it")


def choices(providers=BOTH, local=None, step=1, weight=1.0, tiers=None) -> Choices:
    """Return what may be chosen from; `tiers` are the key's, `local` is a readiness."""
    key = Key(id="default", sha256="0" * 64, tiers=tiers and frozenset(tiers))
    normal = Outlook.normal()
    config = CONFIG if local is None else WITH_LOCAL
    return Choices(
        catalog=config.catalog,
        rules=config.rules,
        budget=config.budget,
        fleet=Fleet(providers=frozenset(providers) | (set() if local is None else {"local"})),
        keys={"default": key},
        outlook=replace(normal, step=step, cost_weight=weight, why="much is spent"),
        local=local and seen(local),
    )


def seen(readiness: Readiness, waiting: int = 0) -> Local:
    return Local(readiness=readiness, loads=LoadTimes(), queue=Held(count=waiting, most=4), now=0.0)


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
        ({"requires_design": True}, None, "tier1"),
        ({"is_critical": True}, None, "tier1"),
        ({"requires_design": True, "requires_implementation": True}, None, "tier1"),
        ({"requires_implementation": True}, None, "tier2"),
        ({"requires_implementation": True, "is_routine": True}, READY, "tier2"),
        ({"is_routine": True}, READY, "local"),
        ({"is_routine": True}, ASLEEP, "tier3"),
        ({"is_routine": True}, None, "tier3"),
        ({}, READY, "tier3"),
        ({}, None, "tier3"),
    ],
)
def test_the_plan_is_followed_for_every_combination_of_flags(flags, local, expected) -> None:
    route = route_by_complexity(task(), replace(PLAIN, **flags), choices(local=local))

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


LOCAL_SEAT = Seat(role="single", tier="local", model="tiny-llama")
ROUTINE = replace(PLAIN, is_routine=True)


@pytest.mark.parametrize("name", ["auto", "local", "tiny-llama"])
def test_a_ready_local_model_is_asked_alone_and_tier_three_is_named_to_answer_instead(name) -> None:
    route = route_by_complexity(task(name), ROUTINE, choices(local=READY))

    why = "it is routine" if name == "auto" else f"the caller asked for {name}"
    assert (route.name, route.composition, route.seats) == ("local", "single", (LOCAL_SEAT,))
    assert (route.reason, route.degraded, route.hold_until) == (f"local because {why}", (), None)
    assert route.instead.name == "tier3"
    assert route.instead.reason == f"tier3 because {why}"


def test_a_routine_task_for_a_model_that_sleeps_goes_to_tier_three_and_says_why() -> None:
    route = route_by_complexity(task(), ROUTINE, choices(local=ASLEEP))

    assert (route.name, route.composition, route.degraded) == ("tier3", "consensus", ())
    assert route.reason == (
        "tier3 because it is routine, but the local model is asleep (nobody has woken it)"
    )


@pytest.mark.parametrize(
    ("local", "mark", "told"),
    [
        (None, "local:off", "there is no local model"),
        (ASLEEP, "local:asleep", "the local model is asleep (nobody has woken it)"),
    ],
)
def test_who_asks_for_the_local_model_by_name_is_told_that_another_answers(
    local, mark, told
) -> None:
    route = route_by_complexity(task("local"), PLAIN, choices(local=local))

    assert (route.name, route.degraded) == ("tier3", (mark,))
    assert route.reason == f"tier3 because the caller asked for local, but {told}"


WARMING = Readiness(kind="warming", since=0.0, why="it loads")


@pytest.mark.parametrize("hints", [{"batch": True}, {"deadline_s": 600.0}])
def test_a_caller_who_may_wait_is_held_for_a_model_that_loads(hints) -> None:
    route = route_by_complexity(task(**hints), ROUTINE, choices(local=WARMING))

    assert (route.name, route.seats, route.hold_until) == ("local", (LOCAL_SEAT,), 570.0)
    assert route.reason == "local because it is routine; held for it, 570 s at most"
    assert route.instead.name == "tier3"


def test_without_a_word_of_the_callers_nobody_is_held() -> None:
    route = route_by_complexity(task(), ROUTINE, choices(local=WARMING))

    assert (route.name, route.hold_until) == ("tier3", None)
    assert route.reason == (
        "tier3 because it is routine, but the local model is warming (it loads)"
    )


def with_picture(asked: Task) -> Task:
    picture = Media(kind="image", mime="image/png", data="AA==")
    return replace(asked, messages=(Message(speaker="user", parts=(Text("See?"), picture)),))


def with_server_tools(asked: Task) -> Task:
    verbatim = Verbatim(provider="anthropic", body=b"{}", headers={}, stream=False, is_needed=True)
    return replace(asked, verbatim=verbatim, controls=Controls())


UNFIT = {
    "tools": (lambda t: replace(t, controls=Controls(tools=(Tool(name="ls"),))), "calls no tools"),
    "a picture": (with_picture, "tiny-llama reads text alone"),
    "what one API has": (with_server_tools, "tiny-llama calls no tools"),
}


@pytest.mark.parametrize(("change", "told"), UNFIT.values(), ids=UNFIT)
def test_what_the_local_model_cannot_be_sent_it_is_not_chosen_for(change, told) -> None:
    route = route_by_complexity(change(task()), ROUTINE, choices(local=READY))

    assert route.name == "tier3"
    assert told in route.reason


@pytest.mark.parametrize(
    ("tokens", "limit", "name"),
    [(3_840, None, "local"), (3_841, None, "tier3"), (4_000, 96, "local"), (100, 99_999, "local")],
)
def test_a_conversation_too_long_for_its_window_is_never_given_to_it(tokens, limit, name) -> None:
    asked = replace(task(), max_output_tokens=limit)
    profile = replace(ROUTINE, size_tokens=tokens)

    route = route_by_complexity(asked, profile, choices(local=READY))

    assert route.name == name
    if name == "tier3":
        assert "about 3841 tokens are too many for tiny-llama's window of 4096" in route.reason


def test_a_key_of_the_local_tier_alone_is_refused_for_the_moment_while_that_sleeps() -> None:
    refused = route_by_complexity(task(), ROUTINE, choices(local=ASLEEP, tiers=["local"]))

    assert refused == Refused(
        reason="it is routine, but the local model is asleep (nobody has woken it)",
        is_passing=True,
    )


@pytest.mark.parametrize(
    ("model", "providers", "seats", "degraded"),
    [
        ("tier1", {"google"}, ["gemini-4-argon"], ("brain:no_key",)),
        ("tier1", {"anthropic"}, ["claude-opus-5-5"], ("memory:no_key",)),
        ("tier2", {"google"}, ["gemini-4-argon"], ("lead:no_key",)),
        ("tier3", {"anthropic"}, ["claude-haiku-5-5"], ("member:no_key",)),
        ("tier3", {"google"}, ["gemini-3.8-flash"], ("member:no_key",)),
        ("claude-opus-5-5", {"google"}, ["gemini-4-argon"], ("single:no_key",)),
        ("local", {"google"}, ["gemini-3.8-flash"], ("member:no_key", "local:off")),
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


def test_the_plan_talks_disagreements_over() -> None:
    route = route_by_complexity(task(), PLAIN, choices())

    assert (route.on_disagreement, route.escalation) == ("critique", None)


def test_a_kind_whose_disagreements_are_escalated_names_the_lead_of_the_next_tier() -> None:
    rules = replace(CONFIG.rules, on_disagreement={"question": "escalate"})

    route = route_by_complexity(task(), PLAIN, replace(choices(), rules=rules))

    assert route.on_disagreement == "escalate"
    assert route.escalation == Seat(
        role="lead", tier="tier2", model="claude-sonnet-5-5", alternates=("gemini-4-argon",)
    )


def test_a_key_that_may_not_use_the_next_tier_is_not_escalated() -> None:
    rules = replace(CONFIG.rules, on_disagreement={"question": "escalate"})

    route = route_by_complexity(task(), PLAIN, replace(choices(tiers=["tier3"]), rules=rules))

    assert (route.name, route.on_disagreement, route.escalation) == ("tier3", "escalate", None)


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
def test_on_the_steps_four_and_five_the_local_model_answers_if_it_is_ready(step) -> None:
    route = route_by_complexity(task("tier1"), PLAIN, choices(step=step, local=READY))

    assert (route.name, route.degraded) == ("local", (f"budget:step{step}",))
    assert (route.instead and route.instead.name) == {4: "claude-haiku-5-5", 5: None}[step]


def test_on_step_four_the_cheapest_model_answers_while_the_local_one_sleeps() -> None:
    route = route_by_complexity(task("tier1"), PLAIN, choices(step=4, local=ASLEEP))

    assert (route.name, route.degraded) == ("claude-haiku-5-5", ("budget:step4",))
    assert "but the local model is asleep" in route.reason


def test_on_step_five_a_task_is_refused_while_the_local_model_sleeps() -> None:
    refused = route_by_complexity(task("tier1"), PLAIN, choices(step=5, local=ASLEEP))

    assert refused == Refused(
        reason="the budget is on step 5: much is spent, but the local model is asleep "
        "(nobody has woken it)",
        resets_at=2_678_400.0,
        is_passing=True,
    )


@pytest.mark.parametrize(("step", "local"), [(5, None), (6, None), (6, READY)])
def test_the_last_steps_refuse_with_the_time_of_the_reset(step, local) -> None:
    refused = route_by_complexity(task("tier3"), PLAIN, choices(step=step, local=local))

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
        ({}, ["local"], "local"),
    ],
)
def test_a_key_gets_the_nearest_tier_it_may_use(flags, tiers, expected) -> None:
    local = READY if tiers == ["local"] else None
    route = route_by_complexity(task(), replace(PLAIN, **flags), choices(local=local, tiers=tiers))

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
