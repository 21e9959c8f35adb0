"""Anthropic Messages, outward: answers, streams and refusals as bytes.

Shapes are those of anthropic 2.12.0 (`anthropic/types/message.py`, `raw_*_event.py`). A field
`tercet` of our own stands beside them, in a message and in the event `message_delta`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from router.surfaces.anthropic_messages_thinking import seal, thinking_block, tool_signature_block
from router.surfaces.body import parse
from router.surfaces.refusal import Refusal, utc
from router.surfaces.surface import Frame
from router.surfaces.writing import comment, encode, event, extras, total_usage
from tercet.answer import Answer
from tercet.call import Delta, FinishReason, Piece, ThoughtDelta, ToolDelta
from tercet.catalog import ProviderName
from tercet.content import JsonObject, Said, Text, Thought, ToolUse
from tercet.usage import Usage

_STOP_REASONS: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content_filter": "refusal",
    "tool_use": "tool_use",
    "pause": "pause_turn",
}
_ERROR_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""By status; any other is the client's (4xx) or ours."""

_ID = "msg_"
_PING = event(encode({"type": "ping"}), "ping")


class MessagesStream:
    """One streamed reply; see `Stream`."""

    def __init__(self, frame: Frame, model: str, usage: JsonObject) -> None:
        self._frame = frame
        self._model = model
        self._usage = usage
        self._at = -1
        self._open = ""
        """The block under way: its type, of a tool use also which; empty when there is none."""
        self._thinker: ProviderName | None = None
        """Whose thought is under way."""
        self._spoke = False
        """Text was said."""

    def opening(self) -> bytes:
        """Return the event that says who speaks."""
        message = _blank(_message_id(self._frame), self._model, self._usage)
        return _event({"type": "message_start", "message": message})

    def piece(self, piece: Piece) -> bytes:
        """Return the events for a piece."""
        match piece:
            case Delta():
                return self._say(piece.text) if piece.text else b""
            case ThoughtDelta():
                return self._think(piece)
            case ToolDelta():
                return self._use(piece)
            case _:
                return b""

    def closing(self, answer: Answer) -> bytes:
        """Return why the answer ended, its usage, and the terminal marker."""
        return self._close() + _ending(_message(self._frame, answer))

    def failing(self, refusal: Refusal) -> bytes:
        """Return the event of an error; no terminal marker follows."""
        return _error_event(refusal)

    def block(self, block: JsonObject) -> bytes:
        """Return the events for a block that is whole."""
        blank, deltas = _taken_apart(block)
        told = self._begin(str(block["type"]), blank)
        return told + b"".join(map(self._delta, deltas)) + self._stop()

    def _say(self, text: str) -> bytes:
        self._spoke |= bool(text)
        begun = b"" if self._open == "text" else self._begin("text", _text(""))
        return begun + self._delta({"type": "text_delta", "text": text})

    def _think(self, piece: ThoughtDelta) -> bytes:
        by, told = piece.by or "local", b""
        if piece.text:
            if self._open != "thinking":
                told = self._begin("thinking", _THINKING)
            self._thinker = by
            told += self._delta({"type": "thinking_delta", "thinking": piece.text})
        if piece.signature is None:
            return told
        if self._open == "thinking":
            self._thinker = None
            return told + self._sign(seal(by, piece.signature)) + self._stop()
        if self._spoke and by != "anthropic":
            return told  # see `shown`
        thought = Thought(text="", signature=piece.signature, by=by, is_redacted=piece.is_redacted)
        return told + self.block(thinking_block(thought))

    def _use(self, piece: ToolDelta) -> bytes:
        told, key = b"", f"tool_use {piece.index}"
        if self._open != key:
            use = ToolUse(
                id=piece.id,
                name=piece.name,
                arguments="",
                signature=piece.signature,
                by=piece.by,
            )
            signature = tool_signature_block(use)
            told = b"" if signature is None else self.block(signature)
            told += self._begin(key, _tool_use(use))
        if piece.arguments:
            told += self._delta({"type": "input_json_delta", "partial_json": piece.arguments})
        return told

    def _begin(self, key: str, block: JsonObject) -> bytes:
        closed = self._close()
        self._at += 1
        self._open = key
        begun: JsonObject = {
            "type": "content_block_start",
            "index": self._at,
            "content_block": block,
        }
        return closed + _event(begun)

    def _delta(self, delta: JsonObject) -> bytes:
        return _event({"type": "content_block_delta", "index": self._at, "delta": delta})

    def _sign(self, signature: str) -> bytes:
        return self._delta({"type": "signature_delta", "signature": signature})

    def _close(self) -> bytes:
        """End the block under way; a thought that nobody signed says at least whose it is."""
        thinker, self._thinker = self._thinker, None
        sealed = "" if thinker is None else seal(thinker, None)
        return (self._sign(sealed) if sealed else b"") + self._stop()

    def _stop(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return _event({"type": "content_block_stop", "index": self._at})


class MessagesWriter:
    """Writes the answer to one request; see `Writer`."""

    def body(self, frame: Frame, answer: Answer) -> bytes:
        """Return a whole `message`."""
        return encode(_message(frame, answer))

    def stream(self, frame: Frame, model: str) -> MessagesStream:
        """Begin a stream in which `model` speaks; what it read is not known yet."""
        return MessagesStream(frame, model, _usage(None))

    def failed(self, frame: Frame, refusal: Refusal) -> bytes:
        """Return the event of an error; Anthropic's names no message."""
        return _error_event(refusal)

    def comment(self, note: str) -> bytes:
        """Return a comment for whoever looks, and a ping for clients that wait for one."""
        return comment(note) + _PING

    def again(self, body: bytes) -> bytes:
        """Return the whole stream that says what `body`, made by `body`, says."""
        told: dict[str, Any] = json.loads(body)
        frame = Frame(task_id=told["id"].removeprefix(_ID), route="", created=0)
        stream = MessagesStream(frame, told["model"], told["usage"])
        return stream.opening() + b"".join(map(stream.block, told["content"])) + _ending(told)

    def memory(self, frame: Frame, answer: Answer) -> None:
        """Return nothing: every request brings its whole conversation."""
        return


def _ending(message: JsonObject) -> bytes:
    """Return the events that end the stream of a message."""
    names = ("container", "stop_reason", "stop_sequence", "stop_details")
    delta: JsonObject = {name: message.get(name) for name in names}
    told: JsonObject = {"type": "message_delta", "delta": delta, "usage": message["usage"]}
    if "tercet" in message:
        told["tercet"] = message["tercet"]
    return _event(told) + _event({"type": "message_stop"})


def error_body(refusal: Refusal) -> bytes:
    """Return the error envelope."""
    details: JsonObject = {"error_code": refusal.code}
    if refusal.param is not None:
        details["param"] = refusal.param
    if refusal.reset_at is not None:
        details["reset_at"] = utc(refusal.reset_at)
    error: JsonObject = {
        "type": _error_type(refusal),
        "message": refusal.message,
        "details": details,
    }
    return encode({"type": "error", "error": error, "request_id": None})


def _error_type(refusal: Refusal) -> str:
    if refusal.code == "insufficient_quota":
        return "billing_error"
    default = "api_error" if refusal.status >= 500 else "invalid_request_error"
    return _ERROR_TYPES.get(refusal.status, default)


def _error_event(refusal: Refusal) -> bytes:
    return event(error_body(refusal), "error")


def _event(told: JsonObject) -> bytes:
    return event(encode(told), str(told["type"]))


def _message_id(frame: Frame) -> str:
    return _ID + frame.task_id


def _blank(message_id: str, model: str, usage: JsonObject) -> JsonObject:
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "container": None,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage,
    }


def _message(frame: Frame, answer: Answer) -> JsonObject:
    is_refusal = answer.finish == "content_filter"
    is_stopped = answer.finish == "stop" and answer.stop_sequence is not None
    message = _blank(_message_id(frame), answer.model, _usage(total_usage(answer.steps)))
    said: JsonObject = {
        "content": [block for part in shown(answer.parts) for block in _blocks(part)],
        "stop_reason": "stop_sequence" if is_stopped else _STOP_REASONS[answer.finish],
        "stop_sequence": answer.stop_sequence if is_stopped else None,
        "stop_details": _NO_DETAILS if is_refusal else None,
        "tercet": extras(frame, answer),
    }
    return message | said


_NO_DETAILS: JsonObject = {"type": "refusal", "category": None, "explanation": None}


def _usage(total: Usage | None) -> JsonObject:
    """Return the tokens of every step, because the caller pays for all voices; `None`: not yet."""
    known = Usage() if total is None else total
    written = known.cache_write_5m + known.cache_write_1h
    writes: JsonObject = {
        "ephemeral_5m_input_tokens": known.cache_write_5m,
        "ephemeral_1h_input_tokens": known.cache_write_1h,
    }
    return {
        "input_tokens": known.fresh_input,
        "cache_creation_input_tokens": None if total is None else written,
        "cache_read_input_tokens": None if total is None else known.cache_read,
        "cache_creation": None if total is None else writes,
        "output_tokens": known.output,
        "output_tokens_details": None if total is None else {"thinking_tokens": known.thinking},
        "server_tool_use": None,
        "inference_geo": None,
        "service_tier": "standard",
    }


def shown(parts: tuple[Said, ...]) -> tuple[Said, ...]:
    """Leave out the bare signature that Gemini puts after its text.

    Google only recommends to send that one back, and Claude Code takes the last block for the
    answer: it would print nothing.
    """
    kept: list[Said] = []
    spoke = False
    for part in parts:
        if isinstance(part, Thought) and spoke and not part.text and part.by != "anthropic":
            continue
        last = kept[-1] if kept else None
        if isinstance(part, Text) and isinstance(last, Text):
            kept[-1] = Text(last.text + part.text)
        else:
            kept.append(part)
        spoke |= isinstance(part, Text) and bool(part.text)
    return tuple(kept)


def _blocks(part: Said) -> Iterator[JsonObject]:
    match part:
        case Text():
            if part.text:
                yield _text(part.text)
        case Thought():
            if part.text or part.signature:
                yield thinking_block(part)
        case ToolUse():
            signature = tool_signature_block(part)
            if signature is not None:
                yield signature
            yield _tool_use(part)


_THINKING: JsonObject = {"type": "thinking", "thinking": "", "signature": ""}


def _text(text: str) -> JsonObject:
    return {"type": "text", "text": text, "citations": None}


def _tool_use(use: ToolUse) -> JsonObject:
    return {
        "type": "tool_use",
        "id": use.id,
        "name": use.name,
        "input": _input(use.arguments),
        "caller": {"type": "direct"},
    }


def _input(arguments: str) -> JsonObject:
    """Return arguments as an object; text that is none stands in one, as `_raw`.

    Without it a broken call would look like one without arguments.
    """
    if not arguments.strip():
        return {}
    parsed = parse(arguments.encode("utf-8", "replace"))
    return {"_raw": arguments} if isinstance(parsed, Refusal) else parsed


def _taken_apart(block: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    """Return a block as it begins, and the deltas that make it whole."""
    match block:
        case {"type": "text", "text": text}:
            return _text(""), [{"type": "text_delta", "text": text}]
        case {"type": "thinking", "thinking": thinking, "signature": signature}:
            thought: list[JsonObject] = [
                {"type": "thinking_delta", "thinking": thinking},
                {"type": "signature_delta", "signature": signature},
            ]
            return _THINKING, [delta for delta in thought if "" not in delta.values()]
        case {"type": "tool_use", "input": given}:
            text = encode(given).decode()
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": text}]
        case _:
            return block, []
