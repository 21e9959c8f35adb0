"""The simulated wires against any JSON at any place: an answer or a refusal, never an exception."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.simulated.anthropic_wire import ANTHROPIC
from deployments.simulated.counting import PromptCache
from deployments.simulated.gemini_wire import GEMINI
from deployments.simulated.scenarios import Stage
from deployments.simulated.script import Incoming, Wire
from deployments.simulated.staging import Memory, Post, staged

USE = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"a": [1]}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "x"}]}
CLAUDE = {
    "model": "claude-haiku-5-5",
    "max_tokens": 99,
    "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": 'hi sim:tool=Bash {"a": 1} sim:tool-loop=2 sim:think'},
        {"role": "assistant", "content": [USE]},
        {"role": "user", "content": [RESULT]},
    ],
    "tools": [{"name": "Bash", "input_schema": {"type": "object", "required": ["a"]}}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "string"}}},
}
CALL = {
    "functionCall": {"name": "Bash", "args": {"a": [1]}},
    "thoughtSignature": "skip_thought_signature_validator",
}
ANSWER = {"functionResponse": {"name": "Bash", "response": {"output": "x"}}}
GOOGLE = {
    "contents": [
        {"role": "user", "parts": [{"text": 'hi sim:tool=Bash {"a": 1} sim:tool-loop=2'}]},
        {"role": "model", "parts": [CALL]},
        {"role": "user", "parts": [ANSWER]},
    ],
    "tools": [{"functionDeclarations": [{"name": "Bash", "parameters": {"type": "OBJECT"}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": {}},
}
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.sampled_from(["", "x", "t"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "text", "name", "parts", "$ref"]), inner)
    ),
    max_leaves=4,
)


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [(*path, step) for step, _ in inner]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for step, below in items:
        if isinstance(below, dict | list):
            found += places(below, (*path, step))
    return found


def changed(body: dict[str, object], path: tuple[object, ...], value: object) -> bytes:
    copy = json.loads(json.dumps(body))
    at = copy
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return json.dumps(copy).encode()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("wire", "body"), [(ANTHROPIC, CLAUDE), (GEMINI, GOOGLE)])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_json_at_any_place_is_answered_or_refused(
    wire: Wire, body: dict[str, object], stream: bool, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(places(body)))
    incoming = Incoming(
        body=changed(
            body | ({"stream": stream} if wire is ANTHROPIC else {}), path, data.draw(ODD)
        ),
        headers={"x-api-key": "x", "x-goog-api-key": "x", "anthropic-version": "2023-06-01"},
        query={"alt": "sse"},
        model="gemini-4-argon",
        stream=stream,
    )
    post = Post(incoming=incoming, request_id="sim_1", elsewhere="", at=0)
    decided = staged(wire, post, Memory(stage=Stage(), cache=PromptCache()))
    assert b"".join(frame.data for frame in decided.script.frames)
    assert decided.script.status in (200, 400, 404)


@pytest.mark.parametrize(("wire", "body"), [(ANTHROPIC, CLAUDE), (GEMINI, GOOGLE)])
def test_what_is_changed_there_is_valid_before(wire: Wire, body: dict[str, object]) -> None:
    incoming = Incoming(
        body=json.dumps(body).encode(),
        headers={"x-api-key": "x", "x-goog-api-key": "x", "anthropic-version": "2023-06-01"},
        query={},
        model="gemini-4-argon",
    )
    post = Post(incoming=incoming, request_id="sim_1", elsewhere="", at=0)
    decided = staged(wire, post, Memory(stage=Stage(), cache=PromptCache()))
    assert (decided.script.status, decided.script.outcome) == (200, "complete")
