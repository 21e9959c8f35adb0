"""Recorded answers of each provider, in pieces of one byte, written for each surface's clients."""

import asyncio
import json
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from deployments.assembling import Assembly
from deployments.claude import Claude
from deployments.gemini import Gemini
from deployments.outbox import joined
from deployments.provider import Ended, Failed, ProviderEvent
from router.surfaces import anthropic_messages, openai_chat, openai_responses
from router.surfaces.surface import Frame, Identity, Incoming, Order, Surface
from tercet.answer import Answer
from tercet.call import Delta, Prompt, ThoughtDelta, ToolDelta
from tercet.content import JsonObject, Said, Text, Thought, ToolUse
from tercet.rules import Limits
from tercet.task import turn

if TYPE_CHECKING:
    from conftest import Listening, Provider

LIMITS = Limits(deadline_s=60, connect_s=10, first_event_s=10, between_events_s=10)
PROMPT = Prompt(system="", messages=(turn("user", "Hi"),), max_output_tokens=100)
FRAME = Frame(task_id="req_1", route="tier1", created=0)
SPOKEN = "Grüße, 世界 🌍"


def _claude() -> bytes:
    def delta(at: int, **fields: str) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": at, "delta": fields}

    def begin(at: int, **block: object) -> dict[str, Any]:
        return {"type": "content_block_start", "index": at, "content_block": block}

    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "usage": usage}
    events = [
        {"type": "message_start", "message": message},
        begin(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Hm, "),
        delta(0, type="thinking_delta", thinking="well."),
        delta(0, type="signature_delta", signature="c2ln"),
        {"type": "content_block_stop", "index": 0},
        begin(1, type="text", text=""),
        {"type": "ping"},
        delta(1, type="text_delta", text="Grüße, "),
        delta(1, type="text_delta", text="世界 🌍"),
        {"type": "content_block_stop", "index": 1},
        begin(2, type="tool_use", id="toolu_1", name="ls", input={}),
        delta(2, type="input_json_delta", partial_json='{"path":'),
        delta(2, type="input_json_delta", partial_json='"ü"}'),
        {"type": "content_block_stop", "index": 2},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
    ]
    lines = (
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"
        for event in events
    )
    return "".join(lines).encode()


def _gemini() -> bytes:
    def reply(*parts: dict[str, Any], **more: object) -> dict[str, Any]:
        candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}
        usage = {"promptTokenCount": 10, "candidatesTokenCount": 9, "totalTokenCount": 19}
        return {"candidates": [candidate], "usageMetadata": usage, "responseId": "r1"}

    call = {"id": "call_1", "name": "ls", "args": {"path": "ü"}}
    replies = [
        reply({"text": "Hm, ", "thought": True}),
        reply({"text": "well.", "thought": True}),
        reply({"text": "Grüße, "}),
        reply({"text": "世界 🌍"}),
        reply({"functionCall": call, "thoughtSignature": "c2ln"}, finishReason="STOP"),
    ]
    lines = (f"data: {json.dumps(told, ensure_ascii=False)}\r\n\r\n" for told in replies)
    return "".join(lines).encode()


WIRES = {"claude": _claude(), "gemini": _gemini()}
PARTS: dict[str, tuple[Said, ...]] = {
    "claude": (
        Thought(text="Hm, well.", signature="c2ln", by="anthropic"),
        Text(SPOKEN),
        ToolUse(id="toolu_1", name="ls", arguments='{"path":"ü"}'),
    ),
    "gemini": (
        Thought(text="Hm, well.", by="google"),
        Text(SPOKEN),
        ToolUse(id="call_1", name="ls", arguments='{"path":"ü"}', signature="c2ln", by="google"),
    ),
}
BODIES: dict[str, tuple[Surface, JsonObject]] = {
    "chat": (
        openai_chat.SURFACE,
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True},
    ),
    "responses": (openai_responses.SURFACE, {"model": "m", "input": "Hi", "stream": True}),
    "messages": (
        anthropic_messages.SURFACE,
        {
            "model": "m",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": True,
        },
    ),
}
ENDS = {
    "chat": b"data: [DONE]",
    "responses": b"event: response.completed",
    "messages": b"event: message_stop",
}


class Wires:
    """Both adapters, and the provider that plays what they are answered."""

    def __init__(self, runner: asyncio.Runner, provider: "Provider") -> None:
        self.runner, self.provider = runner, provider
        self.clients = {
            "claude": Claude("key", provider.url, LIMITS),
            "gemini": Gemini("key", provider.url, LIMITS),
        }

    def heard(self, name: str, *parts: bytes) -> list[ProviderEvent]:
        self.provider.answers(*parts)

        async def listened() -> list[ProviderEvent]:
            stream = self.clients[name].stream("m", PROMPT, "att_1")
            return [event async for event in stream]

        return self.runner.run(listened())


@pytest.fixture(scope="module")
def wires(listening: "Listening") -> Iterator[Wires]:
    with asyncio.Runner() as runner:
        serving = listening()
        opened = Wires(runner, runner.run(serving.__aenter__()))
        yield opened
        for client in opened.clients.values():
            runner.run(client.close())
        runner.run(serving.__aexit__(None, None, None))


def assembled(name: str, events: list[ProviderEvent]) -> tuple[Said, ...]:
    assembly = Assembly(by="anthropic" if name == "claude" else "google")
    for event in events:
        if isinstance(event, Delta | ThoughtDelta | ToolDelta):
            assembly.add(event)
    return assembly.parts


def written(surface_name: str, events: list[ProviderEvent], parts: tuple[Said, ...]) -> bytes:
    surface, body = BODIES[surface_name]
    incoming = Incoming(body=body, raw=json.dumps(body).encode(), headers={}, query={})
    identity = Identity(task_id="req_1", key_id="k", deadline_at=0.0)
    order = surface.read(incoming, lambda name: name, identity)
    assert isinstance(order, Order), order
    said = [event for event in events if isinstance(event, Delta | ThoughtDelta | ToolDelta)]
    answer = Answer(parts=parts, model="m", finish="tool_use", steps=(), settled_by="test")
    stream = order.writer.stream(FRAME, "m")
    told = b"".join(stream.piece(piece) for piece in joined([*said]))
    return stream.opening() + told + stream.closing(answer)


@pytest.mark.parametrize(("provider", "surface"), [*product(WIRES, BODIES)])
def test_an_answer_is_the_same_to_a_client_however_its_bytes_are_split(
    wires: Wires, provider: str, surface: str
) -> None:
    wire = WIRES[provider]
    whole = wires.heard(provider, wire)
    split = wires.heard(provider, *(wire[at : at + 1] for at in range(len(wire))))

    assert assembled(provider, whole) == assembled(provider, split) == PARTS[provider]
    assert isinstance(split[-1], Ended)
    told = written(surface, split, PARTS[provider])
    assert told == written(surface, whole, PARTS[provider])
    assert ENDS[surface] in told
    assert SPOKEN in told.decode()


@pytest.mark.parametrize("provider", WIRES)
def test_an_answer_cut_off_anywhere_is_no_answer(wires: Wires, provider: str) -> None:
    wire = WIRES[provider]
    last = wire.rindex(b"message_stop" if provider == "claude" else b"data:")
    for at in range(0, last, max(1, last // 60)):
        assert isinstance(wires.heard(provider, wire[:at])[-1], Failed), at
