from typing import get_args

import pytest

from router.surfaces.openai_chat import SURFACE
from router.surfaces.openai_chat_reply import SIGNATURES
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Identity, Incoming, Order
from tercet.catalog import ProviderName
from tercet.content import JsonObject, JsonValue, Media, Text, Thought, ToolResult, ToolUse
from tercet.task import Message, turn

IDENTITY = Identity(task_id="task-1", key_id="key-1", deadline_at=1_800_000_000.0)
HELLO: JsonObject = {"role": "user", "content": "Hello"}
EPHEMERAL: JsonObject = {"type": "ephemeral"}
AN_HOUR: JsonObject = {"type": "ephemeral", "ttl": "1h"}


def outcome(*messages: JsonValue) -> Order | Refusal:
    body: JsonObject = {"model": "auto", "messages": list(messages)}
    incoming = Incoming(body=body, raw=b"", headers={}, query={})
    return SURFACE.read(incoming, {"auto": "auto"}.get, IDENTITY)


def read(*messages: JsonValue) -> tuple[Message, ...]:
    order = outcome(*messages)
    assert isinstance(order, Order), order
    return order.task.messages


def user(*parts: JsonValue) -> JsonObject:
    return {"role": "user", "content": list(parts)}


def assistant(**fields: JsonValue) -> JsonObject:
    return {"role": "assistant", **fields}


def text(said: str, **fields: JsonValue) -> JsonObject:
    return {"type": "text", "text": said, **fields}


def image(url: JsonValue) -> JsonObject:
    return {"type": "image_url", "image_url": {"url": url}}


def file(**fields: JsonValue) -> JsonObject:
    return {"type": "file", "file": fields}


def call(use_id: str = "a", **fields: JsonValue) -> JsonObject:
    function: JsonObject = {"name": "f", "arguments": "{}"}
    return {"id": use_id, "type": "function", "function": function, **fields}


def calling(*calls: JsonValue) -> JsonObject:
    return assistant(content=None, tool_calls=list(calls))


def result(use_id: JsonValue = "a", content: JsonValue = "4", **fields: JsonValue) -> JsonObject:
    return {"role": "tool", "tool_call_id": use_id, "content": content, **fields}


def thinking(*thoughts: JsonValue) -> JsonObject:
    extra: JsonObject = {"tercet": {"thoughts": list(thoughts)}}
    return assistant(content="Hi", extra_content=extra)


def test_images_and_pdfs_are_read() -> None:
    assert read(
        user(
            text("See"),
            image("data:image/png;base64,AAAA"),
            image("DATA:Image/JPG;name=x;Base64,AAA="),
            image("https://example.com/a.png?b=c"),
            file(filename="a.pdf", file_data="data:application/pdf;base64,AA=="),
            file(file_data="data:application/pdf;base64,AAAA"),
        )
    ) == (
        Message(
            speaker="user",
            parts=(
                Text("See"),
                Media(kind="image", mime="image/png", data="AAAA"),
                Media(kind="image", mime="image/jpeg", data="AAA="),
                Media(kind="image", mime="", url="https://example.com/a.png?b=c"),
                Media(kind="document", mime="application/pdf", data="AA==", name="a.pdf"),
                Media(kind="document", mime="application/pdf", data="AAAA"),
            ),
        ),
    )


def test_an_image_alone_says_something() -> None:
    assert read(user(image("data:image/gif;base64,AAAA")))[0].text == ""


def test_a_tool_loop_is_read() -> None:
    assert read(
        HELLO,
        assistant(
            content="One moment.",
            tool_calls=[
                call("a", extra_content={"google": {"thought_signature": "AAA="}}),
                call("b", extra_content={"anthropic": {"signature": "sig"}, "other": 1}),
                call("c", function={"name": "g h", "arguments": '{"broken'}),
            ],
        ),
        result("b", [text("5"), image("data:image/png;base64,AAAA")]),
        result("a", ""),
        result("c"),
        {"role": "user", "content": "Go on"},
    ) == (
        turn("user", "Hello"),
        Message(
            speaker="assistant",
            parts=(
                Text("One moment."),
                ToolUse(id="a", name="f", arguments="{}", signature="AAA=", by="google"),
                ToolUse(id="b", name="f", arguments="{}", signature="sig", by="anthropic"),
                ToolUse(id="c", name="g h", arguments='{"broken'),
            ),
        ),
        Message(
            speaker="user",
            parts=(
                ToolResult(
                    id="b",
                    parts=(Text("5"), Media(kind="image", mime="image/png", data="AAAA")),
                ),
                ToolResult(id="a", parts=()),
                ToolResult(id="c", parts=(Text("4"),)),
                Text("Go on"),
            ),
        ),
    )


def test_a_conversation_may_end_with_a_tools_result() -> None:
    assert read(HELLO, calling(call()), result())[-1].parts == (
        ToolResult(id="a", parts=(Text("4"),)),
    )


def test_an_id_may_be_used_again_in_a_later_turn() -> None:
    assert len(read(HELLO, calling(call()), result(), calling(call()), result())) == 5


def test_a_system_message_may_stand_between_a_call_and_its_result() -> None:
    system: JsonObject = {"role": "system", "content": "Be kind"}
    messages = read(HELLO, calling(call()), system, result())
    assert [message.speaker for message in messages] == ["user", "assistant", "system", "user"]


def test_users_who_speak_twice_are_kept_apart() -> None:
    assert read(HELLO, HELLO) == (turn("user", "Hello"), turn("user", "Hello"))


def test_breakpoints_of_the_cache_are_kept() -> None:
    assert read(
        {"role": "system", "content": "Be brief", "cache_control": AN_HOUR},
        user(text("One", cache_control=EPHEMERAL), text("two")),
        assistant(content="Hi", tool_calls=[call(cache_control=EPHEMERAL)]),
        result(cache_control=AN_HOUR),
    ) == (
        Message(speaker="system", parts=(Text("Be brief", cache="1h"),)),
        Message(speaker="user", parts=(Text("One", cache="5m"), Text("two"))),
        Message(
            speaker="assistant",
            parts=(Text("Hi"), ToolUse(id="a", name="f", arguments="{}", cache="5m")),
        ),
        Message(speaker="user", parts=(ToolResult(id="a", parts=(Text("4"),), cache="1h"),)),
    )


def test_thoughts_come_back_to_where_they_stood() -> None:
    messages = read(
        HELLO,
        assistant(
            content="Hi",
            reasoning_content="Hm. Sealed.",
            tool_calls=[call()],
            extra_content={
                "tercet": {
                    "thoughts": [
                        {"text": "Hm.", "signature": "s", "by": "anthropic"},
                        {"at": 2, "text": "", "signature": "AA==", "by": "google"},
                        {
                            "at": 1,
                            "signature": "x",
                            "by": "anthropic",
                            "is_redacted": True,
                        },
                        {"at": 9, "text": "late", "by": "local", "signature": None},
                    ]
                }
            },
        ),
        result(),
    )
    assert messages[1].parts == (
        Thought(text="Hm.", signature="s", by="anthropic"),
        Text("Hi"),
        Thought(text="", signature="x", by="anthropic", is_redacted=True),
        ToolUse(id="a", name="f", arguments="{}"),
        Thought(text="", signature="AA==", by="google"),
        Thought(text="late", by="local"),
    )


def test_a_thought_that_says_nothing_is_left_out() -> None:
    messages = read(HELLO, thinking({"text": "", "by": "google", "is_redacted": True}), HELLO)
    assert messages[1] == turn("assistant", "Hi")


def test_reasoning_content_alone_is_an_unsigned_thought() -> None:
    messages = read(HELLO, assistant(content="Hi", reasoning_content="Hm."), HELLO)
    assert messages[1].parts == (Thought(text="Hm.", by="local"), Text("Hi"))


def test_a_refusal_beside_content_is_said_after_it() -> None:
    messages = read(HELLO, assistant(content="Well.", refusal="No."), HELLO)
    assert messages[1].parts == (Text("Well."), Text("No."))


def test_empty_texts_and_turns_of_nothing_else_are_left_out() -> None:
    messages = read(HELLO, assistant(content=""), user(text(""), text("Go")))
    assert messages == (turn("user", "Hello"), turn("user", "Go"))


def test_every_provider_has_a_name_for_its_signature() -> None:
    assert set(SIGNATURES) == set(get_args(ProviderName))


MESSAGE = "messages[1]"
CALL = f"{MESSAGE}.tool_calls[0]"
IMAGE = f"{MESSAGE}.content[0].image_url"
THOUGHT = f"{MESSAGE}.extra_content.tercet.thoughts[0]"
BAD: dict[str, tuple[list[JsonValue], str]] = {
    "a sound": (
        [HELLO, user({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})],
        f"{MESSAGE}.content[0].type",
    ),
    "an image of the system": (
        [{"role": "system", "content": [image("data:image/png;base64,AAAA")]}, HELLO],
        "messages[0].content[0].type",
    ),
    "an image of the assistant": (
        [HELLO, assistant(content=[image("data:image/png;base64,AAAA")]), HELLO],
        f"{MESSAGE}.content[0].type",
    ),
    "an image that is a string": (
        [HELLO, user({"type": "image_url", "image_url": "https://example.com"})],
        IMAGE,
    ),
    "an image without a URL": (
        [HELLO, user({"type": "image_url", "image_url": {}})],
        f"{IMAGE}.url",
    ),
    "an image by http": ([HELLO, user(image("http://example.com/a.png"))], f"{IMAGE}.url"),
    "an image of a private host": ([HELLO, user(image("https://10.0.0.1/a"))], f"{IMAGE}.url"),
    "an image that is a PDF": (
        [HELLO, user(image("data:application/pdf;base64,AAAA"))],
        f"{IMAGE}.url",
    ),
    "an image that is a film": (
        [HELLO, user(image("data:video/mp4;base64,AAAA"))],
        f"{IMAGE}.url",
    ),
    "an image that is not base64": (
        [HELLO, user(image("data:image/png;base64,A"))],
        f"{IMAGE}.url",
    ),
    "a file of OpenAI's store": (
        [HELLO, user(file(file_id="f"))],
        f"{MESSAGE}.content[0].file.file_id",
    ),
    "a file without data": ([HELLO, user(file())], f"{MESSAGE}.content[0].file.file_data"),
    "a file that is an image": (
        [HELLO, user(file(file_data="data:image/png;base64,AAAA"))],
        f"{MESSAGE}.content[0].file.file_data",
    ),
    "a file's name a number": (
        [HELLO, user(file(filename=1, file_data="data:application/pdf;base64,AAAA"))],
        f"{MESSAGE}.content[0].file.filename",
    ),
    "a breakpoint that is a string": (
        [HELLO, user(text("x", cache_control="5m"))],
        f"{MESSAGE}.content[0].cache_control",
    ),
    "a breakpoint of another type": (
        [HELLO, user(text("x", cache_control={"type": "lasting"}))],
        f"{MESSAGE}.content[0].cache_control.type",
    ),
    "a breakpoint for a day": (
        [HELLO, {**HELLO, "cache_control": {"type": "ephemeral", "ttl": "24h"}}],
        f"{MESSAGE}.cache_control.ttl",
    ),
    "tool calls that are an object": (
        [HELLO, assistant(content="x", tool_calls={}), HELLO],
        f"{MESSAGE}.tool_calls",
    ),
    "a custom tool call": (
        [HELLO, calling({"id": "a", "type": "custom", "custom": {}}), result()],
        f"{CALL}.type",
    ),
    "a tool call without a function": (
        [HELLO, calling({"id": "a", "type": "function"}), result()],
        f"{CALL}.function",
    ),
    "a tool call without an id": (
        [HELLO, calling({"function": {"name": "f", "arguments": ""}}), result()],
        f"{CALL}.id",
    ),
    "arguments that are an object": (
        [HELLO, calling(call(function={"name": "f", "arguments": {}})), result()],
        f"{CALL}.function.arguments",
    ),
    "two tool calls of one id": (
        [HELLO, calling(call(), call()), result()],
        f"{MESSAGE}.tool_calls[1].id",
    ),
    "a tool call that nothing answers": (
        [HELLO, calling(call("a"), call("b")), result("a")],
        f"{MESSAGE}.tool_calls[1]",
    ),
    "a tool call answered by the user": ([HELLO, calling(call()), HELLO], CALL),
    "a result of no call": ([HELLO, result()], f"{MESSAGE}.tool_call_id"),
    "a result of another call": (
        [HELLO, calling(call()), result("b")],
        "messages[2].tool_call_id",
    ),
    "a result told twice": (
        [HELLO, calling(call()), result(), result()],
        "messages[3].tool_call_id",
    ),
    "a result without an id": ([HELLO, calling(call()), result(None)], "messages[2].tool_call_id"),
    "a result without content": (
        [HELLO, calling(call()), result(content=None)],
        "messages[2].content",
    ),
    "tool calls last": ([HELLO, calling(call())], f"{MESSAGE}.role"),
    "extra content that is a list": (
        [HELLO, calling(call(extra_content=[])), result()],
        f"{CALL}.extra_content",
    ),
    "extra content of Google that is a string": (
        [HELLO, calling(call(extra_content={"google": "x"})), result()],
        f"{CALL}.extra_content.google",
    ),
    "a signature that is not base64": (
        [HELLO, calling(call(extra_content={"google": {"thought_signature": "é"}})), result()],
        f"{CALL}.extra_content.google.thought_signature",
    ),
    "a signature that is empty": (
        [HELLO, calling(call(extra_content={"anthropic": {"signature": ""}})), result()],
        f"{CALL}.extra_content.anthropic.signature",
    ),
    "reasoning that is a list": (
        [HELLO, assistant(content="x", reasoning_content=["x"]), HELLO],
        f"{MESSAGE}.reasoning_content",
    ),
    "thoughts that are an object": (
        [HELLO, assistant(content="x", extra_content={"tercet": {"thoughts": {}}}), HELLO],
        f"{MESSAGE}.extra_content.tercet.thoughts",
    ),
    "a thought that is a string": ([HELLO, thinking("x"), HELLO], THOUGHT),
    "a thought of nobody": ([HELLO, thinking({"text": "x"}), HELLO], f"{THOUGHT}.by"),
    "a thought of a stranger": (
        [HELLO, thinking({"text": "x", "by": "openai"}), HELLO],
        f"{THOUGHT}.by",
    ),
    "a thought's text a number": (
        [HELLO, thinking({"text": 1, "by": "google"}), HELLO],
        f"{THOUGHT}.text",
    ),
    "a thought's place before the first": (
        [HELLO, thinking({"text": "x", "by": "google", "at": -1}), HELLO],
        f"{THOUGHT}.at",
    ),
    "a thought's signature a number": (
        [HELLO, thinking({"text": "x", "by": "anthropic", "signature": 1}), HELLO],
        f"{THOUGHT}.signature",
    ),
    "a thought redacted by a string": (
        [HELLO, thinking({"text": "x", "by": "anthropic", "is_redacted": "no"}), HELLO],
        f"{THOUGHT}.is_redacted",
    ),
}


@pytest.mark.parametrize(("messages", "param"), BAD.values(), ids=BAD.keys())
def test_a_bad_message_is_refused_at_its_field(messages: list[JsonValue], param: str) -> None:
    refusal = outcome(*messages)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.param) == (400, param)
    assert refusal.message.startswith(f"{param} ")
