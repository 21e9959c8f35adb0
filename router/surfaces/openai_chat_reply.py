"""OpenAI chat completions, outward: answers, streams, refusals and models as bytes.

Shapes are those of openai 3.54.0 (`openai/types/chat/chat_completion*.py`). What a model thought
goes into `reasoning_content`, as vLLM has it, and what a provider wants to see again goes into
`extra_content`, as Google's own OpenAI-compatible API has it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from router.surfaces.refusal import Refusal, utc
from router.surfaces.surface import Frame
from router.surfaces.writing import comment, encode, event, extras, total_usage
from tercet.answer import Answer, Step
from tercet.call import Delta, FinishReason, Piece, Raw, ThoughtDelta, ToolDelta
from tercet.catalog import ProviderName
from tercet.content import JsonObject, JsonValue, Text, Thought, ToolUse

SIGNATURES: Mapping[ProviderName, str] = {
    "anthropic": "signature",
    "google": "thought_signature",
    "local": "signature",
}
"""What each provider's signature is called in `extra_content`."""

_FINISHES: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_use": "tool_calls",
    # OpenAI has no word for it, and an answer that was not ended must not look as if it was.
    "pause": "length",
}


class ChatStream:
    """One streamed reply; see `Stream`."""

    def __init__(self, frame: Frame, model: str, *, include_usage: bool) -> None:
        self._frame = frame
        self._model = model
        self._include_usage = include_usage
        self._tools = 0
        # Quotes inside the model's name are escaped, so the match is the delta's own.
        empty = self._delta({"content": ""})
        head, _, self._after = empty.partition(b'"content":""')
        self._before = head + b'"content":'

    def opening(self) -> bytes:
        """Return the chunk that says who speaks."""
        return self._delta({"role": "assistant", "content": "", "refusal": None})

    def piece(self, piece: Piece) -> bytes:
        """Return the chunks for a piece."""
        match piece:
            case Delta():
                # By far the most pieces are text, of which only the text is encoded anew.
                return self._before + encode(piece.text) + self._after
            case ThoughtDelta():
                return self._delta({"reasoning_content": piece.text}) if piece.text else b""
            case ToolDelta():
                return self._tool(piece)
            case Raw():
                return b""

    def closing(self, answer: Answer) -> bytes:
        """Return why the answer ended, its usage when asked for, and the terminal marker."""
        return self.ending(
            _FINISHES[answer.finish],
            extra=_extra_content(answer),
            tercet=extras(self._frame, answer),
            usage=_usage(answer.steps),
        )

    def failing(self, refusal: Refusal) -> bytes:
        """Return the event of an error; no terminal marker follows."""
        return event(error_body(refusal))

    def ending(
        self, finish: str, *, extra: JsonValue, tercet: JsonObject, usage: JsonObject
    ) -> bytes:
        """Return the same as `closing`, of an answer whose own words are at hand."""
        chunks = self._delta({"extra_content": extra}) if extra else b""
        chunks += self._chunk([_choice({}, finish)], tercet=tercet)
        if self._include_usage:
            chunks += self._chunk([], usage=usage)
        return chunks + b"data: [DONE]\n\n"

    def _tool(self, piece: ToolDelta) -> bytes:
        chunks = b""
        if piece.index == self._tools:
            self._tools += 1
            use = ToolUse(
                id=piece.id,
                name=piece.name,
                arguments="",
                signature=piece.signature,
                by=piece.by,
            )
            chunks = self._delta({"tool_calls": [{"index": piece.index, **_tool_call(use)}]})
        if piece.arguments:
            more: JsonObject = {
                "index": piece.index,
                "function": {"arguments": piece.arguments},
            }
            chunks += self._delta({"tool_calls": [more]})
        return chunks

    def _delta(self, delta: JsonObject) -> bytes:
        return self._chunk([_choice(delta, None)])

    def _chunk(self, choices: list[JsonValue], **more: JsonValue) -> bytes:
        chunk: JsonObject = {
            "id": _completion_id(self._frame),
            "object": "chat.completion.chunk",
            "created": self._frame.created,
            "model": self._model,
            "choices": choices,
        }
        if self._include_usage:
            chunk["usage"] = None
        return event(encode(chunk | more))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatWriter:
    """Writes the answer to one request; see `Writer`."""

    include_usage: bool = False
    """End a stream with a chunk of usage."""

    def body(self, frame: Frame, answer: Answer) -> bytes:
        """Return a whole `chat.completion`."""
        return encode(
            {
                "id": _completion_id(frame),
                "object": "chat.completion",
                "created": frame.created,
                "model": answer.model,
                "choices": [
                    {
                        "index": 0,
                        "message": _message(answer),
                        "logprobs": None,
                        "finish_reason": _FINISHES[answer.finish],
                    }
                ],
                "usage": _usage(answer.steps),
                "tercet": extras(frame, answer),
            }
        )

    def stream(self, frame: Frame, model: str) -> ChatStream:
        """Begin a stream in which `model` speaks."""
        return ChatStream(frame, model, include_usage=self.include_usage)

    def failed(self, frame: Frame, refusal: Refusal) -> bytes:
        """Return the event of an error; OpenAI's names no completion."""
        return event(error_body(refusal))

    def comment(self, note: str) -> bytes:
        """Return a server-sent comment."""
        return comment(note)

    def again(self, body: bytes) -> bytes:
        """Return the whole stream that says what `body`, made by `body`, says."""
        told: dict[str, Any] = json.loads(body)
        frame = Frame(
            task_id=told["tercet"]["request_id"],
            route=told["tercet"]["route"],
            created=told["created"],
        )
        (choice,) = told["choices"]
        message = choice["message"]
        stream = self.stream(frame, told["model"])
        said = b"".join(map(stream.piece, _pieces(message)))
        ending = stream.ending(
            choice["finish_reason"],
            extra=message.get("extra_content"),
            tercet=told["tercet"],
            usage=told["usage"],
        )
        return stream.opening() + said + ending

    def memory(self, frame: Frame, answer: Answer) -> None:
        """Return nothing: every request brings its whole conversation."""
        return


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
    return encode({"error": error})


def models_body(owners: Mapping[str, str], created: int) -> bytes:
    """Return the list of models; `owners` maps each name callers may use to who owns it."""
    models: list[JsonValue] = [_model(name, owner, created) for name, owner in owners.items()]
    return encode({"object": "list", "data": models})


def model_body(name: str, owner: str, created: int) -> bytes:
    """Return one model; `created` is in Unix seconds."""
    return encode(_model(name, owner, created))


def _model(name: str, owner: str, created: int) -> JsonObject:
    return {"id": name, "object": "model", "created": created, "owned_by": owner}


def _completion_id(frame: Frame) -> str:
    return f"chatcmpl-{frame.task_id}"


def _choice(delta: JsonObject, finish: str | None) -> JsonObject:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _message(answer: Answer) -> JsonObject:
    calls: list[JsonValue] = [
        _tool_call(part) for part in answer.parts if isinstance(part, ToolUse)
    ]
    reasoning = "".join(thought.text for thought in _thoughts(answer))
    message: JsonObject = {
        "role": "assistant",
        "content": answer.text or (None if calls else ""),
        "refusal": None,
        "annotations": [],
    }
    more: JsonObject = {
        "reasoning_content": reasoning,
        "tool_calls": calls,
        "extra_content": _extra_content(answer),
    }
    return message | {name: value for name, value in more.items() if value}


def _tool_call(use: ToolUse) -> JsonObject:
    call: JsonObject = {
        "id": use.id,
        "type": "function",
        "function": {"name": use.name, "arguments": use.arguments},
    }
    if use.signature is not None and use.by is not None:
        call["extra_content"] = {use.by: {SIGNATURES[use.by]: use.signature}}
    return call


def _thoughts(answer: Answer) -> list[Thought]:
    return [part for part in answer.parts if isinstance(part, Thought)]


def _extra_content(answer: Answer) -> JsonObject:
    thoughts = _thoughts(answer)
    # Unsigned thoughts of the local models are all said by `reasoning_content`.
    if all(thought.signature is None and thought.by == "local" for thought in thoughts):
        return {}
    told: list[JsonValue] = []
    at, has_text = 0, False
    for part in answer.parts:
        match part:
            case Thought():
                told.append(_thought(part, at))
            case ToolUse():
                at += 1
            case Text(text) if text:
                at += not has_text
                has_text = True
            case _:
                pass
    return {"tercet": {"thoughts": told}}


def _thought(thought: Thought, at: int) -> JsonObject:
    return {
        # Where it stood: a message has all its text in one place, then its tool calls.
        "at": at,
        "text": thought.text,
        "signature": thought.signature,
        "by": thought.by,
        "is_redacted": thought.is_redacted,
    }


def _pieces(message: Mapping[str, Any]) -> Iterator[Piece]:
    if "reasoning_content" in message:
        yield ThoughtDelta(text=message["reasoning_content"])
    if message["content"]:
        yield Delta(message["content"])
    for index, call in enumerate(message.get("tool_calls", ())):
        ((by, extra),) = call.get("extra_content", {None: {}}).items()
        yield ToolDelta(
            index=index,
            id=call["id"],
            name=call["function"]["name"],
            arguments=call["function"]["arguments"],
            signature=None if by is None else extra[SIGNATURES[by]],
            by=by,
        )


def _usage(steps: tuple[Step, ...]) -> JsonObject:
    total = total_usage(steps)
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
