"""OpenAI chat completions, outward: answers, streams, refusals and models as bytes.

Shapes are those of openai 3.54.0 (`openai/types/chat/chat_completion*.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.surfaces.body import JsonObject, JsonValue
from router.surfaces.refusal import Refusal, utc
from tercet.answer import Answer, Step, completions
from tercet.usage import Usage, usd

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# JSON allows these raw inside strings; clients that split a stream with `str.splitlines` do not.
_LINE_ENDS = "\x85\u2028\u2029"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFrame:
    """What a reply says of itself before anything is answered."""

    task_id: str
    route: str
    created: int
    """Unix seconds."""
    include_usage: bool = False
    """End a stream with a chunk of usage."""


class ChatStream:
    """One streamed reply, as server-sent events: `opening`, any `text_chunk`, then `closing`.

    Made when the first content is there, because only then is the model that answers known.
    """

    def __init__(self, frame: ReplyFrame, model: str) -> None:
        self._frame = frame
        self._model = model
        # Quotes inside the model's name are escaped, so the match is the delta's own.
        empty = self._chunk([_choice({"content": ""}, None)])
        head, _, self._after = empty.partition(b'"content":""')
        self._before = head + b'"content":'

    def opening(self) -> bytes:
        """Return the chunk that says who speaks."""
        delta: JsonObject = {"role": "assistant", "content": "", "refusal": None}
        return self._chunk([_choice(delta, None)])

    def text_chunk(self, text: str) -> bytes:
        """Return a chunk of answer text; only the text is encoded anew."""
        return self._before + _encode(text) + self._after

    def closing(self, answer: Answer) -> bytes:
        """Return why the answer ended, its usage when asked for, and the terminal marker."""
        extras, usage = _extras(self._frame, answer), _usage(answer.steps)
        return self.ending(answer.finish, tercet=extras, usage=usage)

    def ending(self, finish: str, *, tercet: JsonObject, usage: JsonObject) -> bytes:
        """Return the same of an answer whose own words are at hand."""
        chunks = self._chunk([_choice({}, finish)], tercet=tercet)
        if self._frame.include_usage:
            chunks += self._chunk([], usage=usage)
        return chunks + b"data: [DONE]\n\n"

    def _chunk(self, choices: list[JsonValue], **extras: JsonValue) -> bytes:
        chunk: JsonObject = {
            "id": _completion_id(self._frame),
            "object": "chat.completion.chunk",
            "created": self._frame.created,
            "model": self._model,
            "system_fingerprint": None,
            "choices": choices,
        }
        if self._frame.include_usage:
            chunk["usage"] = None
        return _event(_encode(chunk | extras))


def comment(note: str) -> bytes:
    """Return a server-sent comment, which clients skip, on one line whatever `note` holds."""
    return f": {' '.join(note.splitlines())}\n\n".encode("utf-8", "replace")


def error_event(refusal: Refusal) -> bytes:
    """Return the event that ends a failed stream; no terminal marker may follow it."""
    return _event(error_body(refusal))


def error_body(refusal: Refusal) -> bytes:
    """Return the error envelope."""
    error: JsonObject = {
        "message": refusal.message,
        "type": refusal.type,
        "param": refusal.param,
        "code": refusal.code,
    }
    if refusal.reset_at is not None:
        error["reset_at"] = utc(refusal.reset_at)
    return _encode({"error": error})


def completion_body(frame: ReplyFrame, answer: Answer) -> bytes:
    """Return a whole `chat.completion`.

    Its usage is that of every step, because the caller pays for all voices.
    """
    message: JsonObject = {
        "role": "assistant",
        "content": answer.text,
        "refusal": None,
        "annotations": [],
    }
    return _encode(
        {
            "id": _completion_id(frame),
            "object": "chat.completion",
            "created": frame.created,
            "model": answer.model,
            "system_fingerprint": None,
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
            ],
            "usage": _usage(answer.steps),
            "tercet": _extras(frame, answer),
        }
    )


def stream_again(body: bytes, *, include_usage: bool) -> bytes:
    """Return the whole stream that says what `body`, made by `completion_body`, says."""
    told: dict[str, Any] = json.loads(body)
    frame = ReplyFrame(
        task_id=told["tercet"]["request_id"],
        route=told["tercet"]["route"],
        created=told["created"],
        include_usage=include_usage,
    )
    (choice,) = told["choices"]
    text: str = choice["message"]["content"]
    stream = ChatStream(frame, told["model"])
    said = stream.text_chunk(text) if text else b""
    ending = stream.ending(choice["finish_reason"], tercet=told["tercet"], usage=told["usage"])
    return stream.opening() + said + ending


def models_body(owners: Mapping[str, str], created: int) -> bytes:
    """Return the list of models; `owners` maps each name callers may use to who owns it."""
    models: list[JsonValue] = [_model(name, owner, created) for name, owner in owners.items()]
    return _encode({"object": "list", "data": models})


def model_body(name: str, owner: str, created: int) -> bytes:
    """Return one model; `created` is in Unix seconds."""
    return _encode(_model(name, owner, created))


def _model(name: str, owner: str, created: int) -> JsonObject:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _completion_id(frame: ReplyFrame) -> str:
    return f"chatcmpl-{frame.task_id}"


def _choice(delta: JsonObject, finish: str | None) -> JsonObject:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _usage(steps: tuple[Step, ...]) -> JsonObject:
    total = sum((completion.usage for completion in completions(steps)), Usage())
    return {
        "prompt_tokens": total.input,
        "completion_tokens": total.output,
        "total_tokens": total.input + total.output,
        "prompt_tokens_details": {
            "cached_tokens": total.cache_read,
            "cache_write_tokens": total.cache_write_5m + total.cache_write_1h,
        },
        "completion_tokens_details": {"reasoning_tokens": total.thinking},
    }


def _extras(frame: ReplyFrame, answer: Answer) -> JsonObject:
    said = completions(answer.steps)
    return {
        "request_id": frame.task_id,
        "route": frame.route,
        "models": list(dict.fromkeys(completion.model for completion in said)),
        "degraded": list(answer.degraded),
        "cost_usd": usd(answer.cost_nano_usd),
        "simulated": any(completion.simulated for completion in said),
    }


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _encode(value: JsonValue) -> bytes:
    text = _ENCODER.encode(value)
    if not text.isascii():
        for mark in _LINE_ENDS:
            text = text.replace(mark, f"\\u{ord(mark):04x}")
    # A model's text may hold half a surrogate pair, which UTF-8 cannot.
    return text.encode("utf-8", "replace")
