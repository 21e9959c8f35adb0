"""What the simulated APIs refuse about content, as the real ones do."""

import base64
from collections.abc import Iterator

import httpx2
import pytest
from fakes.upstreams import Upstream, upstreams

HAIKU = "claude-haiku-5-5"
OPUS = "claude-opus-5-5"
ARGON = "gemini-4-argon"
BASH = {"name": "Bash", "input_schema": {"type": "object"}}
PNG = base64.b64encode(b"png").decode()


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with upstreams(tmp_path_factory.mktemp("simulated")) as started:
        yield started


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


USE = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "hi"}
TEXT = {"type": "text", "text": "hi"}
USED = {"role": "assistant", "content": [USE]}
THOUGHT = {"type": "thinking", "thinking": "", "signature": "EqQBCgIYAhIkYjY"}
OPEN = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": [user("hi"), USED]}, "messages: `tool_use` ids were found without"),
        ({"messages": [user("hi"), USED, user("go on")]}, "messages.2: `tool_use` ids were found"),
        ({"messages": [user("hi"), USED, user([TEXT, RESULT])]}, "messages.2: `tool_use` ids"),
        ({"messages": [user("hi"), USED, user([RESULT, RESULT])]}, "messages.2: each `tool_use`"),
        ({"messages": [user([RESULT])]}, "messages.0: unexpected `tool_use_id` found in"),
        ({"messages": [user("hi"), USED, user([RESULT]), USED]}, "messages.3: `tool_use` ids must"),
        ({"messages": [user([USE])]}, "messages.0.content.0: tool_use blocks can only"),
        (
            {"messages": [user("hi"), {"role": "assistant", "content": [THOUGHT, TEXT]}]},
            "messages.1.content.0: Invalid `signature` in `thinking` block",
        ),
        (
            {
                "messages": [
                    user("hi"),
                    {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]},
                ]
            },
            "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
        ),
        (
            {"messages": [user([{"type": "image", "source": {"type": "base64", "data": "!"}}])]},
            "messages.0.content.0.image.source.base64.media_type: Field required",
        ),
        (
            {"messages": [user([{"type": "text"}])]},
            "messages.0.content.0.text.text: Field required",
        ),
        (
            {"messages": [user([TEXT | {"cache_control": {"type": "ephemeral"}}] * 5)]},
            "A maximum of 4 blocks with cache_control",
        ),
        ({"tools": [{"name": "Bash"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [BASH | {"name": "a b"}]}, "tools.0.custom.name: String should match"),
        ({"tools": [BASH, BASH]}, "tools: Tool names must be unique."),
        ({"tool_choice": {"type": "any"}}, "tool_choice: may only be specified while"),
        (
            {"tools": [BASH], "tool_choice": {"type": "tool", "name": "x"}},
            "tool_choice: Tool 'x' not found",
        ),
        (
            {"model": OPUS, "tools": [BASH], "tool_choice": {"type": "any"}},
            "tool_choice: forced tool use is not supported on claude-opus-5-5",
        ),
        (
            {
                "tools": [BASH],
                "tool_choice": {"type": "any"},
                "thinking": {"type": "adaptive"},
            },
            "tool_choice: Thinking may not be enabled",
        ),
        ({"model": OPUS, "thinking": {"type": "disabled"}}, "thinking.type: thinking cannot be"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens: belongs to type"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1_024}}, "max_tokens: must be greater"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": OPEN}}},
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be",
        ),
        ({"output_config": {"effort": "none"}}, "output_config.effort: Input should be 'low'"),
        ({"stop_sequences": [" "]}, "stop_sequences: each stop sequence must contain"),
    ],
)
def test_content_that_the_real_api_refuses_is_refused(
    upstream: Upstream, change: dict[str, object], message: str
) -> None:
    body = {"model": HAIKU, "max_tokens": 9, "messages": [user("hi")], **change}
    headers = {"x-api-key": "x", "anthropic-version": "2026-10-21"}
    response = httpx2.post(f"{upstream.url}/v1/messages", json=body, headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["message"].startswith(message)


def test_the_older_version_takes_a_document_from_the_assistant(upstream: Upstream) -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": PNG}
    content = [{"type": "document", "source": pdf}]
    messages = [user("hi"), {"role": "assistant", "content": content}, user("hi")]
    statuses = [
        httpx2.post(
            f"{upstream.url}/v1/messages",
            json={"model": HAIKU, "max_tokens": 9, "messages": messages},
            headers={"x-api-key": "x", "anthropic-version": version},
        ).status_code
        for version in ("2023-06-01", "2026-10-21")
    ]
    assert statuses == [200, 400]


CALL = {"functionCall": {"name": "Bash", "args": {}}}
ANSWER = {"function_response": {"name": "Bash", "response": {}}}


def contents(*turns: tuple[str, dict[str, object]]) -> dict[str, object]:
    return {"contents": [{"role": role, "parts": [part]} for role, part in turns]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (contents(("user", {})), "contents[0].parts[0].data: required oneof field 'data'"),
        (contents(("user", {"text": "a", "fileData": {"fileUri": "x"}})), "contents[0].parts[0]"),
        (contents(("user", CALL)), "contents[0].parts[0].function_call: belongs to role 'model'"),
        (contents(("user", ANSWER)), "Please ensure that function response turn comes"),
        (
            contents(("user", {"text": "a"}), ("model", CALL), ("user", {"text": "b"})),
            "Please ensure that the number of function response parts",
        ),
        (contents(("user", {"text": "a"}), ("model", CALL)), "Please ensure that function call"),
        (
            contents(("user", {"text": "a", "thoughtSignature": "EqQBCgIYAhIkYjY="})),
            "contents[0].parts[0].thought_signature: Thought signature is not valid.",
        ),
        (
            contents(("user", {"inline_data": {"mime_type": "image/png", "data": "!"}})),
            "Invalid value at 'contents.0.parts.0.inline_data.data'",
        ),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "Function calling config"),
        (
            {"tool_config": {"function_calling_config": {"allowed_function_names": ["x"]}}},
            "allowed_function_names: x is not a declared function",
        ),
        ({"generationConfig": {"responseJsonSchema": {}}}, "A response schema requires"),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
            "Thinking budget is not supported for this model.",
        ),
        ({"generationConfig": {"temperature": 3}}, "Invalid value at 'generationConfig.temp"),
    ],
)
def test_content_that_gemini_refuses_is_refused(
    upstream: Upstream, body: dict[str, object], message: str
) -> None:
    sent = contents(("user", {"text": "hi"})) | body
    url = f"{upstream.url}/v1/models/{ARGON}:generateContent"
    response = httpx2.post(url, json=sent, headers={"x-goog-api-key": "x"})
    error = response.json()["error"]
    assert (response.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"].startswith(message)
