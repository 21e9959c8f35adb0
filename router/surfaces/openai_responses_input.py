"""OpenAI Responses, inward: the items of a conversation become messages.

Names are those of openai 3.54.0 (`openai/types/responses/response_input_item_param.py`), with one
of others: `cache_control`, Anthropic's breakpoint.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from router.surfaces.checking import (
    MOST_PARTS,
    a_cache,
    a_choice,
    a_list,
    a_name,
    a_string,
    an_object,
    base64_media,
    data_url,
    instead_of,
    public_url,
    refuse,
)
from router.surfaces.openai_responses_seal import CallSignature, unseal
from router.surfaces.openai_responses_tools import CUSTOM_INPUT, full_name
from router.surfaces.writing import encode
from tercet.content import JsonObject, JsonValue, Media, Part, Text, Thought, ToolResult, ToolUse
from tercet.task import Message, Speaker

_SPEAKERS: Mapping[str, Speaker] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_INPUT = ("input_text", "input_image", "input_file")
_CONTENTS: Mapping[Speaker, tuple[str, ...]] = {
    "system": ("input_text",),
    "user": _INPUT,
    "assistant": ("output_text", "input_text", "refusal"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What a request's items say."""

    messages: tuple[Message, ...]
    dropped: frozenset[str]
    """What they held and what has no effect."""


def input_items(value: JsonValue) -> list[JsonValue]:
    """Return the items of the field `input`, of which a string is one."""
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if value is None:
        refuse("input", "is missing; send a string or items", "missing_required_parameter")
    return a_list(value, "input", MOST_PARTS, of="items", least=1)


def read_items(
    items: list[JsonValue], earlier: list[JsonValue], instructions: str | None
) -> Conversation:
    """Return the conversation of earlier requests and this one's items."""
    if len(earlier) + len(items) > MOST_PARTS or _part_count(earlier + items) > MOST_PARTS:
        refuse("input", f"must have at most {MOST_PARTS} parts, earlier ones included")
    reading = _Reading()
    if instructions is not None:
        reading.say("system", _some(Text(instructions)))
    for at, item in enumerate(earlier):
        reading.read(item, f"previous_response_id[{at}]")
    for at, item in enumerate(items):
        reading.read(item, f"input[{at}]")
    return Conversation(messages=reading.messages(), dropped=frozenset(reading.dropped))


def _part_count(items: list[JsonValue]) -> int:
    fields = (item.get(name) for item in items if isinstance(item, dict) for name in _LISTS)
    return sum(len(value) for value in fields if isinstance(value, list))


_LISTS = ("content", "output", "summary")


@dataclass(slots=True)
class _Turn:
    speaker: Speaker
    parts: list[Part]
    path: str


@dataclass(slots=True)
class _Reading:
    """A conversation as far as it was read."""

    dropped: set[str] = field(default_factory=set[str])
    _turns: list[_Turn] = field(default_factory=list[_Turn])
    _signatures: dict[str, CallSignature] = field(default_factory=dict[str, CallSignature])
    _waiting: dict[str, str] = field(default_factory=dict[str, str])
    """The paths of calls without a result so far, by their ids."""
    _held: list[_Turn] = field(default_factory=list[_Turn])
    """What was said before they were answered: providers want the results first."""

    def read(self, value: JsonValue, path: str) -> None:
        """Take the next item."""
        item = an_object(value, path)
        kind = item.get("type")
        if kind is None:
            kind = "message" if "role" in item else "item_reference"
        reader = _READERS.get(kind) if isinstance(kind, str) else None
        if reader is None:
            fault = f"must be one of {', '.join(_READERS)}{instead_of(kind)}"
            refuse(f"{path}.type", fault, "unsupported_parameter")
        reader(self, item, path)

    def messages(self) -> tuple[Message, ...]:
        """Return what was said, ending in something the user or a tool says."""
        for path in self._waiting.values():
            refuse(path, "has no output that answers it")
        spoken = [turn for turn in self._turns if turn.speaker != "system"]
        if not any(turn.speaker == "user" for turn in spoken):
            refuse("input", "must have at least one message with role user")
        last = spoken[-1]
        # Claude refuses what Anthropic calls prefill, since its 4.6 models
        # (platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6).
        if last.speaker != "user":
            refuse(last.path, "is the model's; the last item must be the user's or an output")
        if all(isinstance(part, Text) and not part.text.strip() for part in last.parts):
            refuse(last.path, "is blank; the last item must say something")
        return tuple(
            Message(speaker=turn.speaker, parts=tuple(turn.parts))
            for turn in self._turns
            if _says_something(turn)
        )

    def say(self, speaker: Speaker, parts: tuple[Part, ...], path: str = "instructions") -> None:
        """Take what somebody says; the results of tools and what the user adds are one turn."""
        turn = _Turn(speaker, list(parts), path)
        if speaker == "assistant":
            self._answer(turn)
        elif self._waiting:
            self._held.append(turn)
        else:
            self._add(turn)

    def read_message(self, item: JsonObject, path: str) -> None:
        """Take a message."""
        role = a_choice(item.get("role"), f"{path}.role", _SPEAKERS)
        speaker = _SPEAKERS[role]
        kinds = _CONTENTS[speaker]
        self.say(speaker, self._content(item.get("content"), f"{path}.content", kinds), path)

    def read_reasoning(self, item: JsonObject, path: str) -> None:
        """Take a thought: one that we sealed, or one that anybody may read."""
        sealed = item.get("encrypted_content")
        if sealed is not None:
            told = unseal(a_string(sealed, f"{path}.encrypted_content"))
        else:
            # The local models' own format has none, and nobody else takes unsigned thoughts.
            text = "\n\n".join(_thought_texts(item, path))
            told = Thought(text=text, by="local") if text else None
        match told:
            case Thought():
                self._answer(_Turn("assistant", [told], path))
            case CallSignature():
                self._signatures[told.call_id] = told
            case None:
                pass  # another gateway's, which only that one can read

    def read_call(self, item: JsonObject, path: str) -> None:
        """Take a call of a function."""
        self._call(item, a_string(item.get("arguments"), f"{path}.arguments"), path)

    def read_custom_call(self, item: JsonObject, path: str) -> None:
        """Take a call of a custom tool, whose free text is one argument."""
        text = a_string(item.get("input"), f"{path}.input")
        self._call(item, encode({CUSTOM_INPUT: text}).decode(), path)

    def read_output(self, item: JsonObject, path: str) -> None:
        """Take the output of a call."""
        call_id = a_name(item.get("call_id"), f"{path}.call_id")
        if self._waiting.pop(call_id, None) is None:
            refuse(f"{path}.call_id", "must name a call before it, once")
        parts = self._content(item.get("output"), f"{path}.output", _INPUT)
        self._add(_Turn("user", [ToolResult(id=call_id, parts=parts)], path))
        if not self._waiting:
            held, self._held = self._held, []
            for turn in held:
                self._add(turn)

    def _call(self, item: JsonObject, arguments: str, path: str) -> None:
        call_id = a_name(item.get("call_id"), f"{path}.call_id")
        name = a_name(item.get("name"), f"{path}.name")
        namespace = item.get("namespace")
        if namespace is not None:
            namespace = a_name(namespace, f"{path}.namespace")
        if call_id in self._waiting:
            refuse(f"{path}.call_id", "is that of another call")
        signed = self._signatures.get(call_id)
        use = ToolUse(
            id=call_id,
            name=full_name(name, namespace),
            arguments=arguments,
            signature=None if signed is None else signed.signature,
            by=None if signed is None else signed.by,
        )
        self._answer(_Turn("assistant", [use], path))
        self._waiting[call_id] = path

    def _answer(self, turn: _Turn) -> None:
        """Take what the model says: all it says up to the next result is one turn."""
        last = self._turns[-1] if self._turns else None
        if last is not None and last.speaker == "assistant":
            last.parts += turn.parts
            last.path = turn.path
            return
        for path in self._waiting.values():
            refuse(path, "has no output before the model's next turn")
        self._turns.append(turn)

    def _add(self, turn: _Turn) -> None:
        last = self._turns[-1] if self._turns else None
        if last is not None and turn.speaker == last.speaker == "user" and _has_result(last):
            last.parts += turn.parts
            last.path = turn.path
        else:
            self._turns.append(turn)

    def _content(
        self, value: JsonValue, path: str, kinds: tuple[str, ...]
    ) -> tuple[Text | Media, ...]:
        if isinstance(value, str):
            return _some(Text(value))
        if not isinstance(value, list):
            refuse(path, f"must be a string, or a list of parts of type {', '.join(kinds)}")
        parts = (self._part(part, f"{path}[{at}]", kinds) for at, part in enumerate(value))
        return _some(*parts)

    def _part(self, value: JsonValue, path: str, kinds: tuple[str, ...]) -> Text | Media:
        part = an_object(value, path, 'an object such as {"type": "input_text", "text": "..."}')
        kind = a_choice(part.get("type"), f"{path}.type", kinds)
        self.dropped.update(_without_effect(part, kind))
        read = _PARTS[kind](part, path)
        return replace(read, cache=a_cache(part.get("cache_control"), f"{path}.cache_control"))


_READERS: Mapping[str, Callable[[_Reading, JsonObject, str], None]] = {
    "message": _Reading.read_message,
    "reasoning": _Reading.read_reasoning,
    "function_call": _Reading.read_call,
    "function_call_output": _Reading.read_output,
    "custom_tool_call": _Reading.read_custom_call,
    "custom_tool_call_output": _Reading.read_output,
}


def _says_something(turn: _Turn) -> bool:
    # Providers refuse a turn without content, and a blank system message says nothing.
    if turn.speaker == "system":
        return any(isinstance(part, Text) and part.text.strip() for part in turn.parts)
    return bool(turn.parts)


def _has_result(turn: _Turn) -> bool:
    return any(isinstance(part, ToolResult) for part in turn.parts)


def _some(*parts: Text | Media) -> tuple[Text | Media, ...]:
    # Anthropic refuses text blocks that are empty.
    return tuple(part for part in parts if not isinstance(part, Text) or part.text)


def _thought_texts(item: JsonObject, path: str) -> Iterator[str]:
    name = "content" if item.get("content") else "summary"
    parts = a_list(item.get(name, []), f"{path}.{name}", MOST_PARTS, of="parts")
    for at, value in enumerate(parts):
        part = an_object(value, f"{path}.{name}[{at}]")
        yield a_string(part.get("text"), f"{path}.{name}[{at}].text")


def _without_effect(part: JsonObject, kind: str) -> Iterator[str]:
    if part.get("prompt_cache_breakpoint"):
        yield "prompt_cache_breakpoint"
    if part.get("annotations"):
        yield "input.annotations"
    if part.get("detail", "auto") != "auto":
        yield f"{kind}.detail"


def _text(part: JsonObject, path: str) -> Text:
    return Text(a_string(part.get("text"), f"{path}.text"))


def _refusal(part: JsonObject, path: str) -> Text:
    return Text(a_string(part.get("refusal"), f"{path}.refusal"))


def _image(part: JsonObject, path: str) -> Media:
    if "file_id" in part:
        refuse(f"{path}.file_id", "is not supported: send image_url", "unsupported_parameter")
    url, path = part.get("image_url"), f"{path}.image_url"
    if not _is_data(url):
        return Media(kind="image", mime="", url=public_url(url, path))
    media = data_url(str(url), path)
    if media.kind != "image":
        refuse(path, "must be an image")
    return media


def _file(part: JsonObject, path: str) -> Media:
    if "file_id" in part:
        refuse(f"{path}.file_id", "is not supported: send file_data", "unsupported_parameter")
    name = a_name(part["filename"], f"{path}.filename") if "filename" in part else None
    if "file_url" in part:
        url = public_url(part["file_url"], f"{path}.file_url")
        return Media(kind="document", mime="", url=url, name=name)
    data, path = part.get("file_data"), f"{path}.file_data"
    media = data_url(str(data), path) if _is_data(data) else base64_media(_PDF, data, path)
    if media.kind != "document":
        refuse(path, "must be a PDF")
    return replace(media, name=name)


_PDF = "application/pdf"


def _is_data(url: JsonValue) -> bool:
    return isinstance(url, str) and url[:5].lower() == "data:"


_PARTS: Mapping[str, Callable[[JsonObject, str], Text | Media]] = {
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
}
