"""Final answers read out of the forms that models, old ones too, end in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import prompts
from router.agreement.contracts import MEMBER_TEXTS, agree_under, extract, keeps

WHICH = "Which protocol has no handshake?\nA) TCP\nB) UDP\nC) SCTP\nD) TCP and UDP"
LETTERS = "Which one is it?\nOptions:\nA. Shareholders, Fear\nB. Owners, Joy\nC. Owners, Fear"
HIDDEN = "Pick the right option."
SUM = "Janet has 16 eggs, uses 7 and sells the rest for $2 each. How much does she make?"
LITERAL = "What does f return?\n[PYTHON]\ndef f(x):\n    return x\n[/PYTHON]"
WHO = "Who wrote Pride and Prejudice?"
CODE = "```python\ndef add(a, b):\n    return a + b\n```"

CHOICES = [
    ("B", WHICH),
    ("b", WHICH),
    ("(B)", WHICH),
    ("**B**", WHICH),
    ("B.", WHICH),
    ("B) UDP", WHICH),
    ("B: UDP", WHICH),
    ("UDP", WHICH),
    ("The answer is (B).", WHICH),
    ("The answer is B", WHICH),
    ("The correct answer is B) UDP.", WHICH),
    ("Answer: B", WHICH),
    ("Answer: **B**", WHICH),
    ("**Answer:** B", WHICH),
    ("**Answer: B) UDP**", WHICH),
    ("Final Answer: (B)", WHICH),
    ("Final answer - B", WHICH),
    ("### Final Answer\nB", WHICH),
    ("\\boxed{B}", WHICH),
    ("$\\boxed{\\text{B}}$", WHICH),
    ("The final answer is $\\boxed{B}$.", WHICH),
    ("So it is \\boxed{B) UDP}", WHICH),
    ('{"answer": "B"}', WHICH),
    ('{"reasoning": "UDP sends at once.", "answer": "B"}', WHICH),
    ('```json\n{"final": "B", "confidence": 0.9}\n```', WHICH),
    ("I choose B because UDP sends at once.", WHICH),
    ("TCP needs three packets first. Therefore, option B is correct.", WHICH),
    ("TCP needs three packets first.\n\nThus, B is the correct answer.", WHICH),
    ("TCP needs three packets first.\nSo the correct option is B.", WHICH),
    ("TCP needs three packets first. The best choice is (B).", WHICH),
    ("Let's think step by step. TCP needs three packets. The answer should be B.", WHICH),
    ("Let's see.\n1. TCP: no.\n2. SCTP: no.\n\nHence the answer must be (B).", WHICH),
    ("Option B", WHICH),
    ("It is B, since UDP has no handshake.", WHICH),
    ("A is wrong.\nC is wrong.\n\n**B) UDP**", WHICH),
    ("The statement B is true.", WHICH),
    ("UDP is the protocol without a handshake.", WHICH),
    ("Answer: B. Owners, Joy", LETTERS),
    ("Owners, Joy", LETTERS),
    ("The answer is (B)", HIDDEN),
    ("Answer: B", HIDDEN),
    ("\\boxed{B}", HIDDEN),
    ("So B is correct.", HIDDEN),
]
NUMBERS = [
    ("18", SUM),
    ("$18", SUM),
    ("18.", SUM),
    ("Answer: 18", SUM),
    ("**Answer:** $18", SUM),
    ("The answer is 18.", SUM),
    ("The final answer is 18 dollars.", SUM),
    ("#### 18", SUM),
    ("\\boxed{18}", SUM),
    ("She makes \\boxed{18} dollars.", SUM),
    ("Final Answer: $\\boxed{18}$", SUM),
    ('{"final_answer": 18}', SUM),
    ('{"reasoning": "9 * 2", "answer": "18"}', SUM),
    ("16 - 7 = 9\n9 * 2 = 18", SUM),
    ("She sells 9 eggs at $2, so she makes $18.", SUM),
    ("16 - 7 is 9.\n\nTherefore, Janet makes **$18**.", SUM),
    ("Step 1: 16 - 7 = 9.\nStep 2: 9 x 2 = 18.\nJanet makes 18 dollars a day.", SUM),
    ("9 eggs are left. In total she earns 18", SUM),
    ("Let me think... 9 eggs, 2 dollars each... 18", SUM),
    ("ANSWER: 18", SUM),
    ("A: 18", SUM),
]


@pytest.mark.parametrize(("answer", "question"), CHOICES)
def test_the_chosen_option_is_read_out_of_every_form(answer, question) -> None:
    assert extract("choice", answer, question) == "B"


@pytest.mark.parametrize(("answer", "question"), NUMBERS)
def test_the_number_is_read_out_of_every_form(answer, question) -> None:
    found = extract("number", answer, question)

    assert found is not None
    assert found.strip("$").removesuffix(" dollars") == "18"


@pytest.mark.parametrize(
    ("contract", "answer", "question", "final"),
    [
        ("choice", "A, C", "Which apply?\nA. red\nB. blue\nC. green", "A, C"),
        ("choice", "Yes, because light is scattered.", "Is the sky blue?", "yes"),
        ("choice", "Answer: No", "Is the sky green?", "no"),
        ("choice", "False.", "True or false: the sky is green.", "no"),
        ("choice", "I cannot tell.", WHICH, None),
        ("choice", "A friend of mine is right.", HIDDEN, None),
        ("number", "\\boxed{\\frac{3}{4}}", "What is it?", "\\frac{3}{4}"),
        ("number", "The answer is $\\sqrt{2}$.", "What is it?", "\\sqrt{2}"),
        ("number", "Answer: 5 km", "How far is it?", "5 km"),
        ("number", "Answer: 50%", "What share is it?", "50%"),
        ("number", "Answer: x = 5", "What is x?", "x = 5"),
        ("number", "There is none.", "How many are there?", None),
        ("short", "Jane Austen", WHO, "Jane Austen"),
        ("short", "Answer: Jane Austen.", WHO, "Jane Austen"),
        ("short", "It was a woman.\n\n**Answer: Jane Austen**", WHO, "Jane Austen"),
        ("short", "\\boxed{\\text{Jane Austen}}", WHO, "Jane Austen"),
        ("short", '{"answer": "Jane Austen"}', WHO, "Jane Austen"),
        ("short", "The novel is by **Jane Austen**, of 1813.", WHO, "Jane Austen"),
        ("short", "Jane Austen. It came out in 1813.", WHO, "Jane Austen"),
        ("short", "The answer is: ['a', 'b']", LITERAL, "['a', 'b']"),
        ("json", '{"a": 1}', "Answer in JSON.", '{"a": 1}'),
        ("json", 'Here it is:\n{"a": [1, 2]}\nDone.', "Answer in JSON.", '{"a": [1, 2]}'),
        ("json", 'Sure!\n```json\n{"a": 1}\n```', "Answer in JSON.", '{"a": 1}'),
        ("json", "[1, 2]", "Answer in JSON.", "[1, 2]"),
        ("json", '{"a": 1', "Answer in JSON.", None),
        ("code", f"Here:\n{CODE}\nIt adds.", "Write add.", CODE),
        ("code", f"First:\n```\nx\n```\nBetter:\n{CODE}", "Write add.", CODE),
        (
            "code",
            "def add(a, b):\n    return a + b",
            "Write add.",
            "def add(a, b):\n    return a + b",
        ),
        ("code", "Use the plus operator.", "Write add.", None),
        ("text", "Sure! Paris.", "Where is it?", "Paris."),
        ("text", " ", "Where is it?", None),
        ("number", "[simulated] 18", SUM, "18"),
    ],
)
def test_the_final_answer_of_each_contract_is_told_from_what_is_around_it(
    contract, answer, question, final
) -> None:
    assert extract(contract, answer, question) == final


@pytest.mark.parametrize(
    ("contract", "first", "second", "question", "kind"),
    [
        ("choice", "TCP needs three packets.\nSo option B is correct.", "B", WHICH, "choice"),
        ("choice", "B", "B", WHICH, "exact"),
        ("choice", "Answer: B", "Answer: C", WHICH, None),
        ("code", f"Use this:\n{CODE}", f"{CODE}\nIt adds two numbers.", "Write add.", "exact"),
        ("code", CODE, CODE.replace("+", "-"), "Write add.", None),
        ("json", 'Here:\n{"a": 1}', '{"a": 1.0}', "Answer in JSON.", "json"),
        ("number", "It is 5 km.", "It is 5 m.", "How far is it?", None),
        ("number", "Answer: 5 km", "5000 m", "How far is it?", "number"),
        ("text", "Paris", "paris.", "Where is it?", "exact"),
    ],
)
def test_answers_under_a_contract_are_compared_by_what_it_asks_for(
    contract, first, second, question, kind
) -> None:
    assert agree_under(contract, first, second, question) == kind
    assert agree_under(contract, second, first, question) == kind


@pytest.mark.parametrize(
    ("contract", "tidy", "untidy"),
    [
        ("choice", "UDP has none.\nAnswer: B", f"Option B is right. {'Why? ' * 50}"),
        ("number", "16 - 7 = 9\nAnswer: 18", f"She makes 18 dollars. {'Really. ' * 50}"),
        ("json", '{"a": 1}', 'Here:\n{"a": 1}'),
        ("code", CODE, "def add(a, b):\n    return a + b"),
    ],
)
def test_an_answer_in_the_form_of_its_contract_is_told_from_one_that_is_not(
    contract, tidy, untidy
) -> None:
    assert keeps(contract, tidy)
    assert not keeps(contract, untidy)


def test_free_text_is_asked_for_no_form_and_every_form_yields_to_the_requests_own() -> None:
    texts = prompts.load()
    asked = {contract: texts[name] for contract, name in MEMBER_TEXTS.items()}

    assert "Answer:" not in asked["text"]
    assert all("boxed" not in text for text in asked.values())
    assert all(
        "If the request asks for a form of its own, give exactly that form instead." in text
        for contract, text in asked.items()
        if contract != "text"
    )


SAID = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            [
                *("Answer:", "B", "(B)", "A)", "is", "correct", "\\boxed{", "}", "\\text{", "\n"),
                *('{"a":', "1", "[", "]", "```", "```json\n", "3/4", "50%", "**", "yes", "not"),
                *("option", "\ud800", "½", "$", "x =", "####", "."),
            ]
        ),
        max_size=14,
    ).map(" ".join),
)


@settings(max_examples=400, deadline=None)
@given(contract=st.sampled_from(list(MEMBER_TEXTS)), first=SAID, second=SAID, question=SAID)
def test_contracts_never_raise_and_agree_both_ways(contract, first, second, question) -> None:
    assert extract(contract, first, question) == extract(contract, first, question)
    kind = agree_under(contract, first, second, question)
    assert agree_under(contract, second, first, question) == kind


@pytest.mark.parametrize("unit", ["{", "[", "```\n", "\\boxed{", "option B ", "1 ", "**a** ", "\n"])
@pytest.mark.parametrize("contract", list(MEMBER_TEXTS))
def test_a_hundred_thousand_characters_of_one_kind_do_not_hang(contract, unit) -> None:
    said = unit * (100_000 // len(unit))

    assert extract(contract, said, WHICH) == extract(contract, said, WHICH)
