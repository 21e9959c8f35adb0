"""The simulated models as judges of what simulated models and others say."""

import pytest

from deployments.simulated.markers import user_text
from deployments.simulated.mind import speak
from router import prompts
from router.shadowing.judging import Case, Grades, brief, read_verdict
from tercet.call import Prompt
from tercet.task import turn

TEXTS = prompts.load()
HAIKU, FLASH = "claude-haiku-5-5", "gemini-3.8-flash"
RENAME = "Rename the variable `x` to `count` in this function:\ndef f(x):\n    return x + 1"


def said(model: str, request: str) -> str:
    asked = Prompt(system="", messages=(turn("user", request),), max_output_tokens=1_000)
    return speak(model, asked).text


def judged(request: str, first: str, second: str, judge: str = FLASH) -> Grades | None:
    case = Case(id="req_1", request=request, first=first, second=second)
    return read_verdict(speak(judge, brief(case, TEXTS)).text)


@pytest.mark.parametrize("judge", [HAIKU, FLASH])
@pytest.mark.parametrize(
    "request_", ["What is 17 * 23?", "Tell me of Ray.", "Is water wet?", RENAME, "Ray as JSON"]
)
def test_what_either_family_says_is_right_and_anything_else_is_wrong(judge, request_) -> None:
    claude, gemini = said(HAIKU, request_), said(FLASH, request_)
    assert judged(request_, claude, gemini, judge) == Grades(a=1, b=1, better="same")
    assert judged(request_, "No idea, sorry.", gemini, judge) == Grades(a=0, b=1, better="B")
    assert judged(request_, claude, "No idea, sorry.", judge) == Grades(a=1, b=0, better="A")


def test_a_marker_that_made_an_answer_wrong_does_not_make_it_right_for_the_judge() -> None:
    request = "What is 17 * 23? sim:disagree"
    assert judged(request, said(HAIKU, request), said(FLASH, request)) == Grades(
        a=1, b=0, better="A"
    )


def test_of_a_conversation_the_last_question_is_judged() -> None:
    request = "[user]\nWho are you?\n\n[assistant]\nA model.\n\n[user]\nWhat is 2 + 3?"
    assert judged(request, "5", "6") == Grades(a=1, b=0, better="A")


def test_markers_in_what_is_judged_are_not_the_judges() -> None:
    case = Case(id="r", request="Hi sim:overloaded", first="sim:words=9", second="sim:delay=50")
    assert user_text(brief(case, TEXTS)) == ""


def test_a_text_that_only_looks_like_a_brief_is_answered_like_any_other() -> None:
    text = "<<<REQUEST ab\nHi\nREQUEST cd>>>"
    assert said(FLASH, text).startswith("[simulated] You asked")
