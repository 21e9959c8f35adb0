import asyncio

import pytest
from fakes.script import Cut, Fails, Script, Stumbles, stage_of

from router.answering import COMPOSITIONS
from tercet.answer import Answer, NoAnswer, Progress, Speaking
from tercet.call import Delta
from tercet.content import Controls, OutputFormat, Text, Thought, Verbatim
from tercet.route import Route, Seat
from tercet.task import Message, Task, turn

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
ARGON, FLASH = "gemini-4-argon", "gemini-3.8-flash"

TIER1 = (
    Seat(role="brain", tier="tier1", model=OPUS, alternates=(ARGON,)),
    Seat(role="memory", tier="tier1", model=ARGON),
)
TIER2 = (
    Seat(role="lead", tier="tier2", model=SONNET, alternates=(ARGON,)),
    Seat(role="junior", tier="tier2", model=ARGON),
)
TIER3 = (
    Seat(role="member", tier="tier3", model=HAIKU),
    Seat(role="member", tier="tier3", model=FLASH),
)


def route(composition, seats, **changes) -> Route:
    values = {"name": "t", "max_rounds": 3, "reason": "test", "deadline_at": 600.0, **changes}
    return Route(composition=composition, seats=seats, **values)


def task(*texts: str, **changes) -> Task:
    messages = [turn("user", text) for text in texts or ("What is 17 * 23?",)]
    values = {"id": "req_1", "key_id": "k", "model": "auto", "deadline_at": 600.0, **changes}
    return Task(messages=tuple(messages), **values)


def play(asked: Task, decided: Route, stage) -> list[object]:
    async def collect() -> list[object]:
        return [event async for event in COMPOSITIONS[decided.composition](asked, decided, stage)]

    return asyncio.run(collect())


def text_of(events: list[object]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def test_a_single_seat_streams_its_own_tokens() -> None:
    events = play(task(), route("single", TIER1[:1]), stage_of(Script({OPUS: ["It is 391."]})))

    assert events[:2] == [Speaking(model=OPUS), Delta("It")]
    assert text_of(events) == "It is 391."
    assert isinstance(events[-1], Answer)
    assert events[-1].text == "It is 391."


def test_an_alternate_answers_when_the_seat_fails_before_its_first_content() -> None:
    said = Script({OPUS: [Fails("overloaded")], ARGON: ["It is 391."]})

    events = play(task(), route("single", TIER1[:1]), stage_of(said))

    assert events[0] == Speaking(model=ARGON, degraded=("brain:overloaded",))
    assert events[-1].model == ARGON
    assert events[-1].degraded == ("brain:overloaded",)
    assert [step.outcome.model for step in events[-1].steps] == [OPUS, ARGON]


def test_a_seat_that_succeeds_at_its_second_try_is_not_degraded_and_both_tries_are_steps() -> None:
    said = Script({OPUS: [Stumbles("overloaded", "It is 391.")]})

    events = play(task(), route("single", TIER1[:1]), stage_of(said))

    assert events[0] == Speaking(model=OPUS)
    assert (events[-1].degraded, events[-1].cost_nano_usd) == ((), 105)
    assert [type(step.outcome).__name__ for step in events[-1].steps] == ["Failure", "Completion"]


def test_a_member_that_succeeds_at_its_second_try_votes_like_any_other() -> None:
    said = Script({HAIKU: [Stumbles("overloaded", "391")], FLASH: ["391"]})

    ending = play(task(), route("consensus", TIER3), stage_of(said))[-1]

    assert (ending.degraded, ending.cost_nano_usd) == ((), 205)
    assert ending.settled_by.startswith("agreement")


def test_a_call_ends_a_little_before_the_task_it_belongs_to() -> None:
    said = Script({OPUS: ["It is 391."]})
    play(task(deadline_at=600.0), route("single", TIER1[:1]), stage_of(said))
    assert said.calls[0].deadline_at == 599.5


def test_nothing_replaces_a_seat_that_fails_after_its_first_content() -> None:
    said = Script({OPUS: [Fails("truncated", said="It is")], ARGON: ["It is 391."]})

    events = play(task(), route("single", TIER1[:1]), stage_of(said))

    assert text_of(events) == "It is"
    assert isinstance(events[-1], NoAnswer)
    assert [failure.kind for failure in events[-1].failures] == ["truncated"]
    assert len(said.calls) == 1


def test_every_seat_failing_is_no_answer_with_every_failure() -> None:
    said = Script({OPUS: [Fails("overloaded")], ARGON: [Fails("rate_limited")]})

    events = play(task(), route("single", TIER1[:1]), stage_of(said))

    assert [failure.kind for failure in events[-1].failures] == ["overloaded", "rate_limited"]


def test_the_brain_is_handed_the_memorys_verified_quotes_and_shortened_messages() -> None:
    long = "HEAD " + "x" * 9_000 + " the deadline is Friday " + "y" * 9_000 + " TAIL"
    notes = "> the deadline is Friday\n> the deadline is Monday\nNot found: the budget"
    said = Script({ARGON: [notes], OPUS: ["Ship on Thursday."]})

    events = play(task(long, "When do we ship?"), route("memory_brain", TIER1), stage_of(said))

    memory, brain = said.calls
    assert memory.prompt.messages[0].text == long
    assert memory.prompt.max_output_tokens == 100
    assert "> the deadline is Friday" in brain.prompt.system
    assert "Monday" not in brain.prompt.system
    assert "Not found: the budget" in brain.prompt.system
    assert len(brain.prompt.messages[0].text) < 4_200
    assert brain.prompt.messages[1].text == "When do we ship?"
    assert isinstance(events[0], Progress)
    assert text_of(events) == "Ship on Thursday."
    assert events[-1].degraded == ()


def test_a_failing_memory_leaves_the_brain_the_whole_conversation() -> None:
    long = "z" * 20_000
    said = Script({ARGON: [Fails("overloaded")], OPUS: ["Done."]})

    events = play(task(long), route("memory_brain", TIER1), stage_of(said))

    assert said.calls[1].prompt.messages[0].text == long
    assert events[-1].degraded == ("memory:overloaded",)
    assert events[-1].text == "Done."


def test_the_lead_gets_the_whole_conversation_and_the_juniors_notes() -> None:
    said = Script({ARGON: ["> def f(): pass\nLook at f."], SONNET: ["Fixed."]})

    events = play(task("Fix f: def f(): pass"), route("lead_junior", TIER2), stage_of(said))

    lead = said.calls[1]
    assert "NOTES\n> def f(): pass\nLook at f." in lead.prompt.system
    assert lead.prompt.messages[0].text == "Fix f: def f(): pass"
    assert lead.wants_deltas
    assert not said.calls[0].wants_deltas
    assert events[-1].settled_by == f"lead {SONNET}"


def test_members_that_agree_at_once_settle_it_in_two_calls() -> None:
    said = Script({HAIKU: ["17 * 23 = 391."], FLASH: ["The answer is 391."]})

    events = play(task(), route("consensus", TIER3), stage_of(said))

    assert len(said.calls) == 2
    assert events[-1].text == "17 * 23 = 391."
    assert events[-1].settled_by == "agreement (number) in round 1"
    assert events[-1].changed_outcome is False
    assert text_of(events) == "17 * 23 = 391."


def test_members_answer_the_first_round_blind_and_see_the_other_one_anonymised_later() -> None:
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 391."]})

    play(task(), route("consensus", TIER3), stage_of(said))

    assert "391" not in said.calls[0].prompt.messages[-1].text
    critique = said.calls[2].prompt.messages[-1].text
    assert critique.startswith("ROUND 2")
    assert "ANOTHER ANSWER\nIt is 391." in critique
    assert "YOUR ANSWER\nIt is 390." in critique
    assert "gemini" not in critique.lower()


def test_a_member_convinced_in_the_second_round_settles_it() -> None:
    said = Script({HAIKU: ["It is 390.", "It is 391."], FLASH: ["It is 391."]})

    events = play(task(), route("consensus", TIER3), stage_of(said))

    assert len(said.calls) == 4
    assert events[-1].text == "It is 391."
    assert events[-1].settled_by == "agreement (exact) in round 2"
    assert events[-1].changed_outcome is True


def test_members_that_never_agree_stop_after_three_rounds_and_the_preferred_one_stands() -> None:
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 391."]})

    events = play(task(), route("consensus", TIER3), stage_of(said))

    assert len(said.calls) == 6
    assert [step.round for step in events[-1].steps] == [1, 1, 2, 2, 3, 3]
    assert events[-1].text == "It is 390."
    assert events[-1].settled_by == f"vote after round 3: tied, {HAIKU} is preferred"


def test_the_vote_takes_the_answer_most_ballots_agree_on() -> None:
    said = Script(
        {HAIKU: ["It is 1.", "It is 7.", "It is 3."], FLASH: ["It is 7.", "It is 9.", "It is 7."]}
    )
    events = play(task(), route("consensus", TIER3, stops_on_agreement=False), stage_of(said))

    assert events[-1].settled_by == f"vote after round 3: tied, {HAIKU} is preferred"
    said = Script(
        {HAIKU: ["It is 1.", "It is 7.", "It is 7."], FLASH: ["It is 7.", "It is 7.", "It is 8."]}
    )
    events = play(task(), route("consensus", TIER3, stops_on_agreement=False), stage_of(said))
    assert events[-1].text == "It is 7."
    assert events[-1].settled_by == "vote after round 3: 4 of 6"


def test_strict_plays_all_three_rounds_although_the_members_agree() -> None:
    said = Script({HAIKU: ["391"], FLASH: ["391"]})

    events = play(task(), route("consensus", TIER3, stops_on_agreement=False), stage_of(said))

    assert len(said.calls) == 6
    assert events[-1].settled_by == "agreement (exact) in round 3"


@pytest.mark.parametrize(("down", "up"), [(HAIKU, FLASH), (FLASH, HAIKU)])
def test_the_surviving_member_answers_and_the_loss_is_marked(down, up) -> None:
    said = Script({down: [Fails("overloaded")], up: ["It is 391."]})

    events = play(task(), route("consensus", TIER3), stage_of(said))

    assert events[-1].text == "It is 391."
    assert events[-1].degraded == ("member:overloaded",)
    assert events[-1].settled_by == f"{up} alone"
    assert len(said.calls) == 2


def test_a_member_lost_in_a_critique_round_keeps_its_earlier_answer() -> None:
    said = Script({HAIKU: ["It is 390.", Fails("timeout")], FLASH: ["It is 391.", "It is 390."]})

    events = play(task(), route("consensus", TIER3), stage_of(said))

    assert events[-1].text == "It is 390."
    assert events[-1].settled_by == "agreement (exact) in round 2"
    assert events[-1].degraded == ("member:timeout",)


def test_both_members_failing_is_no_answer() -> None:
    said = Script({HAIKU: [Fails("overloaded")], FLASH: [Fails("timeout")]})

    events = play(task(), route("consensus", TIER3), stage_of(said))

    assert isinstance(events[-1], NoAnswer)
    assert [failure.kind for failure in events[-1].failures] == ["overloaded", "timeout"]


def test_a_truncated_member_is_marked_and_does_not_count_as_an_answer() -> None:
    said = Script({HAIKU: [Cut("It is 39")], FLASH: ["It is 391."]})

    events = play(task(), route("consensus", TIER3), stage_of(said))

    assert events[-1].text == "It is 391."
    assert events[-1].degraded == ("member:length",)


def test_answers_that_are_all_truncated_are_better_than_none() -> None:
    said = Script({HAIKU: [Cut("It is 39")], FLASH: [Cut("The answer")]})

    events = play(task(), route("consensus", TIER3), stage_of(said))

    assert events[-1].text == "It is 39"
    assert events[-1].finish == "length"


def test_no_round_begins_that_cannot_end_before_the_deadline() -> None:
    ticks = iter([0.0, 400.0, 400.0, 800.0])
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 391."]})

    events = play(task(), route("consensus", TIER3), stage_of(said, now=lambda: next(ticks)))

    assert len(said.calls) == 2
    assert events[-1].settled_by == f"vote after round 1: tied, {HAIKU} is preferred"


def test_the_callers_system_messages_limits_and_stops_reach_the_answering_seat() -> None:
    said = Script({SONNET: ["Ja."]})
    asked = Task(
        id="req_1",
        key_id="k",
        model="auto",
        messages=(
            turn("system", "Answer in German."),
            turn("user", "Yes?"),
            turn("assistant", ""),
            turn("user", "Well?"),
        ),
        max_output_tokens=7,
        stop=("END",),
        deadline_at=600.0,
    )

    play(asked, route("single", TIER2[:1]), stage_of(said))

    prompt = said.calls[0].prompt
    assert prompt.system.endswith("Answer in German.")
    assert [m.text for m in prompt.messages] == ["Yes?", "Well?"]
    assert (prompt.max_output_tokens, prompt.stop) == (7, ("END",))


THOUGHT = Thought(text="Hm.", signature="c2ln", by="anthropic")
THOUGHTFUL = (
    turn("user", "What is 17 * 23?"),
    Message(speaker="assistant", parts=(THOUGHT, Text("391"))),
    turn("user", "Sure?"),
)
BYTES = Verbatim(provider="anthropic", body=b"{}", headers={}, stream=True)


def prompt_of(seat: Seat, messages: tuple[Message, ...] = THOUGHTFUL, verbatim=BYTES):
    said = Script({seat.model: ["Yes."]})
    asked = Task(
        id="req_1",
        key_id="k",
        model="auto",
        messages=messages,
        verbatim=verbatim,
        deadline_at=600.0,
    )
    play(asked, route("single", (seat,)), stage_of(said))
    return said.calls[0].prompt


def test_thoughts_go_back_to_the_model_that_was_named() -> None:
    prompt = prompt_of(Seat(role="single", tier="tier1", model=OPUS))
    assert prompt.messages == THOUGHTFUL
    assert prompt.verbatim == BYTES


def test_thoughts_do_not_go_to_a_seat_that_was_chosen_by_what_is_asked() -> None:
    prompt = prompt_of(TIER1[0])
    assert prompt.messages == (THOUGHTFUL[0], turn("assistant", "391"), THOUGHTFUL[2])
    assert prompt.verbatim is None


def test_a_request_without_thoughts_is_passed_on_as_it_came_to_any_single_seat() -> None:
    prompt = prompt_of(TIER1[0], (turn("user", "Hi"),))
    assert prompt.verbatim == BYTES
    assert prompt.system == ""


def test_a_turn_of_nothing_but_thoughts_is_left_out_for_another_seat() -> None:
    alone = Message(speaker="assistant", parts=(THOUGHT,))
    prompt = prompt_of(TIER1[0], (THOUGHTFUL[0], alone, THOUGHTFUL[2]))
    assert prompt.messages == (THOUGHTFUL[0], THOUGHTFUL[2])


LEAD = Seat(role="lead", tier="tier2", model=SONNET, alternates=(ARGON,))


def deferring(after: str, **changes) -> Route:
    values = {"on_disagreement": after, "escalation": LEAD, **changes}
    return route("consensus", TIER3, **values)


def test_members_that_agree_are_not_escalated() -> None:
    said = Script({HAIKU: ["It is 391."], FLASH: ["391"], SONNET: ["391"]})

    ending = play(task(), deferring("escalate"), stage_of(said))[-1]

    assert [call.model for call in said.calls] == [HAIKU, FLASH]
    assert (ending.agreement, ending.agreed_in_round) == ("number", 1)
    assert not ending.is_escalated


def test_a_disagreement_is_escalated_in_one_blind_call_and_its_answer_stands() -> None:
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 392."], SONNET: ["It is 391."]})

    events = play(task(), deferring("escalate"), stage_of(said))

    ending, call = events[-1], said.calls[2]
    assert len(said.calls) == 3
    assert (call.model, call.tier, call.role, call.round) == (SONNET, "tier2", "lead", 2)
    assert [message.text for message in call.prompt.messages] == ["What is 17 * 23?"]
    assert call.prompt.max_output_tokens == 1000
    assert Progress(f"{SONNET} is deciding") in events
    assert text_of(events) == ending.text == "It is 391."
    assert ending.settled_by == f"escalation to {SONNET}: the members disagree"
    assert [step.outcome.model for step in ending.steps] == [HAIKU, FLASH, SONNET]
    assert (ending.cost_nano_usd, ending.degraded, ending.changed_outcome) == (300, (), True)
    assert (ending.agreement, ending.agreed_in_round, ending.is_escalated) == (None, None, True)


def test_an_escalation_that_says_what_the_first_member_said_changed_nothing() -> None:
    said = Script({HAIKU: ["It is 391."], FLASH: ["It is 392."], SONNET: ["391"]})

    ending = play(task(), deferring("escalate"), stage_of(said))[-1]

    assert (ending.model, ending.changed_outcome) == (SONNET, False)


@pytest.mark.parametrize("failing", [Fails("overloaded"), Cut("It is")])
def test_where_the_escalation_fails_the_preferred_answer_stands_and_says_so(failing) -> None:
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 392."], SONNET: [failing]})
    asked = deferring("escalate", escalation=Seat(role="lead", tier="tier2", model=SONNET))

    ending = play(task(), asked, stage_of(said))[-1]

    assert (ending.text, ending.is_escalated) == ("It is 390.", True)
    assert ending.settled_by == f"preference for {HAIKU}: the members disagree"
    assert ending.degraded == (
        "escalation:overloaded" if isinstance(failing, Fails) else "escalation:length",
    )


def test_an_alternate_that_stands_in_for_the_escalation_is_named_as_such() -> None:
    said = Script(
        {HAIKU: ["390"], FLASH: ["392"], SONNET: [Fails("overloaded")], ARGON: ["It is 391."]}
    )

    ending = play(task(), deferring("escalate"), stage_of(said))[-1]

    assert (ending.model, ending.degraded) == (ARGON, ("lead:overloaded",))


def test_there_is_no_escalation_for_which_no_time_is_left() -> None:
    ticks = iter([0.0, 400.0])
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 392."], SONNET: ["It is 391."]})

    ending = play(task(), deferring("escalate"), stage_of(said, now=lambda: next(ticks)))[-1]

    assert len(said.calls) == 2
    assert (ending.text, ending.degraded) == ("It is 390.", ("escalation:deadline",))


@pytest.mark.parametrize(("most", "calls"), [(3, 2), (4, 3), (None, 3)])
def test_a_long_disagreement_is_not_escalated(most, calls) -> None:
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 392."], SONNET: ["It is 391."]})

    ending = play(task(), deferring("escalate", escalates_up_to_tokens=most), stage_of(said))[-1]

    assert len(said.calls) == calls
    assert ending.degraded == ()
    assert ending.is_escalated == (calls == 3)


@pytest.mark.parametrize("down", [HAIKU, FLASH])
def test_one_member_alone_is_no_agreement_and_is_escalated(down) -> None:
    lines = {HAIKU: ["It is 391."], FLASH: ["It is 391."], SONNET: ["It is 391."]}
    said = Script({**lines, down: [Fails("overloaded")]})

    ending = play(task(), deferring("escalate", escalates_up_to_tokens=1), stage_of(said))[-1]

    assert ending.settled_by == f"escalation to {SONNET}: a member is lost"
    assert ending.degraded == ("member:overloaded",)
    assert ending.agreement is None


def test_two_seats_of_one_model_are_one_voice() -> None:
    twice = (TIER3[0], Seat(role="member", tier="tier3", model=HAIKU))
    said = Script({HAIKU: ["It is 390."], SONNET: ["It is 391."]})
    asked = route("consensus", twice, on_disagreement="escalate", escalation=LEAD)

    ending = play(task(), asked, stage_of(said))[-1]

    assert (ending.text, ending.agreement) == ("It is 391.", None)


def test_both_members_lost_are_escalated_rather_than_nobody_answers() -> None:
    said = Script({HAIKU: [Fails("timeout")], FLASH: [Fails("timeout")], SONNET: ["It is 391."]})

    ending = play(task(), deferring("escalate"), stage_of(said))[-1]

    assert (ending.text, ending.degraded) == ("It is 391.", ("member:timeout",))


def test_where_nobody_can_be_escalated_to_the_preferred_answer_stands() -> None:
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 392."]})

    ending = play(task(), deferring("escalate", escalation=None), stage_of(said))[-1]

    assert (ending.text, len(said.calls), ending.degraded) == ("It is 390.", 2, ())


def test_prefer_lets_the_first_members_answer_stand_without_another_call() -> None:
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 392."]})

    ending = play(task(), deferring("prefer"), stage_of(said))[-1]

    assert len(said.calls) == 2
    assert (ending.text, ending.changed_outcome) == ("It is 390.", False)
    assert ending.settled_by == f"preference for {HAIKU}: the members disagree"


def test_strict_plays_the_plans_rounds_whatever_follows_a_disagreement() -> None:
    said = Script({HAIKU: ["It is 390."], FLASH: ["It is 392."], SONNET: ["It is 391."]})

    ending = play(task(), deferring("escalate", stops_on_agreement=False), stage_of(said))[-1]

    assert [call.model for call in said.calls] == [HAIKU, FLASH] * 3
    assert ending.settled_by == f"vote after round 3: tied, {HAIKU} is preferred"


def test_of_two_that_agree_the_one_in_the_form_of_the_contract_answers() -> None:
    tidy = "17 * 20 is 340.\nAnswer: 391"
    rambling = f"{'Let me see. ' * 20}So 17 * 23 = 391"
    said = Script({HAIKU: [rambling], FLASH: [tidy]})

    ending = play(task(), deferring("escalate", contract="number"), stage_of(said))[-1]

    assert (ending.model, ending.text, ending.agreement) == (FLASH, tidy, "number")


def test_members_are_asked_for_the_form_of_the_contract() -> None:
    said = Script({HAIKU: ["Answer: 391"], FLASH: ["391"]})

    play(task(), deferring("critique", contract="number"), stage_of(said))

    assert 'End with a line of its own: "Answer: "' in said.calls[0].prompt.system


@pytest.mark.parametrize("own", [{"stop": ("END",)}, {"controls": Controls(output=OutputFormat())}])
def test_a_form_that_the_caller_set_is_not_added_to(own) -> None:
    said = Script({HAIKU: ["391"], FLASH: ["391"]})

    play(task(**own), deferring("critique", contract="number"), stage_of(said))

    assert said.calls[0].prompt.system.startswith("Answer directly and briefly. Begin with")
