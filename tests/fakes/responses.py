"""Requests of OpenAI Responses as a surface reads them, and answers as a composition gives them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from router.surfaces.openai_responses import SURFACE
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Frame, Identity, Incoming, Order
from tercet.answer import Answer, Step
from tercet.call import Completion, FinishReason, pieces_of
from tercet.content import Said, Text, Thought, ToolUse
from tercet.usage import Usage

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
AWKWARD = 'né "q" \\ \n\r\n\t\x00\x7f\x85\u2028\u2029 \U0001f600 data: [DONE]\n\nevent: x'
SUMMARY = {"reasoning": {"summary": "auto"}}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
}
SPAWN = {
    "type": "namespace",
    "name": "agents",
    "description": "Sub-agents.",
    "tools": [{"type": "function", "name": "spawn", "parameters": {"type": "object"}}],
}
FRAME = Frame(task_id="req_1", route="tier1", created=1_800_000_000)
IDENTITY = Identity(task_id="req_1", key_id="key_1", deadline_at=1_800_000_600.0)


def incoming(body: dict[str, Any], earlier: str | None = None) -> Incoming:
    return Incoming(
        body=body,
        raw=json.dumps(body).encode(),
        headers={},
        query={},
        earlier=None if earlier is None else json.loads(earlier),
    )


def read(body: dict[str, Any], earlier: str | None = None) -> Order | Refusal:
    def resolve(name: str) -> str | None:
        return name if name in ("auto", "tier1") else None

    return SURFACE.read(incoming(body, earlier), resolve, IDENTITY)


def ordered(earlier: str | None = None, **fields: Any) -> Order:
    order = read({"model": "tier1", "input": "Hi", **fields}, earlier)
    assert isinstance(order, Order), order
    return order


def answer(*parts: Said | str, finish: FinishReason = "stop") -> Answer:
    said = tuple(Text(part) if isinstance(part, str) else part for part in parts)
    usage = Usage(
        fresh_input=100, cache_read=200, cache_write_5m=30, cache_write_1h=4, output=60, thinking=10
    )
    completion = Completion(
        attempt_id="attempt-1",
        model="claude-opus-5-5",
        parts=said,
        finish=finish,
        usage=usage,
        cost_nano_usd=20_000_000,
        first_token_s=0.5,
        latency_s=1.0,
    )
    return Answer(
        parts=said,
        model="claude-opus-5-5",
        finish=finish,
        steps=(Step(role="single", round=1, outcome=completion),),
        settled_by="one seat",
    )


SAID = answer(
    Thought(text="Let me see.", signature="c2ln", by="anthropic"),
    Text("I look."),
    ToolUse(id="call_1", name="look", arguments='{"at": 1}', signature="Z29v", by="google"),
    ToolUse(id="call_2", name="apply_patch", arguments='{"input":"*** Begin"}'),
    ToolUse(id="call_3", name="agents__spawn", arguments="{}"),
    finish="tool_use",
)


def streamed(order: Order, said: Answer) -> bytes:
    stream = order.writer.stream(FRAME, said.model)
    pieces = map(stream.piece, pieces_of(said.parts))
    return stream.opening() + b"".join(pieces) + stream.closing(said)


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """Return the events, whose names, numbers and shapes have been checked."""
    events: list[dict[str, Any]] = []
    for number, told in enumerate(stream.decode().removesuffix("\n\n").split("\n\n")):
        name, data = told.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == number
        EVENT.validate_python(event)
        events.append(event)
    return events


def body_of(order: Order, said: Answer) -> dict[str, Any]:
    body = json.loads(order.writer.body(FRAME, said))
    Response.model_validate(body)
    return body


def client_answered_with(*pieces: bytes, kind: str = "text/event-stream") -> openai.OpenAI:
    """Return the real client on a transport that answers any request with `pieces`."""

    def content() -> Iterator[bytes]:
        yield from pieces

    def reply(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, content=content())

    http_client = httpx2.Client(transport=httpx2.MockTransport(reply))
    return openai.OpenAI(api_key="key", base_url="http://gateway/v1", http_client=http_client)
