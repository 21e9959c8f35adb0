"""Instructions inside a prompt's text: `sim:name`, `sim:name=value`, `sim:name@target`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from deployments.simulated.judging import judged_in
from tercet.call import Prompt
from tercet.content import JsonObject, JsonValue, Text
from tercet.task import Message

# ASCII, and no dot at the end: the value may become a header, and a sentence may end in a marker.
_VALUE = r"[+-]?\w+(?:[.-]\w+)*"
_MARKER = re.compile(
    rf"\bsim:([a-z0-9]+(?:-[a-z0-9]+)*)(?:=({_VALUE}))?(?:@([\w-]+(?:\.[\w-]+)*))?", re.ASCII
)
_TOOL = "tool"
_BLANKS = re.compile(r"\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """One instruction, already known to be aimed at the model that reads it."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOrder:
    """`sim:tool=NAME` with the JSON object that follows it."""

    name: str
    arguments: JsonObject = field(default_factory=dict[str, JsonValue])


def is_value(text: str) -> bool:
    """Tell whether a marker could carry `text` as its value."""
    return re.fullmatch(_VALUE, text, re.ASCII) is not None


def family(model: str) -> str:
    """Return `claude` or `gemini`: what a model's id begins with."""
    return model.split("-", 1)[0]


def is_aimed_at(target: str | None, model: str) -> bool:
    """Tell whether `target`, a family or a model id, includes `model`; `None` is everyone."""
    return target is None or target in (model, family(model))


def words_of(message: Message) -> str:
    """Return a message's text, its parts on lines of their own."""
    return "\n".join(part.text for part in message.parts if isinstance(part, Text))


def user_text(prompt: Prompt) -> str:
    """Return everything the user said: the only text in which markers count.

    What a judge is shown was said to others.
    """
    if judged_in(prompt) is not None:
        return ""
    return "\n".join(words_of(said) for said in prompt.messages if said.speaker == "user")


def markers(text: str, model: str) -> tuple[Marker, ...]:
    """Return the markers aimed at `model`, in order."""
    found = (match.groups() for match in _MARKER.finditer(text))
    return tuple(
        Marker(name=name, value=value)
        for name, value, target in found
        if is_aimed_at(target, model)
    )


def tool_orders(text: str, model: str) -> tuple[ToolOrder, ...]:
    """Return the `sim:tool=NAME {...}` aimed at `model`, in order."""
    return tuple(
        ToolOrder(name=match.group(2), arguments=_object_after(match, text)[0])
        for match in _tool_markers(text)
        if is_aimed_at(match.group(3), model)
    )


def without_markers(text: str) -> str:
    """Return `text` as a reader should see it."""
    for match in reversed(list(_tool_markers(text))):
        text = text[: match.start()] + text[_object_after(match, text)[1] :]
    return _MARKER.sub("", text)


def last_count(found: tuple[Marker, ...], name: str) -> int | None:
    """Return the value of the last `sim:name=N` whose value is a plain number."""
    values = [marker.value for marker in found if marker.name == name and marker.value]
    counts = [int(value) for value in values if value.isdecimal()]
    return counts[-1] if counts else None


def _tool_markers(text: str) -> Iterator[re.Match[str]]:
    return (match for match in _MARKER.finditer(text) if match.group(1) == _TOOL and match.group(2))


def _object_after(match: re.Match[str], text: str) -> tuple[JsonObject, int]:
    """Return the JSON object right after a marker, and where the marker ends with it."""
    blanks = _BLANKS.match(text, match.end())
    start = match.end() if blanks is None else blanks.end()
    if not text.startswith("{", start):
        return {}, match.end()
    try:
        found, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return {}, match.end()
    return found, end
