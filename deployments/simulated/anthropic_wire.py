"""Anthropic's Messages API, from the server's side: the only simulated file that spells it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.simulated.counting import Block, output_tokens
from deployments.simulated.scenarios import BROKEN
from deployments.simulated.script import (
    Ask,
    Frame,
    Incoming,
    Json,
    Problem,
    Script,
    Turn,
    Wire,
    encoded,
    spoken,
)
from tercet.call import Prompt
from tercet.task import Message, Speaker

MODELS: Mapping[str, str] = {
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-sonnet-5-5": "Claude Sonnet 5.5",
    "claude-haiku-5-5": "Claude Haiku 5.5",
}
VERSIONS = ("2023-06-01", "2026-10-21")
_MOST_OUTPUT = 128_000
_CONTEXT = 1_000_000
_CALL: Json = {"id": "toolu_sim", "name": "get_weather"}
_BAD_ARGUMENTS = '{"city": "Oslo", "days": '


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _CacheControl(_Strict):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class _Content(_Strict):
    type: str
    text: str | None = None
    content: "str | list[_Content] | None" = None
    cache_control: _CacheControl | None = None


class _Turn(_Strict):
    role: Speaker
    content: str | list[_Content]


class _Conversation(_Strict):
    model: str = Field(min_length=1)
    messages: list[_Turn] = Field(min_length=1)
    system: str | list[_Content] = ""
    cache_control: _CacheControl | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None


class _Request(_Conversation):
    max_tokens: int = Field(ge=1, le=_MOST_OUTPUT)
    stop_sequences: list[str] = []
    stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    status: int
    type: str
    message: str
    details: Json | None = None


_RATE = _Error(status=429, type="rate_limit_error", message="Rate limit exceeded.")
_BUSY = _Error(status=529, type="overloaded_error", message="Overloaded")
_INTERNAL = _Error(status=500, type="api_error", message="Internal server error")

ERRORS: Mapping[str, _Error] = {
    "bad-request": _Error(status=400, type="invalid_request_error", message="Invalid request."),
    "unknown-model": _Error(status=404, type="not_found_error", message="Not found."),
    "no-key": _Error(status=401, type="authentication_error", message="x-api-key is required"),
    "bad-key": _Error(status=401, type="authentication_error", message="invalid x-api-key"),
    "rate": _RATE,
    "rate-once": _RATE,
    "spend-limit": _Error(
        status=429,
        type="rate_limit_error",
        message="Your organization has reached its monthly spending limit.",
        details={"error_code": "enforced_spend_limit_reached"},
    ),
    "payment": _Error(status=402, type="billing_error", message="Your credit balance is too low."),
    "overloaded": _BUSY,
    "early-error": _BUSY,
    "mid-error": _BUSY,
    "e500": _INTERNAL,
    "leaky": _INTERNAL,
    "e503": _Error(status=503, type="api_error", message="Service unavailable"),
    "e504": _Error(status=504, type="timeout_error", message="Request timed out"),
    "too-long": _Error(
        status=400,
        type="invalid_request_error",
        message=f"prompt is too long: {_CONTEXT + 1} tokens > {_CONTEXT} maximum",
    ),
}

_ENDINGS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
}
_STOPS: Mapping[str, str] = {
    "refusal": "refusal",
    "safety": "refusal",
    "recitation": "refusal",
    "empty": "end_turn",
    "no-candidates": "end_turn",
    "malformed-call": "tool_use",
    "bad-args": "tool_use",
    "window-full": "model_context_window_exceeded",
    "pause": "pause_turn",
}
_SILENT = frozenset({"refusal", "safety", "recitation", "empty", "no-candidates"})
_CALLS = frozenset({"malformed-call", "bad-args"})


def _read(incoming: Incoming) -> Ask | Problem:
    return _checked(incoming, _Request)


def _count(incoming: Incoming) -> Ask | Problem:
    return _checked(incoming, _Conversation)


def _key_of(incoming: Incoming) -> str:
    bearer = incoming.headers.get("authorization", "")
    sent = bearer[7:] if bearer[:7].lower() == "bearer " else ""
    return (sent or incoming.headers.get("x-api-key", "")).strip()


def _error_script(problem: Problem, request_id: str) -> Script:
    """Return an error response."""
    told = ERRORS[problem.name]
    headers = {"content-type": "application/json", **_headers(request_id)}
    if problem.value is not None:
        headers["retry-after"] = problem.value
    body = encoded(_error_body(told, problem.message or told.message, request_id))
    headers["content-length"] = str(len(body))
    outcome = f"failed:{problem.name}"
    return Script(status=told.status, headers=headers, frames=[Frame(data=body)], outcome=outcome)


def _counted(tokens: int) -> Json:
    return {"input_tokens": tokens}


def _headers(request_id: str) -> Mapping[str, str]:
    return {"request-id": request_id}


def _models() -> Json:
    listed = [
        {"type": "model", "id": name, "display_name": shown, "created_at": "2026-10-01T00:00:00Z"}
        for name, shown in MODELS.items()
    ]
    ids = list(MODELS)
    return {"data": listed, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}


def _error_body(told: _Error, message: str, request_id: str) -> Json:
    about: dict[str, object] = {"type": told.type, "message": message}
    if told.details is not None:
        about["details"] = told.details
    return {"type": "error", "error": about, "request_id": request_id}


def _checked(incoming: Incoming, shape: type[_Conversation]) -> Ask | Problem:
    if not _key_of(incoming):
        return Problem(name="no-key")
    version = incoming.headers.get("anthropic-version")
    if version not in VERSIONS:
        return Problem(name="bad-request", message=f"anthropic-version: {version} is not valid")
    try:
        request = shape.model_validate_json(incoming.body)
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        return Problem(name="bad-request", message=f"{where}: {first['msg']}".lstrip(": "))
    fault = _fault(request, version)
    if fault is not None:
        return Problem(name="bad-request", message=fault, model=request.model)
    if request.model not in MODELS:
        name = request.model
        return Problem(name="unknown-model", message=f"model: {name}", model=name)
    return _ask(request)


def _fault(request: _Conversation, version: str) -> str | None:
    """Return what no field by itself can be wrong about."""
    sampling = {"temperature", "top_p", "top_k"} & request.model_fields_set
    if version == "2026-10-21" and sampling:
        return f"{min(sampling)}: sampling parameters are not supported on API version {version}"
    if request.messages[0].role != "user":
        return "messages.0.role: the first message must use the user role"
    for n, turn in enumerate(request.messages):
        if not _text(turn.content).strip() and not _has_other_content(turn.content):
            return f"messages.{n}.content: text content must be non-empty"
    return None


def _has_other_content(content: str | list[_Content]) -> bool:
    return not isinstance(content, str) and any(block.type != "text" for block in content)


def _ask(request: _Conversation) -> Ask:
    heard = [turn for turn in request.messages if turn.role != "system"]
    system = [request.system, *(t.content for t in request.messages if t.role == "system")]
    sent = [request.system, *(turn.content for turn in request.messages)]
    blocks = [block for content in sent for block in _blocks(content)]
    if request.cache_control is not None:
        blocks.append(Block(text="", kept=request.cache_control.ttl))
    paid = request if isinstance(request, _Request) else None
    return Ask(
        model=request.model,
        prompt=Prompt(
            system="\n".join(text for text in map(_text, system) if text),
            messages=tuple(Message(speaker=t.role, text=_text(t.content)) for t in heard),
            max_output_tokens=paid.max_tokens if paid is not None else 0,
            stop=tuple(paid.stop_sequences) if paid is not None else (),
        ),
        blocks=tuple(blocks),
        stream=paid is not None and paid.stream,
        continues=heard[-1].role == "assistant",
    )


def _text(content: str | list[_Content]) -> str:
    return "\n".join(block.text for block in _blocks(content) if block.text)


def _blocks(content: str | list[_Content]) -> Iterator[Block]:
    """Yield the texts of a message or of the system prompt, those of tool results too."""
    if isinstance(content, str):
        yield Block(text=content)
        return
    for block in content:
        inner = "" if block.content is None else _text(block.content)
        kept = block.cache_control.ttl if block.cache_control is not None else None
        yield Block(text=(block.text or "") + inner, kept=kept)


def _frames(turn: Turn) -> Iterator[Frame]:
    """Yield the events of a stream, in the API's order."""
    name = turn.scenario.name
    if name == "early-error":
        yield _error_event("early-error", turn)
        return
    yield _event("message_start", {"message": _message(turn, [], output=0)})
    yield _event("ping", {})
    if name == "pings":
        ping = _event("ping", {})
        yield from repeat(replace(ping, after_s=turn.scenario.interval_s))
    if name in _CALLS:
        yield from _call_events(turn)
    elif name not in _SILENT:
        yield from _text_events(turn)
    if name in BROKEN:
        yield from _break(turn)
        return
    output = _output(turn)
    ending: dict[str, object] = {"delta": _stop(turn), **_usage(turn, output)}
    yield _event("message_delta", ending, output=output)
    yield _event("message_stop", {}, output=output)


def _text_events(turn: Turn) -> Iterator[Frame]:
    block = {"type": "text", "text": ""}
    yield _event("content_block_start", {"index": 0, "content_block": block})
    for piece, output, after_s in spoken(turn):
        delta = {"type": "text_delta", "text": piece}
        frame = _event("content_block_delta", {"index": 0, "delta": delta}, output=output)
        yield replace(frame, after_s=after_s)
    if turn.scenario.name not in BROKEN:
        yield _event("content_block_stop", {"index": 0}, output=_output(turn))


def _call_events(turn: Turn) -> Iterator[Frame]:
    block: Json = {"type": "tool_use", **_CALL, "input": dict[str, object]()}
    delta = {"type": "input_json_delta", "partial_json": _BAD_ARGUMENTS}
    output = _output(turn)
    yield _event("content_block_start", {"index": 0, "content_block": block})
    yield _event("content_block_delta", {"index": 0, "delta": delta}, output=output)
    yield _event("content_block_stop", {"index": 0}, output=output)


def _break(turn: Turn) -> Iterator[Frame]:
    output = max((tokens for _, tokens, _ in spoken(turn)), default=0)
    if turn.scenario.name == "mid-error":
        yield replace(_error_event("mid-error", turn), output=output)
    if turn.scenario.name == "bad-json":
        data = b'event: content_block_delta\ndata: {"type": "content_block_delta", "ind\n\n'
        yield Frame(data=data, output=output)


def _body(turn: Turn) -> Frame:
    """Return the answer as one message."""
    name = turn.scenario.name
    content: list[Json] = [{"type": "text", "text": turn.speech.text}]
    if name in _SILENT or not turn.speech.text:
        content = []
    if name in _CALLS:
        content = [{"type": "tool_use", **_CALL, "input": _BAD_ARGUMENTS}]
    output = _output(turn)
    message = {**_message(turn, content, output=output), **_stop(turn)}
    return Frame(data=encoded(message), output=output)


def _event(name: str, fields: Json, *, output: int = 0) -> Frame:
    data = encoded({"type": name, **fields})
    return Frame(data=b"event: %b\ndata: %b\n\n" % (name.encode(), data), output=output)


def _error_event(name: str, turn: Turn) -> Frame:
    told = ERRORS[name]
    return _event("error", _error_body(told, told.message, turn.request_id))


def _message(turn: Turn, content: list[Json], *, output: int) -> Json:
    return {
        "id": turn.request_id,
        "type": "message",
        "role": "assistant",
        "model": turn.ask.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        **_usage(turn, output),
    }


def _stop(turn: Turn) -> Json:
    reason = _STOPS.get(turn.scenario.name) or _ENDINGS[turn.speech.ended]
    stop: dict[str, object] = {"stop_reason": reason, "stop_sequence": turn.speech.stopped_by}
    if reason == "refusal":
        told = "Simulated: this request was declined."
        stop["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": told}
    return stop


def _output(turn: Turn) -> int:
    """Return the tokens of the whole answer."""
    if turn.scenario.name in _SILENT:
        return 0
    if turn.scenario.name in _CALLS:
        return output_tokens(_BAD_ARGUMENTS)
    return output_tokens(turn.speech.text)


def _usage(turn: Turn, output: int) -> Json:
    """Return the `usage` field as the scenario reports it, or no field."""
    if turn.scenario.name == "usage-absent":
        return {}
    reported = turn.scenario.reported
    short, long = turn.usage.cache_write_5m, turn.usage.cache_write_1h
    usage = {
        "input_tokens": reported(turn.usage.fresh_input),
        "cache_read_input_tokens": reported(turn.usage.cache_read),
        "cache_creation_input_tokens": reported(short + long),
        "cache_creation": {
            "ephemeral_5m_input_tokens": reported(short),
            "ephemeral_1h_input_tokens": reported(long),
        },
        "output_tokens": reported(output, left=_output(turn) - output),
        "service_tier": "standard",
    }
    return {"usage": usage}


ANTHROPIC = Wire(
    provider="anthropic",
    read=_read,
    count=_count,
    counted=_counted,
    error=_error_script,
    frames=_frames,
    body=_body,
    headers=_headers,
    key=_key_of,
    models=_models,
)
