"""What the Gemini API streams, as events; `deployments.gemini` receives it.

Replies are read as the JSON they are: a model of each, as the SDK makes, costs more than all else
that is done with a chunk (docs/speed.md).
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from deployments.provider import Alive, Counter, Ended, Failed, Metered, ProviderEvent
from deployments.reply_json import UnreadableError, string
from tercet.call import Delta, FinishReason, Piece, ThoughtDelta, ToolDelta
from tercet.content import JsonObject, JsonValue
from tercet.usage import Usage

FINISH: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
}


async def read(replies: AsyncIterator[JsonObject], attempt_id: str) -> AsyncIterator[ProviderEvent]:
    """Turn replies, whose counts are cumulative, into events.

    Raises:
        UnreadableError: one is none of the API's.
    """
    heard = _Heard(attempt_id)
    async for reply in replies:
        response_id = string(reply, "responseId") or None
        if reply.get("usageMetadata") is not None:
            counter = Counter()
            usage = _usage(_object(reply, "usageMetadata"), counter)
            yield Metered(usage=usage, upstream_id=response_id, is_doubtful=counter.is_doubtful)
        if string(_object(reply, "promptFeedback"), "blockReason"):
            yield Ended(finish="content_filter")
            return
        for candidate in _objects(reply, "candidates")[:1]:
            heard.reason = string(candidate, "finishReason") or heard.reason
            pieces = [*heard.pieces(candidate, response_id)]
            for piece in pieces or [Alive()]:
                yield piece
    yield heard.end()


@dataclass(slots=True)
class _Heard:
    """What was heard of an answer so far."""

    attempt_id: str
    reason: str | None = None
    said: bool = False
    """Text or calls."""
    calls: int = 0
    has_nameless_call: bool = False

    def pieces(self, candidate: JsonObject, response_id: str | None) -> Iterator[Piece]:
        """Read the next part of the answer."""
        for part in _objects(_object(candidate, "content"), "parts"):
            signature = string(part, "thoughtSignature") or None
            if part.get("functionCall") is not None:
                yield self._call(_object(part, "functionCall"), response_id, signature)
            elif not part.get("thought"):
                yield from self._text(string(part, "text"), signature)
            elif (text := string(part, "text")) or signature:
                yield ThoughtDelta(text=text, signature=signature)

    def _text(self, text: str, signature: str | None) -> Iterator[Piece]:
        if text:
            self.said = True
            yield Delta(text)
        if signature:
            # An answer's last text, which may be empty, is signed; only thoughts can hold that.
            yield ThoughtDelta(text="", signature=signature)

    def _call(self, call: JsonObject, response_id: str | None, signature: str | None) -> ToolDelta:
        index, self.calls, self.said = self.calls, self.calls + 1, True
        name, arguments = string(call, "name"), _object(call, "args")
        self.has_nameless_call |= not name
        return ToolDelta(
            index=index,
            id=string(call, "id") or f"call_{response_id or self.attempt_id}_{index}",
            name=name,
            arguments=json.dumps(arguments, ensure_ascii=False, separators=(",", ":")),
            signature=signature,
        )

    def end(self) -> Ended | Failed:
        """Judge the answer, of which nothing more comes."""
        if self.reason is None:
            message = "the stream ended without a finish reason"
            return Failed(kind="truncated", message=message, billed="maybe")
        finish = FINISH.get(self.reason)
        if finish is None or (finish == "stop" and not self.said):
            message = f"finish reason {self.reason[:100]}"
            return Failed(kind="empty", message=message, billed="as_metered")
        if self.has_nameless_call:
            return Failed(kind="empty", message="a call without a name", billed="as_metered")
        return Ended(finish="tool_use" if finish == "stop" and self.calls else finish)


def _usage(counted: JsonObject, counter: Counter) -> Usage:
    """Make the buckets disjoint: the prompt count has the cached tokens and lacks tool-use ones."""
    cached = counter.tokens(counted.get("cachedContentTokenCount"))
    prompt = counter.tokens(counted.get("promptTokenCount"))
    thinking = counter.tokens(counted.get("thoughtsTokenCount"))
    tool_use = counter.tokens(counted.get("toolUsePromptTokenCount"))
    return Usage(
        fresh_input=max(prompt - cached, 0) + tool_use,
        cache_read=cached,
        output=counter.tokens(counted.get("candidatesTokenCount")) + thinking,
        thinking=thinking,
    )


def _object(holder: JsonObject, name: str) -> JsonObject:
    value = holder.get(name)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise UnreadableError(f"{name} is no object")


def _objects(holder: JsonObject, name: str) -> list[JsonObject]:
    value: JsonValue = holder.get(name)
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return cast("list[JsonObject]", value)
    raise UnreadableError(f"{name} is no list of objects")
