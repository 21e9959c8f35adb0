"""A Messages answer, as the events of a stream or as one message."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import repeat

from deployments.simulated.acting import Action
from deployments.simulated.anthropic_errors import error_body
from deployments.simulated.mind import Thinking
from deployments.simulated.scenarios import BROKEN
from deployments.simulated.script import Frame, Json, Spoken, Turn, encoded, spoken
from deployments.simulated.signing import signature

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
    "window-full": "model_context_window_exceeded",
    "pause": "pause_turn",
}
_SILENT = frozenset({"refusal", "safety", "recitation", "empty", "no-candidates"})


def frames(turn: Turn) -> Iterator[Frame]:
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
    if name not in _SILENT:
        yield from _content_events(turn)
    if name in BROKEN:
        yield from _break(turn)
        return
    output = _output(turn)
    ending: dict[str, object] = {"delta": _stop(turn), **_usage(turn, output)}
    yield _event("message_delta", ending, output=output)
    yield _event("message_stop", {}, output=output)


def body(turn: Turn) -> Frame:
    """Return the answer as one message."""
    content = [] if turn.scenario.name in _SILENT else list(_content(turn))
    output = _output(turn)
    message = {**_message(turn, content, output=output), **_stop(turn)}
    return Frame(data=encoded(message), output=output)


def _content_events(turn: Turn) -> Iterator[Frame]:
    output = 0
    for piece in spoken(turn):
        index = piece.number
        if piece.is_first:
            block = _opening(turn, piece)
            started = {"index": index, "content_block": block}
            yield _event("content_block_start", started, output=output)
        output = piece.output
        for n, delta in enumerate(_deltas(turn, piece)):
            frame = _event("content_block_delta", {"index": index, "delta": delta}, output=output)
            yield frame if n else replace(frame, after_s=piece.after_s)
        if piece.is_last and turn.scenario.name not in BROKEN:
            yield _event("content_block_stop", {"index": index}, output=output)


def _opening(turn: Turn, piece: Spoken) -> Json:
    """Return a block as it is before its first delta."""
    if piece.action is not None:
        return {**_use(turn, piece.action, piece.number), "input": {}}
    if piece.kind == "text" or turn.speech.thinking is None:
        return {"type": "text", "text": "", "citations": None}
    thought = _thought(turn, turn.speech.thinking)
    is_open = thought["type"] == "redacted_thinking"
    return thought if is_open else {"type": "thinking", "thinking": "", "signature": ""}


def _deltas(turn: Turn, piece: Spoken) -> Iterator[Json]:
    match piece.kind:
        case "text":
            yield {"type": "text_delta", "text": piece.text}
        case "action":
            if piece.is_first:
                yield {"type": "input_json_delta", "partial_json": ""}
            yield {"type": "input_json_delta", "partial_json": piece.text}
        case "thought":
            yield from _thought_deltas(turn, piece)


def _thought_deltas(turn: Turn, piece: Spoken) -> Iterator[Json]:
    if turn.speech.thinking is None or turn.speech.thinking.is_redacted:
        return
    if piece.text:
        yield {"type": "thinking_delta", "thinking": piece.text}
    if piece.is_last:
        signed = signature(turn.ask.model, turn.request_id)
        yield {"type": "signature_delta", "signature": signed}


def _content(turn: Turn) -> Iterator[Json]:
    """Yield the blocks, whole; arguments that are no JSON stay text."""
    speech = turn.speech
    index = 0
    if speech.thinking is not None:
        yield _thought(turn, speech.thinking)
        index = 1
    if speech.text:
        yield {"type": "text", "text": speech.text, "citations": None}
    for n, action in enumerate(speech.actions, start=index):
        try:
            arguments = json.loads(action.arguments)
        except ValueError:
            arguments = action.arguments
        yield {**_use(turn, action, n), "input": arguments}


def _thought(turn: Turn, thinking: Thinking) -> Json:
    signed = signature(turn.ask.model, turn.request_id)
    if thinking.is_redacted:
        return {"type": "redacted_thinking", "data": signed}
    return {"type": "thinking", "thinking": thinking.text, "signature": signed}


def _use(turn: Turn, action: Action, number: int) -> Json:
    id_ = f"toolu_{turn.request_id}_{number}"
    return {"type": "tool_use", "id": id_, "name": action.name, "caller": {"type": "direct"}}


def _break(turn: Turn) -> Iterator[Frame]:
    output = max((piece.output for piece in spoken(turn)), default=0)
    if turn.scenario.name == "mid-error":
        yield replace(_error_event("mid-error", turn), output=output)
    if turn.scenario.name == "bad-json":
        data = b'event: content_block_delta\ndata: {"type": "content_block_delta", "ind\n\n'
        yield Frame(data=data, output=output)


def _event(name: str, fields: Json, *, output: int = 0) -> Frame:
    data = encoded({"type": name, **fields})
    return Frame(data=b"event: %b\ndata: %b\n\n" % (name.encode(), data), output=output)


def _error_event(name: str, turn: Turn) -> Frame:
    return _event("error", error_body(name, turn.request_id))


def _message(turn: Turn, content: list[Json], *, output: int) -> Json:
    return {
        "id": turn.request_id,
        "type": "message",
        "role": "assistant",
        "model": turn.ask.model,
        "content": content,
        "container": None,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        **_usage(turn, output),
    }


def _stop(turn: Turn) -> Json:
    ended = turn.speech.ended
    uses_tools = bool(turn.speech.actions) and ended == "stop"
    usual = "tool_use" if uses_tools else _ENDINGS[ended]
    reason = _STOPS.get(turn.scenario.name, usual)
    stop: dict[str, object] = {"stop_reason": reason, "stop_sequence": turn.speech.stopped_by}
    if reason == "refusal":
        told = "Simulated: this request was declined."
        stop["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": told}
    return stop


def _output(turn: Turn) -> int:
    """Return the tokens of the whole answer."""
    if turn.scenario.name in _SILENT:
        return 0
    return turn.speech.said_tokens + turn.speech.thought_tokens


def _usage(turn: Turn, output: int) -> Json:
    """Return the `usage` field as the scenario reports it, or no field."""
    if turn.scenario.name == "usage-absent":
        return {}
    reported = turn.scenario.reported
    short, long = turn.usage.cache_write_5m, turn.usage.cache_write_1h
    usage: dict[str, object] = {
        "input_tokens": reported(turn.usage.fresh_input),
        "cache_read_input_tokens": reported(turn.usage.cache_read),
        "cache_creation_input_tokens": reported(short + long),
        "cache_creation": {
            "ephemeral_5m_input_tokens": reported(short),
            "ephemeral_1h_input_tokens": reported(long),
        },
        "output_tokens": reported(output, left=_output(turn) - output),
        "output_tokens_details": None,
        "server_tool_use": None,
        "service_tier": "standard",
        "inference_geo": None,
    }
    if output and turn.speech.thinking is not None:
        thought = reported(turn.speech.thinking.tokens)
        usage["output_tokens_details"] = {"thinking_tokens": thought}
    return {"usage": usage}
