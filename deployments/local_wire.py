"""Prompts and answers in the words of OpenAI chat completions, as vLLM takes and says them; pure.

The protocol has no place for cache breakpoints, thoughts of earlier turns, or the mark of a tool's
failure: these are left out.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from deployments.openai_usage import usage_of
from deployments.provider import Alive, Counter, Ended, Failed, Metered, ProviderEvent
from tercet.call import Delta, FailureKind, FinishReason, Piece, Prompt, ThoughtDelta, ToolDelta
from tercet.content import (
    Controls,
    JsonObject,
    JsonValue,
    Media,
    OutputFormat,
    Part,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)

FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_use",
    "content_filter": "content_filter",
}
BROKEN: Mapping[str, FailureKind] = {"abort": "truncated", "error": "unavailable"}
"""Finish reasons of an answer that the engine gave up."""

MESSAGE_LENGTH = 500
"""Most characters of vLLM's words that are kept."""
# vLLM has no error type for it. Source: `renderers/params.py`, `v1/engine/input_processor.py` and
# `entrypoints/serve/utils/api_utils.py` of 0.32.0.
_TOO_LONG = ("context length", "model length", "max_model_len")


class UnsendableError(Exception):
    """The prompt holds what the local model cannot be sent; the message says what."""


def request_of(model: str, prompt: Prompt) -> JsonObject:
    """Return a chat-completion request; the engine adds that it is a stream.

    Raises:
        UnsendableError: part of the prompt cannot be said.
    """
    controls = prompt.controls
    request: JsonObject = {
        "model": model,
        "messages": [*_messages(prompt)],
        "max_tokens": prompt.max_output_tokens,
    }
    wanted: JsonObject = {
        **asdict(controls.sampling),
        **_tools(controls),
        "stop": [*prompt.stop] or None,
        "response_format": None if controls.output is None else _format(controls.output),
        "reasoning_effort": controls.effort,
    }
    return request | {name: value for name, value in wanted.items() if value is not None}


def _messages(prompt: Prompt) -> list[JsonObject]:
    """Return the turns, those of one speaker in a row as one: many chat templates insist on it."""
    said = [(turn.speaker, [*filter(_is_sayable, turn.parts)]) for turn in prompt.messages]
    told: list[JsonObject] = []
    for speaker, row in groupby((turn for turn in said if turn[1]), key=lambda turn: turn[0]):
        parts = [part for _, turn in row for part in turn]
        told += _assistant(parts) if speaker == "assistant" else _user(parts)
    if not told:
        raise UnsendableError("there is nothing in the messages that this model can be sent")
    system: JsonObject = {"role": "system", "content": prompt.system}
    return [system, *told] if prompt.system else told


def _is_sayable(part: Part) -> bool:
    match part:
        case Text():
            return bool(part.text)
        case Media():
            raise UnsendableError(f"this model reads text alone: the {part.kind} cannot be sent")
        case ToolUse() | ToolResult():
            return True
        case _:
            return False


def _user(parts: list[Part]) -> list[JsonObject]:
    results = [_result(part) for part in parts if isinstance(part, ToolResult)]
    content = _content(parts)
    return [*results, {"role": "user", "content": content}] if content else results


def _result(result: ToolResult) -> JsonObject:
    content = _content(filter(_is_sayable, result.parts))
    return {"role": "tool", "tool_call_id": result.id, "content": content}


def _assistant(parts: list[Part]) -> list[JsonObject]:
    uses: list[JsonValue] = [_use(part) for part in parts if isinstance(part, ToolUse)]
    said: JsonObject = {"content": _content(parts), "tool_calls": uses}
    return [{"role": "assistant", **{name: value for name, value in said.items() if value}}]


def _content(parts: Iterable[Part]) -> JsonValue:
    """Return several texts as parts: how they are joined is up to vLLM and the chat template."""
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) > 1:
        return [{"type": "text", "text": text} for text in texts]
    return "".join(texts)


def _use(use: ToolUse) -> JsonObject:
    function: JsonObject = {"name": use.name, "arguments": _arguments(use.arguments)}
    return {"id": use.id, "type": "function", "function": function}


def _arguments(text: str) -> str:
    """Return arguments as an object's text: of any other, vLLM shows the model only `{}`."""
    try:
        # Half a surrogate pair, which no UTF-8 has, would be a TypeError.
        parsed: JsonValue = from_json(text.encode(errors="surrogatepass"))
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        return text
    return json.dumps({"_raw": text}) if text.strip() else "{}"


def _tools(controls: Controls) -> JsonObject:
    if not controls.tools:
        return {}
    return {
        "tools": [_tool(tool) for tool in controls.tools],
        "tool_choice": _choice(controls.tool_choice),
        "parallel_tool_calls": controls.parallel_tools,
    }


def _tool(tool: Tool) -> JsonObject:
    function: JsonObject = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.schema:
        function["parameters"] = dict(tool.schema)
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> JsonValue:
    if choice.mode == "one":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _format(output: OutputFormat) -> JsonObject:
    if output.schema is None:
        return {"type": "json_object"}
    schema: JsonObject = {"name": output.name, "schema": dict(output.schema)}
    return {"type": "json_schema", "json_schema": {**schema, "strict": output.strict}}


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Function(_Strict):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(_Strict):
    index: int = Field(ge=0)
    id: str | None = None
    function: _Function | None = None


class _Delta(_Strict):
    content: str | None = None
    # vLLM's word for it, and the one it had before.
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(_Strict):
    delta: _Delta
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    """The stop sequence that was met, or a token's id."""


class _Error(_Strict):
    code: int | str | None = None
    message: str
    type: str | None = None


class _Chunk(_Strict):
    id: str | None = None
    choices: list[_Choice] = Field(default_factory=list[_Choice])
    usage: dict[str, object] | None = None
    error: _Error | None = None


class _OddError(ValueError):
    """A chunk has the shape that the protocol documents, and no sense."""


@dataclass(slots=True)
class Reading:
    """Reads one answer, of whatever chunks; what ended it is known once nothing more comes."""

    attempt_id: str
    failure: Failed | None = None
    """It is over, whatever else comes."""
    _is_begun: bool = False
    """Some piece was said."""
    _has_text: bool = False
    _reason: str | None = None
    _stop_sequence: str | None = None
    _uses: list[ToolDelta] = field(default_factory=list[ToolDelta])
    """The first piece of each tool use."""
    _at: int = -1
    """The index, by vLLM, of the tool use under way."""

    def take(self, chunk: object) -> list[ProviderEvent]:
        """Read the next chunk; after one that is an error or makes no sense, `failure` is set."""
        try:
            read = _Chunk.model_validate(chunk)
            if read.error is None:
                return self._read(read)
        except ValueError:
            self.failure = self._failed("truncated", "a chunk that cannot be read")
        else:
            message = f"{read.error.type or read.error.code}: {read.error.message}"
            self.failure = self._failed(_kind(read.error), message)
        return []

    def end(self) -> Ended | Failed:
        """Judge the answer, whose stream ended by itself."""
        if self.failure is not None:
            return self.failure
        reason = self._reason
        if reason is None:
            return self._failed("truncated", "the stream ended without a finish reason")
        if reason in BROKEN:
            return self._failed(BROKEN[reason], f"finish reason {reason}")
        finish = FINISH.get(reason)
        # After a tool that was demanded by name, the reason is `stop`.
        if finish == "stop" and self._uses:
            finish = "tool_use"
        is_empty = finish == "stop" and not self._has_text
        is_empty |= finish == "tool_use" and not self._uses
        if finish is None or is_empty:
            return Failed(kind="empty", message=f"finish reason {reason}", billed="as_metered")
        return Ended(finish=finish, stop_sequence=self._stop_sequence)

    def lose(self, error: Exception) -> Failed:
        """Judge the answer, whose stream broke: its replica died, or there is none."""
        kind = "truncated" if self._is_begun else "unreachable"
        return self.failure or self._failed(kind, type(error).__name__)

    def _failed(self, kind: FailureKind, message: str) -> Failed:
        billed = "maybe" if self._is_begun else "no"
        return Failed(kind=kind, message=message[:MESSAGE_LENGTH], billed=billed)

    def _read(self, chunk: _Chunk) -> list[ProviderEvent]:
        events: list[ProviderEvent] = []
        for choice in chunk.choices[:1]:
            self._reason = choice.finish_reason or self._reason
            if isinstance(choice.stop_reason, str):
                self._stop_sequence = choice.stop_reason
            pieces = self._pieces(choice.delta)
            self._is_begun |= bool(pieces)
            events += pieces or [Alive()]
        if chunk.usage is not None:
            events.append(_metered(chunk.usage, chunk.id))
        return events

    def _pieces(self, delta: _Delta) -> list[Piece]:
        pieces: list[Piece] = []
        if thought := delta.reasoning or delta.reasoning_content:
            pieces.append(ThoughtDelta(text=thought))
        if delta.content:
            self._has_text = True
            pieces.append(Delta(delta.content))
        for call in delta.tool_calls or []:
            pieces += self._call(call)
        return pieces

    def _call(self, call: _ToolCall) -> list[ToolDelta]:
        if call.index < self._at:
            raise _OddError("a piece of a tool use that another has followed")
        function = call.function or _Function()
        arguments = function.arguments or ""
        if call.index == self._at:
            return [replace(self._uses[-1], arguments=arguments)] if arguments else []
        if not function.name:
            raise _OddError("a tool use without a name")
        index = len(self._uses)
        id_ = call.id or f"call_{self.attempt_id}_{index}"
        use = ToolDelta(index=index, id=id_, name=function.name, arguments=arguments)
        self._at = call.index
        self._uses.append(use)
        return [use]


def _metered(counted: Mapping[str, object], id_: str | None) -> Metered:
    counter = Counter()
    usage = usage_of(counted, counter)
    return Metered(usage=usage, upstream_id=id_, is_doubtful=counter.is_doubtful)


def _kind(error: _Error) -> FailureKind:
    match error.code:
        case 400 if any(words in error.message for words in _TOO_LONG):
            return "too_long"
        case 429 | 503:
            return "overloaded"
        case int() as code if 400 <= code < 500:
            return "bad_request"
        case _:
            return "unavailable"
