import json
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.claude_request import messages_body
from router.surfaces.anthropic_messages import SURFACE, count_request
from router.surfaces.anthropic_messages_reply import MessagesWriter
from router.surfaces.body import parse
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Identity, Incoming, Order
from tercet.call import Prompt
from tercet.content import (
    Controls,
    JsonObject,
    JsonValue,
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
from tercet.task import Hints, Message, Task, turn

MODELS = {name: name for name in ("auto", "tier1", "claude-opus-5-5")} | {"claude-opus-9": "auto"}
IDENTITY = Identity(task_id="task-1", key_id="key-1", deadline_at=1_800_000_000.0)
HELLO: JsonObject = {"role": "user", "content": "Hello"}
PNG = "iVBORw0KGgo="
PDF = "JVBERi0xLjc="
USE: JsonObject = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "me"}}
RESULT: JsonObject = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
SEARCH: JsonObject = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"query": "x"},
}
LOOK: JsonObject = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
WEB: JsonObject = {"type": "web_search_20250305", "name": "web_search"}


def body(**fields: JsonValue) -> JsonObject:
    return {"model": "auto", "max_tokens": 100, "messages": [HELLO], **fields}


def user(*blocks: JsonValue) -> JsonObject:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: JsonValue) -> JsonObject:
    return {"role": "assistant", "content": list(blocks)}


def saying(*messages: JsonValue) -> JsonObject:
    return body(messages=list(messages))


def block(kind: str, **fields: JsonValue) -> JsonObject:
    return {"type": kind, **fields}


def incoming(
    fields: JsonObject,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> Incoming:
    raw = json.dumps(fields).encode()
    return Incoming(body=fields, raw=raw, headers=headers or {}, query=query or {})


def outcome(fields: JsonObject, headers: Mapping[str, str] | None = None) -> Order | Refusal:
    return SURFACE.read(incoming(fields, headers), MODELS.get, IDENTITY)


def read(fields: JsonObject, headers: Mapping[str, str] | None = None) -> Order:
    order = outcome(fields, headers)
    assert isinstance(order, Order), order
    return order


def refused(fields: JsonObject, headers: Mapping[str, str] | None = None) -> Refusal:
    refusal = outcome(fields, headers)
    assert isinstance(refusal, Refusal), refusal
    return refusal


def parts_of(*blocks: JsonValue) -> tuple[Part, ...]:
    """Return what a user's blocks are read as."""
    return read(saying(user(*blocks))).task.messages[0].parts


def thought_parts(*blocks: JsonValue) -> tuple[Part, ...]:
    """Return what an assistant's blocks before a last user turn are read as."""
    return read(saying(HELLO, assistant(*blocks), HELLO)).task.messages[1].parts


FULL: JsonObject = {
    "model": "claude-opus-9",
    "max_tokens": 4096,
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1"},
        {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
    "messages": [
        user(
            block("text", text="See", cache_control={"type": "ephemeral"}, citations=None),
            block("image", source={"type": "base64", "media_type": "image/png", "data": PNG}),
            block("document", title="Law", source={"type": "url", "url": "https://a.example/b"}),
        ),
        assistant(
            block("thinking", thinking="Hm.", signature="c2ln"),
            block("redacted_thinking", data="Z2Vo"),
            block("text", text="I look."),
            USE,
        ),
        user(
            {
                **RESULT,
                "is_error": True,
                "content": [
                    block("text", text="no"),
                    block("image", source={"type": "url", "url": "https://a.example/c.png"}),
                ],
            },
            block("text", text="Go on."),
        ),
        {"role": "system", "content": "Be brief."},
    ],
    "stop_sequences": ["END"],
    "tools": [
        {
            **LOOK,
            "type": "custom",
            "description": "Looks.",
            "strict": True,
            "defer_loading": True,
            "cache_control": {"type": "ephemeral"},
        },
        WEB,
    ],
    "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {
        "effort": "high",
        "format": {"type": "json_schema", "schema": {"type": "object"}},
    },
    "temperature": 0,
    "top_p": 0.5,
    "top_k": 7,
    "metadata": {"user_id": "{}"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    "mcp_servers": [],
}

FULL_TASK = Task(
    id="task-1",
    key_id="key-1",
    model="auto",
    messages=(
        Message(speaker="system", parts=(Text("Be kind.", cache="1h"),)),
        Message(
            speaker="user",
            parts=(
                Text("See", cache="5m"),
                Media(kind="image", mime="image/png", data=PNG),
                Media(
                    kind="document",
                    mime="application/pdf",
                    url="https://a.example/b",
                    name="Law",
                ),
            ),
        ),
        Message(
            speaker="assistant",
            parts=(
                Thought(text="Hm.", signature="c2ln", by="anthropic"),
                Thought(text="", signature="Z2Vo", by="anthropic", is_redacted=True),
                Text("I look."),
                ToolUse(id="toolu_1", name="look", arguments='{"at":"me"}'),
            ),
        ),
        Message(
            speaker="user",
            parts=(
                ToolResult(
                    id="toolu_1",
                    parts=(
                        Text("no"),
                        Media(kind="image", mime="", url="https://a.example/c.png"),
                    ),
                    is_error=True,
                ),
                Text("Go on."),
            ),
        ),
        turn("system", "Be brief."),
    ),
    max_output_tokens=4096,
    stop=("END",),
    controls=Controls(
        tools=(
            Tool(
                name="look",
                description="Looks.",
                schema={"type": "object", "properties": {}},
                strict=True,
                cache="5m",
            ),
        ),
        tool_choice=ToolChoice(mode="one", name="look"),
        parallel_tools=False,
        output=OutputFormat(schema={"type": "object"}, strict=True),
        effort="high",
        shows_thoughts=True,
        sampling=Sampling(temperature=0.0, top_p=0.5, top_k=7),
    ),
    verbatim=Verbatim(
        provider="anthropic",
        body=json.dumps(FULL).encode(),
        headers={"anthropic-beta": "effort-2025-11-24", "anthropic-version": "2023-06-01"},
        stream=True,
        query={"beta": "true"},
        is_needed=True,
    ),
    deadline_at=1_800_000_000.0,
)


def test_a_small_body_becomes_a_task() -> None:
    order = read(body())
    assert order.task.messages == (turn("user", "Hello"),)
    assert order.task.max_output_tokens == 100
    assert order.task.controls == Controls()
    assert order.task.hints == Hints()
    assert order.stream is False
    assert isinstance(order.writer, MessagesWriter)


def test_a_full_body_becomes_a_task_and_goes_along_as_it_came() -> None:
    headers = {
        "anthropic-beta": "effort-2025-11-24",
        "anthropic-version": "2023-06-01",
        "authorization": "Bearer secret",
        "cookie": "a=b",
    }
    query = {"beta": "true", "key": "secret"}
    order = SURFACE.read(incoming(FULL, headers, query), MODELS.get, IDENTITY)
    assert isinstance(order, Order)
    assert order.task == FULL_TASK
    assert order.stream is True
    assert order.ignored == ()


BAD_TURNS: list[tuple[list[JsonValue], str]] = [
    ([], "messages"),
    ([3], "messages[0]"),
    ([{"role": "tool", "content": "x"}], "messages[0].role"),
    ([{"role": "user"}], "messages[0].content"),
    ([{"role": "user", "content": 5}], "messages[0].content"),
    ([{"role": "user", "content": " "}], "messages[0].content"),
    ([user()], "messages[0].content"),
    ([user("x")], "messages[0].content[0]"),
    ([user({})], "messages[0].content[0].type"),
    ([user(block("text"))], "messages[0].content[0].text"),
    ([user(USE)], "messages[0].content[0].type"),
    ([user(block("thinking", thinking="x", signature="y"))], "messages[0].content[0].type"),
    ([user(RESULT)], "messages[0].content[0].tool_use_id"),
    ([HELLO, assistant(USE), HELLO], "messages[1].content[0]"),
    ([HELLO, assistant(USE, USE), user(RESULT)], "messages[1].content[1].id"),
    ([HELLO, assistant(USE), user(RESULT, RESULT)], "messages[2].content[1].tool_use_id"),
    (
        [HELLO, assistant(USE), user(RESULT), assistant(block("text", text="x")), user(RESULT)],
        "messages[4].content[0].tool_use_id",
    ),
    ([HELLO, assistant({**USE, "input": "x"}), user(RESULT)], "messages[1].content[0].input"),
    ([HELLO, assistant({**USE, "id": None}), user(RESULT)], "messages[1].content[0].id"),
    (
        [HELLO, assistant(USE), user({**RESULT, "content": [4]})],
        "messages[2].content[0].content[0]",
    ),
    (
        [HELLO, assistant(USE), user({**RESULT, "is_error": "no"})],
        "messages[2].content[0].is_error",
    ),
    ([HELLO, assistant(block("redacted_thinking", data="")), HELLO], "messages[1].content[0].data"),
    (
        [HELLO, assistant(block("redacted_thinking", data="tercet:who:x")), HELLO],
        "messages[1].content[0].data",
    ),
    (
        [HELLO, assistant(block("redacted_thinking", data="tercet:google:tool:")), HELLO],
        "messages[1].content[0].data",
    ),
    (
        [HELLO, assistant(block("thinking", thinking="", signature="tercet:google:!")), HELLO],
        "messages[1].content[0].signature",
    ),
    ([HELLO, assistant(block("text", text="Dear"))], "messages[1].role"),
    ([HELLO, {"role": "assistant", "content": "Dear"}], "messages[1].role"),
    ([{"role": "system", "content": "x"}], "messages"),
    ([{"role": "system", "content": [block("image")]}, HELLO], "messages[0].content[0].type"),
    ([HELLO] * 2_001, "messages"),
    ([user(*[block("text", text="x")] * 10_001)], "messages"),
]

BAD_SOURCES: list[tuple[JsonValue, str]] = [
    (None, "source"),
    ({}, "source.type"),
    ({"type": "base64", "media_type": "image/png", "data": "***"}, "source"),
    ({"type": "base64", "media_type": "image/tiff", "data": PNG}, "source"),
    ({"type": "base64", "media_type": "application/pdf", "data": PDF}, "source.media_type"),
    ({"type": "url", "url": "http://a.example/x.png"}, "source.url"),
    ({"type": "url", "url": "https://127.0.0.1/x.png"}, "source.url"),
    ({"type": "url", "url": "https://[::1]/x.png"}, "source.url"),
    ({"type": "url", "url": "https://10.0.0.8/x.png"}, "source.url"),
    ({"type": "url", "url": "file:///etc/passwd"}, "source.url"),
    ({"type": "url"}, "source.url"),
]

BAD_FIELDS: list[tuple[JsonObject, str]] = [
    ({"model": 5}, "model"),
    ({"max_tokens": None}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": False}, "max_tokens"),
    ({"max_tokens": 0.0}, "max_tokens"),
    ({"max_tokens": 2**31}, "max_tokens"),
    ({"messages": None}, "messages"),
    ({"messages": {}}, "messages"),
    ({"stream": "yes"}, "stream"),
    ({"system": 5}, "system"),
    ({"system": [5]}, "system[0]"),
    ({"system": [block("image")]}, "system[0].type"),
    ({"system": [block("text", text=5)]}, "system[0].text"),
    (
        {"system": [block("text", text="x", cache_control={"type": "ephemeral", "ttl": "9d"})]},
        "system[0].cache_control.ttl",
    ),
    ({"cache_control": "yes"}, "cache_control"),
    ({"stop_sequences": "END"}, "stop_sequences"),
    ({"stop_sequences": [""]}, "stop_sequences[0]"),
    ({"tools": {}}, "tools"),
    ({"tools": [5]}, "tools[0]"),
    ({"tools": [{"name": "x y", "input_schema": {}}]}, "tools[0].name"),
    ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
    ({"tools": [{"type": 5}]}, "tools[0].type"),
    ({"tools": [LOOK, LOOK]}, "tools[1].name"),
    ({"tools": [LOOK] * 257}, "tools"),
    ({"tool_choice": "auto"}, "tool_choice"),
    ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
    ({"tool_choice": {"type": "any"}}, "tool_choice.type"),
    ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    ({"tool_choice": {"type": "tool", "name": "x"}, "tools": [LOOK]}, "tool_choice.name"),
    (
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}},
        "tool_choice.disable_parallel_tool_use",
    ),
    ({"thinking": "adaptive"}, "thinking"),
    ({"thinking": {"type": 5}}, "thinking.type"),
    ({"thinking": {"type": "adaptive", "display": "all"}}, "thinking.display"),
    ({"output_config": []}, "output_config"),
    ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
    ({"output_format": {"type": "json_schema", "schema": 5}}, "output_format.schema"),
    ({"temperature": 1.5}, "temperature"),
    ({"top_p": True}, "top_p"),
    ({"top_k": 0.5}, "top_k"),
    ({"metadata": "me"}, "metadata"),
    ({"metadata": {"user_id": 5}}, "metadata"),
]


@pytest.mark.parametrize(
    ("fields", "param"),
    [(saying(*turns), param) for turns, param in BAD_TURNS]
    + [
        (saying(user(block("image", source=source))), f"messages[0].content[0].{param}")
        for source, param in BAD_SOURCES
    ]
    + [(body(**fields), param) for fields, param in BAD_FIELDS],
)
def test_a_bad_body_is_refused_at_its_field(fields: JsonObject, param: str) -> None:
    refusal = refused(fields)
    assert (refusal.status, refusal.param) == (400, param)
    assert refusal.message.startswith(param)


def test_an_unknown_model_does_not_exist() -> None:
    refusal = refused(body(model="claude-none"))
    assert (refusal.status, refusal.type, refusal.param) == (404, "not_found_error", "model")


def test_no_tokens_fill_the_cache_at_anthropic_and_are_one_elsewhere() -> None:
    order = read(body(max_tokens=0))
    assert order.task.max_output_tokens == 1
    assert order.task.verbatim is not None
    assert json.loads(order.task.verbatim.body)["max_tokens"] == 0


def test_a_plain_system_prompt_is_the_first_turn() -> None:
    order = read(body(system="Be kind."))
    assert order.task.messages == (turn("system", "Be kind."), turn("user", "Hello"))


def test_a_system_prompt_of_nothing_but_billing_is_left_out() -> None:
    billing = block("text", text="x-anthropic-billing-header: cc_version=2.1")
    order = read(body(system=[billing]))
    assert order.task.messages == (turn("user", "Hello"),)


def test_a_breakpoint_for_the_whole_request_is_at_its_end() -> None:
    order = read(body(cache_control={"type": "ephemeral"}))
    assert order.task.messages == (Message(speaker="user", parts=(Text("Hello", cache="5m"),)),)


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ({"type": "text", "media_type": "text/plain", "data": "All."}, (Text("Law"), Text("All."))),
        ({"type": "content", "content": "All."}, (Text("Law"), Text("All."))),
        (
            {"type": "content", "content": [{"type": "text", "text": "All."}]},
            (Text("Law"), Text("All.")),
        ),
        (
            {"type": "base64", "media_type": "application/pdf", "data": PDF},
            (Media(kind="document", mime="application/pdf", data=PDF, name="Law"),),
        ),
    ],
)
def test_a_document_is_a_pdf_or_its_text(source: JsonObject, parts: tuple[Part, ...]) -> None:
    assert parts_of(block("document", title="Law", source=source)) == parts


def test_a_search_result_is_its_text() -> None:
    found = block(
        "search_result",
        title="Sea",
        source="https://a.example",
        content=[block("text", text="Blue.")],
        cache_control={"type": "ephemeral"},
    )
    assert parts_of(found) == (Text("Sea"), Text("https://a.example"), Text("Blue.", cache="5m"))


def test_a_file_in_anthropics_keeping_is_left_out_of_own_words() -> None:
    file = block("image", source={"type": "file", "file_id": "file_1"})
    assert parts_of(file, block("text", text="What is it?")) == (Text("What is it?"),)


def test_a_turn_for_anthropic_alone_is_named_in_own_words() -> None:
    file = block("document", source={"type": "file", "file_id": "file_1"})
    upload = block("container_upload", file_id="file_1")
    assert parts_of(file, upload, upload) == (Text("[document, container_upload]"),)


def test_a_result_for_anthropic_alone_is_named_in_own_words() -> None:
    result = {**RESULT, "content": [block("tool_reference", tool_name="look")]}
    order = read(saying(HELLO, assistant(USE), user(result)))
    told = ToolResult(id="toolu_1", parts=(Text("[tool_reference]"),))
    assert order.task.messages[2].parts == (told,)


def test_a_result_may_be_empty() -> None:
    result = block("tool_result", tool_use_id="toolu_1")
    order = read(saying(HELLO, assistant(USE), user(result)))
    assert order.task.messages[2].parts == (ToolResult(id="toolu_1", parts=()),)


def test_results_may_be_spread_over_turns_of_the_user_and_stand_beside_a_system_turn() -> None:
    second = {**USE, "id": "toolu_2"}
    system: JsonObject = {"role": "system", "content": "Be brief."}
    results = (user(RESULT), user({**RESULT, "tool_use_id": "toolu_2"}))
    order = read(saying(HELLO, assistant(USE), assistant(second), system, *results))
    assert [m.speaker for m in order.task.messages] == [
        "user",
        "assistant",
        "assistant",
        "system",
        "user",
        "user",
    ]


def test_a_result_of_a_block_that_is_new_is_anthropics_to_judge() -> None:
    new = block("browser_tool_use", id="toolu_1")
    assert read(saying(HELLO, assistant(new), user(RESULT))).task.verbatim is not None


def test_a_turn_that_anthropic_paused_may_come_last() -> None:
    order = read(saying(HELLO, assistant(block("text", text="I search."), SEARCH)))
    assert order.task.messages[-1] == turn("assistant", "I search.")
    assert order.task.verbatim is not None


def test_what_is_inside_a_block_that_is_new_is_anthropics_to_judge() -> None:
    found = block("web_search_tool_result", tool_use_id="srvtoolu_1", content=[{"type": {}}])
    assert read(saying(HELLO, assistant(SEARCH, found))).task.verbatim is not None


def test_a_paused_turn_with_the_thoughts_of_another_provider_is_refused() -> None:
    thought = block("redacted_thinking", data="tercet:google:Z2Vo")
    refusal = refused(saying(HELLO, assistant(thought, SEARCH)))
    assert refusal.param == "messages[1].role"


@pytest.mark.parametrize(
    ("sealed", "thought"),
    [
        ("c2ln", Thought(text="Hm.", signature="c2ln", by="anthropic")),
        ("", Thought(text="Hm.", by="anthropic")),
        ("tercet:google:c2ln", Thought(text="Hm.", signature="c2ln", by="google")),
        ("tercet:local:", Thought(text="Hm.", by="local")),
    ],
)
def test_a_thought_is_that_of_who_signed_it(sealed: str, thought: Thought) -> None:
    assert thought_parts(block("thinking", thinking="Hm.", signature=sealed)) == (thought,)


def test_a_thought_whose_text_was_left_out_is_no_redacted_one() -> None:
    left_out = block("thinking", thinking="", signature="c2ln")
    told = Thought(text="", signature="c2ln", by="anthropic")
    assert thought_parts(left_out) == (told,)


def test_a_tool_uses_signature_comes_in_the_block_before_it() -> None:
    signed = block("redacted_thinking", data="tercet:google:tool:c2ln")
    plain = {**USE, "id": "toolu_2"}
    results = user(RESULT, {**RESULT, "tool_use_id": "toolu_2"})
    order = read(saying(HELLO, assistant(signed, USE, plain), results))
    arguments = '{"at":"me"}'
    assert order.task.messages[1].parts == (
        ToolUse(id="toolu_1", name="look", arguments=arguments, signature="c2ln", by="google"),
        ToolUse(id="toolu_2", name="look", arguments=arguments),
    )


@pytest.mark.parametrize(
    "foreign",
    [
        block("thinking", thinking="Hm.", signature="tercet:google:c2ln"),
        block("redacted_thinking", data="tercet:google:c2ln"),
        block("redacted_thinking", data="tercet:google:tool:c2ln"),
    ],
)
def test_what_another_provider_signed_keeps_the_request_from_going_as_it_came(
    foreign: JsonObject,
) -> None:
    order = read(saying(HELLO, assistant(foreign), HELLO) | {"container": "c", "top_k": 3})
    assert order.task.verbatim is None
    assert order.ignored == ("container",)


def test_a_tool_use_that_we_named_keeps_the_request_from_going_as_it_came() -> None:
    named = {**USE, "id": "tercet:1"}
    order = read(saying(HELLO, assistant(named), user({**RESULT, "tool_use_id": "tercet:1"})))
    assert order.task.verbatim is None


def test_our_mark_in_a_users_text_is_only_text() -> None:
    assert read(saying(user(block("text", text="tercet:google:x")))).task.verbatim is not None


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [WEB]},
        {"mcp_servers": [{"type": "url", "url": "https://a.example", "name": "a"}]},
        {"container": "container_1"},
        {"messages": [HELLO, assistant(SEARCH)]},
    ],
)
def test_what_anthropic_alone_has_makes_its_bytes_needed(fields: JsonObject) -> None:
    verbatim = read(body(**fields)).task.verbatim
    assert verbatim is not None
    assert verbatim.is_needed


def test_a_tool_of_the_callers_own_needs_no_particular_provider() -> None:
    verbatim = read(body(tools=[LOOK, {**LOOK, "name": "b", "type": "custom"}])).task.verbatim
    assert verbatim is not None
    assert not verbatim.is_needed


def test_what_changes_the_price_beyond_every_bound_is_not_sent_and_the_caller_is_told() -> None:
    order = read(body(service_tier="auto", speed="fast", inference_geo="us"))
    assert order.task.verbatim is not None
    assert order.task.verbatim.without == ("service_tier", "speed", "inference_geo")
    assert order.ignored == ("service_tier", "speed", "inference_geo")


def test_tools_of_anthropic_are_left_out_of_own_words() -> None:
    order = read(body(tools=[WEB, LOOK], tool_choice={"type": "tool", "name": "web_search"}))
    assert [tool.name for tool in order.task.controls.tools] == ["look"]
    assert order.task.controls.tool_choice == ToolChoice()


@pytest.mark.parametrize(
    ("kind", "mode"), [("auto", "auto"), ("any", "required"), ("none", "none")]
)
def test_each_choice_of_tools_is_read(kind: str, mode: str) -> None:
    order = read(body(tools=[LOOK], tool_choice={"type": kind}))
    assert order.task.controls.tool_choice.mode == mode


@pytest.mark.parametrize(
    ("thinking", "shows", "effort"),
    [
        ({"type": "adaptive"}, True, None),
        ({"type": "enabled", "budget_tokens": 2000}, True, None),
        ({"type": "adaptive", "display": "omitted"}, False, None),
        ({"type": "disabled"}, False, "none"),
        ({"type": "new_kind"}, True, None),
    ],
)
def test_thinking_says_whether_it_is_shown(
    thinking: JsonObject, shows: bool, effort: str | None
) -> None:
    controls = read(body(thinking=thinking)).task.controls
    assert (controls.shows_thoughts, controls.effort) == (shows, effort)


def test_a_schema_may_come_in_the_earlier_field() -> None:
    order = read(body(output_format={"type": "json_schema", "schema": {"type": "object"}}))
    assert order.task.controls.output == OutputFormat(schema={"type": "object"}, strict=True)


def test_hints_come_in_headers() -> None:
    headers = {
        "x-tercet-tier": "tier1",
        "x-tercet-kind": "bug_fix",
        "x-tercet-requires-design": "true",
        "x-tercet-is-critical": "false",
        "x-tercet-requires-implementation": "true",
        "x-tercet-is-routine": "false",
        "x-tercet-strict": "true",
    }
    assert read(body(), headers).task.hints == Hints(
        tier="tier1",
        kind="bug_fix",
        requires_design=True,
        is_critical=False,
        requires_implementation=True,
        is_routine=False,
        strict=True,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("x-tercet-tier", "tier9"), ("x-tercet-requires-design", "x" * 600)],
)
def test_a_bad_hint_is_refused_by_its_header(name: str, value: str) -> None:
    refusal = refused(body(), {name: value})
    assert (refusal.status, refusal.param) == (400, name)
    assert refusal.message.startswith(f"{name} must be")


def test_a_request_for_a_count_needs_no_limit() -> None:
    fields: JsonObject = {"model": "auto", "messages": [HELLO], "tools": [LOOK]}
    order = count_request(incoming(fields), MODELS.get, IDENTITY)
    assert isinstance(order, Order)
    assert order.task.max_output_tokens is None
    assert order.task.verbatim is not None
    refusal = count_request(incoming({"model": "auto"}), MODELS.get, IDENTITY)
    assert isinstance(refusal, Refusal)
    assert refusal.param == "messages"


def test_a_request_in_own_words_is_the_same_request_at_anthropic() -> None:
    fields: JsonObject = {
        "max_tokens": 4096,
        "messages": [
            user(
                block("text", text="See", cache_control={"type": "ephemeral", "ttl": "5m"}),
                block("image", source={"type": "base64", "media_type": "image/png", "data": PNG}),
                block(
                    "document",
                    source={"type": "base64", "media_type": "application/pdf", "data": PDF},
                    title="Law",
                ),
            ),
            assistant(
                block("thinking", thinking="Hm.", signature="c2ln"),
                block("thinking", thinking="", signature="b21p"),
                block("redacted_thinking", data="Z2Vo"),
                block("text", text="I look."),
                USE,
            ),
            user({**RESULT, "is_error": True}, block("text", text="Go on.")),
        ],
        "stop_sequences": ["END"],
        "tools": [{**LOOK, "description": "Looks.", "strict": True}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {
            "effort": "xhigh",
            "format": {
                "type": "json_schema",
                "schema": {"type": "object", "additionalProperties": False},
            },
        },
    }
    task = read({"model": "claude-opus-5-5", **fields}).task
    prompt = Prompt(
        system="",
        messages=task.messages,
        max_output_tokens=task.max_output_tokens or 0,
        stop=task.stop,
        controls=task.controls,
    )
    told = messages_body("claude-opus-5-5", prompt)
    assert {name: told[name] for name in fields} == fields


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted({*FULL, "cache_control", "output_format"}))
TYPES = st.sampled_from(
    [
        "text",
        "image",
        "document",
        "search_result",
        "tool_use",
        "tool_result",
        "thinking",
        "redacted_thinking",
        "server_tool_use",
    ]
)
SOURCES = st.fixed_dictionaries(
    {"type": st.sampled_from(["base64", "url", "file", "text", "content"])},
    optional=dict.fromkeys(("url", "data", "media_type", "content"), JSON),
)
SEALS = st.sampled_from(["c2ln", "tercet:google:c2ln", "tercet:google:tool:c2ln", "tercet:"])
BLOCKS = st.fixed_dictionaries(
    {"type": TYPES},
    optional={
        "text": JSON | st.text(max_size=5),
        "source": JSON | SOURCES,
        "content": JSON
        | st.lists(st.fixed_dictionaries({"type": TYPES | JSON, "text": st.just("x")})),
        "id": JSON | st.just("a"),
        "tool_use_id": JSON | st.just("a"),
        "name": JSON | st.just("f"),
        "input": JSON | st.just({}),
        "thinking": st.text(max_size=3),
        "signature": JSON | SEALS,
        "data": JSON | SEALS,
        "cache_control": JSON | st.just({"type": "ephemeral"}),
    },
)
TURNS = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system"]) | JSON,
        "content": st.lists(BLOCKS | JSON, max_size=4) | st.text(max_size=5) | JSON,
    }
)
PATH = re.compile(r"[a-z_]+(?:\[\d+\]|\.[a-z_]+)*")


@given(st.lists(TURNS | JSON, max_size=5), st.dictionaries(FIELDS, JSON, max_size=3))
def test_any_json_is_an_order_or_a_refusal_that_names_a_field(
    turns: list[JsonValue], fields: JsonObject
) -> None:
    told = outcome(saying(*turns) | fields)
    if isinstance(told, Order):
        assert told.task.messages
        assert told.task.messages[-1].parts
    else:
        assert told.status in (400, 404)
        assert PATH.fullmatch(told.param or "")


def test_the_deepest_body_that_is_parsed_is_read() -> None:
    opening = b'{"type":"document","source":{"type":"content","content":['
    nested = opening * 48 + b"]}}" * 48
    raw = b'{"model":"auto","max_tokens":1,"messages":[{"role":"user","content":[%s]}]}' % nested
    fields = parse(raw)
    assert not isinstance(fields, Refusal)
    assert refused(fields).status == 400
