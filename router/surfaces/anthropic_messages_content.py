"""Anthropic Messages, inward: conversations and their blocks.

Names are those of anthropic 2.12.0 (`anthropic/types/*_block_param.py`). Blocks of any other type
are for Anthropic alone, to whom the request can go as it came; the own words leave them out.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

from router.surfaces.anthropic_messages_thinking import (
    ToolSignature,
    is_foreign,
    read_redacted,
    read_thinking,
)
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
    base64_media,
    public_url,
    refuse,
)
from tercet.content import (
    CacheFor,
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

# Claude Code's, for Anthropic's books: it varies, and would spoil every other prompt cache.
_BILLING = "x-anthropic-billing-header:"

_SHOWN = ("text", "image", "document", "search_result")
_TYPES: Mapping[Speaker, tuple[str, ...]] = {
    "user": (*_SHOWN, "tool_result"),
    "assistant": ("text", "thinking", "redacted_thinking", "tool_use"),
    "system": ("text",),
}
"""The types of blocks that are read, by who may say them."""

_Read = Part | ToolSignature
_Located = tuple[str, str, JsonObject]
"""A block with the role of its turn and its path."""

_STRING: JsonObject = {}


def read_messages(value: JsonValue) -> tuple[Message, ...]:
    """Return the conversation; it may end in a turn that Anthropic has paused."""
    if value is None:
        refuse("messages", "is missing; send a list of messages", "missing_required_parameter")
    entries = a_list(value, "messages", MOST_MESSAGES, of="messages", least=1)
    if sum(1 for _ in _all_blocks(entries)) > MOST_PARTS:
        refuse("messages", f"must have at most {MOST_PARTS} blocks in all")
    turns = [_turn(entry, f"messages[{at}]") for at, entry in enumerate(entries)]
    spoken = [(at, turn) for at, turn in enumerate(turns) if turn.speaker != "system"]
    if not any(turn.speaker == "user" for _, turn in spoken):
        refuse("messages", "must have at least one message with role user")
    _check_last(*spoken[-1], entries)
    _check_results(entries)
    return tuple(turn for turn in turns if turn.says_something)


def read_system(value: JsonValue) -> tuple[Message, ...]:
    """Return the system prompt as one turn; none, if it says nothing."""
    parts = _content(value, "system", "system")
    if isinstance(value, list):
        parts = tuple(part for part in parts if not _is_billing(part))
    system = Message(speaker="system", parts=parts)
    return (system,) if system.says_something else ()


def has_foreign(value: JsonValue) -> bool:
    """Tell whether messages that were read hold what Anthropic would refuse as not its own."""
    return any(is_foreign(block) for block in _all_blocks(value if isinstance(value, list) else []))


def marked(messages: tuple[Message, ...], cache: CacheFor | None) -> tuple[Message, ...]:
    """Return the messages with a cache breakpoint at their end."""
    if cache is None or not messages:
        return messages
    last = messages[-1]
    return (*messages[:-1], replace(last, parts=tuple(_cached(last.parts, cache))))


def _all_blocks(entries: Iterable[JsonValue]) -> Iterator[JsonObject]:
    for entry in entries:
        content = entry.get("content") if isinstance(entry, dict) else None
        for block in content if isinstance(content, list) else []:
            if isinstance(block, dict):
                yield block
                yield from _all_blocks([block])


def _is_billing(part: Part) -> bool:
    return isinstance(part, Text) and part.text.startswith(_BILLING)


def _check_last(at: int, last: Message, entries: list[JsonValue]) -> None:
    if last.speaker == "assistant":
        # Claude refuses prefill since its 4.6 models
        # (platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6).
        types = [block.get("type") for block in _all_blocks([entries[at]])]
        is_paused = any(kind not in _TYPES["assistant"] for kind in types)
        # A turn that Anthropic has paused goes back to it as it came, and nobody else goes on.
        if not is_paused or has_foreign(entries):
            fault = "is assistant; the last message must be from the user"
            refuse(f"messages[{at}].role", fault)
    elif not last.says_something:
        refuse(f"messages[{at}].content", "is blank; the last message must say something")


def _check_results(entries: list[JsonValue]) -> None:
    """Refuse uses and results of tools that do not belong together."""
    waiting: dict[str, str] = {}
    others: set[str] = set()
    role = ""
    # Turns of one speaker in a row are one to Anthropic.
    for role, turns in groupby(_located(entries), key=itemgetter(0)):
        if role == "assistant":
            _check_none_waits(waiting)
            waiting, others = _uses(turns)
        else:
            for _, path, block in turns:
                _check_result(block, path, waiting, others)
    if role == "user":
        _check_none_waits(waiting)


def _uses(turns: Iterable[_Located]) -> tuple[dict[str, str], set[str]]:
    """Return the paths of tool uses by id, and what else could have a result."""
    waiting: dict[str, str] = {}
    others: set[str] = set()
    for _, path, block in turns:
        use_id = block.get("id")
        if isinstance(use_id, str) and block.get("type") != "tool_use":
            others.add(use_id)
        elif isinstance(use_id, str):
            if use_id in waiting:
                refuse(f"{path}.id", "is that of another tool_use")
            waiting[use_id] = path
    return waiting, others


def _check_result(block: JsonObject, path: str, waiting: dict[str, str], others: set[str]) -> None:
    use_id = block.get("tool_use_id")
    if block.get("type") != "tool_result" or not isinstance(use_id, str):
        return
    if waiting.pop(use_id, None) is None and use_id not in others:
        refuse(f"{path}.tool_use_id", "must name a tool_use of the last assistant turn, once")


def _located(entries: list[JsonValue]) -> Iterator[_Located]:
    """Yield each block of users and assistants, a bare string as one without a type."""
    for at, entry in enumerate(entries):
        turn = entry if isinstance(entry, dict) else {}
        role, content = turn.get("role"), turn.get("content")
        if role in ("user", "assistant"):
            blocks = content if isinstance(content, list) else [_STRING]
            for index, block in enumerate(blocks):
                if isinstance(block, dict):
                    yield str(role), f"messages[{at}].content[{index}]", block


def _check_none_waits(waiting: Mapping[str, str]) -> None:
    for path in waiting.values():
        refuse(path, "has no tool_result in the next message")


def _turn(value: JsonValue, path: str) -> Message:
    entry = an_object(value, path, "an object with role and content")
    speaker = a_choice(entry.get("role"), f"{path}.role", _TYPES)
    parts = _content(entry.get("content"), f"{path}.content", speaker)
    return Message(speaker=speaker, parts=parts)


def _content(value: JsonValue, path: str, speaker: Speaker) -> tuple[Part, ...]:
    return tuple(_signed(_blocks(value, path, _TYPES[speaker], stands_in=speaker != "system")))


def _signed(read: Iterable[_Read]) -> Iterator[Part]:
    waiting: ToolSignature | None = None
    for part in read:
        if isinstance(part, ToolSignature):
            waiting = part
        elif isinstance(part, ToolUse) and waiting is not None:
            yield replace(part, signature=waiting.signature, by=waiting.by)
            waiting = None
        else:
            yield part


def _blocks(
    value: JsonValue, path: str, types: tuple[str, ...], *, stands_in: bool = True
) -> tuple[_Read, ...]:
    """Read content; where all of it is for Anthropic alone, its types stand in for it."""
    if isinstance(value, str):
        return (Text(value),) if value else ()
    if not isinstance(value, list):
        refuse(path, "must be a string, or a list of blocks")
    read: list[_Read] = []
    left_out: dict[str, None] = {}
    for at, entry in enumerate(value):
        block = an_object(entry, f"{path}[{at}]", 'such as {"type": "text", "text": "..."}')
        parts = _block(block, f"{path}[{at}]", types)
        read += parts
        if not parts and block["type"] not in ("text", "thinking"):
            left_out[str(block["type"])] = None
    if stands_in and left_out and not read:
        return (Text(f"[{', '.join(left_out)}]"),)
    return tuple(read)


def _block(block: JsonObject, path: str, types: tuple[str, ...]) -> tuple[_Read, ...]:
    kind = a_name(block.get("type"), f"{path}.type")
    if kind not in _READERS:
        return ()
    if kind not in types:
        refuse(f"{path}.type", f"must be one of {', '.join(types)} here, not {kind}")
    parts = _READERS[kind](block, path)
    return tuple(_cached(parts, a_cache(block.get("cache_control"), f"{path}.cache_control")))


def _cached(parts: tuple[_Read, ...], cache: CacheFor | None) -> Iterator[_Read]:
    yield from parts[:-1]
    for last in parts[-1:]:
        is_markable = not isinstance(last, Thought | ToolSignature)
        yield replace(last, cache=cache) if is_markable and cache is not None else last


def _text(block: JsonObject, path: str) -> tuple[Text, ...]:
    text = a_string(block.get("text"), f"{path}.text")
    return (Text(text),) if text else ()


def _image(block: JsonObject, path: str) -> tuple[Media, ...]:
    return _media(an_object(block.get("source"), f"{path}.source"), f"{path}.source", "image")


def _document(block: JsonObject, path: str) -> tuple[_Read, ...]:
    source, place = an_object(block.get("source"), f"{path}.source"), f"{path}.source"
    title, context = (
        a_string(block.get(name, ""), f"{path}.{name}") for name in ("title", "context")
    )
    about = tuple(Text(text) for text in (title, context) if text)
    match source.get("type"):
        case "text":
            return (*about, Text(a_string(source.get("data"), f"{place}.data")))
        case "content":
            return about + _blocks(source.get("content"), f"{place}.content", ("text", "image"))
        case _:
            told = (Text(context),) if context else ()
            media = _media(source, place, "document")
            return (*told, *(replace(each, name=title or None) for each in media))


def _media(source: JsonObject, path: str, kind: MediaKind) -> tuple[Media, ...]:
    """Read a source; files are in Anthropic's keeping, and nobody else can read them."""
    match source.get("type"):
        case "base64":
            media = base64_media(source.get("media_type"), source.get("data"), path)
            if media.kind != kind:
                refuse(f"{path}.media_type", f"must be of the type of its block: {kind}")
            return (media,)
        case "url":
            mime = "application/pdf" if kind == "document" else ""
            url = public_url(source.get("url"), f"{path}.url")
            return (Media(kind=kind, mime=mime, url=url),)
        case other:
            a_name(other, f"{path}.type")
            return ()


def _search_result(block: JsonObject, path: str) -> tuple[_Read, ...]:
    told = (a_string(block.get(name, ""), f"{path}.{name}") for name in ("title", "source"))
    heads = tuple(Text(text) for text in told if text)
    return heads + _blocks(block.get("content"), f"{path}.content", ("text",))


def _tool_use(block: JsonObject, path: str) -> tuple[ToolUse, ...]:
    arguments = block.get("input")
    if not isinstance(arguments, dict):
        refuse(f"{path}.input", "must be an object")
    use = ToolUse(
        id=a_name(block.get("id"), f"{path}.id"),
        name=a_name(block.get("name"), f"{path}.name"),
        arguments=json.dumps(arguments, ensure_ascii=False, separators=(",", ":")),
    )
    return (use,)


def _tool_result(block: JsonObject, path: str) -> tuple[ToolResult, ...]:
    parts = _blocks(block.get("content", ""), f"{path}.content", _SHOWN)
    result = ToolResult(
        id=a_name(block.get("tool_use_id"), f"{path}.tool_use_id"),
        parts=tuple(part for part in parts if isinstance(part, Text | Media)),
        is_error=a_flag(block.get("is_error"), f"{path}.is_error"),
    )
    return (result,)


_READERS: Mapping[str, Callable[[JsonObject, str], tuple[_Read, ...]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "thinking": read_thinking,
    "redacted_thinking": read_redacted,
}
