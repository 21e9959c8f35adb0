"""What every surface writes alike: JSON, server-sent events, and what Tercet says of an answer."""

import json

from router.surfaces.surface import Frame
from tercet.answer import Answer, Step, completions
from tercet.content import JsonObject, JsonValue
from tercet.usage import Usage, usd

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# JSON allows these raw inside strings; clients that split a stream with `str.splitlines` do not.
_LINE_ENDS = "\x85\u2028\u2029"


def encode(value: JsonValue) -> bytes:
    """Return JSON on one line, whatever a model's text holds."""
    text = _ENCODER.encode(value)
    if not text.isascii():
        for mark in _LINE_ENDS:
            text = text.replace(mark, f"\\u{ord(mark):04x}")
    # A model's text may hold half a surrogate pair, which UTF-8 cannot.
    return text.encode("utf-8", "replace")


def event(data: bytes, name: str | None = None) -> bytes:
    """Return a server-sent event."""
    head = b"" if name is None else f"event: {name}\n".encode()
    return head + b"data: " + data + b"\n\n"


def comment(note: str) -> bytes:
    """Return a server-sent comment, which clients skip, on one line whatever `note` holds."""
    return f": {' '.join(note.splitlines())}\n\n".encode("utf-8", "replace")


def total_usage(steps: tuple[Step, ...]) -> Usage:
    """Return the usage of every step, because the caller pays for all voices."""
    return sum((completion.usage for completion in completions(steps)), Usage())


def extras(frame: Frame, answer: Answer) -> JsonObject:
    """Return what Tercet says of an answer, for a field `tercet` beside the format's own."""
    said = completions(answer.steps)
    return {
        "request_id": frame.task_id,
        "route": frame.route,
        "models": list(dict.fromkeys(completion.model for completion in said)),
        "degraded": list(answer.degraded),
        "cost_usd": usd(answer.cost_nano_usd),
        "simulated": any(completion.simulated for completion in said),
    }
