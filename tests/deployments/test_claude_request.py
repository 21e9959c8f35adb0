"""A prompt in the words of Anthropic's Messages API: literal bodies."""

import json
from dataclasses import replace

import pytest

from deployments.claude_request import count_body, messages_body, request_body
from tercet.call import Prompt
from tercet.content import (
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
    Verbatim,
)
from tercet.task import Message, turn

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
WEATHER = Tool(
    name="weather",
    description="Tells the weather.",
    schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
BARE = {"model", "max_tokens", "service_tier", "messages", "stream"}


def prompt(
    *messages: Message, controls: Controls | None = None, system: str = "", verbatim: str = ""
) -> Prompt:
    return Prompt(
        system=system,
        messages=messages or (turn("user", "Hi"),),
        max_output_tokens=100,
        controls=controls or Controls(),
        verbatim=own(verbatim) if verbatim else None,
    )


def own(body: str, *, without: tuple[str, ...] = ()) -> Verbatim:
    return Verbatim(
        provider="anthropic", body=body.encode(), headers={}, stream=True, without=without
    )


def user(*parts: Part) -> Message:
    return Message(speaker="user", parts=parts)


def assistant(*parts: Part) -> Message:
    return Message(speaker="assistant", parts=parts)


def turns(*messages: Message) -> object:
    return messages_body(OPUS, prompt(*messages))["messages"]


def content(*parts: Part) -> object:
    sent = messages_body(OPUS, prompt(user(*parts)))["messages"]
    assert isinstance(sent, list)
    assert isinstance(sent[0], dict)
    return sent[0]["content"]


def wanted(model: str = OPUS, system: str = "", **controls: object) -> JsonObject:
    """Return the fields that the controls add."""
    body = messages_body(model, prompt(system=system, controls=Controls(**controls)))
    return {name: value for name, value in body.items() if name not in BARE}


def test_plain_text_stays_plain() -> None:
    assert turns(turn("user", "Hi")) == [{"role": "user", "content": "Hi"}]


def test_pictures_and_documents_go_by_value_or_by_address() -> None:
    sent = content(
        Media(kind="image", mime="image/png", data="aGk="),
        Media(kind="image", mime="", url="https://example.org/a.png"),
        Media(kind="document", mime="application/pdf", data="JVBERg==", name="a.pdf"),
        Media(kind="document", mime="", url="https://example.org/a.pdf"),
        Text("What is it?"),
    )
    assert sent == [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
        },
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        {"type": "text", "text": "What is it?"},
    ]


def test_tools_used_at_once_are_answered_in_one_turn_before_any_text() -> None:
    sent = turns(
        turn("user", "Weather in Oslo and Rome?"),
        assistant(
            Text("I look."),
            ToolUse(id="toolu_1", name="weather", arguments='{"city": "Oslo"}'),
            ToolUse(id="toolu_2", name="weather", arguments='{"city": "Rome"}'),
        ),
        user(ToolResult(id="toolu_1", parts=(Text("Rain"),))),
        turn("user", "Go on."),
        user(ToolResult(id="toolu_2", parts=(Text("No such city"),), is_error=True)),
    )
    assert sent == [
        {"role": "user", "content": "Weather in Oslo and Rome?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {
                    "type": "tool_use",
                    "id": "toolu_1",
                    "name": "weather",
                    "input": {"city": "Oslo"},
                },
                {
                    "type": "tool_use",
                    "id": "toolu_2",
                    "name": "weather",
                    "input": {"city": "Rome"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain"},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "content": "No such city",
                    "is_error": True,
                },
                {"type": "text", "text": "Go on."},
            ],
        },
    ]


def test_a_tools_result_may_be_a_picture_or_nothing() -> None:
    picture = Media(kind="image", mime="image/png", data="aGk=")
    sent = content(
        ToolResult(id="toolu_1", parts=(Text("See:"), picture)),
        ToolResult(id="toolu_2", parts=(Text(""),)),
    )
    assert sent == [
        {
            "type": "tool_result",
            "tool_use_id": "toolu_1",
            "content": [
                {"type": "text", "text": "See:"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
                },
            ],
        },
        {"type": "tool_result", "tool_use_id": "toolu_2"},
    ]


@pytest.mark.parametrize(
    ("arguments", "input_"),
    [
        ("", {}),
        (" ", {}),
        ("{}", {}),
        ('{"city": "Oslo", "days": ', {"_raw": '{"city": "Oslo", "days": '}),
        ("[1]", {"_raw": "[1]"}),
        ('"Oslo"', {"_raw": '"Oslo"'}),
        ('{"n": NaN}', {"_raw": '{"n": NaN}'}),
        ('{"n": 1e999}', {"_raw": '{"n": 1e999}'}),
        ("[" * 10_000, {"_raw": "[" * 10_000}),
        ("\ud800", {"_raw": "\ud800"}),
    ],
)
def test_arguments_that_are_no_object_go_inside_one(arguments: str, input_: object) -> None:
    use = ToolUse(id="toolu_1", name="weather", arguments=arguments)
    sent = request_body(OPUS, prompt(assistant(use)))
    assert sent is not None
    assert json.loads(sent)["messages"][0]["content"][0]["input"] == input_


def test_an_id_of_another_provider_is_spelt_as_the_api_takes_it_on_both_sides() -> None:
    use = ToolUse(id="functions.weather:0", name="weather", arguments="{}", signature="c2ln")
    assert turns(assistant(use), user(ToolResult(id="functions.weather:0", parts=()))) == [
        {
            "role": "assistant",
            "content": [
                {
                    "type": "tool_use",
                    "id": "functions_weather_0",
                    "name": "weather",
                    "input": {},
                }
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "functions_weather_0"}],
        },
    ]


def test_thoughts_of_its_own_go_back_as_they_came() -> None:
    sent = turns(
        turn("user", "Hi"),
        assistant(
            Thought(text="Hm.", signature="c2ln", by="anthropic"),
            Thought(text="", signature="b21p", by="anthropic"),
            Thought(text="", signature="", by="anthropic"),
            Thought(text="", signature="cmVk", by="anthropic", is_redacted=True),
            Text("Hello"),
        ),
    )
    assert sent == [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "thinking", "thinking": "", "signature": "b21p"},
                {"type": "redacted_thinking", "data": "cmVk"},
                {"type": "text", "text": "Hello"},
            ],
        },
    ]


def test_thoughts_of_others_and_unsigned_ones_are_left_out() -> None:
    sent = turns(
        turn("user", "Hi"),
        assistant(Thought(text="Hm.", signature="c2ln", by="google"), Text("Hello")),
        turn("user", "And?"),
        assistant(Thought(text="Hm.", by="anthropic")),
        turn("user", "Well?"),
    )
    assert sent == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "And?"}, {"type": "text", "text": "Well?"}],
        },
    ]


def test_blank_text_is_never_sent() -> None:
    assert content(Text(""), Text("Hi"), Text(" \n")) == "Hi"


def test_every_breakpoint_of_the_cache_is_kept() -> None:
    short, long = {"type": "ephemeral", "ttl": "5m"}, {"type": "ephemeral", "ttl": "1h"}
    body = messages_body(
        OPUS,
        prompt(
            user(
                Text("Long.", cache="1h"),
                Media(kind="image", mime="", url="https://example.org/a", cache="5m"),
            ),
            assistant(ToolUse(id="toolu_1", name="weather", arguments="{}", cache="5m")),
            user(ToolResult(id="toolu_1", parts=(Text("Rain", cache="5m"),), cache="1h")),
            controls=Controls(tools=(Tool(name="weather", cache="1h"),)),
        ),
    )
    source = {"type": "url", "url": "https://example.org/a"}
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Long.", "cache_control": long},
                {"type": "image", "source": source, "cache_control": short},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {
                    "type": "tool_use",
                    "id": "toolu_1",
                    "name": "weather",
                    "input": {},
                    "cache_control": short,
                }
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "text", "text": "Rain", "cache_control": short}],
                    "cache_control": long,
                }
            ],
        },
    ]
    assert body["tools"] == [
        {
            "name": "weather",
            "input_schema": {"type": "object", "properties": {}},
            "cache_control": long,
        }
    ]


def test_a_prompt_without_wishes_says_nothing_of_them() -> None:
    assert wanted() == {}
    assert wanted(sampling=Sampling(temperature=0.5, top_p=1, top_k=3, seed=1)) == {}
    assert wanted(tool_choice=ToolChoice(mode="required")) == {}


def test_tools_are_offered_with_a_schema_of_an_object() -> None:
    strict = Tool(name="now", schema={"additionalProperties": False}, strict=True)
    assert wanted(tools=(WEATHER, strict)) == {
        "tools": [
            {
                "name": "weather",
                "description": "Tells the weather.",
                "input_schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            },
            {
                "name": "now",
                "input_schema": {"type": "object", "additionalProperties": False},
                "strict": True,
            },
        ]
    }


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        (ToolChoice(), True, None),
        (ToolChoice(), False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(mode="none"), False, {"type": "none"}),
        (ToolChoice(mode="required"), True, {"type": "any"}),
        (
            ToolChoice(mode="one", name="weather"),
            False,
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_the_choice_of_a_tool_is_passed_on(
    choice: ToolChoice, parallel: bool, sent: object
) -> None:
    body = wanted(tools=(WEATHER,), tool_choice=choice, parallel_tools=parallel)
    assert body.get("tool_choice") == sent


def test_a_schema_is_a_format_of_the_output_and_goes_with_the_effort() -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    assert wanted(output=OutputFormat(schema=schema, strict=True), effort="xhigh") == {
        "output_config": {
            "format": {"type": "json_schema", "schema": schema},
            "effort": "xhigh",
        }
    }


def test_objects_of_a_format_are_closed_unless_they_say_otherwise() -> None:
    inner = {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "number"}}}}
    schema = {"type": "object", "properties": {"type": inner}, "additionalProperties": True}
    assert wanted(output=OutputFormat(schema=schema)) == {
        "output_config": {
            "format": {
                "type": "json_schema",
                "schema": {
                    "type": "object",
                    "properties": {
                        "type": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {"n": {"type": "number"}},
                                "additionalProperties": False,
                            },
                        }
                    },
                    "additionalProperties": False,
                },
            }
        }
    }


def test_json_without_a_schema_is_asked_for_in_the_system_prompt() -> None:
    only = "Answer with one JSON object and nothing else: no other text and no code fence."
    assert wanted(output=OutputFormat()) == {"system": only}
    assert wanted(output=OutputFormat(), system="Be brief.") == {"system": f"Be brief.\n\n{only}"}


@pytest.mark.parametrize(
    ("effort", "sent"),
    [
        ("none", "low"),
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "xhigh"),
        ("max", "max"),
    ],
)
def test_an_effort_is_one_of_the_apis_five(effort: Effort, sent: str) -> None:
    assert wanted(effort=effort) == {"output_config": {"effort": sent}}


@pytest.mark.parametrize(
    ("model", "sent"),
    [(OPUS, None), (SONNET, {"type": "between_tools"}), (HAIKU, {"type": "disabled"})],
)
def test_no_effort_turns_thinking_off_where_a_model_allows_that(model: str, sent: object) -> None:
    assert wanted(model, effort="none").get("thinking") == sent


def test_thoughts_are_asked_for_where_they_are_shown() -> None:
    thinking = {"type": "adaptive", "display": "summarized"}
    assert wanted(shows_thoughts=True) == {"thinking": thinking}


def test_nothing_is_thought_where_a_tool_has_to_be_used() -> None:
    forced = ToolChoice(mode="required")
    sent = wanted(shows_thoughts=True, tools=(WEATHER,), tool_choice=forced)
    assert sent["tool_choice"] == {"type": "any"}
    assert "thinking" not in sent


AS_IT_CAME = '{ "max_tokens":100,"model":"claude-opus-5-5", "new":{"ü":[1.50,1e2]} }'


def test_a_verbatim_body_is_sent_byte_for_byte() -> None:
    sent = request_body(OPUS, prompt(verbatim=AS_IT_CAME))
    assert sent == AS_IT_CAME.encode()
    assert count_body(OPUS, prompt(verbatim=AS_IT_CAME)) == AS_IT_CAME.encode()


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (
            '{ "model":"sonnet","max_tokens":7,"new":{"ü":1.5} }',
            b'{"model": "claude-opus-5-5", "max_tokens": 7, "new": {"\\u00fc": 1.5}}',
        ),
        (
            '{"model":"claude-opus-5-5","max_tokens":101}',
            b'{"model": "claude-opus-5-5", "max_tokens": 100}',
        ),
        ('{"model":"claude-opus-5-5"}', b'{"model": "claude-opus-5-5", "max_tokens": 100}'),
        (
            '{"max_tokens":true,"model":["x"]}',
            b'{"max_tokens": 100, "model": "claude-opus-5-5"}',
        ),
    ],
)
def test_a_verbatim_body_with_another_model_or_too_much_output_is_changed_there_alone(
    body: str, sent: bytes
) -> None:
    assert request_body(OPUS, prompt(verbatim=body)) == sent


def test_a_verbatim_body_goes_without_what_the_model_does_not_take() -> None:
    body = '{"model":"claude-opus-5-5","max_tokens":9,"temperature":1}'
    asked = Prompt(
        system="",
        messages=(turn("user", "Hi"),),
        max_output_tokens=100,
        verbatim=own(body, without=("temperature", "top_p")),
    )
    assert request_body(OPUS, asked) == b'{"model": "claude-opus-5-5", "max_tokens": 9}'


@pytest.mark.parametrize("body", ["[1]", "no", "[" * 100_000, '{"model":'])
def test_a_verbatim_body_that_is_no_object_is_not_sent(body: str) -> None:
    assert request_body(OPUS, prompt(verbatim=body)) is None
    assert count_body(OPUS, prompt(verbatim=body)) is None


def test_a_verbatim_body_of_another_api_is_not_sent() -> None:
    foreign = Verbatim(provider="google", body=b"{}", headers={}, stream=True)
    asked = Prompt(system="", messages=(turn("user", "Hi"),), max_output_tokens=7, verbatim=foreign)
    assert request_body(OPUS, asked) == (
        b'{"model": "claude-opus-5-5", "max_tokens": 7, "service_tier": "standard_only",'
        b' "messages": [{"role": "user", "content": "Hi"}], "stream": true}'
    )


def test_a_count_is_asked_for_without_what_only_an_answer_needs() -> None:
    asked = prompt(system="Be brief.", controls=Controls(tools=(WEATHER,), effort="low"))
    sent = count_body(OPUS, asked)
    assert sent is not None
    assert json.loads(sent).keys() == {"model", "messages", "system", "tools", "output_config"}


def test_a_count_of_a_verbatim_body_changes_its_model_alone() -> None:
    body = '{"model":"tier1","messages":[]}'
    assert (
        count_body(OPUS, prompt(verbatim=body)) == b'{"model": "claude-opus-5-5", "messages": []}'
    )


def test_a_breakpoint_of_the_system_prompt_is_kept() -> None:
    asked = replace(prompt(system="Be brief."), system_cache="1h")
    kept = {
        "type": "text",
        "text": "Be brief.",
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
    }
    assert messages_body(OPUS, asked)["system"] == [kept]
    as_json = replace(asked, controls=Controls(output=OutputFormat()))
    system = messages_body(OPUS, as_json)["system"]
    assert isinstance(system, list)
    assert system[0] == kept
    assert len(system) == 2
