"""OpenAI Responses, outward: answers, streams and stored answers as bytes.

Shapes are those of openai 3.54.0 (`openai/types/responses/response.py`), with every field that
Open Responses (openresponses.org) requires.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from router.surfaces.openai_responses_events import Numbered
from router.surfaces.openai_responses_items import Output, Status, Wishes, again
from router.surfaces.refusal import Refusal, RefusalType
from router.surfaces.surface import Frame
from router.surfaces.writing import comment, encode, extras, total_usage
from tercet.answer import Answer, Step
from tercet.call import FinishReason, Piece, pieces_of
from tercet.content import JsonObject, JsonValue

RESPONSE_PREFIX = "resp_"
"""Before the id of a task, in the id of its response."""

_REASONS: Mapping[FinishReason, str | None] = {
    "stop": None,
    "tool_use": None,
    "length": "max_output_tokens",
    "content_filter": "content_filter",
    # OpenAI has no word for it, and an answer that was not ended must not look as if it was.
    "pause": "max_output_tokens",
}

# OpenAI's own errors have the first three, which its types leave out; Codex acts on each.
_CODES = ("context_length_exceeded", "insufficient_quota", "rate_limit_exceeded")
_CODE_OF: Mapping[RefusalType, str] = {
    "invalid_request_error": "invalid_prompt",
    "rate_limit_error": "rate_limit_exceeded",
}


class ResponsesStream:
    """One streamed reply; see `Stream`."""

    def __init__(self, frame: Frame, model: str, writer: "ResponsesWriter") -> None:
        self._frame = frame
        self._base = _begun(frame, model, writer.echoed)
        self._output = Output(frame.task_id, writer.wishes)
        self._events = Numbered()

    def opening(self) -> bytes:
        """Return the events that say who speaks."""
        return _opening(self._events, self._base)

    def piece(self, piece: Piece) -> bytes:
        """Return the events for a piece."""
        return self._events.changes(self._output.add(piece))

    def closing(self, answer: Answer) -> bytes:
        """Return the end of the last item, and the whole response."""
        told = self._events.changes(self._output.end(_status(answer)))
        ended = _ended(self._base, self._output, self._frame, answer)
        return told + _closing(self._events, ended)

    def failing(self, refusal: Refusal) -> bytes:
        """Return `response.failed`; what was said so far is in the events before it."""
        error: JsonObject = {"code": _code(refusal), "message": refusal.message}
        failed: JsonObject = {**self._base, "status": "failed", "error": error}
        return self._events.event("response.failed", response=failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesWriter:
    """Writes the answer to one request; see `Writer`."""

    echoed: JsonObject
    """The fields of a response that repeat the request's; its model gives way to who speaks."""
    wishes: Wishes = field(default_factory=Wishes)
    conversation: tuple[JsonValue, ...] | None = None
    """The items that were answered, those of earlier requests included; `None`: the answer is not
    to be stored."""
    conversation_bytes: int = 0
    """How large the requests were that brought them."""

    def body(self, frame: Frame, answer: Answer) -> bytes:
        """Return a whole `response`."""
        return encode(self._response(frame, answer))

    def stream(self, frame: Frame, model: str) -> ResponsesStream:
        """Begin a stream in which `model` speaks."""
        return ResponsesStream(frame, model, self)

    def failed(self, frame: Frame, refusal: Refusal) -> bytes:
        """Return a stream that begins and fails."""
        stream = ResponsesStream(frame, str(self.echoed["model"]), self)
        return stream.opening() + stream.failing(refusal)

    def comment(self, note: str) -> bytes:
        """Return a server-sent comment."""
        return comment(note)

    def again(self, body: bytes) -> bytes:
        """Return the whole stream that says what `body`, made by `body`, says."""
        ended: JsonObject = json.loads(body)
        base = {name: value for name, value in ended.items() if name != "tercet"}
        base |= {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
        output = ended["output"]
        items = (
            [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        )
        events = Numbered()
        said = _opening(events, base) + events.changes(again(items))
        return said + _closing(events, ended)

    def memory(self, frame: Frame, answer: Answer) -> str | None:
        """Return the response, and the conversation up to its end."""
        if self.conversation is None:
            return None
        response = self._response(frame, answer)
        output = response["output"]
        document: JsonObject = {
            "response": response,
            "items": [*self.conversation, *(output if isinstance(output, list) else [])],
            "bytes": self.conversation_bytes,
        }
        return json.dumps(document)

    def _response(self, frame: Frame, answer: Answer) -> JsonObject:
        output = Output(frame.task_id, self.wishes)
        for piece in pieces_of(answer.parts):
            _ = list(output.add(piece))
        _ = list(output.end(_status(answer)))
        return _ended(_begun(frame, answer.model, self.echoed), output, frame, answer)


def kept_body(document: str) -> bytes:
    """Return the response that was stored as `ResponsesWriter.memory` says."""
    return encode(json.loads(document)["response"])


def deleted_body(response_id: str) -> bytes:
    """Return what is said of a stored response that is there no more."""
    return encode({"id": response_id, "object": "response.deleted", "deleted": True})


def _begun(frame: Frame, model: str, echoed: JsonObject) -> JsonObject:
    return {
        "id": RESPONSE_PREFIX + frame.task_id,
        "object": "response",
        "created_at": frame.created,
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        **echoed,
        "model": model,
        "output": [],
        "usage": None,
    }


def _ended(base: JsonObject, output: Output, frame: Frame, answer: Answer) -> JsonObject:
    reason = _REASONS[answer.finish]
    more: JsonObject = {
        "status": _status(answer),
        "incomplete_details": None if reason is None else {"reason": reason},
        "output": list(output.items),
        "usage": _usage(answer.steps),
        "tercet": extras(frame, answer),
    }
    return base | more


def _opening(events: Numbered, base: JsonObject) -> bytes:
    names = ("response.created", "response.in_progress")
    return b"".join(events.event(name, response=base) for name in names)


def _closing(events: Numbered, ended: JsonObject) -> bytes:
    return events.event(f"response.{ended['status']}", response=ended)


def _status(answer: Answer) -> Status:
    return "completed" if _REASONS[answer.finish] is None else "incomplete"


def _code(refusal: Refusal) -> str:
    return refusal.code if refusal.code in _CODES else _CODE_OF.get(refusal.type, "server_error")


def _usage(steps: tuple[Step, ...]) -> JsonObject:
    total = total_usage(steps)
    return {
        "input_tokens": total.input,
        "input_tokens_details": {
            "cached_tokens": total.cache_read,
            "cache_write_tokens": total.cache_write_5m + total.cache_write_1h,
        },
        "output_tokens": total.output,
        "output_tokens_details": {"reasoning_tokens": total.thinking},
        "total_tokens": total.input + total.output,
    }
