import asyncio
from dataclasses import replace

import pytest
from fakes.script import Fails, Script, stage_of

from router.compositions.single import single
from router.instead import played
from router.waking import Holding
from tercet.answer import Answer, NoAnswer, Progress, Speaking
from tercet.call import Delta
from tercet.readiness import Readiness
from tercet.route import Route, Seat
from tercet.task import Task, turn

TASK = Task(
    id="req_1",
    key_id="default",
    model="auto",
    messages=(turn("user", "Rename x to count."),),
    deadline_at=600.0,
)


def route_to(name: str, model: str, **more) -> Route:
    seat = Seat(role="single", tier=name, model=model)
    return Route(
        name=name, composition="single", seats=(seat,), reason="test", deadline_at=600.0, **more
    )


TIER3 = route_to("tier3", "haiku")


READY = Readiness(kind="ready", why="it runs")
WARMING = Readiness(kind="warming", since=0.0, why="it loads")
ASLEEP = Readiness(kind="asleep", why="nobody has woken it")


SLEEPS = "the local model is asleep (nobody has woken it)"


def events_of(
    route: Route, lines, then=READY, holding: Holding | None = None, task: Task = TASK
) -> list:
    """Return what is played; a route that is held waits until the model is `then`."""
    script = Script(lines)
    holding = holding or Holding(4, lambda: 0.0)
    holding.note(READY if route.hold_until is None else WARMING)

    def play(which: Route):
        return single(TASK, which, stage_of(script))

    async def main() -> list:
        if route.hold_until is not None:
            asyncio.get_running_loop().call_later(0.01, holding.note, then)
        return [event async for event in played(task, route, play, holding)]

    return asyncio.run(main())


def test_an_answer_of_the_local_model_is_passed_on_and_nobody_else_is_asked() -> None:
    events = events_of(route_to("local", "tiny", instead=TIER3), {"tiny": ["yes"]})

    assert events[:2] == [Speaking(model="tiny"), Delta("yes")]
    assert (events[2].model, events[2].degraded) == ("tiny", ())


def test_a_local_model_that_fails_before_its_first_word_is_replaced_by_who_the_route_names() -> (
    None
):
    lines = {"tiny": [Fails("unreachable")], "haiku": ["yes"]}
    progress, speaking, word, answer = events_of(route_to("local", "tiny", instead=TIER3), lines)

    assert progress == Progress("local failed: tier3 answers")
    assert speaking == Speaking(model="haiku", degraded=("single:unreachable",))
    assert word == Delta("yes")
    assert (answer.model, answer.degraded) == ("haiku", ("single:unreachable",))
    assert [step.outcome.model for step in answer.steps] == ["tiny", "haiku"]
    assert answer.settled_by == "single haiku, because local failed"


def test_a_local_model_that_fails_after_its_first_word_ends_the_answer() -> None:
    lines = {"tiny": [Fails("truncated", said="ye")], "haiku": ["yes"]}
    speaking, word, ending = events_of(route_to("local", "tiny", instead=TIER3), lines)

    assert (speaking, word) == (Speaking(model="tiny"), Delta("ye"))
    assert isinstance(ending, NoAnswer)
    assert [failure.kind for failure in ending.failures] == ["truncated"]


def test_an_answer_in_one_piece_that_breaks_half_way_is_given_by_the_other() -> None:
    lines = {"tiny": [Fails("truncated", said="ye")], "haiku": ["yes"]}
    whole = replace(TASK, is_streamed=False)
    *_, answer = events_of(route_to("local", "tiny", instead=TIER3), lines, task=whole)

    assert (answer.text, answer.model) == ("yes", "haiku")
    assert answer.degraded == ("single:truncated",)


def test_a_prompt_that_proves_too_long_for_the_window_is_answered_by_the_other() -> None:
    lines = {"tiny": [Fails("too_long")], "haiku": ["yes"]}
    *_, answer = events_of(route_to("local", "tiny", instead=TIER3), lines)

    assert answer.degraded == ("single:too_long",)


def test_without_a_ledger_nobody_else_is_asked_either() -> None:
    (ending,) = events_of(
        route_to("local", "tiny", instead=TIER3), {"tiny": [Fails("ledger")], "haiku": ["yes"]}
    )

    assert [failure.kind for failure in ending.failures] == ["ledger"]


def test_when_both_fail_both_are_named() -> None:
    lines = {"tiny": [Fails("unreachable")], "haiku": [Fails("overloaded")]}
    *_, ending = events_of(route_to("local", "tiny", instead=TIER3), lines)

    assert [failure.kind for failure in ending.failures] == ["unreachable", "overloaded"]
    assert len(ending.steps) == 2


def test_a_task_that_is_held_tells_so_and_is_answered_by_the_model_once_it_is_ready() -> None:
    held = route_to("local", "tiny", instead=TIER3, hold_until=90.0)
    first, *_, answer = events_of(held, {"tiny": ["yes"]})

    assert first == Progress("held: the local model loads")
    assert (answer.model, answer.degraded) == ("tiny", ())


def test_a_task_that_is_held_in_vain_is_answered_by_the_other_and_the_receipt_says_why() -> None:
    held = route_to("local", "tiny", instead=TIER3, hold_until=90.0)
    events = events_of(held, {"haiku": ["yes"]}, then=ASLEEP)

    assert events[1] == Progress(f"{SLEEPS}: tier3 answers")
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.model, answer.degraded) == ("haiku", ("local:not_ready",))
    assert answer.settled_by == f"single haiku, because {SLEEPS}"


def test_a_task_that_is_held_in_vain_and_may_go_to_nobody_else_fails() -> None:
    held = route_to("local", "tiny", hold_until=90.0)
    _, ending = events_of(held, {}, then=ASLEEP)

    assert [(f.model, f.kind, f.message) for f in ending.failures] == [
        ("tiny", "unreachable", SLEEPS)
    ]


@pytest.mark.parametrize("kind", ["unreachable", "unavailable", "truncated", "timeout"])
@pytest.mark.parametrize("said", ["", "ye"])
def test_the_first_call_that_fails_says_that_the_model_is_out_of_reach(kind, said) -> None:
    holding = Holding(4, lambda: 0.0)
    lines = {"tiny": [Fails(kind, said=said)], "haiku": ["yes"]}
    events_of(route_to("local", "tiny", instead=TIER3), lines, holding=holding)

    assert holding.local().readiness == Readiness(kind="away", why="a call to it has just failed")


@pytest.mark.parametrize("kind", ["too_long", "bad_request", "overloaded", "empty"])
def test_a_request_it_refuses_says_nothing_of_its_health(kind) -> None:
    holding = Holding(4, lambda: 0.0)
    lines = {"tiny": [Fails(kind)], "haiku": ["yes"]}
    events_of(route_to("local", "tiny", instead=TIER3), lines, holding=holding)

    assert holding.local().readiness == READY


def test_a_failure_of_another_tier_says_nothing_of_the_local_model() -> None:
    holding = Holding(4, lambda: 0.0)
    events_of(TIER3, {"haiku": [Fails("unavailable")]}, holding=holding)

    assert holding.local().readiness == READY
