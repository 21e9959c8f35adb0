"""OpenAI chat completions, inward: the list of messages.

Names are those of openai 3.54.0 (`openai/types/chat/*_message_param.py`), with three of others:
`cache_control`, Anthropic's breakpoint, which LiteLLM and OpenRouter take from OpenAI's clients
too, and `reasoning_content` and `extra_content`, in which our own answers come back.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from operator import itemgetter
from typing import get_args

from router.surfaces.checking import (
    MOST_MESSAGES,
    MOST_PARTS,
    a_cache,
    a_choice,
    a_flag,
    a_list,
    a_name,
    a_string,
    an_object,
    data_url,
    instead_of,
    is_number,
    public_url,
    refuse,
)
from router.surfaces.openai_chat_reply import SIGNATURES
from tercet.catalog import ProviderName
from tercet.content import (
    JsonObject,
    JsonValue,
    Media,
    MediaKind,
    Part,
    Text,
    Thought,
    ToolResult,
    ToolUse,
)
from tercet.task import Message, Speaker

_PROVIDERS: tuple[ProviderName, ...] = get_args(ProviderName)

# Google's SDK writes bytes in either alphabet; Anthropic's signatures are only ever compared.
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}==|[A-Za-z0-9+/_-]{3}=)?")

_Turn = tuple[str, Message]
"""A message and its path."""


def read_messages(value: JsonValue) -> tuple[Message, ...]:
    """Return the conversation; results of tools and the user's text after them are one turn."""
    if value is None:
        refuse("messages", "is missing; send a list of messages", "missing_required_parameter")
    entries = a_list(value, "messages", MOST_MESSAGES, of="messages", least=1)
    if sum(len(part) for entry in entries for part in _lists(entry)) > MOST_PARTS:
        refuse("messages", f"must have at most {MOST_PARTS} parts in all")
    turns = [_turn(entry, f"messages[{at}]") for at, entry in enumerate(entries)]
    _check_last(turns)
    _check_results(turns)
    return _joined(message for _, message in turns if _says_something(message))


def dropped(value: JsonValue) -> Iterator[str]:
    """Yield the names of what messages that were read held and what has no effect."""
    for entry in _objects(value):
        yield from (f"messages.{name}" for name in ("name", "annotations") if entry.get(name))
        for part in _objects(entry.get("content")):
            if part.get("prompt_cache_breakpoint"):
                yield "prompt_cache_breakpoint"
            image = part.get("image_url")
            if isinstance(image, dict) and image.get("detail") not in (None, "auto"):
                yield "image_url.detail"


def _objects(value: JsonValue) -> Iterator[JsonObject]:
    items = value if isinstance(value, list) else []
    return (item for item in items if isinstance(item, dict))


def _lists(entry: JsonValue) -> Iterator[list[JsonValue]]:
    fields = entry if isinstance(entry, dict) else {}
    for name in ("content", "tool_calls"):
        value = fields.get(name)
        if isinstance(value, list):
            yield value


def _check_last(turns: list[_Turn]) -> None:
    spoken = [turn for turn in turns if turn[1].speaker != "system"]
    if not any(message.speaker == "user" for _, message in spoken):
        refuse("messages", "must have at least one message with role user")
    path, last = spoken[-1]
    # OpenAI accepts this and Anthropic calls it prefill; Claude refuses it since its 4.6 models
    # (platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6).
    if last.speaker != "user":
        refuse(f"{path}.role", "is assistant; the last message must be from the user or a tool")
    if not last.text.strip() and all(isinstance(part, Text) for part in last.parts):
        refuse(f"{path}.content", "is blank; the last message must say something")


def _check_results(turns: list[_Turn]) -> None:
    waiting: dict[str, str] = {}
    for path, message in turns:
        if message.speaker == "system":
            continue
        match message.parts:
            case (ToolResult(id=use_id),):
                if waiting.pop(use_id, None) is None:
                    fault = "must name a call of the last assistant message, once"
                    refuse(f"{path}.tool_call_id", fault)
            case parts:
                _check_none_waits(waiting)
                waiting = _uses(parts, path)
    _check_none_waits(waiting)


def _check_none_waits(waiting: Mapping[str, str]) -> None:
    for path in waiting.values():
        refuse(path, "has no tool message that answers it")


def _uses(parts: tuple[Part, ...], path: str) -> dict[str, str]:
    paths: dict[str, str] = {}
    uses = (part for part in parts if isinstance(part, ToolUse))
    for at, use in enumerate(uses):
        if use.id in paths:
            refuse(f"{path}.tool_calls[{at}].id", "is that of another tool call")
        paths[use.id] = f"{path}.tool_calls[{at}]"
    return paths


def _says_something(message: Message) -> bool:
    # Providers refuse a turn without content, and a blank system message says nothing.
    return bool(message.text.strip()) if message.speaker == "system" else bool(message.parts)


def _joined(messages: Iterator[Message]) -> tuple[Message, ...]:
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last is not None and message.speaker == last.speaker == "user" and _has_result(last):
            joined[-1] = replace(last, parts=last.parts + message.parts)
        else:
            joined.append(message)
    return tuple(joined)


def _has_result(message: Message) -> bool:
    return any(isinstance(part, ToolResult) for part in message.parts)


def _turn(value: JsonValue, path: str) -> _Turn:
    entry = an_object(value, path, "an object with role and content")
    role = entry.get("role")
    if role == "function":
        refuse(f"{path}.role", "function is not supported: send role tool", "unsupported_parameter")
    speaker, read = _ROLES[a_choice(role, f"{path}.role", _ROLES)]
    if "name" in entry:
        a_name(entry["name"], f"{path}.name")
    parts = read(entry, path)
    cache = a_cache(entry.get("cache_control"), f"{path}.cache_control")
    if cache is not None and parts and not isinstance(parts[-1], Thought):
        parts = (*parts[:-1], replace(parts[-1], cache=cache))
    return path, Message(speaker=speaker, parts=parts)


def _system(entry: JsonObject, path: str) -> tuple[Part, ...]:
    return _content(entry.get("content"), f"{path}.content", ("text",))


def _user(entry: JsonObject, path: str) -> tuple[Part, ...]:
    return _content(entry.get("content"), f"{path}.content", ("text", "image_url", "file"))


def _tool(entry: JsonObject, path: str) -> tuple[Part, ...]:
    use_id = a_name(entry.get("tool_call_id"), f"{path}.tool_call_id")
    kinds = ("text", "image_url", "file")
    return (ToolResult(id=use_id, parts=_content(entry.get("content"), f"{path}.content", kinds)),)


def _assistant(entry: JsonObject, path: str) -> tuple[Part, ...]:
    for name in ("function_call", "audio"):
        if entry.get(name, []) != []:
            refuse(f"{path}.{name}", "is not supported: leave it out", "unsupported_parameter")
    calls = a_list(entry.get("tool_calls", []), f"{path}.tool_calls", MOST_PARTS, of="calls")
    uses = [_tool_use(call, f"{path}.tool_calls[{at}]") for at, call in enumerate(calls)]
    texts: tuple[Part, ...] = ()
    if "content" in entry or not (uses or "refusal" in entry):
        texts = _content(entry.get("content"), f"{path}.content", ("text", "refusal"))
    if "refusal" in entry:
        texts += _some(Text(a_string(entry["refusal"], f"{path}.refusal")))
    # Each thought says how many slots come before it: all the text is one, each call another.
    slots = [*([texts] if texts else []), *((use,) for use in uses)]
    placed = [(2 * at, part) for at, part in _thoughts(entry, path)]
    placed += [(2 * at + 1, part) for at, slot in enumerate(slots) for part in slot]
    return tuple(part for _, part in sorted(placed, key=itemgetter(0)))


_ROLES: Mapping[str, tuple[Speaker, Callable[[JsonObject, str], tuple[Part, ...]]]] = {
    "system": ("system", _system),
    "developer": ("system", _system),
    "user": ("user", _user),
    "assistant": ("assistant", _assistant),
    "tool": ("user", _tool),
}


def _tool_use(value: JsonValue, path: str) -> ToolUse:
    call = an_object(value, path)
    if call.get("type", "function") != "function":
        refuse(f"{path}.type", "must be function: custom tools are not supported")
    function = an_object(call.get("function"), f"{path}.function")
    by, signature = _signature(call, path)
    return ToolUse(
        id=a_name(call.get("id"), f"{path}.id"),
        name=a_name(function.get("name"), f"{path}.function.name"),
        arguments=a_string(function.get("arguments"), f"{path}.function.arguments"),
        signature=signature,
        by=by,
        cache=a_cache(call.get("cache_control"), f"{path}.cache_control"),
    )


def _signature(call: JsonObject, path: str) -> tuple[ProviderName | None, str | None]:
    path = f"{path}.extra_content"
    extra = an_object(call.get("extra_content", {}), path)
    for by, name in SIGNATURES.items():
        told = an_object(extra.get(by, {}), f"{path}.{by}")
        if name in told:
            return by, _signed(told[name], f"{path}.{by}.{name}", by)
    return None, None


def _signed(value: JsonValue, path: str, by: ProviderName) -> str:
    if not isinstance(value, str) or not value:
        refuse(path, "must be a non-empty string")
    if by == "google" and _BASE64.fullmatch(value) is None:
        refuse(path, "must be base64")
    return value


def _thoughts(entry: JsonObject, path: str) -> list[tuple[int, Thought]]:
    extra = an_object(entry.get("extra_content", {}), f"{path}.extra_content")
    ours = an_object(extra.get("tercet", {}), f"{path}.extra_content.tercet")
    if "thoughts" in ours:
        path = f"{path}.extra_content.tercet.thoughts"
        told = a_list(ours["thoughts"], path, MOST_PARTS, of="thoughts")
        thoughts = [_thought(thought, f"{path}[{at}]") for at, thought in enumerate(told)]
    else:
        text = a_string(entry.get("reasoning_content", ""), f"{path}.reasoning_content")
        # The local models' own format has the name, and nobody else takes unsigned thoughts.
        thoughts = [(0, Thought(text=text, by="local"))]
    return [(at, thought) for at, thought in thoughts if thought.text or thought.signature]


def _thought(value: JsonValue, path: str) -> tuple[int, Thought]:
    told = an_object(value, path)
    by = a_choice(told.get("by"), f"{path}.by", _PROVIDERS)
    signature = None
    if "signature" in told:
        signature = _signed(told["signature"], f"{path}.signature", by)
    at = told.get("at", 0)
    if not isinstance(at, int) or not is_number(at, 0, MOST_PARTS):
        refuse(f"{path}.at", f"must be an integer from 0 to {MOST_PARTS}")
    is_redacted = a_flag(told.get("is_redacted"), f"{path}.is_redacted")
    thought = Thought(
        text=a_string(told.get("text", ""), f"{path}.text"),
        signature=signature,
        by=by,
        is_redacted=is_redacted and signature is not None,
    )
    return at, thought


def _content(value: JsonValue, path: str, kinds: tuple[str, ...]) -> tuple[Text | Media, ...]:
    if isinstance(value, str):
        return _some(Text(value))
    if not isinstance(value, list) or not value:
        refuse(path, f"must be a string, or a non-empty list of parts of type {', '.join(kinds)}")
    parts = (_part(part, f"{path}[{at}]", kinds) for at, part in enumerate(value))
    return _some(*parts)


def _some(*parts: Text | Media) -> tuple[Text | Media, ...]:
    # Anthropic refuses text blocks that are empty.
    return tuple(part for part in parts if not isinstance(part, Text) or part.text)


def _part(value: JsonValue, path: str, kinds: tuple[str, ...]) -> Text | Media:
    part = an_object(value, path, 'an object such as {"type": "text", "text": "..."}')
    kind = part.get("type")
    if kind not in kinds:
        refuse(f"{path}.type", f"must be one of {', '.join(kinds)}{instead_of(kind)}")
    read = _READERS[str(kind)](part, path)
    return replace(read, cache=a_cache(part.get("cache_control"), f"{path}.cache_control"))


def _text(part: JsonObject, path: str) -> Text:
    return Text(a_string(part.get("text"), f"{path}.text"))


def _refusal(part: JsonObject, path: str) -> Text:
    return Text(a_string(part.get("refusal"), f"{path}.refusal"))


def _image(part: JsonObject, path: str) -> Media:
    url = an_object(part.get("image_url"), f"{path}.image_url").get("url")
    path = f"{path}.image_url.url"
    if isinstance(url, str) and url[:5].lower() == "data:":
        return _data(url, path, "image")
    return Media(kind="image", mime="", url=public_url(url, path))


def _file(part: JsonObject, path: str) -> Media:
    path = f"{path}.file"
    file = an_object(part.get("file"), path)
    if "file_id" in file:
        refuse(f"{path}.file_id", "is not supported: send file_data", "unsupported_parameter")
    name = a_name(file["filename"], f"{path}.filename") if "filename" in file else None
    data = a_string(file.get("file_data"), f"{path}.file_data")
    return replace(_data(data, f"{path}.file_data", "document"), name=name)


def _data(url: str, path: str, kind: MediaKind) -> Media:
    media = data_url(url, path)
    if media.kind != kind:
        refuse(path, "must be an image" if kind == "image" else "must be a PDF")
    return media


_READERS: Mapping[str, Callable[[JsonObject, str], Text | Media]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
}
