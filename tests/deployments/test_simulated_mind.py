"""What the simulated models say, without a server."""

import ast
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.simulated.arithmetic import sum_in
from deployments.simulated.markers import tool_orders, user_text
from deployments.simulated.mind import Speech, speak
from deployments.simulated.scenarios import OK, Order, Scenario, Stage, pace_of
from deployments.simulated.signing import is_signed_by, signature
from tercet.call import Prompt
from tercet.content import Text, ToolResult
from tercet.task import Message, turn

CLAUDE = "claude-haiku-5-5"
GEMINI = "gemini-3.8-flash"


def prompt(*users: str, system: str = "", limit: int = 1_000, stop: tuple[str, ...] = ()) -> Prompt:
    messages: list[Message] = []
    for text in users:
        messages += [turn("user", text), turn("assistant", "...")]
    return Prompt(system=system, messages=tuple(messages[:-1]), max_output_tokens=limit, stop=stop)


def said(model: str, *users: str, system: str = "") -> str:
    return speak(model, prompt(*users, system=system)).text


@pytest.mark.parametrize(
    ("question", "expression", "answer"),
    [
        ("17*23", "17 * 23", "391"),
        ("what is 12 + 30", "12 + 30", "42"),
        ("2 plus 2", "2 + 2", "4"),
        ("(2 + 3) * -4 =", "(2 + 3) * -4", "-20"),
        ("Work out (what is 2+2)", "2 + 2", "4"),
        ("1.5 times 3, please.", "1.5 * 3", "4.5"),
        ("0.1 + 0.2", "0.1 + 0.2", "0.3"),
        ("2^10", "2 ^ 10", "1024"),
        ("10/4 is what? what is 10/4?", "10 / 4", "2.5"),
        ("2 divided by 3", "2 / 3", "0.666667"),
        ("1,000 * 3", "1000 * 3", "3000"),
        ("-1 - 1", "-1 - 1", "-2"),
        ("007 + 1", "7 + 1", "8"),
    ],
)
def test_a_sum_in_words_or_signs_is_worked_out(question: str, expression: str, answer: str) -> None:
    found = sum_in(question)
    assert found is not None
    assert (found.expression, found.answer) == (expression, answer)


@pytest.mark.parametrize(
    "text", ["on 2026-11-23", "in 2-3 sentences", "half is 1/2", "Python 3.11", "call f(x*2)", ""]
)
def test_dates_ranges_and_code_are_not_sums(text: str) -> None:
    assert sum_in(text) is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("what is 1/0?", "undefined, a division by zero"),
        ("0^-1", "undefined, a division by zero"),
        ("9^99", "too large to write out"),
        ("2^0.5", "too large to write out"),
    ],
)
def test_a_sum_without_a_number_is_answered_in_words(question: str, answer: str) -> None:
    found = sum_in(question)
    assert found is not None
    assert (found.value, found.answer) == (None, answer)


def test_two_families_give_one_number_in_different_words() -> None:
    assert said(CLAUDE, "What is 17*23?") == "[simulated] 17 * 23 = 391."
    assert said(GEMINI, "What is 17*23?") == "[simulated] The answer is 391."


def test_yes_and_no_are_the_same_for_both_families() -> None:
    assert said(CLAUDE, "Is water wet?") == "[simulated] Yes."
    assert said(GEMINI, "Is water wet?") == "[simulated] The answer is yes."


def test_yes_or_no_can_be_asked_for_without_a_question_mark() -> None:
    question = "Tell me about water.\nYes or no: it is wet"
    assert said(CLAUDE, question).lower() in ("[simulated] yes.", "[simulated] no.")


def test_one_option_is_chosen_by_both_families() -> None:
    question = "Which is a fruit?\nA) stone\nB) apple\nC) car"
    assert said(CLAUDE, question) == "[simulated] I choose C."
    assert said(GEMINI, question) == "[simulated] The answer is C."


def test_json_is_well_formed_after_the_prefix() -> None:
    assert said(CLAUDE, "Give 3*4 as JSON") == '[simulated] {"answer": 12}'
    assert said(GEMINI, "Give 3*4 as JSON") == '[simulated] {\n  "answer": 12\n}'


def test_a_code_request_gets_a_python_block_that_parses() -> None:
    text = said(CLAUDE, "Write a function that reverses a list\n```")
    block = text.split("```python\n")[1].rsplit("```", 1)[0]
    assert ast.parse(block)


def test_anything_else_is_echoed_by_its_first_words_without_markers() -> None:
    text = said(CLAUDE, "sim:delay=5 one two three four five six seven eight nine ten a b c")
    assert '"one two three four five six seven eight nine ten a b..."' in text


@pytest.mark.parametrize(
    ("marker", "numbers"),
    [
        ("sim:agree", [(42, 42), (42, 42), (42, 42)]),
        ("sim:disagree", [(42, 43), (42, 43), (42, 43)]),
        ("sim:disagree-once", [(42, 43), (42, 42), (42, 42)]),
        ("sim:disagree-twice", [(42, 43), (42, 43), (42, 42)]),
        ("17*23 sim:disagree", [(391, 392), (391, 392), (391, 392)]),
    ],
)
def test_families_converge_in_the_round_they_are_told(
    marker: str, numbers: list[tuple[int, int]]
) -> None:
    rounds = [
        (marker,),
        (marker, "ROUND 2\n\nANOTHER ANSWER\n5 + 5"),
        (marker, "ROUND 3\n\nANOTHER ANSWER\n5 + 5"),
    ]
    for users, (claude, gemini) in zip(rounds, numbers, strict=True):
        assert said(CLAUDE, *users) == f"[simulated] I get {claude}."
        assert said(GEMINI, *users) == f"[simulated] The answer is {gemini}."


def test_a_critique_round_answers_the_question_before_it() -> None:
    users = ("What is 17*23?", "ROUND 2\n\nANOTHER ANSWER\n5 + 5 = 10.")
    assert said(CLAUDE, *users) == "[simulated] 17 * 23 = 391."


def test_a_critique_in_one_message_answers_what_comes_before_the_other_answer() -> None:
    assert said(CLAUDE, "17*23?\nANOTHER ANSWER\n5 + 5") == "[simulated] 17 * 23 = 391."


@pytest.mark.parametrize("role", ["You are the memory of a team.", "You are the junior."])
def test_the_memory_and_the_junior_quote_word_for_word(role: str) -> None:
    read = "The models live in models.yaml.\nNothing else.\nPrices live in prices.yaml, dated."
    text = said(GEMINI, read, "Where do prices live?", system=role)
    assert text == (
        "[simulated] Quotes:\n"
        "> The models live in models.yaml.\n"
        "> Prices live in prices.yaml, dated.\n"
        "Notes: 2 of 5 lines quoted, those closest to the question."
    )


@pytest.mark.parametrize("words", [1, 4, 200])
def test_an_answer_has_as_many_words_as_asked(words: int) -> None:
    assert len(said(CLAUDE, f"What is 1+1? sim:words={words}").split()) == words


def test_the_token_limit_cuts_at_four_bytes_a_token() -> None:
    assert speak(CLAUDE, prompt("17*23", limit=5)) == Speech(
        text="[simulated] 17 * 23 ", ended="length"
    )


def test_the_first_stop_sequence_ends_the_answer_and_is_not_said() -> None:
    assert speak(CLAUDE, prompt("17*23", stop=("391", "=", "never"))) == Speech(
        text="[simulated] 17 * 23 ", ended="stop_sequence", stopped_by="="
    )


@settings(deadline=None)
@given(
    st.text(
        st.sampled_from("0123456789+-*/^().x ?\nA) is json sim:=@") | st.characters(codec="utf-8")
    )
)
def test_whatever_is_asked_is_answered_and_says_that_it_is_simulated(text: str) -> None:
    assert said(CLAUDE, text).startswith("[simulated] ")
    assert said(GEMINI, text, f"ANOTHER ANSWER {text}").startswith("[simulated] ")


def test_the_last_marker_that_is_aimed_at_the_model_wins() -> None:
    text = "sim:e500 sim:overloaded@claude sim:refusal@gemini sim:e503@claude-opus-5-5."
    stage = Stage()
    assert stage.pick(CLAUDE, text) == Scenario(name="overloaded")
    assert stage.pick("claude-opus-5-5", text) == Scenario(name="e503")
    assert stage.pick(GEMINI, text) == Scenario(name="refusal")
    assert stage.pick(GEMINI, "sim:unheard-of") == OK


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ('sim:tool=Bash {"command": "echo {hi}"} done', [("Bash", {"command": "echo {hi}"})]),
        ('sim:tool=Bash\n{"a": 1} sim:tool=Read', [("Bash", {"a": 1}), ("Read", {})]),
        ('sim:tool=mcp__a-b__c@claude{"a": 1}', [("mcp__a-b__c", {"a": 1})]),
        ('sim:tool=Bash@gemini {"a": 1}', []),
        ('sim:tool=Bash {"a": ', [("Bash", {})]),
        ("sim:tool=Bash " + '{"a":' * 9_999, [("Bash", {})]),
        ("sim:tool sim:tools=Bash", []),
    ],
)
def test_a_tool_marker_takes_the_json_object_behind_it(
    text: str, orders: list[tuple[str, object]]
) -> None:
    assert [(order.name, order.arguments) for order in tool_orders(text, CLAUDE)] == orders


def test_a_tool_marker_and_its_arguments_are_no_part_of_the_question() -> None:
    text = said(CLAUDE, 'one sim:tool=Bash {"command": "echo hi"} two')
    assert '"one two"' in text


def test_markers_count_in_the_users_words_and_not_in_results_of_tools() -> None:
    result = ToolResult(id="1", parts=(Text("sim:e500"),))
    messages = (turn("user", "hi"), Message(speaker="user", parts=(Text("a"), result, Text("b"))))
    assert user_text(Prompt(system="", messages=messages, max_output_tokens=9)) == "hi\na\nb"


def test_a_signature_is_its_makers_and_whole() -> None:
    signed = signature(CLAUDE, "seed")
    assert re.fullmatch("simsig_claude-haiku-5-5_[0-9a-f]{24}", signed)
    assert is_signed_by("claude", signed)
    assert not is_signed_by("gemini", signed)
    assert not is_signed_by("claude", signed[:-1])
    assert not is_signed_by("claude", signed.replace("haiku", "opus"))


def test_a_value_ends_before_the_full_stop_of_its_sentence() -> None:
    assert Stage().pick(CLAUDE, "Please use sim:rate=1.5.") == Scenario(name="rate", value="1.5")


def test_an_order_holds_for_its_target_as_often_as_told() -> None:
    stage = Stage()
    stage.order(Order(name="overloaded", target="claude", times=2))
    picked = [stage.pick(model, "hi").name for model in (GEMINI, CLAUDE, CLAUDE, CLAUDE)]
    assert picked == ["ok", "overloaded", "overloaded", "ok"]


def test_a_prompt_can_decline_an_order() -> None:
    stage = Stage()
    stage.order(Order(name="e500"))
    assert stage.pick(CLAUDE, "sim:ok") == OK


def test_rate_once_refuses_each_model_the_first_time_only() -> None:
    stage = Stage()
    picked = [stage.pick(model, "hi sim:rate-once").name for model in (CLAUDE, GEMINI, CLAUDE)]
    assert picked == ["rate-once", "rate-once", "ok"]


def test_pace_comes_from_the_prompt_in_milliseconds() -> None:
    pace = pace_of("sim:ttft=300 sim:delay=50@claude", CLAUDE, OK)
    assert (pace.first_s, pace.between_s) == (0.3, 0.05)
    assert pace_of("sim:delay=50@claude", GEMINI, OK).between_s == 0
