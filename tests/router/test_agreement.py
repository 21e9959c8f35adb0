# ruff: noqa: RUF001  look-alikes of Latin letters are words of other scripts here
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.agreement.ladder import agree, largest_camp
from router.agreement.marking import SIMULATED_MARK, final_answer

PAIRS = [
    json.loads(line)
    for line in Path(__file__)
    .with_name("agreement_pairs.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
OPTIONS = "Which one is it?\nA) TCP\nB) UDP\nC) TCP and UDP"
DUCKS = "Ducks lay 16 eggs. Janet uses 7 and sells the rest for $2 each. How much does she make?"
ADD = "```python\ndef add(a, b):\n    return a + b\n```"


def both_ways(first: str, second: str, question: str) -> str | None:
    kind = agree(first, second, question=question)
    assert agree(second, first, question=question) == kind
    return kind


def quality(half: str) -> tuple[float, float]:
    """Return precision and recall on the pairs of one half."""
    rows = [row for row in PAIRS if row["half"] == half]
    accepted = [
        row for row in rows if both_ways(row["first"], row["second"], row["question"]) is not None
    ]
    right = sum(row["same"] for row in accepted)
    return right / len(accepted), right / sum(row["same"] for row in rows)


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("Sure! Paris", "Paris"),
        ("Here is the answer you asked for:\nParis", "Paris"),
        ("I thought of Lyon.\nFinal answer: **Paris**", "Paris"),
        ("Therefore, the answer is 391.", "391."),
        ("17 * 23 is \\boxed{391}", "391"),
        ("\\boxed{\\frac{3}{4}}", "\\frac{3}{4}"),
        ("#### 42", "42"),
        ('{"final": 391, "reasoning": "multiplied"}', "391"),
        ('```json\n{"answer": "Paris"}\n```', "Paris"),
        ("Ответ: 42", "42"),
        ("答案是42", "42"),
        ("Answer:\n- one\n- two", "- one"),
        ("```python\n# the answer is 42\n```", "```python\n# the answer is 42\n```"),
        ("I do not know what the answer is.", "I do not know what the answer is."),
        ('{"answer": "Paris", "country": "FR"}', '{"answer": "Paris", "country": "FR"}'),
    ],
)
def test_the_final_answer_is_what_the_text_marks_as_such(text, final) -> None:
    assert final_answer(text) == final


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Paris", "paris."),
        ("Paris", "“Paris”"),
        ("Paris", "  **Paris**  "),
        ("The Beatles", "Beatles"),
        ("New\nYork", "new york"),
        ("ﬁne", "fine"),
        ("Sure! Paris.", "The answer is Paris"),
        ("2x + 3", "2x+3"),
        ("x² + C", "x^2 + C"),
        ("$2x$", "\\boxed{2x}"),
        (f"{SIMULATED_MARK}391", "391"),
    ],
)
def test_layout_case_and_fillers_do_not_matter(first, second) -> None:
    assert both_ways(first, second, "What is it?") == "exact"


@pytest.mark.parametrize(
    ("first", "second", "question"),
    [
        ("x²", "x2", "What is f?"),
        ("2x + 3", "2x - 3", "What is f?"),
        ("x - 3", "x + 3", "What is f?"),
        ("`-v`", "`-V`", "Which flag prints the version?"),
        ("UppEr", "uPPer", "What does this print?\n```python\nprint(f())\n```"),
        ("['a', 'B']", "['a', 'b']", "What is the list?"),
        ("...", "!!!", "What is it?"),
        ("", "", "What is it?"),
        (SIMULATED_MARK, SIMULATED_MARK, "What is it?"),
    ],
)
def test_signs_flags_outputs_and_blanks_are_not_normalised_away(first, second, question) -> None:
    assert both_ways(first, second, question) is None


@pytest.mark.parametrize(
    ("first", "second", "question"),
    [
        ("17 * 23 = 391.", "The answer is 391.", "What is 17 * 23?"),
        ("391", "So 340 + 51 gives a total of 391.", "What is 17 * 23?"),
        ("The answer is 391, not 390.", "391", "What is 17 * 23?"),
        ("16 - 7 = 9\n9 * 2 = 18\n\n**Answer: $18**", "She makes $18.", DUCKS),
        ("She makes **$18** a day.\n- 16 laid\n- 9 sold at $2", "18 dollars", DUCKS),
        ("$1,234.50", "1234.5 dollars", "How much is it?"),
        ("1 234 567", "1,234,567", "How many are there?"),
        ("3,14", "3.14", "What is pi?"),
        ("3.14", "3.1416", "What is pi?"),
        ("6.02×10²³", "6.022e23", "What is it?"),
        ("1.5 million", "1,500,000", "How many?"),
        ("50%", "0.5", "What is the chance?"),
        ("50", "50%", "What percentage is it?"),
        ("½", "0.5", "What is the chance?"),
        ("\\frac{3}{4}", "0.75", "What is it?"),
        ("2 1/2", "2.5", "What is 10/4?"),
        ("x = 5", "5", "What is x?"),
        ("x = 3, y = 4", "y = 4, x = 3", "What are x and y?"),
        ("twelve eggs", "12", "How many eggs?"),
        ("5 km", "5000 m", "How far is it?"),
        ("60 minutes", "1 hour", "How long does it take?"),
        ("20 °C", "20 degrees Celsius", "How warm is it?"),
        ("391 apples", "391", "How many apples are there?"),
    ],
)
def test_the_same_number_in_other_spellings_agrees(first, second, question) -> None:
    assert both_ways(first, second, question) == "number"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("It is 390.", "It is 391."),
        ("391 is right, because 17 * 23 = 391.", "390 is right, because 17 * 23 = 390."),
        ("The answer is not 391.", "The answer is 391."),
        ("5 km", "5 m"),
        ("5 MW", "5 mW"),
        ("$5", "€5"),
        ("20 °C", "20 °F"),
        ("5 apples", "5 oranges"),
        ("x = 5", "y = 5"),
        ("x = 3, y = 4", "x = 4, y = 3"),
        ("(3, 4)", "(4, 3)"),
        ("-5", "5"),
        ("0.5", "0.52"),
        ("3.14", "3.15"),
        ("1000000001", "1000000002"),
        ("08999", "8999"),
        ("at least 5", "5"),
        ("more than 5", "less than 5"),
        ("It is 3 times faster.", "It is 3 times slower."),
        ("10:30", "10:45"),
        ("2024-01-05", "2024-01-06"),
        ("3.11.4", "3.11.5"),
        ("17, which is 5 more than 12", "18, which is 6 more than 12"),
    ],
)
def test_different_numbers_never_agree_whatever_the_prose_says(first, second) -> None:
    assert both_ways(first, second, "How much is it?") is None


@pytest.mark.parametrize(
    ("first", "second", "question"),
    [
        ("B", "B) UDP", OPTIONS),
        ("The answer is (B).", "udp", OPTIONS),
        ("I choose B.", "UDP, because it has no handshake.", OPTIONS),
        ("Option C", "TCP and UDP", OPTIONS),
        ("A and B", "A, B", "Which apply?\nA. red\nB. blue"),
        ("2", "blue", "Which of these is it?\n1. red\n2. blue"),
        ("Yes, because light is scattered.", "Yes.", "Is the sky blue?"),
        ("True", "Yes", "True or false: the sky is blue."),
        ("Absolutely!", "Yes, you can.", "Can I use it?"),
        ("Да, потому что свет рассеивается.", "Да.", "Синее ли небо?"),
        ("是的，因为光会散射。", "是的。", "天空是蓝色的吗？"),
    ],
)
def test_a_letter_its_text_and_a_reasoned_yes_are_the_same_choice(first, second, question) -> None:
    assert both_ways(first, second, question) == "choice"


@pytest.mark.parametrize(
    ("first", "second", "question"),
    [
        ("B", "C", OPTIONS),
        ("TCP", "TCP and UDP", OPTIONS),
        ("A, B", "A", "Which apply?\nA. red\nB. blue"),
        ("Yes.", "No.", "Is the sky blue?"),
        ("Yes, it works like this.", "No, it does not.", "How does it work?"),
        ("Yes, but only at noon.", "Yes.", "Is the sky blue?"),
        ("Yes, it takes 5 minutes.", "Yes, it takes 6 minutes.", "Is it slow?"),
        ("Да", "Нет", "Это так?"),
        ("是的。", "不是。", "是吗？"),
    ],
)
def test_another_choice_or_a_restricted_one_does_not_agree(first, second, question) -> None:
    assert both_ways(first, second, question) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"a": 1, "b": [1, 2]}', '```json\n{"b": [1.0, 2e0], "a": 1}\n```'),
        ('Here it is:\n{"a": 0.10}\nDone.', '{"a":0.1}'),
        ('{"answer": 391}', '{\n  "answer": 391\n}'),
        ("[1,2]", "[1, 2]"),
    ],
)
def test_json_is_compared_by_content(first, second) -> None:
    assert both_ways(first, second, "Answer in JSON.") == "json"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"a": [1, 2]}', '{"a": [2, 1]}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": "x"}', '{"a": "X"}'),
        ('{"a": 1}', '{"a": 1, "b": null}'),
        ('{"a": 1}\n{"b": 2}', '{"a": 1}'),
        ('{"answer": 42, "confidence": 0.9}', '{"answer": 43, "confidence": 0.9}'),
    ],
)
def test_json_of_other_content_does_not_agree(first, second) -> None:
    assert both_ways(first, second, "Answer in JSON.") is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            ADD,
            'Here:\n```python\ndef add(x, y):\n    """Add."""\n    return x + y  # sum\n```',
        ),
        (ADD, "def add(x, y):\n    return x + y"),
        (
            "```python\ndef f(xs):\n    return [x * 2 for x in xs]\n```",
            "```py\ndef f(items):\n    return [item*2 for item in items]\n```",
        ),
        (
            "```js\nfunction add(a,b){return a+b} // sum\n```",
            "```js\nfunction add(a, b) {\n  return a + b\n}\n```",
        ),
        ("```sql\nSELECT a FROM t -- all\n```", "```sql\nselect a\nfrom t\n```"),
        ("```bash\necho a\necho b\n```", "```bash\n# say it\necho a\n\necho b\n```"),
    ],
)
def test_code_of_one_form_agrees(first, second) -> None:
    assert both_ways(first, second, "Write it.") == "code"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ADD, ADD.replace("+", "-")),
        (ADD, ADD.replace("a + b", "b + a")),
        (ADD, ADD.replace("add", "plus")),
        (ADD, "Use the plus operator."),
        (
            "```python\ndef f(n):\n    return lambda k: k + n\n```",
            "```python\ndef f(n):\n    return lambda k: k + k\n```",
        ),
        (
            "```python\ndef f(x):\n    a = 0\n    [(a := i) for i in x]\n    return a\n```",
            "```python\ndef f(x):\n    a = 0\n    [(b := i) for i in x]\n    return a\n```",
        ),
        (
            "```python\ndef f(n):\n    global c\n    c = n\n```",
            "```python\ndef f(n):\n    global d\n    d = n\n```",
        ),
        ("```yaml\na:\n  b: 1\nc: 2\n```", "```yaml\na:\n  b: 1\n  c: 2\n```"),
        ("```bash\necho a\necho b\n```", "```bash\necho a echo b\n```"),
        ("```\ncurl https://a.example\n```", "```\ncurl https://b.example\n```"),
        ("```sql\nSELECT 'X'\n```", "```sql\nselect 'x'\n```"),
    ],
)
def test_code_that_does_something_else_is_never_compared_as_prose(first, second) -> None:
    assert both_ways(first, second, "Write it.") is None


def test_prose_around_different_code_does_not_agree() -> None:
    said = "Sort the rows by date before you group them, as the following line shows:\n"
    first = f"{said}```python\nrows.sort(key=by_date)\n```"
    second = f"{said}```python\nrows.sort(key=by_name)\n```"

    assert both_ways(first, second, "How do I fix it?") is None


@pytest.mark.parametrize(
    ("first", "second", "question"),
    [
        (
            "Canberra",
            "The capital of Australia is Canberra, chosen in 1908 over Sydney and Melbourne.",
            "What is the capital of Australia?",
        ),
        (
            "A mutex ensures that only one thread accesses a shared resource at a time.",
            "It ensures only one thread can access a shared resource at a time.",
            "What is a mutex?",
        ),
        ("Red, yellow and blue.", "- blue\n- red\n- yellow", "Name the primary colours."),
        ("Канберра", "Столица Австралии — Канберра.", "Какая столица Австралии?"),
        ("北京", "中国的首都是北京。", "中国的首都是哪里？"),
    ],
)
def test_the_same_meaning_in_other_words_agrees(first, second, question) -> None:
    assert both_ways(first, second, question) == "meaning"


def test_what_is_accepted_on_the_choosing_half_is_right() -> None:
    precision, recall = quality("choose")

    assert precision == 1.0
    assert recall >= 0.6


def test_what_is_accepted_on_the_held_out_half_is_right_nineteen_times_in_twenty() -> None:
    precision, recall = quality("held_out")

    assert precision >= 0.95
    assert recall >= 0.6


def test_no_pair_is_in_both_halves() -> None:
    said = [(row["question"], row["first"], row["second"]) for row in PAIRS]

    assert len(set(said)) == len(said)


def test_the_middle_of_a_long_text_is_not_read() -> None:
    head = "TCP numbers bytes and retransmits what was lost. " * 100
    tail = "UDP sends datagrams without a handshake. " * 100
    first, second = (f"{head}{middle}{tail}" for middle in ("Alpha. " * 9_000, "Beta. " * 9_000))

    assert both_ways(first, second, "Compare them.") == "meaning"


@pytest.mark.parametrize(
    ("answers", "camp"),
    [
        ([], ()),
        (["", "  "], ()),
        (["7"], (0,)),
        (["1", "2", "3"], (0,)),
        (["1", "7", "9", "7", "7.0"], (1, 3, 4)),
        (["1", "2", "2", "1"], (0, 3)),
        (["", "7", "It is 7."], (1, 2)),
        (["3.14", "3.1", "3.06", "3.06"], (1, 2, 3)),
    ],
)
def test_the_largest_camp_is_the_most_answers_that_all_agree(answers, camp) -> None:
    assert largest_camp(answers, question="How much is it?") == camp


@pytest.mark.parametrize(
    "unit",
    [
        "(",
        "[",
        "{",
        '{"a":',
        "- ",
        "1,",
        "1 ",
        "9",
        "½",
        "²",
        "*",
        "*a",
        "_a",
        "$a",
        "`a",
        "```\n",
        "~~~\n",
        "a(",
        "x = ",
        "not ",
        "\\boxed{",
        "\\frac{1}{",
        "the answer is ",
        "sure! ",
        "A) x ",
        "yes ",
        "\n",
        "\0",
        "中国",
        "กรุง",
        "'",
    ],
)
def test_a_hundred_thousand_characters_of_one_kind_neither_raise_nor_hang(unit) -> None:
    many = 100_000 // len(unit)
    first, second = unit * many, unit * (many - 1)

    kind = agree(first, second, question=f"How many?\n{unit * 1_000}")

    assert kind == agree(second, first, question=f"How many?\n{unit * 1_000}")


@pytest.mark.parametrize("unit", ["(", "`a", '"\\', "/*", "//"])
def test_a_hundred_thousand_characters_of_code_neither_raise_nor_hang(unit) -> None:
    many = 100_000 // len(unit)
    first, second = (f"```js\n{unit * count}\n```" for count in (many, many - 1))

    assert both_ways(first, second, "Write it.") in (None, "code")


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "(" * 3_000,
        "x = " + "-" * 3_000 + "1",
        "x = " + "1+" * 3_000 + "1",
        "x = a" + ".b" * 3_000,
        "".join(f"{' ' * depth}if x:\n" for depth in range(99)) + " " * 99 + "y",
        "x = 0x" + "f" * 5_000,
        "x = '\\d'",
        "x = '\ud800'",
        "x\0",
    ],
)
def test_code_that_the_parser_refuses_is_compared_as_tokens(source) -> None:
    first, second = f"```python\n{source}\n```", f"```python\n\n{source}\n```"

    assert both_ways(first, second, "Write it.") == "code"


PIECES = st.sampled_from(
    [
        *("yes", "No,", "not", "5 km", "3.14", "1/0", "x = 2", "$5", "50%", "A)", "B", "(C)"),
        *("```python\n", "```", "def f(x):\n    return x", '{"a": 1}', "[1, 2]", "{", "\\boxed{"),
        *("The answer is", "**bold**", "Paris", "is", "because", ",", ".", "\n", "- ", "1. "),
        *("только", "нет", "北京", "不", "ません", "é", "\u0301", "\ud800", "½", "`code x`", "|"),
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map(" ".join))


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, question=TEXTS)
def test_every_answer_agrees_with_itself(text, question) -> None:
    said = text.strip().removeprefix(SIMULATED_MARK.strip()).strip()

    assert agree(text, text, question=question) == ("exact" if said else None)


@settings(max_examples=600, deadline=None)
@given(first=TEXTS, second=TEXTS, question=TEXTS)
def test_agreement_is_symmetric_and_never_raises(first, second, question) -> None:
    assert agree(first, second, question=question) == agree(second, first, question=question)


@settings(max_examples=100, deadline=None)
@given(answers=st.lists(TEXTS, max_size=6), question=TEXTS)
def test_a_camp_holds_only_answers_that_agree_with_each_other(answers, question) -> None:
    camp = largest_camp(answers, question=question)

    assert list(camp) == sorted(set(camp))
    assert all(
        agree(answers[one], answers[other], question=question) is not None
        for one in camp
        for other in camp
    )


def test_the_mark_is_the_one_the_simulated_models_use() -> None:
    source = Path(__file__).parents[2] / "deployments" / "simulated" / "mind.py"

    prefix = re.search(r'^PREFIX = "(.*)"$', source.read_text(encoding="utf-8"), re.MULTILINE)

    assert prefix is not None
    assert prefix[1] == SIMULATED_MARK
