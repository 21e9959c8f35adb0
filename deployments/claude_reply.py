"""What Anthropic's Messages API answers, read as events: pure, and total over any bytes."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from deployments.claude_usage import metered
from deployments.provider import Alive, Counter, Ended, Failed, Metered, ProviderEvent
from deployments.reply_json import UnreadableError, parsed, string
from tercet.call import Delta, FailureKind, FinishReason, Raw, ThoughtDelta, ToolDelta
from tercet.content import JsonObject, JsonValue

FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_use",
}
# Only who speaks this API can send back what was paused.
PAUSES: Mapping[str, FinishReason] = {"pause_turn": "pause", "compaction": "pause"}

# By error type, never by status alone: an error event inside a stream arrives with status 200.
KINDS: Mapping[str, FailureKind] = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "billing_error": "exhausted",
    "authentication_error": "unauthorised",
    "permission_error": "unauthorised",
    "not_found_error": "bad_request",
    "invalid_request_error": "bad_request",
    "request_too_large": "too_long",
    "timeout_error": "timeout",
    "api_error": "unavailable",
}
SPENDING_LIMITS = ("enforced_spend_limit_reached", "credit balance is too low")


def kind_of(error_type: object, status: int, told: str) -> FailureKind:
    """Judge an error by its type, its HTTP status, and all that was told of it."""
    kind = KINDS.get(str(error_type))
    if status == 402 or any(limit in told for limit in SPENDING_LIMITS):
        return "exhausted"
    if kind == "bad_request" and "too long" in told:
        return "too_long"
    if kind is not None:
        return kind
    return "bad_request" if 400 <= status < 500 else "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event."""

    raw: bytes
    """As it came, with the blank line that ends it."""
    name: bytes
    data: bytes


@dataclass(slots=True)
class Events:
    """Cuts bytes, however they are split, into events."""

    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take the next bytes, and yield the events that are whole now."""
        start = max(len(self._rest) - 2, 0)
        self._rest += data
        while (end := _BLANK_LINE.search(self._rest, start)) is not None:
            raw = bytes(self._rest[: end.end()])
            del self._rest[: end.end()]
            start = 0
            yield _event(raw)


_BLANK_LINE = re.compile(rb"\n\r?\n")


def _event(raw: bytes) -> Event:
    name, data = b"", list[bytes]()
    for line in raw.splitlines():
        label, _, value = line.partition(b":")
        if label == b"event":
            name = value.strip()
        elif label == b"data":
            data.append(value.removeprefix(b" "))
    return Event(raw=raw, name=name, data=b"\n".join(data))


@dataclass(slots=True, kw_only=True)
class Reading:
    """Reads one answer; it ends with the first `Ended` or `Failed`."""

    is_verbatim: bool = False
    """The client gets the bytes: what is no use to us may be of use to it."""
    has_content: bool = False
    """A content block was begun."""
    _is_begun: bool = False
    _message: JsonObject = field(default_factory=dict[str, JsonValue])
    _opened: JsonObject | None = None
    """The usage of `message_start`."""
    _said: bool = False
    _reason: str | None = None
    _stop_sequence: str | None = None
    _is_thinking: bool = False
    """The block under way is a thought. What is thought may be omitted, and pings are then all that
    comes for minutes."""
    _uses: int = 0
    _use: ToolDelta | None = None
    """The tool use under way, without arguments."""
    _whole_input: str | None = None
    """Its arguments as its first event had them; `None` once they came in pieces."""

    def take(self, event: Event) -> list[ProviderEvent]:
        """Read the next event.

        Raises:
            UnreadableError: it is not what the API documents.
        """
        if event.name == b"error":
            return [self._broken(event.data)]
        return self.read(parsed(event.data)) if event.data else []

    def read(self, fields: JsonObject) -> list[ProviderEvent]:
        """Read the fields of the next event; one of an unknown type says nothing."""
        reader = _READERS.get(str(fields.get("type")))
        return [] if reader is None else reader(self, fields)

    def begin(self, fields: JsonObject) -> list[ProviderEvent]:
        """Read `message_start`."""
        self._is_begun = True
        self._message = _object(fields, "message")
        if "usage" not in self._message:
            return []
        self._opened = _object(self._message, "usage")
        return [metered(self._message, self._opened, {})]

    def begin_block(self, fields: JsonObject) -> list[ProviderEvent]:
        """Read `content_block_start`; in a message that is not streamed, the whole block."""
        self.has_content = True
        self._use = None
        block = _object(fields, "content_block")
        self._is_thinking = block.get("type") == "thinking"
        match block.get("type"):
            case "text":
                return self._say(string(block, "text"))
            case "thinking":
                return [*self._think(string(block, "thinking")), *self._sign(block)]
            case "redacted_thinking":
                data = string(block, "data")
                return [ThoughtDelta(text="", signature=data, is_redacted=True)]
            case "tool_use":
                return self._begin_use(block)
            case _:
                return [Alive()]

    def grow_block(self, fields: JsonObject) -> list[ProviderEvent]:
        """Read `content_block_delta`."""
        delta = _object(fields, "delta")
        match delta.get("type"):
            case "text_delta":
                return self._say(string(delta, "text"))
            case "thinking_delta":
                return self._think(string(delta, "thinking"))
            case "signature_delta":
                return self._sign(delta)
            case "input_json_delta" if self._use is not None:
                return self._argue(self._use, string(delta, "partial_json"))
            case _:
                return [Alive()]

    def end_block(self, _: JsonObject) -> list[ProviderEvent]:
        """Read `content_block_stop`."""
        use, self._use = self._use, None
        self._is_thinking = False
        if use is None or self._whole_input is None:
            return []
        return [replace(use, arguments=self._whole_input)]

    def ping(self, _: JsonObject) -> list[ProviderEvent]:
        """Read `ping`: a sign of life of the connection, and of the model while it thinks."""
        return [Alive()] if self._is_thinking else []

    def stop(self, fields: JsonObject) -> list[ProviderEvent]:
        """Read `message_delta`."""
        delta = _object(fields, "delta")
        self._reason = string(delta, "stop_reason") or None
        self._stop_sequence = string(delta, "stop_sequence") or None
        if self._opened is None:
            return []
        later = {} if fields.get("usage") is None else _object(fields, "usage")
        return [metered(self._message, self._opened, later)]

    def end(self, _: JsonObject) -> list[ProviderEvent]:
        """Read `message_stop`, and judge the answer."""
        reason, finish = self._reason, FINISH.get(self._reason or "")
        is_empty = not self._said and reason == "end_turn"
        is_empty |= not self._uses and reason == "tool_use"
        if self.is_verbatim and reason is not None:
            # The bytes say whatever an ending that is unknown here means.
            finish = finish or PAUSES.get(reason, "stop")
            is_empty &= not self.has_content
        if finish is None or is_empty:
            # The event that has the reason also has the final count.
            billed = "maybe" if reason is None else "as_metered"
            return [Failed(kind="empty", message=f"stop reason {reason}", billed=billed)]
        return [Ended(finish=finish, stop_sequence=self._stop_sequence)]

    def fail(self, fields: JsonObject) -> list[ProviderEvent]:
        """Read `error`."""
        error = fields.get("error")
        error = error if isinstance(error, dict) else {}
        kind = kind_of(error.get("type"), 200, str(fields))
        message = f"{error.get('type')}: {error.get('message')}"
        return [Failed(kind=kind, message=message, billed="maybe" if self._is_begun else "no")]

    def _broken(self, data: bytes) -> ProviderEvent:
        try:
            fields = parsed(data)
        except UnreadableError:
            fields = {}
        return self.fail(fields)[0]

    def _say(self, text: str) -> list[ProviderEvent]:
        self._said |= bool(text)
        return [Delta(text)] if text else []

    def _think(self, text: str) -> list[ProviderEvent]:
        return [ThoughtDelta(text=text)] if text else []

    def _sign(self, fields: JsonObject) -> list[ProviderEvent]:
        signature = string(fields, "signature")
        if not signature:
            return []
        return [ThoughtDelta(text="", signature=signature)]

    def _begin_use(self, block: JsonObject) -> list[ProviderEvent]:
        use = ToolDelta(
            index=self._uses, id=string(block, "id"), name=string(block, "name"), arguments=""
        )
        given = block.get("input") or {}
        self._whole_input = given if isinstance(given, str) else json.dumps(given)
        self._use = use
        self._uses += 1
        self._said = True
        return [use]

    def _argue(self, use: ToolDelta, arguments: str) -> list[ProviderEvent]:
        if not arguments:
            return [Alive()]
        self._whole_input = None
        return [replace(use, arguments=arguments)]


_READERS: Mapping[str, Callable[[Reading, JsonObject], list[ProviderEvent]]] = {
    "message_start": Reading.begin,
    "ping": Reading.ping,
    "content_block_start": Reading.begin_block,
    "content_block_delta": Reading.grow_block,
    "content_block_stop": Reading.end_block,
    "message_delta": Reading.stop,
    "message_stop": Reading.end,
    "error": Reading.fail,
}


@dataclass(slots=True, kw_only=True)
class Tee:
    """Reads one answer and passes its bytes on, event by event, so that none is ever cut in two.

    They are held back until there is content, and those of a ping until something else comes: a
    provider that only pings is silent. Neither an error nor an ending that is refused is passed on.
    """

    _reading: Reading = field(default_factory=lambda: Reading(is_verbatim=True))
    _held: bytearray = field(default_factory=bytearray)

    def take(self, event: Event) -> list[ProviderEvent]:
        """Read the next event; see `Reading.take`."""
        told = self._reading.take(event)
        last = told[-1] if told else None
        if isinstance(last, Failed):
            return told
        self._held += event.raw
        is_due = self._reading.has_content and event.name != b"ping"
        if not is_due and not isinstance(last, Ended):
            return told
        raw = Raw(bytes(self._held))
        self._held.clear()
        return [raw, *told]


def whole_message(body: bytes) -> list[ProviderEvent]:
    """Read an answer to a verbatim request that came in one piece.

    Raises:
        UnreadableError: it is no message, or has no count of tokens.
    """
    message = parsed(body)
    usage = _object(message, "usage")
    reading = Reading(is_verbatim=True)
    told = [event for fields in _as_events(message, usage) for event in reading.read(fields)]
    counted = [event for event in told if isinstance(event, Metered)]
    if isinstance(told[-1], Failed):
        return [counted[-1], told[-1]]
    said = [event for event in told if not isinstance(event, Metered)]
    return [counted[-1], Raw(body), *said]


def _as_events(message: JsonObject, usage: JsonObject) -> Iterator[JsonObject]:
    blocks = message.get("content")
    if not isinstance(blocks, list):
        raise UnreadableError("a message without content")
    yield {"type": "message_start", "message": message}
    for block in blocks:
        yield {"type": "content_block_start", "content_block": block}
        yield {"type": "content_block_stop"}
    yield {"type": "message_delta", "delta": message, "usage": usage}
    yield {"type": "message_stop"}


def counted_tokens(body: bytes) -> int:
    """Read the answer to a request for a count.

    Raises:
        UnreadableError: it has none.
    """
    counter = Counter()
    tokens = parsed(body).get("input_tokens")
    count = counter.tokens(tokens)
    if tokens is None or counter.is_doubtful:
        raise UnreadableError("no count of tokens")
    return count


def _object(fields: JsonObject, name: str) -> JsonObject:
    inner = fields.get(name)
    if not isinstance(inner, dict):
        raise UnreadableError(f"{name} is no object")
    return inner
