import asyncio

import pytest
from fakes.script import Fails, Script, Stumbles

from router import prompts
from router.shadowing.comparing import Compared, Judge, compared
from router.shadowing.judging import Case

A_WINS = '{"why": "x", "a": 1, "b": 0, "better": "A"}'
B_WINS = '{"why": "x", "a": 0, "b": 1, "better": "B"}'
CASE = Case(id="req_1", request="Explain tides.", first="The moon pulls.", second="Whales breathe.")


def compare(*lines, case=CASE, contract="text") -> tuple[Compared, list]:
    script = Script({"judge-1": list(lines)})
    judge = Judge(
        model="judge-1", tier="tier3", call=script, texts=prompts.load(), clock=lambda: 100.0
    )
    return asyncio.run(compared(case, contract, judge)), script.calls


def test_answers_that_say_the_same_are_not_judged() -> None:
    case = Case(id="r", request="What is 17 * 23?", first="391", second="17 * 23 is 391.")
    found, calls = compare(case=case, contract="number")
    assert found == Compared(first=1.0, second=1.0, by="agreement")
    assert calls == []


def test_code_is_compared_by_its_form_whatever_is_said_around_it() -> None:
    case = Case(
        id="r",
        request="Write f.",
        first="Sure:\n```python\ndef f(x):\n    return x\n```",
        second="```python\ndef f(x): return x\n```\nIt returns x.",
    )
    assert compare(case=case, contract="code")[0].by == "agreement"


def test_a_judge_is_asked_in_both_orders_on_the_evidences_account() -> None:
    found, calls = compare(A_WINS, B_WINS)
    assert found == Compared(first=1.0, second=0.0, by="judge", is_consistent=True, nano_usd=200)
    assert {(c.task_id, c.key_id, c.role, c.tier, c.deadline_at) for c in calls} == {
        ("req_1.judge", "evidence", "judge", "tier3", 220.0)
    }
    assert [c.round for c in calls] == [1, 2]
    said = [c.prompt.messages[0].text for c in calls]
    assert said[0].index("moon") < said[0].index("Whales")
    assert said[1].index("Whales") < said[1].index("moon")


def test_who_prefers_a_position_prefers_nobody() -> None:
    found, _ = compare(A_WINS, A_WINS)
    assert (found.first, found.second, found.is_consistent) == (0.5, 0.5, False)


def test_what_is_no_verdict_is_asked_for_once_more() -> None:
    found, calls = compare("A is better!", A_WINS, B_WINS)
    assert (found.first, found.second, found.nano_usd) == (1.0, 0.0, 300)
    assert [c.round for c in calls] == [1, 2, 3]


def test_without_a_verdict_it_is_left_and_what_it_cost_is_told() -> None:
    found, calls = compare(A_WINS, "I grade both 1.")
    assert found == Compared(left="judge_failed", nano_usd=300)
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("kind", "left", "is_outage"),
    [
        ("over_budget", "budget", True),
        ("unavailable", "judge_failed", True),
        ("unauthorised", "judge_failed", True),
        ("refused", "judge_failed", False),
    ],
)
def test_a_judge_that_cannot_be_asked_leaves_it_and_says_whether_it_can_soon(
    kind, left, is_outage
) -> None:
    found, calls = compare(Fails(kind))
    assert (found.left, found.is_outage, found.nano_usd, len(calls)) == (left, is_outage, 5, 1)


def test_attempts_that_failed_on_the_way_are_paid_too() -> None:
    found, _ = compare(Stumbles("overloaded", A_WINS), B_WINS)
    assert (found.by, found.nano_usd) == ("judge", 205)
