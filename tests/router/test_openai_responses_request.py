import base64
import json
from typing import Any

import pytest
from fakes.responses import FRAME, answer, ordered, read

from router.surfaces.openai_responses import SURFACE, task_of
from router.surfaces.openai_responses_seal import CallSignature, seal, unseal
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Order
from tercet.content import (
    Controls,
    Media,
    OutputFormat,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from tercet.task import Hints, Message, turn

PNG = "iVBORw0KGgo="
PDF = "JVBERi0="
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}
CALL = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "a cat"}
USER = {"role": "user", "content": "Hi"}


def refused(**fields: Any) -> tuple[int, str, str | None]:
    refusal = read({"model": "tier1", "input": "Hi", **fields})
    assert isinstance(refusal, Refusal), refusal
    assert refusal.param is not None
    assert refusal.message.startswith(refusal.param)
    return refusal.status, refusal.code, refusal.param


def test_a_string_is_one_message_and_instructions_are_the_systems() -> None:
    task = ordered(instructions="Be brief.", max_output_tokens=64).task
    assert task.messages == (turn("system", "Be brief."), turn("user", "Hi"))
    assert (task.id, task.key_id, task.model, task.max_output_tokens) == (
        "req_1",
        "key_1",
        "tier1",
        64,
    )


def test_what_is_said_and_shown_is_read() -> None:
    items = [
        {"type": "message", "role": "developer", "content": "Be brief."},
        {"type": "message", "role": "system", "content": " "},
        {
            "role": "user",
            "content": [
                {
                    "type": "input_text",
                    "text": "What is it?",
                    "cache_control": {"type": "ephemeral"},
                },
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
                {"type": "input_file", "file_data": f"data:application/pdf;base64,{PDF}"},
                {"type": "input_file", "file_url": "https://example.com/a.pdf"},
            ],
        },
        {
            "id": "msg_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "A cat.", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": " No."},
            ],
        },
        USER,
    ]
    order = ordered(input=items)
    pdf = Media(kind="document", mime="application/pdf", data=PDF)
    assert order.task.messages == (
        turn("system", "Be brief."),
        Message(
            speaker="user",
            parts=(
                Text("What is it?", cache="5m"),
                Media(kind="image", mime="image/png", data=PNG),
                Media(kind="image", mime="", url="https://example.com/a.png"),
                Media(kind="document", mime="application/pdf", data=PDF, name="a.pdf"),
                pdf,
                Media(kind="document", mime="", url="https://example.com/a.pdf"),
            ),
        ),
        Message(speaker="assistant", parts=(Text("A cat."), Text(" No."))),
        turn("user", "Hi"),
    )
    assert order.ignored == ("input_image.detail",)


def test_a_loop_of_tools_is_read_as_turns_with_its_signatures() -> None:
    thought = Thought(text="hm", signature="c2ln", by="anthropic")
    items = [
        USER,
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": seal(thought)},
        {
            "type": "reasoning",
            "summary": [],
            "encrypted_content": seal(
                CallSignature(call_id="call_1", signature="Z29v", by="google")
            ),
        },
        CALL,
        {"type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "*** é"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "done"},
        {"role": "user", "content": "Hurry."},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [
                {"type": "input_text", "text": "a cat"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "A cat?"}]},
        {**CALL, "call_id": "call_3", "namespace": "eyes"},
        {**OUTPUT, "call_id": "call_3", "output": ""},
    ]
    image = Media(kind="image", mime="image/png", data=PNG)
    assert ordered(input=items).task.messages == (
        turn("user", "Hi"),
        Message(
            speaker="assistant",
            parts=(
                thought,
                ToolUse(id="call_1", name="look", arguments="{}", signature="Z29v", by="google"),
                ToolUse(id="call_2", name="patch", arguments='{"input":"*** é"}'),
            ),
        ),
        Message(
            speaker="user",
            parts=(
                ToolResult(id="call_2", parts=(Text("done"),)),
                ToolResult(id="call_1", parts=(Text("a cat"), image)),
                Text("Hurry."),
            ),
        ),
        Message(
            speaker="assistant",
            parts=(
                Thought(text="A cat?", by="local"),
                ToolUse(id="call_3", name="eyes__look", arguments="{}"),
            ),
        ),
        Message(speaker="user", parts=(ToolResult(id="call_3", parts=()),)),
    )


def test_a_thought_that_another_gateway_sealed_is_dropped() -> None:
    def sealed(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()

    ours = {"v": 1, "by": "google", "signature": "c2ln", "text": "hm", "redacted": False}
    foreign = [
        "gAAAAABf",
        "é",
        sealed([]),
        sealed(ours | {"v": 2}),
        sealed(ours | {"by": "openai"}),
        sealed(ours | {"by": ["google"]}),
        sealed(ours | {"signature": ""}),
        sealed(ours | {"signature": "no base64"}),
        sealed(ours | {"text": None}),
    ]
    assert unseal(sealed(ours)) == Thought(text="hm", signature="c2ln", by="google")
    for content in foreign:
        items = [{"type": "reasoning", "summary": [], "encrypted_content": content}, USER]
        assert ordered(input=items).task.messages == (turn("user", "Hi"),)


def test_controls_are_read() -> None:
    order = ordered(
        tools=[LOOK],
        tool_choice={"type": "function", "name": "look"},
        parallel_tool_calls=False,
        reasoning={"effort": "high", "summary": "auto"},
        text={
            "format": {"type": "json_schema", "name": "cat", "schema": {"const": None}},
            "verbosity": "medium",
        },
        temperature=1,
        top_p=0.5,
        metadata={"kind": "question"},
    )
    assert order.task.controls == Controls(
        tools=(Tool(name="look", schema={"type": "object"}, strict=True),),
        tool_choice=ToolChoice(mode="one", name="look"),
        parallel_tools=False,
        output=OutputFormat(name="cat", schema={"const": None}),
        effort="high",
        shows_thoughts=True,
        sampling=Sampling(temperature=1.0, top_p=0.5),
    )
    assert order.task.hints == Hints(kind="question")
    assert order.ignored == ()
    assert ordered(text={"format": {"type": "json_object"}}).task.controls.output == OutputFormat()


def test_what_the_caller_runs_is_a_tool_and_what_openai_would_run_is_named() -> None:
    order = ordered(
        tools=[
            {
                "type": "custom",
                "name": "apply_patch",
                "description": "Edits.",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
            },
            {"type": "namespace", "name": "eyes", "description": "", "tools": [LOOK]},
            {"type": "web_search", "external_web_access": True},
            {"type": "local_shell"},
        ],
        tool_choice="required",
    )
    patch, look = order.task.controls.tools
    assert (patch.name, patch.description) == (
        "apply_patch",
        "Edits.\n\nThe input must match this lark grammar:\n\nstart: /.+/",
    )
    assert patch.schema["required"] == ["input"]
    assert look.name == "eyes__look"
    assert order.ignored == ("tools.local_shell", "tools.web_search")


def test_allowed_tools_are_the_ones_that_are_offered() -> None:
    controls = ordered(
        tools=[LOOK, LOOK | {"name": "listen"}, {"type": "web_search"}],
        tool_choice={
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "listen"}, {"type": "web_search"}],
        },
    ).task.controls
    assert [tool.name for tool in controls.tools] == ["listen"]
    assert controls.tool_choice == ToolChoice(mode="required")


def test_fields_without_effect_are_named_unless_they_ask_for_nothing() -> None:
    order = ordered(
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        user="me",
        service_tier="auto",
        truncation="disabled",
        top_logprobs=0,
        background=False,
        prompt=None,
        stream_options={"include_obfuscation": False},
        client_metadata={"session": "s"},
        reasoning={"effort": None, "context": "auto"},
        text={"verbosity": "low"},
    )
    assert order.ignored == (
        "client_metadata",
        "include.message.output_text.logprobs",
        "reasoning.context",
        "service_tier",
        "text.verbosity",
        "user",
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [1]}, "input[0]"),
        ({"input": " "}, "input[0]"),
        ({"input": [{"id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0].type"),
        ({"input": [{"type": ["message"]}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "developer", "content": "a"}]}, "input"),
        ({"input": [USER, {"role": "assistant", "content": "a"}]}, "input[1]"),
        ({"input": [{"role": "user", "content": {}}]}, "input[0].content"),
        ({"input": [USER, CALL]}, "input[1]"),
        ({"input": [USER, OUTPUT]}, "input[1].call_id"),
        ({"input": [USER, CALL, OUTPUT, OUTPUT]}, "input[3].call_id"),
        ({"input": [USER, CALL, CALL, OUTPUT]}, "input[2].call_id"),
        ({"input": [USER, CALL, CALL | {"call_id": "b"}, OUTPUT, CALL]}, "input[2]"),
        ({"input": [USER, CALL | {"arguments": {}}]}, "input[1].arguments"),
        ({"input": [USER, CALL | {"namespace": 1}]}, "input[1].namespace"),
        ({"input": [{"type": "reasoning", "summary": "a"}]}, "input[0].summary"),
        ({"instructions": ["a"]}, "instructions"),
        ({"previous_response_id": 1}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"include": "reasoning.encrypted_content"}, "include"),
        ({"metadata": {"tier": "tier2"}}, "metadata.tier"),
        ({"tools": [{"name": "a"}]}, "tools[0].type"),
        ({"tools": [LOOK, LOOK]}, "tools[1].name"),
        ({"tools": [LOOK | {"name": "a b"}]}, "tools[0].name"),
        ({"tools": [LOOK | {"parameters": []}]}, "tools[0].parameters"),
        ({"tools": [{"type": "custom", "name": "a", "format": 1}]}, "tools[0].format"),
        (
            {"tools": [{"type": "namespace", "name": "a", "tools": [{"type": "mcp"}]}]},
            "tools[0].tools[0].type",
        ),
        ({"tool_choice": "required", "tools": [{"type": "web_search"}]}, "tool_choice"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function", "name": "look"}}, "tool_choice.name"),
        ({"reasoning": {"effort": "most"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_field(fields: dict[str, Any], param: str) -> None:
    status, _, told = refused(**fields)
    assert (status, told) == (400, param)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"type": "input_audio"}, "type"),
        ({"type": "input_text", "text": None}, "text"),
        ({"type": "input_image", "file_id": "file_1"}, "file_id"),
        ({"type": "input_image", "image_url": "http://example.com/a.png"}, "image_url"),
        ({"type": "input_image", "image_url": "https://127.0.0.1/a.png"}, "image_url"),
        ({"type": "input_image", "image_url": f"data:application/pdf;base64,{PDF}"}, "image_url"),
        ({"type": "input_image", "image_url": {"url": "https://example.com"}}, "image_url"),
        ({"type": "input_file", "file_id": "file_1"}, "file_id"),
        ({"type": "input_file", "file_data": f"data:image/png;base64,{PNG}"}, "file_data"),
        ({"type": "input_file", "file_data": "%"}, "file_data"),
        ({"type": "input_file", "file_url": "file:///etc/passwd"}, "file_url"),
    ],
)
def test_a_part_that_cannot_be_shown_is_refused(part: dict[str, Any], name: str) -> None:
    items = [{"role": "user", "content": [{"type": "input_text", "text": "a"}, part]}]
    assert refused(input=items)[2] == f"input[0].content[1].{name}"


def test_a_response_is_continued_without_its_instructions() -> None:
    first = ordered(
        input=[USER],
        instructions="Be brief.",
        tools=[LOOK],
        metadata={"kind": "question"},
    )
    use = ToolUse(id="call_1", name="look", arguments="{}", signature="Z29v", by="google")
    document = first.writer.memory(FRAME, answer(use, finish="tool_use"))
    second = ordered(document, input=[OUTPUT], previous_response_id="resp_req_1")
    assert second.task.messages == (
        turn("user", "Hi"),
        Message(speaker="assistant", parts=(use,)),
        Message(speaker="user", parts=(ToolResult(id="call_1", parts=(Text("a cat"),)),)),
    )
    again = second.writer.memory(FRAME, answer("A cat."))
    third = ordered(again, input="Sure?", previous_response_id="resp_req_1")
    assert [message.text for message in third.task.messages] == ["Hi", "", "", "A cat.", "Sure?"]


def test_a_response_that_is_not_there_cannot_be_continued() -> None:
    told = refused(previous_response_id="resp_req_1")
    assert told == (404, "previous_response_not_found", "previous_response_id")


def test_a_conversation_does_not_grow_without_end() -> None:
    document = json.dumps({"items": [USER], "bytes": 31_999_990})
    fields = {"model": "tier1", "input": "Hi", "previous_response_id": "resp_req_1"}
    told = read(fields, document)
    assert isinstance(told, Refusal)
    assert (told.status, told.code) == (400, "context_length_exceeded")
    assert isinstance(read(fields | {"store": False}, document), Order)


def test_the_task_that_is_continued_is_found_in_the_responses_id() -> None:
    assert task_of("resp_req_1") == "req_1"
    assert SURFACE.continues({"previous_response_id": "resp_req_1"}) == "req_1"
    for foreign in ("req_1", "resp_", "resp_a\x00", "resp_a\n", "resp_" + "a" * 101):
        assert task_of(foreign) == ""
        assert SURFACE.continues({"previous_response_id": foreign}) is None
    assert SURFACE.continues({"previous_response_id": ["resp_req_1"]}) is None
    assert SURFACE.continues({}) is None
