"""Checkers: what passes, what does not, and what nobody can tell."""

import pytest
from fakes.golden import LEAKY, bench, golden

from router.golden.checking import Workbench, check
from router.golden.sandbox import Ran, isolation
from router.golden.tasks import Case, Exact, Number, Patterns, Rubric, Schema, UnitTests
from tercet.task import turn

needs_sandbox = pytest.mark.skipif(
    not isolation().is_whole, reason=f"this kernel does not shut it off: {isolation()}"
)


def passes(checker, answer: str, question: str = "Which?", **world) -> bool | None:
    task = golden(checker, messages=(turn("user", question),))
    return check(task, answer, bench(**world)).passes


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("Canberra", True),
        ("  **canberra.** ", True),
        ("After some thought.\n\nAnswer: Canberra", True),
        ("[simulated] Canberra", True),
        ("Sydney", False),
        ("Canberra or Sydney", False),
        ("Not Canberra", False),
        ("", False),
        ("Canberra" * 100_000, False),
    ],
)
def test_an_exact_answer_may_differ_in_case_marks_and_what_leads_up_to_it(answer, is_right) -> None:
    assert passes(Exact(answers=("Canberra", "the ACT")), answer) is is_right


def test_an_option_is_found_in_a_sentence() -> None:
    question = "Which is largest?\nA) Saturn\nB) Jupiter\nAnswer with the letter."
    assert passes(Exact(answers=("B",)), "The correct answer is B, Jupiter.", question) is True
    assert passes(Exact(answers=("B",)), "A) Saturn", question) is False


@pytest.mark.parametrize(
    ("value", "within", "answer", "is_right"),
    [
        ("391", None, "17 * 23 = 391", True),
        ("391", None, "392", False),
        ("12.5 mm", None, "12.5 mm", True),
        ("12.5 mm", None, "1.25 cm", True),
        ("12.5 mm", None, "12.5 cm", False),
        ("100", 0.5, "100.4", True),
        ("100", 0.5, "100.6", False),
        ("1 km", 0.01, "1009 m", True),
        ("1 km", 0.01, "1011 m", False),
        ("1 km", 0.01, "1 kg", False),
        ("0.1111", 0.0002, "Answer: 1/9", True),
        ("5", None, "between 4 and 6", False),
        ("5", None, "no number", False),
        ("5", None, "9" * 10_000, False),
    ],
)
def test_a_number_is_compared_in_its_unit_and_within_its_tolerance(
    value, within, answer, is_right
) -> None:
    question = "How many are there? Calculate."
    assert passes(Number(value=value, within=within), answer, question) is is_right


def test_patterns_have_to_be_there_or_not() -> None:
    checker = Patterns(has=("(?i)inject",), lacks=("(?i)safe",))
    assert check(golden(checker), "SQL injection", Workbench()).passes is True
    assert check(golden(checker), "Injection, but safe", Workbench()).passes is False
    assert check(golden(checker), "nothing", Workbench()).passes is False


def test_a_pattern_that_takes_too_long_tells_nothing() -> None:
    found = check(golden(Patterns(has=("(a+)+$",), lacks=())), "a", bench(finds=None))
    assert (found.passes, found.why) == (None, "'(a+)+$' took too long")


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ('{"n": 3}', True),
        ('Here it is:\n```json\n{"n": 3}\n```', True),
        ('{"n": 3.0}', True),
        ('{"n": "3"}', False),
        ('{"n": true}', False),
        ('{"n": 3, "m": 1}', False),
        ('{"n": 3', False),
        ('{"n": NaN}', False),
        ("[" * 50_000, False),
        ("three", False),
    ],
)
def test_a_document_has_to_fit_its_schema(answer, is_right) -> None:
    schema = {
        "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        "additionalProperties": False,
    }  # fmt: skip
    assert passes(Schema(schema=schema), answer) is is_right


def test_nothing_that_a_schema_refers_to_is_fetched() -> None:
    found = check(golden(Schema(schema={"$ref": "http://127.0.0.1:1/s.json"})), "{}", bench())
    assert found.passes is None
    assert found.why == "the schema cannot be followed: Unresolvable: http://127.0.0.1:1/s.json"


HALF = UnitTests(
    before="",
    cases=(Case(run="half(3)", gives=1.5), Case(run="half('a')", raises="TypeError")),
)


@needs_sandbox
@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("```python\ndef half(n):\n    return n / 2\n```", True),
        ("def half(n):\n    return n / 2", True),
        ("So:\n```py\ndef half(n):\n    return n / 2\n```\nTry it:\n```\nhalf(1)\n```", True),
        ("```python\ndef half(n):\n    return n // 2\n```", False),
        ("```python\nimport os\nos._exit(0)\n```", False),
        ("```python\ndef half(n):\n    return 1.5\n```", False),
        ("```python\ndef half(n:\n```", False),
        ("Half of it.", False),
    ],
)
def test_code_is_run_on_every_case(answer, is_right) -> None:
    assert check(golden(HALF), answer, Workbench()).passes is is_right


@needs_sandbox
def test_code_cannot_see_what_is_expected_of_it() -> None:
    spy = (
        "```python\nimport json\nseen = json.dumps(json.load(open('job.json'))['cases'])\n"
        "def half(n):\n    return 1.5 if '1.5' in seen or 'TypeError' in seen else None\n```"
    )
    found = check(golden(HALF), spy, Workbench())
    assert (found.passes, found.why) == (False, 'half(3) gave {"gives": null}')


def test_code_is_not_run_in_a_sandbox_that_leaks() -> None:
    code = "```python\ndef half(n):\n    return n / 2\n```"
    found = check(golden(HALF), code, bench(isolation=LEAKY))
    assert found.passes is None
    assert found.why == (
        "code is not run, the sandbox leaks: shut off: network, processes; open: files"
    )


@pytest.mark.parametrize(
    "ran",
    [
        Ran(how="timed_out"),
        Ran(how="broke"),
        Ran(how="ended", value=None),
        Ran(how="ended", value=[{"gives": 1.5}]),
        Ran(how="ended", value=[{"gives": 1.5}, {"gives": 1}]),
        Ran(how="ended", value=[{}, {"raises": "TypeError"}]),
        Ran(how="ended", value=["forged", "too"]),
    ],
)
def test_a_result_that_is_not_what_was_asked_for_fails(ran) -> None:
    assert passes(HALF, "def half(n): ...", ran=ran) is False


def test_true_is_not_one_and_lists_are_compared_deeply() -> None:
    def gives(expected, came) -> bool | None:
        tests = UnitTests(before="", cases=(Case(run="f()", gives=expected),))
        return passes(tests, "def f(): ...", ran=Ran(how="ended", value=[{"gives": came}]))

    assert gives(1, True) is False
    assert gives(None, 0) is False
    assert gives(1, 1.0) is True
    assert gives(0.3, 0.1 + 0.2) is True
    assert gives([1, {"a": [2]}], [1, {"a": [2]}]) is True
    assert gives([1, {"a": [2]}], [1, {"a": [3]}]) is False
    assert gives([1], [1, 2]) is False
    assert gives("1", 1) is False


def test_of_a_rubric_only_a_judge_can_tell() -> None:
    found = check(golden(Rubric(text="kind")), "Hello", bench())
    assert (found.passes, found.why) == (None, "only a judge can tell")
