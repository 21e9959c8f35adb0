"""Which arms may answer a task, before any estimate."""

from dataclasses import replace

import pytest
from fakes import taught
from fakes.taught import (
    ARGON,
    DEEP,
    FLASH,
    HAIKU,
    LADDER,
    LEAD,
    OPUS,
    PAIR,
    SONNET,
    TINY,
    choices,
    profile,
    task,
)  # fmt: skip

from router.admitting import bar_of, case_of
from router.policies import route_by_complexity
from tercet.content import Controls, Media, Text, Tool, Verbatim
from tercet.route import Route
from tercet.task import Message

TOOLS = Controls(tools=(Tool(name="ls", schema={"type": "object"}),))
IMAGE = Media(kind="image", mime="image/png", data="aGk=")
LONG = 20_000
"""Tokens with which every composition has enough to read."""


def bars(asked=None, seen=None, available=None) -> dict[str, str]:
    """Return why arms may not answer; those that may are left out."""
    asked, seen = asked or task(), seen or profile(size_tokens=LONG)
    available = available or choices(local="ready")
    plan = route_by_complexity(asked, seen, available)
    assert isinstance(plan, Route)
    case = case_of(asked, seen, available, plan)
    found = {arm: bar_of(spec, case) for arm, spec in available.lessons.specs.items()}
    return {arm: bar for arm, bar in found.items() if bar is not None}


def local_lessons():
    return taught.lessons(config=taught.WITH_LOCAL)


def with_local(**changes):
    return choices(local_lessons(), **({"local": "ready"} | changes))


def test_every_arm_may_answer_a_plain_task_that_fits_it() -> None:
    assert bars(available=with_local()) == {TINY: "about 20000 tokens are too many for tiny-llama"}


def test_a_key_with_tiers_bars_the_arms_of_others_and_escalations_to_them() -> None:
    assert bars(available=with_local(tiers=["tier3"])) == dict.fromkeys(
        (OPUS, DEEP, SONNET, LEAD, ARGON, LADDER, TINY), "the caller's key may not use it"
    )


def test_a_key_with_models_bars_arms_that_ask_others() -> None:
    assert bars(available=choices(models=["claude-haiku-5-5", "gemini-3.8-flash"])) == {
        OPUS: "claude-opus-5-5 cannot be asked: no key",
        DEEP: "claude-opus-5-5 cannot be asked: no key",
        SONNET: "claude-sonnet-5-5 cannot be asked: no key",
        LEAD: "claude-sonnet-5-5 cannot be asked: no key",
        LADDER: "claude-sonnet-5-5 cannot be asked: no key",
        ARGON: "gemini-4-argon cannot be asked: no key",
    }


def test_a_provider_without_a_key_bars_every_arm_that_asks_it() -> None:
    assert set(bars(available=choices(providers={"anthropic"}))) == {
        DEEP, LEAD, PAIR, LADDER, ARGON, FLASH,
    }  # fmt: skip


def test_the_budget_bars_the_premium_tier_from_its_step_on() -> None:
    assert bars(available=choices(step=3)) == dict.fromkeys((OPUS, DEEP), "step 3 of the budget")


def test_tools_leave_single_seats_that_take_them() -> None:
    found = bars(task(controls=TOOLS), profile(), with_local())
    why = "tools are in use, which takes one seat"
    assert found == dict.fromkeys((DEEP, LEAD, PAIR, LADDER), why) | {
        TINY: "tiny-llama takes no tools"
    }


@pytest.mark.parametrize(("kind", "lacking"), [("image", "images"), ("document", "documents")])
def test_media_bar_models_that_read_text_alone(kind, lacking) -> None:
    message = Message(speaker="user", parts=(Text("what is this?"), replace(IMAGE, kind=kind)))
    found = bars(task(messages=(message,)), profile(), with_local())
    assert found[TINY] == f"tiny-llama takes no {lacking}"
    assert OPUS not in found


def test_what_only_one_provider_can_do_bars_the_others() -> None:
    only = Verbatim(provider="anthropic", body=b"{}", headers={}, stream=False, is_needed=True)
    found = bars(task(verbatim=only), profile())
    assert found[FLASH] == found[ARGON] == "only anthropic can do what is asked"
    assert not {OPUS, SONNET, HAIKU} & set(found)


def test_a_window_bars_what_does_not_fit_with_an_answer() -> None:
    found = bars(task(), profile(size_tokens=999_800))
    assert found[OPUS] == "about 999800 tokens are too many for claude-opus-5-5"
    assert ARGON not in found


@pytest.mark.parametrize(("size", "may"), [(10_499, False), (10_500, True)])
def test_an_assistant_needs_enough_to_read(size, may) -> None:
    found = bars(task(), profile(size_tokens=size))
    assert (DEEP not in found) is may


def test_where_cost_weighs_more_an_assistant_needs_more_to_read() -> None:
    found = bars(task(), profile(size_tokens=20_000), choices(weight=2.0))
    assert found == {DEEP: "too little to read for gemini-4-argon: about 20000 tokens"}


def test_a_short_deadline_bars_answers_after_each_other_and_never_one_model() -> None:
    found = bars(task(deadline_at=taught.NOW + 50))
    assert found == {
        DEEP: "2 answers after each other do not fit into 50 s",
        LEAD: "2 answers after each other do not fit into 50 s",
        PAIR: "3 answers after each other do not fit into 50 s",
        LADDER: "2 answers after each other do not fit into 50 s",
    }


@pytest.mark.parametrize("readiness", ["asleep", "away", "warming"])
def test_a_local_model_that_is_not_ready_is_barred(readiness) -> None:
    found = bars(task(), profile(), with_local(local=readiness))
    assert found[TINY] == "the local model is not ready"


@pytest.mark.parametrize(
    ("said", "changes", "why"),
    [
        ({}, {"is_unsure": True}, "what is asked is not clear"),
        ({}, {"size_tokens": 50_001}, "more than 50000 tokens are to be read"),
        ({"requires_implementation": True}, {}, "the caller said requires_implementation"),
    ],
)
def test_doubt_size_and_a_declared_implementation_lead_to_the_plans_tier_or_up(
    said, changes, why
) -> None:
    seen = profile(
        "implementation", requires_implementation=True, **({"size_tokens": LONG} | changes)
    )
    assert bars(task(said=said), seen, choices()) == dict.fromkeys(
        (PAIR, LADDER, HAIKU, FLASH), f"tier2 or better: {why}"
    )


def test_up_is_never_barred_by_doubt() -> None:
    found = bars(task(), profile(is_unsure=True, size_tokens=LONG), choices())
    assert found == {}
