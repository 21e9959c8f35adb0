import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.surfaces.body import parse
from router.surfaces.openai_chat import SURFACE
from router.surfaces.openai_chat_reply import ChatWriter
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Identity, Incoming, Order
from tercet.content import (
    Controls,
    JsonObject,
    JsonValue,
    OutputFormat,
    Sampling,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
)
from tercet.task import Hints, Message, Task, turn

MODELS = {
    name: name for name in ("auto", "tier1", "tier2", "tier3", "local", "claude-opus-5-5")
} | {"gpt-7": "auto"}
IDENTITY = Identity(task_id="task-1", key_id="key-1", deadline_at=1_800_000_000.0)
HELLO: JsonObject = {"role": "user", "content": "Hello"}
PART: JsonValue = {"type": "text", "text": "Hello"}
PART_OF_OPENAIS_CACHE: JsonValue = {
    "type": "text",
    "text": "Hello",
    "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"},
}
MANY_PARTS: list[JsonValue] = [PART] * 10_000


def body(**fields: JsonValue) -> JsonObject:
    return {"model": "auto", "messages": [HELLO], **fields}


def saying(*messages: JsonValue) -> JsonObject:
    return body(messages=list(messages))


def hinted(**metadata: JsonValue) -> JsonObject:
    return body(metadata=metadata)


def outcome(fields: JsonObject) -> Order | Refusal:
    return SURFACE.read(Incoming(body=fields, raw=b"", headers={}, query={}), MODELS.get, IDENTITY)


def read(fields: JsonObject) -> Order:
    order = outcome(fields)
    assert isinstance(order, Order), order
    return order


def refused(fields: JsonObject) -> Refusal:
    refusal = outcome(fields)
    assert isinstance(refusal, Refusal), refusal
    return refusal


def tool(name: str, **fields: JsonValue) -> JsonObject:
    return {"type": "function", "function": {"name": name, **fields}}


def offering(*tools: JsonValue, **fields: JsonValue) -> JsonObject:
    return body(tools=list(tools), **fields)


def user(content: JsonValue) -> JsonObject:
    return {"role": "user", "content": content}


def assistant(**fields: JsonValue) -> JsonObject:
    return {"role": "assistant"} | fields


BAD: dict[str, tuple[JsonObject, int, str]] = {
    "nothing": ({}, 400, "model"),
    "no model": ({"messages": [HELLO]}, 400, "model"),
    "model null": (body(model=None), 400, "model"),
    "model empty": (body(model=""), 400, "model"),
    "model a number": (body(model=4), 400, "model"),
    "model a list": (body(model=["auto"]), 400, "model"),
    "model of 257 characters": (body(model="m" * 257), 400, "model"),
    "model unknown": (body(model="gpt-4o"), 404, "model"),
    "model in the wrong case": (body(model="AUTO"), 404, "model"),
    "model with a space": (body(model="auto "), 404, "model"),
    "model with a newline": (body(model="auto\r\nx: y"), 404, "model"),
    "no messages": ({"model": "auto"}, 400, "messages"),
    "messages null": (body(messages=None), 400, "messages"),
    "messages empty": (body(messages=[]), 400, "messages"),
    "messages an object": (body(messages={"0": HELLO}), 400, "messages"),
    "messages a string": (body(messages="Hello"), 400, "messages"),
    "2,001 messages": (saying(*[HELLO] * 2_001), 400, "messages"),
    "10,001 parts": (saying(user(MANY_PARTS), user([PART])), 400, "messages"),
    "a message that is a string": (saying("Hello"), 400, "messages[0]"),
    "a message that is null": (saying(HELLO, None), 400, "messages[1]"),
    "a message that is a list": (saying([HELLO]), 400, "messages[0]"),
    "no role": (saying({"content": "Hello"}), 400, "messages[0].role"),
    "role a number": (saying({"role": 1, "content": "Hello"}), 400, "messages[0].role"),
    "role a list": (saying({"role": ["user"], "content": "Hello"}), 400, "messages[0].role"),
    "role unknown": (saying({"role": "model", "content": "Hello"}), 400, "messages[0].role"),
    "role in the wrong case": (saying({"role": "User", "content": "Hi"}), 400, "messages[0].role"),
    "role function": (
        saying({"role": "function", "name": "f", "content": "4"}),
        400,
        "messages[0].role",
    ),
    "no content": (saying({"role": "user"}), 400, "messages[0].content"),
    "content null": (saying(user(None)), 400, "messages[0].content"),
    "content a number": (saying(user(7)), 400, "messages[0].content"),
    "content an object": (saying(user(PART)), 400, "messages[0].content"),
    "content without parts": (saying(user([])), 400, "messages[0].content"),
    "a part that is a string": (saying(user(["Hello"])), 400, "messages[0].content[0]"),
    "a part that is null": (saying(user([PART, None])), 400, "messages[0].content[1]"),
    "a part without type": (saying(user([{"text": "Hi"}])), 400, "messages[0].content[0].type"),
    "a part of unknown type": (
        saying(user([{"type": "video", "text": "Hi"}])),
        400,
        "messages[0].content[0].type",
    ),
    "a part whose type is a list": (
        saying(user([{"type": ["text"], "text": "Hi"}])),
        400,
        "messages[0].content[0].type",
    ),
    "a refusal by the user": (
        saying(user([{"type": "refusal", "refusal": "No"}])),
        400,
        "messages[0].content[0].type",
    ),
    "a text part without text": (
        saying(user([{"type": "text"}])),
        400,
        "messages[0].content[0].text",
    ),
    "a text part whose text is a number": (
        saying(HELLO, user([PART, {"type": "text", "text": 5}])),
        400,
        "messages[1].content[1].text",
    ),
    "a refusal part without refusal": (
        saying(HELLO, assistant(content=[{"type": "refusal"}]), HELLO),
        400,
        "messages[1].content[0].refusal",
    ),
    "assistant content null": (
        saying(HELLO, assistant(content=None), HELLO),
        400,
        "messages[1].content",
    ),
    "a function call of old": (
        saying(HELLO, assistant(content="x", function_call={"name": "f"}), HELLO),
        400,
        "messages[1].function_call",
    ),
    "a spoken answer": (
        saying(HELLO, assistant(content="x", audio={"id": "a"}), HELLO),
        400,
        "messages[1].audio",
    ),
    "name a number": (saying(HELLO | {"name": 1}), 400, "messages[0].name"),
    "name of 257 characters": (saying(HELLO | {"name": "n" * 257}), 400, "messages[0].name"),
    "nobody but the system": (saying({"role": "system", "content": "Be kind"}), 400, "messages"),
    "nobody but the assistant": (saying(assistant(content="Hi")), 400, "messages"),
    "the assistant last": (saying(HELLO, assistant(content="Hi")), 400, "messages[1].role"),
    "the assistant last but for the system": (
        saying(HELLO, assistant(content="Hi"), {"role": "system", "content": "Go on"}),
        400,
        "messages[1].role",
    ),
    "the last message empty": (saying(HELLO, user("")), 400, "messages[1].content"),
    "the last message blank": (saying(user(" \n\t\u00a0")), 400, "messages[0].content"),
    "the last message of blank parts": (
        saying(user([{"type": "text", "text": ""}, {"type": "text", "text": " "}])),
        400,
        "messages[0].content",
    ),
    "n 2": (body(n=2), 400, "n"),
    "n 0": (body(n=0), 400, "n"),
    "n true": (body(n=True), 400, "n"),
    "n a string": (body(n="1"), 400, "n"),
    "logprobs": (body(logprobs=True), 400, "logprobs"),
    "logprobs 0": (body(logprobs=0), 400, "logprobs"),
    "audio": (body(audio={"voice": "v", "format": "mp3"}), 400, "audio"),
    "spoken modality": (body(modalities=["text", "audio"]), 400, "modalities"),
    "no modality": (body(modalities=[]), 400, "modalities"),
    "functions": (body(functions=[{"name": "f"}]), 400, "functions"),
    "function_call an object": (body(function_call={"name": "f"}), 400, "function_call"),
    "web search": (body(web_search_options={}), 400, "web_search_options"),
    "moderation": (body(moderation={"model": "omni"}), 400, "moderation"),
    "tools an object": (body(tools={}), 400, "tools"),
    "257 tools": (offering(*[tool(f"f{at}") for at in range(257)]), 400, "tools"),
    "a tool that is a string": (offering("f"), 400, "tools[0]"),
    "a custom tool": (
        offering({"type": "custom", "custom": {"name": "f"}}),
        400,
        "tools[0].type",
    ),
    "a tool without a type": (offering({"function": {"name": "f"}}), 400, "tools[0].type"),
    "a tool without a function": (offering({"type": "function"}), 400, "tools[0].function"),
    "a tool without a name": (
        offering({"type": "function", "function": {}}),
        400,
        "tools[0].function.name",
    ),
    "a tool's name with a dot": (offering(tool("a.b")), 400, "tools[0].function.name"),
    "a tool's name of 129 characters": (offering(tool("f" * 129)), 400, "tools[0].function.name"),
    "two tools of one name": (offering(tool("f"), tool("f")), 400, "tools[1].function.name"),
    "a tool's description a list": (
        offering(tool("f", description=[])),
        400,
        "tools[0].function.description",
    ),
    "a tool's parameters a list": (
        offering(tool("f", parameters=[])),
        400,
        "tools[0].function.parameters",
    ),
    "a tool's strict 1": (offering(tool("f", strict=1)), 400, "tools[0].function.strict"),
    "a tool's breakpoint of a day": (
        offering({**tool("f"), "cache_control": {"type": "ephemeral", "ttl": "24h"}}),
        400,
        "tools[0].cache_control.ttl",
    ),
    "tool_choice unknown": (body(tool_choice="any"), 400, "tool_choice"),
    "tool_choice a list": (body(tool_choice=["auto"]), 400, "tool_choice"),
    "tool_choice required without tools": (body(tool_choice="required"), 400, "tool_choice"),
    "tool_choice of allowed tools": (
        body(tool_choice={"type": "allowed_tools", "allowed_tools": {}}),
        400,
        "tool_choice.type",
    ),
    "tool_choice without a function": (
        body(tool_choice={"type": "function"}),
        400,
        "tool_choice.function",
    ),
    "tool_choice of a tool that is not there": (
        offering(tool("f"), tool_choice={"type": "function", "function": {"name": "g"}}),
        400,
        "tool_choice.function.name",
    ),
    "response_format a string": (body(response_format="text"), 400, "response_format"),
    "response_format unknown": (
        body(response_format={"type": "grammar"}),
        400,
        "response_format.type",
    ),
    "a JSON schema that is not there": (
        body(response_format={"type": "json_schema"}),
        400,
        "response_format.json_schema",
    ),
    "a JSON schema without a name": (
        body(response_format={"type": "json_schema", "json_schema": {}}),
        400,
        "response_format.json_schema.name",
    ),
    "a JSON schema that is true": (
        body(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": True}}),
        400,
        "response_format.json_schema.schema",
    ),
    "17 stops": (body(stop=["s"] * 17), 400, "stop"),
    "temperature over 2": (body(temperature=2.1), 400, "temperature"),
    "temperature under 0": (body(temperature=-0.1), 400, "temperature"),
    "temperature a string": (body(temperature="1"), 400, "temperature"),
    "temperature true": (body(temperature=True), 400, "temperature"),
    "temperature of 4,000 digits": (body(temperature=10**4_000), 400, "temperature"),
    "top_p over 1": (body(top_p=1.01), 400, "top_p"),
    "presence_penalty under -2": (body(presence_penalty=-3), 400, "presence_penalty"),
    "frequency_penalty over 2": (body(frequency_penalty=2.5), 400, "frequency_penalty"),
    "seed a fraction": (body(seed=1.5), 400, "seed"),
    "seed true": (body(seed=True), 400, "seed"),
    "seed beyond 64 bits": (body(seed=2**63), 400, "seed"),
    "top_logprobs 21": (body(top_logprobs=21), 400, "top_logprobs"),
    "logit_bias a list": (body(logit_bias=[1]), 400, "logit_bias"),
    "logit_bias over 100": (body(logit_bias={"50256": 101}), 400, "logit_bias"),
    "logit_bias true": (body(logit_bias={"50256": True}), 400, "logit_bias"),
    "user a number": (body(user=1), 400, "user"),
    "store a string": (body(store="true"), 400, "store"),
    "parallel_tool_calls 1": (body(parallel_tool_calls=1), 400, "parallel_tool_calls"),
    "service_tier unknown": (body(service_tier="gold"), 400, "service_tier"),
    "reasoning_effort unknown": (body(reasoning_effort="huge"), 400, "reasoning_effort"),
    "verbosity a list": (body(verbosity=["low"]), 400, "verbosity"),
    "prompt_cache_key a number": (body(prompt_cache_key=1), 400, "prompt_cache_key"),
    "safety_identifier a list": (body(safety_identifier=[]), 400, "safety_identifier"),
    "max_tokens 0": (body(max_tokens=0), 400, "max_tokens"),
    "max_tokens negative": (body(max_tokens=-1), 400, "max_tokens"),
    "max_tokens true": (body(max_tokens=True), 400, "max_tokens"),
    "max_tokens a float": (body(max_tokens=100.0), 400, "max_tokens"),
    "max_tokens a string": (body(max_tokens="100"), 400, "max_tokens"),
    "max_tokens beyond 32 bits": (body(max_tokens=2**31), 400, "max_tokens"),
    "max_completion_tokens 0": (body(max_completion_tokens=0), 400, "max_completion_tokens"),
    "two limits": (body(max_tokens=1, max_completion_tokens=2), 400, "max_tokens"),
    "stop empty": (body(stop=""), 400, "stop[0]"),
    "stop a number": (body(stop=1), 400, "stop"),
    "stop an object": (body(stop={}), 400, "stop"),
    "a stop that is empty": (body(stop=["a", ""]), 400, "stop[1]"),
    "a stop that is null": (body(stop=[None]), 400, "stop[0]"),
    "stream a string": (body(stream="true"), 400, "stream"),
    "stream 1": (body(stream=1), 400, "stream"),
    "stream_options without stream": (
        body(stream_options={"include_usage": True}),
        400,
        "stream_options",
    ),
    "stream_options with stream false": (
        body(stream=False, stream_options={}),
        400,
        "stream_options",
    ),
    "stream_options a list": (body(stream=True, stream_options=[]), 400, "stream_options"),
    "include_usage a number": (
        body(stream=True, stream_options={"include_usage": 1}),
        400,
        "stream_options.include_usage",
    ),
    "metadata a list": (body(metadata=[]), 400, "metadata"),
    "metadata of 17 pairs": (hinted(**{f"k{n}": "v" for n in range(17)}), 400, "metadata"),
    "a metadata key of 65 characters": (hinted(**{"k" * 65: "v"}), 400, "metadata"),
    "a metadata value of 513 characters": (hinted(note="v" * 513), 400, "metadata.note"),
    "a metadata value that is a number": (hinted(note=1), 400, "metadata.note"),
    "a metadata value that is null": (hinted(note=None), 400, "metadata.note"),
    "a boolean that is no hint": (hinted(note=True), 400, "metadata.note"),
    "a tier that is not ours": (hinted(tier="tier4"), 400, "metadata.tier"),
    "a tier that is true": (hinted(tier=True), 400, "metadata.tier"),
    "a kind that is not ours": (hinted(kind="poetry"), 400, "metadata.kind"),
    "a flag that is yes": (hinted(is_critical="yes"), 400, "metadata.is_critical"),
    "a flag in the wrong case": (hinted(strict="True"), 400, "metadata.strict"),
    "a flag that is 1": (hinted(is_routine=1), 400, "metadata.is_routine"),
    "a flag that is null": (hinted(requires_design=None), 400, "metadata.requires_design"),
    "a pinned tier beside another": (
        body(model="tier1", metadata={"tier": "tier2"}),
        400,
        "metadata.tier",
    ),
}


@pytest.mark.parametrize(("fields", "status", "param"), BAD.values(), ids=BAD.keys())
def test_a_bad_body_is_refused_at_its_field(fields: JsonObject, status: int, param: str) -> None:
    refusal = refused(fields)
    assert (refusal.status, refusal.param) == (status, param)
    assert refusal.message.startswith(f"{param} ")


def test_a_small_body_becomes_a_task() -> None:
    assert read(body()) == Order(
        task=Task(
            id="task-1",
            key_id="key-1",
            model="auto",
            messages=(turn("user", "Hello"),),
            deadline_at=1_800_000_000.0,
        ),
        stream=False,
        writer=ChatWriter(include_usage=False),
        ignored=(),
    )


def test_a_full_body_becomes_a_task() -> None:
    order = read(
        {
            "model": "claude-opus-5-5",
            "messages": [
                {"role": "developer", "content": "Be brief"},
                user([{"type": "text", "text": "One "}, {"type": "text", "text": "two"}]),
                assistant(content="Three", refusal=None, annotations=[], tool_calls=[]),
                assistant(content=[{"type": "refusal", "refusal": "No."}]),
                user("Four"),
            ],
            "max_completion_tokens": 100,
            "max_tokens": 100,
            "stop": ["END", "\n"],
            "stream": True,
            "stream_options": {"include_usage": True, "include_obfuscation": False},
            "metadata": {"tier": "tier2", "kind": "bug_fix", "strict": True, "ticket": "T-1"},
            "tools": [
                tool("add", description="Adds", parameters={"type": "object"}, strict=True)
                | {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
                tool("stop"),
            ],
            "tool_choice": {"type": "function", "function": {"name": "add"}},
            "parallel_tool_calls": False,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "sum", "schema": {"type": "number"}, "strict": True},
            },
            "reasoning_effort": "xhigh",
            "temperature": 0,
            "top_p": 0.5,
            "presence_penalty": -2,
            "frequency_penalty": 2.0,
            "seed": -1,
        }
    )
    assert order == Order(
        task=Task(
            id="task-1",
            key_id="key-1",
            model="claude-opus-5-5",
            messages=(
                turn("system", "Be brief"),
                Message(speaker="user", parts=(Text("One "), Text("two"))),
                turn("assistant", "Three"),
                turn("assistant", "No."),
                turn("user", "Four"),
            ),
            max_output_tokens=100,
            stop=("END", "\n"),
            controls=Controls(
                tools=(
                    Tool(
                        name="add",
                        description="Adds",
                        schema={"type": "object"},
                        strict=True,
                        cache="1h",
                    ),
                    Tool(name="stop"),
                ),
                tool_choice=ToolChoice(mode="one", name="add"),
                parallel_tools=False,
                output=OutputFormat(name="sum", schema={"type": "number"}, strict=True),
                effort="xhigh",
                shows_thoughts=True,
                sampling=Sampling(
                    temperature=0.0,
                    top_p=0.5,
                    presence_penalty=-2.0,
                    frequency_penalty=2.0,
                    seed=-1,
                ),
            ),
            hints=Hints(tier="tier2", kind="bug_fix", strict=True),
            deadline_at=1_800_000_000.0,
        ),
        stream=True,
        writer=ChatWriter(include_usage=True),
        ignored=(),
    )


def test_a_name_that_a_client_invents_is_the_model_it_stands_for() -> None:
    assert read(body(model="gpt-7")).task.model == "auto"


@pytest.mark.parametrize("mode", ["none", "auto", "required"])
def test_a_tool_may_be_forbidden_left_or_required(mode: str) -> None:
    assert read(offering(tool("f"), tool_choice=mode)).task.controls.tool_choice.mode == mode


def test_json_may_be_wanted_without_a_schema() -> None:
    order = read(body(response_format={"type": "json_object"}))
    assert order.task.controls.output == OutputFormat(schema=None)


def test_who_asks_for_no_thinking_is_shown_none() -> None:
    assert not read(body(reasoning_effort="none")).task.controls.shows_thoughts


def test_every_hint_is_read() -> None:
    request = read(
        hinted(
            tier="local",
            kind="lookup",
            requires_design="true",
            is_critical="false",
            requires_implementation=True,
            is_routine=False,
            strict="true",
        )
    )
    assert request.task.hints == Hints(
        tier="local",
        kind="lookup",
        requires_design=True,
        is_critical=False,
        requires_implementation=True,
        is_routine=False,
        strict=True,
    )


def test_a_tier_may_be_pinned_to_the_one_that_model_names() -> None:
    request = read(body(model="tier1", metadata={"tier": "tier1"}))
    assert request.task.hints.tier == "tier1"


def test_a_field_that_is_null_is_not_given() -> None:
    nulls: JsonObject = dict.fromkeys(
        ("temperature", "tools", "n", "stop", "max_tokens", "stream", "metadata", "audio", "x")
    )
    assert read(body() | nulls) == read(body())


def test_a_field_that_asks_for_nothing_is_not_called_ignored() -> None:
    request = read(
        body(
            tools=[],
            functions=[],
            tool_choice="auto",
            function_call="none",
            n=1,
            logprobs=False,
            modalities=["text"],
            response_format={"type": "text"},
            stop=[],
        )
    )
    assert request == read(body())


def test_fields_without_effect_are_named_in_order() -> None:
    order = read(
        body(
            user="u",
            logit_bias={"50256": -100},
            top_logprobs=3,
            store=False,
            service_tier="auto",
            verbosity="low",
            prompt_cache_key="k",
            prompt_cache_options={"mode": "explicit"},
            chat_template="{{ evil }}",
            prediction={"type": "content", "content": "x"},
        )
    )
    assert order.ignored == (
        "chat_template",
        "logit_bias",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "service_tier",
        "store",
        "top_logprobs",
        "user",
        "verbosity",
    )


def test_what_is_dropped_inside_other_fields_is_named_too() -> None:
    image: JsonObject = {"url": "https://example.com/a.png", "detail": "high"}
    order = read(
        saying(
            HELLO | {"name": "ops"},
            assistant(content="Hi", annotations=[{"type": "url_citation"}]),
            user(
                [
                    PART_OF_OPENAIS_CACHE,
                    {"type": "image_url", "image_url": image},
                ]
            ),
        )
        | {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "description": "A number", "schema": {}},
            }
        }
    )
    assert order.ignored == (
        "image_url.detail",
        "messages.annotations",
        "messages.name",
        "prompt_cache_breakpoint",
        "response_format.json_schema.description",
    )


def test_a_name_that_could_break_a_header_is_dropped_without_a_word() -> None:
    request = read(
        body(**{"a\r\nset-cookie: x": 1, "": 1, "é": 1, "a" * 65: 1, "a\n": 1, "x-y_z.1": 1})
    )
    assert request.ignored == ("x-y_z.1",)


def test_at_most_32_names_are_called_ignored() -> None:
    request = read(body(**{f"f{number:02}": 1 for number in range(40)}))
    assert len(request.ignored) == 32
    assert request.ignored[-1] == "f31"


def test_a_blank_system_message_is_left_out() -> None:
    request = read(
        saying({"role": "system", "content": ""}, HELLO, {"role": "system", "content": " "})
    )
    assert request.task.messages == (turn("user", "Hello"),)


def test_a_system_message_may_come_last() -> None:
    request = read(saying(HELLO, {"role": "system", "content": "Be kind"}))
    assert [message.speaker for message in request.task.messages] == ["user", "system"]


def test_a_refusal_beside_null_content_is_what_the_assistant_said() -> None:
    request = read(saying(HELLO, assistant(content=None, refusal="No."), HELLO))
    assert request.task.messages[1] == turn("assistant", "No.")


def test_text_is_kept_to_the_byte() -> None:
    text = "\x00 \u202e\u2028 e\u0301 \U0001f600 </s> {{x}} \r\n"
    assert read(saying(user(text))).task.messages[0].text == text


def test_the_most_messages_and_parts_are_read() -> None:
    crowd = [user(MANY_PARTS[:5]) for _ in range(2_000)]
    assert len(read(body(messages=list(crowd))).task.messages) == 2_000


EDGES: dict[str, JsonObject] = {
    "one output token": body(max_tokens=1),
    "the most output tokens": body(max_completion_tokens=2**31 - 1),
    "16 stops": body(stop=["s"] * 16),
    "temperature 0": body(temperature=0),
    "temperature 2": body(temperature=2),
    "a name of 256 characters": saying(HELLO | {"name": "n" * 256}),
    "16 pairs of metadata": hinted(**{f"k{n}": "v" for n in range(16)}),
    "the longest metadata": hinted(**{"k" * 64: "v" * 512}),
}


@pytest.mark.parametrize("fields", EDGES.values(), ids=EDGES.keys())
def test_a_value_at_the_edge_of_its_range_is_read(fields: JsonObject) -> None:
    read(fields)


@pytest.mark.parametrize("name", ["m", "m" * 256])
def test_a_models_name_has_1_to_256_characters(name: str) -> None:
    assert refused(body(model=name)).status == 404


def test_one_stop_may_be_given_bare() -> None:
    assert read(body(stop="END")).task.stop == ("END",)


@pytest.mark.parametrize("name", ["model", "messages"])
def test_a_field_that_is_missing_is_called_missing(name: str) -> None:
    fields = body()
    del fields[name]
    assert refused(fields).code == "missing_required_parameter"


def test_an_unknown_model_is_answered_as_openai_answers_it() -> None:
    assert refused(body(model="gpt-4o")) == Refusal(
        status=404,
        type="not_found_error",
        code="model_not_found",
        message=("model 'gpt-4o' does not exist; GET /v1/models lists those that do."),
        param="model",
    )


def test_a_field_that_is_not_supported_says_what_is() -> None:
    refusal = refused(body(function_call="f"))
    assert refusal.code == "unsupported_parameter"
    assert refusal.message == 'function_call is not supported: it must be "none" or "auto".'


def test_no_more_than_100_characters_of_a_value_come_back() -> None:
    fields = saying({"role": "r" * 5_000, "content": "Hello"})
    assert refused(fields).message.count("r" * 100) == 1
    assert "r" * 101 not in refused(fields).message


RICH = """{
  "model": "auto", "stream": true, "stream_options": {"include_usage": true},
  "messages": [
    {"role": "system", "content": "Be brief", "cache_control": {"type": "ephemeral"}},
    {"role": "user", "content": [
      {"type": "text", "text": "One", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
      {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
      {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
      {"type": "file", "file": {"filename": "a", "file_data": "data:application/pdf;base64,AAAA"}}
    ]},
    {"role": "assistant", "content": "Two", "tool_calls": [
      {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"},
       "extra_content": {"google": {"thought_signature": "AAAA"}}},
      {"id": "b", "type": "function", "function": {"name": "f", "arguments": ""}}],
     "reasoning_content": "Hm", "extra_content": {"tercet": {"thoughts": [
       {"at": 1, "text": "Hm", "signature": "s", "by": "anthropic", "is_redacted": false}]}}},
    {"role": "tool", "tool_call_id": "a", "content": "4"},
    {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "5"}]},
    {"role": "user", "content": "Three"}
  ],
  "metadata": {"tier": "tier2", "kind": "bug_fix", "strict": "true", "is_routine": false},
  "max_tokens": 9, "stop": ["END"], "n": 1, "logprobs": false, "temperature": 0.5,
  "tools": [{"type": "function", "function": {
    "name": "f", "description": "F", "parameters": {"type": "object"}, "strict": false}}],
  "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": true,
  "reasoning_effort": "low", "logit_bias": {"1": 1}, "modalities": ["text"], "seed": 1,
  "response_format": {"type": "json_schema", "json_schema": {
    "name": "n", "schema": {"type": "object"}, "strict": true}}
}"""
TOKENS = re.findall(r'"[^"]*"|[\w.]+|\W', RICH)
WORDS = [at for at, token in enumerate(TOKENS) if token[0] == '"' or token[0].isalnum()]
NAMES = st.sampled_from([TOKENS[at].strip('"') for at in WORDS]) | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAMES,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, JSON))
def test_any_json_object_is_an_order_or_a_client_error(fields: JsonObject) -> None:
    assert_is_read_or_refused(fields)


@given(st.sampled_from(WORDS), JSON)
def test_a_valid_body_with_any_word_replaced_is_an_order_or_a_client_error(
    at: int, value: JsonValue
) -> None:
    raw = "".join([*TOKENS[:at], json.dumps(value), *TOKENS[at + 1 :]]).encode()
    fields = parse(raw)
    if isinstance(fields, dict):
        assert_is_read_or_refused(fields)


def places(value: JsonValue, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value inside `value`, and its own."""
    inner: list[tuple[str | int, JsonValue]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    if isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: JsonValue, path: tuple[str | int, ...], by: JsonValue) -> JsonValue:
    """Return a copy of `value` with something else at one place."""
    if not path:
        return by
    match value, path[0]:
        case dict(), str(key):
            return value | {key: replaced(value[key], path[1:], by)}
        case list(), int(at):
            return [*value[:at], replaced(value[at], path[1:], by), *value[at + 1 :]]
        case _:
            raise AssertionError(path)


RICH_BODY = json.loads(RICH)
PLACES = places(RICH_BODY)[1:]


@given(st.sampled_from(PLACES), JSON)
def test_a_valid_body_with_any_value_replaced_is_an_order_or_a_client_error(
    place: tuple[str | int, ...], value: JsonValue
) -> None:
    fields = replaced(RICH_BODY, place, value)
    assert isinstance(fields, dict)
    assert_is_read_or_refused(fields)


@pytest.mark.parametrize("value", [None, True, 0, -1, 1.5, "", "x", [], [None], {}, {"x": None}])
def test_no_value_at_any_place_is_more_than_a_client_error(value: JsonValue) -> None:
    for place in PLACES:
        fields = replaced(RICH_BODY, place, value)
        assert isinstance(fields, dict)
        assert_is_read_or_refused(fields)


def assert_is_read_or_refused(fields: JsonObject) -> None:
    match outcome(fields):
        case Refusal(status=status, message=message, param=param):
            assert status in (400, 404)
            assert param is not None
            assert message.startswith(f"{param} ")
            assert len(message) < 1_500
        case Order(task=task, ignored=ignored):
            spoken = [message for message in task.messages if message.speaker != "system"]
            assert spoken[-1].speaker == "user"
            assert spoken[-1].text.strip() or any(
                not isinstance(part, Text) for part in spoken[-1].parts
            )
            assert json.dumps(ignored).isascii()


def test_the_body_that_is_mutated_is_itself_valid() -> None:
    order = read(RICH_BODY)
    assert order.ignored == ("logit_bias",)
    assert order.task.is_agentic
    assert [part for part in order.task.messages[-1].parts if isinstance(part, ToolResult)] == [
        ToolResult(id="a", parts=(Text("4"),)),
        ToolResult(id="b", parts=(Text("5"),)),
    ]
