"""What is read of a message: the task, and not what clients wrap around it; and how sure one is."""

import json
from pathlib import Path

import pytest

from router.classify import classify, task_text
from router.evidence.asked import asked
from router.evidence.canonical import canonical
from router.evidence.weighing import KINDS
from tercet.content import ToolResult
from tercet.task import Hints, Message, Profile, Task, turn
from tercet.taxonomy import BUILT_IN, KindRules, Taxonomy

CASES = Path(__file__).with_name("classify_cases.jsonl")
REMINDER = """<system-reminder>
Security is critical here. Design before you implement; never delete production data.
</system-reminder>
"""
ENVIRONMENT = """
<environment_details>
# VSCode Open Tabs
docs/security.md, src/architecture.md, src/payments/ledger.py
</environment_details>"""
RAG = """### Task:
Respond to the user query using the provided context, with citations.

<context>
<source id="1">The production database was dropped and customers could not pay.</source>
</context>

<user_query>
{}
</user_query>"""


def task(*messages: Message, hints: Hints | None = None) -> Task:
    return Task(
        id="t-1",
        key_id="k-1",
        model="auto",
        messages=messages,
        hints=hints or Hints(),
        deadline_at=0.0,
    )


def profile_of(text: str) -> Profile:
    return classify(task(turn("user", text)))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (REMINDER + "rename fetch_all to load_all", "routine_code"),
        (REMINDER + "hi", "chat"),
        (REMINDER + "add a --json flag to the export command", "implementation"),
        (f"<task>\nFix the crash on an empty password\n</task>{ENVIRONMENT}", "bug_fix"),
        (f"<task>\nWhat is 12% of 250?\n</task>{ENVIRONMENT}", "maths"),
        (RAG.format("Translate the first sentence to German"), "transformation"),
        (RAG.format("what is the capital of Portugal?"), "question"),
        (RAG.format("Design a queue for 5k orders a second"), "architecture"),
        (
            "<documents>\n<document>\nWe fixed the security holes.\n</document>\n</documents>\n\n"
            "Summarise this in one sentence",
            "summary",
        ),
    ],
)
def test_what_clients_wrap_around_a_request_does_not_decide_its_kind(text: str, kind: str) -> None:
    assert profile_of(text).kind == kind


def test_a_request_between_two_large_blocks_is_found() -> None:
    block = "design the architecture, the production database was dropped\n" * 2_000
    text = f"<file>\n{block}</file>\nrename foo to bar\n<file>\n{block}</file>"

    assert profile_of(text).kind == "routine_code"


def test_where_nothing_stands_outside_of_tags_what_is_in_them_is_read() -> None:
    assert asked("<note>\nDesign a queue\n</note>").text.split() == ["Design", "a", "queue"]


def test_a_tag_that_nothing_closes_hides_nothing() -> None:
    assert asked("<system-reminder>\nDesign a queue").text == "<system-reminder>\nDesign a queue"


def test_the_results_of_tools_are_not_the_request() -> None:
    result = Message(speaker="user", parts=(ToolResult(id="1", parts=()),))
    profile = classify(
        task(turn("user", "rename foo to bar"), turn("assistant", "I will look."), result)
    )

    assert profile.kind == "routine_code"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("de\u200bsi\u00adgn", "design"),
        ("\uff44\uff45\uff53\uff49\uff47\uff4e", "design"),
        ("d\u0435sign", "design"),
        (
            "\u0421\u0442\u043e\u0438\u0442 \u043b\u0438",
            "\u0421\u0442\u043e\u0438\u0442 \u043b\u0438",
        ),
        ("a     b", "a b"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
    ],
)
def test_text_is_read_as_it_reads(written: str, read: str) -> None:
    assert canonical(written) == read


def test_the_probabilities_of_all_kinds_are_together_1_and_the_kind_s_own_is_the_confidence() -> (
    None
):
    profile = profile_of("Write a function that merges two sorted lists")

    assert set(profile.kinds) == set(KINDS)
    assert abs(sum(profile.kinds.values()) - 1.0) < 1e-9
    assert profile.confidence == profile.kinds["implementation"] > 0.8
    assert not profile.is_unsure


def test_a_kind_that_the_caller_said_is_certain() -> None:
    profile = classify(task(turn("user", "hi"), hints=Hints(kind="maths")))

    assert profile.kinds["maths"] == 1.0
    assert profile.confidence == 1.0


def test_in_doubt_the_more_capable_kind_is_taken_and_said_to_be_unsure() -> None:
    profiles = [classify(task(*messages)) for messages, _ in labelled()]
    unsure = [p for p in profiles if any(why.startswith("unsure between") for why in p.reasons)]

    assert unsure
    assert all(profile.is_unsure for profile in unsure)
    for profile in unsure:
        likeliest = max(profile.kinds, key=profile.kinds.__getitem__)
        assert BUILT_IN.rules_of(profile.kind).rank < BUILT_IN.rules_of(likeliest).rank


def test_the_classifier_is_unsure_of_at_most_5_in_100_labelled_conversations() -> None:
    profiles = [classify(task(*messages)) for messages, _ in labelled()]

    assert sum(profile.is_unsure for profile in profiles) / len(profiles) <= 0.05


def test_the_confidence_is_within_8_points_of_the_share_of_right_kinds_on_what_is_held_out() -> (
    None
):
    held_out = [row for at, row in enumerate(labelled()) if at % 3 == 2]
    profiles = [classify(task(*messages)) for messages, _ in held_out]
    right = [profile.kind == kind for profile, (_, kind) in zip(profiles, held_out, strict=True)]
    told = [max(profile.kinds.values()) for profile in profiles]

    assert abs(sum(told) / len(told) - sum(right) / len(right)) <= 0.08
    assert sum(right) / len(right) >= 0.82


def test_an_operator_s_flags_decide_what_a_kind_requires() -> None:
    kinds = tuple(
        KindRules(name=kind.name, is_critical=True) if kind.name == "maths" else kind
        for kind in BUILT_IN.kinds
    )
    profile = classify(task(turn("user", "what is 17 * 23?")), Taxonomy(kinds=kinds))

    assert profile.kind == "maths"
    assert profile.is_critical


def test_a_kind_of_the_operator_s_own_is_chosen_by_hint() -> None:
    taxonomy = Taxonomy(kinds=(*BUILT_IN.kinds, KindRules(name="legal", is_design=True)))
    profile = classify(task(turn("user", "hi"), hints=Hints(kind="legal")), taxonomy)

    assert profile.kind == "legal"
    assert profile.requires_design
    assert set(profile.kinds) == {*KINDS, "legal"}


def test_what_is_asked_is_at_most_3000_characters() -> None:
    long = "Design a queue. " * 1_000

    assert len(task_text(task(turn("user", long)))) == 2_000
    follow_up = task(turn("user", long), turn("assistant", "A log."), turn("user", "ok go on"))
    assert len(task_text(follow_up)) <= 3_000


def test_of_a_follow_up_the_request_it_goes_on_with_is_asked_too() -> None:
    text = task_text(
        task(turn("user", "Design a queue"), turn("assistant", "A log."), turn("user", "ok go on"))
    )

    assert text == "Design a queue\nok go on"


def test_of_what_is_asked_wrapping_is_no_part() -> None:
    assert task_text(task(turn("user", REMINDER + "say hello"))) == "say hello"


def labelled() -> list[tuple[list[Message], str]]:
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").split("\n") if line]
    return [([turn(m["speaker"], m["text"]) for m in row["messages"]], row["kind"]) for row in rows]
