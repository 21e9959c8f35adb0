"""Tools, thinking and structured output of the simulation, seen through the vendors' SDKs."""

import asyncio
import base64
import json
from collections.abc import Iterator

import anthropic
import httpx2
import pytest
from anthropic.types import Message
from fakes.upstreams import Upstream, upstreams
from google import genai
from google.genai import types

# The SDK subclasses aiohttp's session when aiohttp is installed, which aiohttp discourages.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")

HAIKU = "claude-haiku-5-5"
OPUS = "claude-opus-5-5"
ARGON = "gemini-4-argon"
BASH = {
    "name": "Bash",
    "input_schema": {
        "type": "object",
        "properties": {"command": {"type": "string"}, "timeout": {"type": "integer"}},
        "required": ["command"],
    },
}
READ = {
    "name": "Read",
    "input_schema": {
        "type": "object",
        "properties": {"path": {"type": "string"}},
        "required": ["path"],
    },
}
ECHO = 'Say hi. sim:tool=Bash {"command": "echo hi"}'
SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["sum", "other"]},
        "answer": {"type": "string"},
        "count": {"type": "integer", "minimum": 7},
    },
    "required": ["kind", "answer", "count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with upstreams(tmp_path_factory.mktemp("simulated")) as started:
        yield started


@pytest.fixture(scope="module")
def claude(upstream: Upstream) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=upstream.url, api_key="x", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def gemini(upstream: Upstream) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=upstream.url, timeout=10_000)
    client = genai.Client(api_key="x", http_options=options)
    yield client
    client.close()
    asyncio.run(client.aio.aclose())


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


def ask(client: anthropic.Anthropic, *messages: object, **more: object) -> Message:
    asked = {"model": HAIKU, "max_tokens": 2_000, **more}
    return client.messages.create(messages=messages, **asked)


def uses(message: Message) -> list[tuple[str, object]]:
    return [(block.name, block.input) for block in message.content if block.type == "tool_use"]


def back(message: Message) -> dict[str, object]:
    return {"role": "assistant", "content": [b.model_dump(mode="json") for b in message.content]}


def answered(message: Message, *results: object) -> dict[str, object]:
    ids = [block.id for block in message.content if block.type == "tool_use"]
    return user(
        [
            {"type": "tool_result", "tool_use_id": name, "content": result}
            for name, result in zip(ids, results, strict=True)
        ]
    )


def test_a_tool_is_used_and_its_result_is_quoted(
    upstream: Upstream, claude: anthropic.Anthropic
) -> None:
    first = ask(claude, user(ECHO), tools=[BASH])
    assert (first.stop_reason, uses(first)) == ("tool_use", [("Bash", {"command": "echo hi"})])
    assert upstream.line(first.id)["output"] == 6  # {"command": "echo hi"} is 22 bytes
    second = ask(claude, user(ECHO), back(first), answered(first, "hi"), tools=[BASH])
    assert second.stop_reason == "end_turn"
    assert second.content[0].text == "[simulated] The tool said: hi"


def test_a_streamed_tool_use_comes_in_pieces_and_adds_up(claude: anthropic.Anthropic) -> None:
    asked = {"model": HAIKU, "max_tokens": 2_000, "messages": [user(ECHO + " sim:think")]}
    with claude.messages.stream(
        tools=[BASH], thinking={"type": "adaptive", "display": "summarized"}, **asked
    ) as stream:
        events = [event for event in stream if event.type.startswith("content_block")]
        message = stream.get_final_message()
    kinds = [(e.type, e.index, e.delta.type if e.type.endswith("delta") else "") for e in events]
    assert list(dict.fromkeys(kinds)) == [
        ("content_block_start", 0, ""),
        ("content_block_delta", 0, "thinking_delta"),
        ("content_block_delta", 0, "signature_delta"),
        ("content_block_stop", 0, ""),
        ("content_block_start", 1, ""),
        ("content_block_delta", 1, "input_json_delta"),
        ("content_block_stop", 1, ""),
    ]
    assert kinds.count(("content_block_delta", 1, "input_json_delta")) == 3
    assert [block.type for block in message.content] == ["thinking", "tool_use"]
    assert message.content[0].thinking == "Simulated thinking about: Say hi."
    assert uses(message) == [("Bash", {"command": "echo hi"})]
    assert message.usage.output_tokens_details.thinking_tokens == 9  # 33 bytes
    assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 15)


@pytest.mark.parametrize(
    ("display", "marker", "shown"),
    [
        ("summarized", "sim:think", ("thinking", "Simulated thinking about: hi")),
        ("omitted", "sim:think", ("thinking", "")),
        ("summarized", "sim:think=redacted", ("redacted_thinking", None)),
    ],
)
def test_thinking_is_shown_as_asked_counted_always_and_taken_back(
    claude: anthropic.Anthropic, display: str, marker: str, shown: tuple[str, str | None]
) -> None:
    thinking = {"type": "adaptive", "display": display}
    message = ask(claude, user(f"hi {marker}"), thinking=thinking)
    block = message.content[0]
    assert (block.type, getattr(block, "thinking", None)) == shown
    assert message.usage.output_tokens_details.thinking_tokens == 7
    assert ask(claude, user("hi"), back(message), user("go on")).stop_reason == "end_turn"


def test_switched_off_thinking_stays_off(claude: anthropic.Anthropic) -> None:
    message = ask(claude, user("hi sim:think"), thinking={"type": "disabled"})
    assert [block.type for block in message.content] == ["text"]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "auto"}, ["Read", "Bash"]),
        ({"type": "auto", "disable_parallel_tool_use": True}, ["Read"]),
        ({"type": "any"}, ["Read", "Bash"]),
        ({"type": "tool", "name": "Bash"}, ["Bash"]),
        ({"type": "none"}, []),
    ],
)
def test_several_markers_are_parallel_uses_as_far_as_allowed(
    claude: anthropic.Anthropic, choice: object, names: list[str]
) -> None:
    asked = user("sim:tool=Read sim:tool=Bash sim:tool=Absent")
    message = ask(claude, asked, tools=[BASH, READ], tool_choice=choice)
    assert [name for name, _ in uses(message)] == names


def test_a_forced_tool_is_used_without_a_marker_and_its_arguments_are_made_up(
    claude: anthropic.Anthropic,
) -> None:
    message = ask(claude, user("hi"), tools=[BASH, READ], tool_choice={"type": "any"})
    assert uses(message) == [("Bash", {"command": "simulated"})]
    again = ask(
        claude,
        user("hi"),
        back(message),
        answered(message, [{"type": "text", "text": "done"}]),
        tools=[BASH, READ],
        tool_choice={"type": "any"},
    )
    assert again.content[0].text == "[simulated] The tool said: done"


def test_a_loop_ends_after_as_many_uses_as_told(claude: anthropic.Anthropic) -> None:
    said: list[dict[str, object]] = [user(f"{ECHO} sim:tool-loop=3")]
    for _ in range(3):
        message = ask(claude, *said, tools=[BASH])
        assert uses(message) == [("Bash", {"command": "echo hi"})]
        said += [back(message), answered(message, "hi sim:tool=Bash sim:e500")]
    last = ask(claude, *said, tools=[BASH])
    assert last.content[0].text == "[simulated] The tool said: hi sim:tool=Bash sim:e500"
    assert ask(claude, *said, back(last), user("thanks"), tools=[BASH]).stop_reason == "end_turn"


def test_broken_arguments_are_of_an_offered_tool_and_only_once(
    claude: anthropic.Anthropic,
) -> None:
    message = ask(claude, user(f"{ECHO} sim:bad-args"), tools=[BASH])
    assert uses(message) == [("Bash", '{"command": "echo hi"')]
    use = {"type": "tool_use", "id": message.content[0].id, "name": "Bash", "input": {}}
    said = [user(f"{ECHO} sim:bad-args"), {"role": "assistant", "content": [use]}]
    again = ask(claude, *said, answered(message, "bad JSON"), tools=[BASH])
    assert again.content[0].text == "[simulated] The tool said: bad JSON"


def test_the_token_limit_cuts_arguments(claude: anthropic.Anthropic) -> None:
    message = ask(claude, user(ECHO), tools=[BASH], max_tokens=3)
    assert (message.stop_reason, uses(message)) == ("max_tokens", [("Bash", '{"command": ')])


def test_structured_output_is_json_of_its_schema(claude: anthropic.Anthropic) -> None:
    wanted = {"format": {"type": "json_schema", "schema": SCHEMA}}
    message = ask(claude, user("What is 1+1?"), output_config=wanted)
    assert json.loads(message.content[0].text) == {
        "kind": "sum",
        "answer": "[simulated] 1 + 1 = 2.",
        "count": 7,
    }


def gemini_tools() -> list[types.Tool]:
    declared = [
        types.FunctionDeclaration(
            name=tool["name"], description="d", parameters_json_schema=tool["input_schema"]
        )
        for tool in (BASH, READ)
    ]
    return [types.Tool(function_declarations=declared)]


def ask_gemini(
    client: genai.Client, *contents: types.Content, **config: object
) -> types.GenerateContentResponse:
    asked = types.GenerateContentConfig(automatic_continuation=False, **config)
    return client.models.generate_content(model=ARGON, contents=list(contents), config=asked)


def said(text: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=text)])


def returned(reply: types.GenerateContentResponse, output: str) -> types.Content:
    parts = [
        types.Part(
            function_response=types.FunctionResponse(
                id=call.id, name=call.name, response={"output": output}
            )
        )
        for call in reply.function_calls or []
    ]
    return types.Content(role="user", parts=parts)


def test_gemini_calls_with_a_signature_and_quotes_the_result(
    upstream: Upstream, gemini: genai.Client
) -> None:
    asked = said(ECHO + " sim:tool=Read")
    first = ask_gemini(gemini, asked, tools=gemini_tools())
    content = first.candidates[0].content
    calls = [(c.name, c.args) for c in first.function_calls]
    assert calls == [("Bash", {"command": "echo hi"}), ("Read", {"path": "simulated"})]
    assert [bool(part.thought_signature) for part in content.parts] == [True, False]
    assert first.candidates[0].finish_reason == types.FinishReason.STOP
    # 22 and 21 bytes are 11 tokens, and 3 are thoughts
    assert upstream.line(first.response_id)["output"] == 14
    second = ask_gemini(gemini, asked, content, returned(first, "hi"), tools=gemini_tools())
    assert second.text == "[simulated] The tool said: hi\nhi"


def test_gemini_streams_calls_whole(gemini: genai.Client) -> None:
    config = types.GenerateContentConfig(
        automatic_continuation=False,
        tools=gemini_tools(),
        thinking_config=types.ThinkingConfig(include_thoughts=True),
    )
    chunks = list(
        gemini.models.generate_content_stream(
            model=ARGON, contents=f"{ECHO} sim:think", config=config
        )
    )
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    thought = "".join(part.text for part in parts if part.thought)
    assert thought == "Simulated thinking about: Say hi."
    assert parts[-1].function_call.args == {"command": "echo hi"}
    counted = chunks[-1].usage_metadata
    # 9 for the text and 3 that Argon always has
    assert (counted.candidates_token_count, counted.thoughts_token_count) == (6, 12)
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (None, "MISSING_THOUGHT_SIGNATURE"),
        (b"skip_thought_signature_validator", "STOP"),
    ],
)
def test_a_call_of_the_current_turn_needs_a_signature(
    gemini: genai.Client, signature: bytes | None, reason: str
) -> None:
    call = types.FunctionCall(id="1", name="Bash", args={})
    part = types.Part(function_call=call, thought_signature=signature)
    answer = types.FunctionResponse(id="1", name="Bash", response={"output": "hi"})
    contents = [
        said("hi"),
        types.Content(role="model", parts=[part]),
        types.Content(role="user", parts=[types.Part(function_response=answer)]),
    ]
    reply = ask_gemini(gemini, *contents, tools=gemini_tools())
    assert reply.candidates[0].finish_reason.value == reason
    later = [types.Content(role="model", parts=[types.Part(text="ok")]), said("thanks")]
    reply = ask_gemini(gemini, *contents, *later, tools=gemini_tools())
    assert reply.candidates[0].finish_reason == types.FinishReason.STOP


def test_gemini_is_forced_to_an_allowed_function(gemini: genai.Client) -> None:
    calling = types.FunctionCallingConfig(
        mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["Read"]
    )
    config = types.ToolConfig(function_calling_config=calling)
    reply = ask_gemini(gemini, said("hi"), tools=gemini_tools(), tool_config=config)
    assert [call.name for call in reply.function_calls] == ["Read"]


@pytest.mark.parametrize("name", ["response_schema", "response_json_schema"])
def test_gemini_answers_in_json(gemini: genai.Client, name: str) -> None:
    schema = {k: v for k, v in SCHEMA.items() if k != "additionalProperties"}
    schema["properties"] = SCHEMA["properties"] | {"kind": {"type": "string", "enum": ["sum"]}}
    config = {"response_mime_type": "application/json", name: schema}
    told = json.loads(ask_gemini(gemini, said("1+1"), **config).text)
    assert told == {"kind": "sum", "answer": "[simulated] The answer is 2.", "count": 7}
    plain = ask_gemini(gemini, said("1+1"), response_mime_type="application/json")
    assert json.loads(plain.text) == {"answer": "[simulated] The answer is 2."}


PNG = base64.b64encode(b"png").decode()


def test_images_and_documents_count_a_fixed_number_of_tokens(
    upstream: Upstream, claude: anthropic.Anthropic, gemini: genai.Client
) -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": PNG}
    document = {"type": "document", "source": pdf}
    asked = user([image, document, {"type": "text", "text": "abcd"}])
    assert ask(claude, asked).usage.input_tokens == 4_601
    counted = claude.messages.count_tokens(model=HAIKU, messages=[asked])
    assert counted.input_tokens == 4_601
    parts = [
        types.Part(text="abcd"),
        types.Part(inline_data=types.Blob(mime_type="image/png", data=b"png")),
        types.Part(file_data=types.FileData(mime_type="application/pdf", file_uri="gs://b/a.pdf")),
    ]
    contents = [types.Content(role="user", parts=parts)]
    assert gemini.models.count_tokens(model=ARGON, contents=contents).total_tokens == 4_601


def test_what_claude_code_sends_is_taken_as_it_is(upstream: Upstream) -> None:
    kept = {"type": "ephemeral"}
    body = {
        "model": OPUS,
        "max_tokens": 128_000,
        "stream": True,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330"},
            {"type": "text", "text": "You are an agent.", "cache_control": kept},
        ],
        "messages": [
            user([{"type": "text", "text": ECHO, "cache_control": kept}]),
            {"role": "system", "content": "A remark sim:e500"},
        ],
        "tools": [
            BASH | {"description": "Runs."},
            READ | {"defer_loading": True},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
        ],
        "metadata": {"user_id": "{}"},
        "thinking": {"type": "adaptive", "display": "omitted"},
        "output_config": {"effort": "high"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        "brand_new": {"field": [1]},
    }
    headers = {
        "authorization": "Bearer x",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
    }
    url = f"{upstream.url}/v1/messages?beta=true"
    response = httpx2.post(url, json=body, headers=headers, timeout=10)
    assert response.status_code == 200
    assert '"name":"Bash","caller":{"type":"direct"},"input":{}' in response.text
    counting = {name: body[name] for name in ("model", "messages", "tools", "system", "thinking")}
    url = f"{upstream.url}/v1/messages/count_tokens?beta=true"
    counted = httpx2.post(url, json=counting, headers=headers).json()
    assert counted["input_tokens"] > 100
    assert httpx2.head(f"{upstream.url}/api/hello").status_code == 200
    listed = httpx2.get(f"{upstream.url}/v1/models?limit=1000", headers=headers)
    assert listed.json()["data"][0]["id"] == OPUS
