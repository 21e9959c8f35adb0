"""Instructions inside a prompt's text: `sim:name`, `sim:name=value`, `sim:name@target`."""

import re
from dataclasses import dataclass

from tercet.call import Prompt

# ASCII, and no dot at the end: the value may become a header, and a sentence may end in a marker.
_VALUE = r"[+-]?\w+(?:\.\w+)*"
_MARKER = re.compile(
    rf"\bsim:([a-z0-9]+(?:-[a-z0-9]+)*)(?:=({_VALUE}))?(?:@([\w-]+(?:\.[\w-]+)*))?", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """One instruction, already known to be aimed at the model that reads it."""

    name: str
    value: str | None


def is_value(text: str) -> bool:
    """Tell whether a marker could carry `text` as its value."""
    return re.fullmatch(_VALUE, text, re.ASCII) is not None


def family(model: str) -> str:
    """Return `claude` or `gemini`: what a model's id begins with."""
    return model.split("-", 1)[0]


def is_aimed_at(target: str | None, model: str) -> bool:
    """Tell whether `target`, a family or a model id, includes `model`; `None` is everyone."""
    return target is None or target in (model, family(model))


def user_text(prompt: Prompt) -> str:
    """Return everything the user said: the only text in which markers count."""
    return "\n".join(said.text for said in prompt.messages if said.speaker == "user")


def markers(text: str, model: str) -> tuple[Marker, ...]:
    """Return the markers aimed at `model`, in order."""
    found = (match.groups() for match in _MARKER.finditer(text))
    return tuple(
        Marker(name=name, value=value)
        for name, value, target in found
        if is_aimed_at(target, model)
    )


def without_markers(text: str) -> str:
    """Return `text` as a reader should see it."""
    return _MARKER.sub("", text)


def last_count(found: tuple[Marker, ...], name: str) -> int | None:
    """Return the value of the last `sim:name=N` whose value is a plain number."""
    values = [marker.value for marker in found if marker.name == name and marker.value]
    counts = [int(value) for value in values if value.isdecimal()]
    return counts[-1] if counts else None
