"""Prompts in the words of the Gemini API: literal bodies, by its documentation."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from deployments.gemini_wire import UnsendableError, request_of
from tercet.call import Prompt
from tercet.content import (
    CacheFor,
    Controls,
    Effort,
    JsonObject,
    Media,
    OutputFormat,
    Part,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from tercet.task import Message, turn

ASKED = turn("user", "Hi")
READ = Tool(name="read", description="Reads.", schema={"type": "object"}, strict=True, cache="1h")
USED = ToolUse(id="a", name="read", arguments="{}", signature="c2ln", by="google")


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(system="", messages=messages or (ASKED,), max_output_tokens=7, **fields)


def user(*parts: Part) -> Message:
    return Message(speaker="user", parts=parts)


def model(*parts: Part) -> Message:
    return Message(speaker="assistant", parts=parts)


def contents(*messages: Message) -> Any:
    return request_of(prompt(*messages))["contents"]


def said(*parts: Part) -> Any:
    """Return the parts of a model's turn, as sent."""
    return contents(ASKED, model(*parts))[1]["parts"]


def generation(**controls: Any) -> Any:
    return request_of(prompt(controls=Controls(**controls)))["generationConfig"]


def test_a_bare_prompt_is_a_bare_body() -> None:
    assert request_of(prompt()) == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"maxOutputTokens": 7},
    }


def test_turns_of_one_role_are_one() -> None:
    turns = (turn("user", "a"), turn("user", "b"), turn("assistant", "c"), turn("assistant", "d"))
    assert contents(*turns) == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [{"text": "c"}, {"text": "d"}]},
    ]


def test_a_turn_without_anything_to_send_does_not_part_its_neighbours() -> None:
    foreign = Thought(text="Hm.", signature="c2ln", by="anthropic")
    turns = (turn("user", "a"), model(foreign, Text("")), turn("user", "b"))
    assert contents(*turns) == [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]


@pytest.mark.parametrize("cache", [None, *get_args(CacheFor)])
def test_a_cache_breakpoint_has_no_word(cache: CacheFor | None) -> None:
    assert contents(user(Text("Hi", cache=cache))) == [{"role": "user", "parts": [{"text": "Hi"}]}]


@pytest.mark.parametrize(
    ("data", "sent"), [("aGk/", "aGk/"), ("aGk_", "aGk/"), ("aGk", "aGk="), ("aGk=", "aGk=")]
)
def test_bytes_go_inline_in_standard_base64(data: str, sent: str) -> None:
    picture = Media(kind="image", mime="image/png", data=data, name="a.png", cache="5m")
    assert contents(user(picture)) == [
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": sent}}]}
    ]


def test_an_address_is_sent_as_a_file() -> None:
    known = Media(kind="document", mime="application/pdf", url="https://example.com/a.pdf")
    unknown = Media(kind="image", mime="", url="https://example.com/b")
    assert contents(user(known, unknown))[0]["parts"] == [
        {"fileData": {"fileUri": "https://example.com/a.pdf", "mimeType": "application/pdf"}},
        {"fileData": {"fileUri": "https://example.com/b"}},
    ]


@pytest.mark.parametrize("data", ["%%%", "a", "aGk/ aGk/", "aG=k", "ä"])
def test_what_is_not_base64_is_refused(data: str) -> None:
    with pytest.raises(UnsendableError, match="the data of the document is not base64"):
        contents(user(Media(kind="document", mime="application/pdf", data=data)))


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": [1, null, "ü"]}', {"a": [1, None, "ü"]}),
        ("", {}),
        (" \n", {}),
        ('{"a": "\ud800"}', {"_raw": '{"a": "\ud800"}'}),
        ('{"a": ', {"_raw": '{"a": '}),
        ("[1]", {"_raw": "[1]"}),
        ("null", {"_raw": "null"}),
        ('{"a": NaN}', {"_raw": '{"a": NaN}'}),
        ('{"a": 1e999}', {"_raw": '{"a": 1e999}'}),
        (r'{"a": "\ud800"}', {"_raw": r'{"a": "\ud800"}'}),
        ('{"a": ' + "[" * 1_000, {"_raw": '{"a": ' + "[" * 1_000}),
    ],
)
def test_arguments_are_an_object_and_else_kept_as_text(arguments: str, sent: JsonObject) -> None:
    (part,) = said(replace(USED, arguments=arguments))
    assert part["functionCall"] == {"id": "a", "name": "read", "args": sent}


def test_own_signatures_stay_on_the_calls_they_came_with() -> None:
    second = ToolUse(id="b", name="read", arguments="{}")
    third = replace(second, id="c", signature="YWdhaW4=", by="google")
    assert said(USED, second, third) == [
        {"functionCall": {"id": "a", "name": "read", "args": {}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"id": "b", "name": "read", "args": {}}},
        {"functionCall": {"id": "c", "name": "read", "args": {}}, "thoughtSignature": "YWdhaW4="},
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        replace(USED, signature=None, by=None),
        replace(USED, by="anthropic"),
        replace(USED, by=None),
        replace(USED, signature="", by="google"),
        replace(USED, signature="no base64", by="google"),
    ],
)
def test_the_first_call_of_a_turn_that_google_did_not_sign_is_excused(foreign: ToolUse) -> None:
    second = ToolUse(id="b", name="read", arguments="{}")
    assert said(Text("I look."), foreign, second) == [
        {"text": "I look."},
        {
            "functionCall": {"id": "a", "name": "read", "args": {}},
            "thoughtSignature": "skip_thought_signature_validator",
        },
        {"functionCall": {"id": "b", "name": "read", "args": {}}},
    ]


def test_parallel_results_are_the_users_and_bear_their_tools_names() -> None:
    now = ToolUse(id="b", name="now", arguments="{}")
    results = (
        ToolResult(id="b", parts=(Text("1"), Text("2")), cache="5m"),
        ToolResult(id="a", parts=(Text("No."),), is_error=True),
        Text("Go on."),
    )
    assert contents(ASKED, model(USED, now), user(*results))[2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "b", "name": "now", "response": {"output": "12"}}},
            {"functionResponse": {"id": "a", "name": "read", "response": {"error": "No."}}},
            {"text": "Go on."},
        ],
    }


def test_an_id_used_again_names_the_latest_tool_before_the_result() -> None:
    result = ToolResult(id="a", parts=())
    again = replace(USED, name="now")
    turns = (ASKED, model(USED), user(result), model(again), user(result), model(USED))
    sent = contents(*turns)
    names = [sent[at]["parts"][0]["functionResponse"]["name"] for at in (2, 4)]
    assert names == ["read", "now"]


def test_the_media_of_a_result_go_with_it_and_addresses_after_it() -> None:
    result = ToolResult(
        id="a",
        parts=(
            Media(kind="image", mime="image/png", data="aGk="),
            Media(kind="image", mime="image/png", url="https://example.com/b.png"),
            Text("Seen."),
        ),
    )
    assert contents(ASKED, model(USED), user(result))[2]["parts"] == [
        {
            "functionResponse": {
                "id": "a",
                "name": "read",
                "response": {"output": "Seen."},
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
            }
        },
        {"fileData": {"fileUri": "https://example.com/b.png", "mimeType": "image/png"}},
    ]


def test_a_result_of_no_use_is_refused() -> None:
    with pytest.raises(UnsendableError, match="no tool use before it has the id 'x' of a result"):
        contents(user(ToolResult(id="x", parts=(Text("1"),))))


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(UnsendableError, match="nothing in the messages"):
        contents(user(Text("")))


def test_own_thoughts_go_back_and_others_are_left_out() -> None:
    assert said(
        Thought(text="Mine.", signature="c2ln", by="google"),
        Thought(text="Unsigned.", by="google"),
        Thought(text="Broken.", signature="no base64", by="google"),
        Thought(text="Foreign.", signature="c2ln", by="anthropic"),
        Text("Hi"),
        Thought(text="", signature="bGFzdA", by="google", is_redacted=True),
    ) == [
        {"text": "Mine.", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "Hi"},
        {"text": "", "thoughtSignature": "bGFzdA=="},
    ]


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        (ToolChoice(), {"mode": "AUTO"}),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (
            ToolChoice(mode="one", name="read"),
            {"mode": "ANY", "allowedFunctionNames": ["read"]},
        ),
    ],
)
def test_tools_are_declared_and_chosen(choice: ToolChoice, calling: JsonObject) -> None:
    controls = Controls(tools=(READ, Tool(name="now")), tool_choice=choice)
    body = request_of(prompt(controls=controls))
    assert (body["tools"], body["toolConfig"]) == (
        [
            {
                "functionDeclarations": [
                    {
                        "name": "read",
                        "description": "Reads.",
                        "parametersJsonSchema": {"type": "object"},
                    },
                    {"name": "now"},
                ]
            }
        ],
        {"functionCallingConfig": calling},
    )


def test_a_choice_among_no_tools_is_not_sent() -> None:
    body = request_of(prompt(controls=Controls(tool_choice=ToolChoice(mode="required"))))
    assert set(body) == {"contents", "generationConfig"}


def test_json_is_asked_for_with_and_without_a_schema() -> None:
    assert generation(output=OutputFormat()) == {
        "maxOutputTokens": 7,
        "responseMimeType": "application/json",
    }
    assert generation(output=OutputFormat(schema={"type": "object"}, strict=True)) == {
        "maxOutputTokens": 7,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }


@pytest.mark.parametrize(
    ("effort", "level"),
    [
        ("none", "MINIMAL"),
        ("minimal", "MINIMAL"),
        ("low", "LOW"),
        ("medium", "MEDIUM"),
        ("high", "HIGH"),
        ("xhigh", "XHIGH"),
        ("max", "XHIGH"),
    ],
)
def test_effort_is_a_level_of_thinking(effort: Effort, level: str) -> None:
    assert generation(effort=effort)["thinkingConfig"] == {"thinkingLevel": level}


def test_thoughts_are_asked_for_only_to_be_shown() -> None:
    assert generation(shows_thoughts=True)["thinkingConfig"] == {"includeThoughts": True}


def test_sampling_is_passed_zero_included() -> None:
    sampling = Sampling(
        temperature=0.0,
        top_p=0.9,
        top_k=3,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        seed=0,
    )
    assert generation(sampling=sampling) == {
        "maxOutputTokens": 7,
        "temperature": 0.0,
        "topP": 0.9,
        "topK": 3,
        "presencePenalty": 0.1,
        "frequencyPenalty": -0.1,
        "seed": 0,
    }


def test_five_stop_sequences_are_sent_and_six_refused() -> None:
    five = request_of(prompt(stop=tuple("abcde")))
    assert five["generationConfig"] == {"maxOutputTokens": 7, "stopSequences": [*"abcde"]}
    with pytest.raises(UnsendableError, match="at most 5 stop sequences"):
        request_of(prompt(stop=tuple("abcdef")))
