"""Request bodies: bytes become one JSON object, or a refusal. Shared by every surface."""

import json
import math
import re

from pydantic_core import from_json

from router.surfaces.refusal import Refusal
from tercet.content import JsonObject, JsonValue

# Parsers disagree on which of two equal names counts, so one that checks and one that acts could
# see different bodies. These decide who is asked and what it may cost.
_ONCE = ("model", "stream", "max_tokens")

# No encoder escapes the letters and `_` of these names, so only a body that hides one pays for the
# second parse.
_ESCAPED_LETTER = re.compile(rb"\\u00[567]")


def parse(raw: bytes) -> JsonObject | Refusal:
    """Parse a body that the caller of this function has already bounded in size."""
    if not raw or raw.isspace():
        return _invalid("The body is empty; send a JSON object.")
    try:
        # The cache of strings outlives the request, and values are the callers' own text.
        value: JsonValue = from_json(raw, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        # The parser names the place and never quotes the body.
        return _invalid(
            f"The body is not valid JSON: {error}. "
            "Send one JSON object in UTF-8 without a byte order mark."
        )
    if not isinstance(value, dict):
        return _invalid("The body is JSON but not an object; send a JSON object.")
    if _has_infinity(value):
        return _invalid("The body has a number too large for a float; send a finite number.")
    name = _repeated(value, raw)
    if name is not None:
        return _invalid(f"{name} is given more than once; give it once.", param=name)
    return value


def _has_infinity(value: JsonObject) -> bool:
    # `from_json` refuses the words NaN and Infinity, but reads 1e999 as infinity.
    queue: list[JsonValue] = [value]
    while queue:
        item = queue.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return True
        elif isinstance(item, dict):
            queue.extend(item.values())
        elif isinstance(item, list):
            queue.extend(item)
    return False


def _repeated(value: JsonObject, raw: bytes) -> str | None:
    given = [name for name in _ONCE if name in value]
    looks_repeated = any(raw.count(f'"{name}"'.encode()) > 1 for name in given)
    if not looks_repeated and _ESCAPED_LETTER.search(raw) is None:
        return None
    # Only names matter, and `int` raises on more digits than the interpreter is set to read.
    pairs: list[tuple[str, object]] = json.loads(raw, object_pairs_hook=list, parse_int=str)
    names = [name for name, _ in pairs]
    return next((name for name in given if names.count(name) > 1), None)


def _invalid(message: str, param: str | None = None) -> Refusal:
    return Refusal(
        status=400,
        type="invalid_request_error",
        code="invalid_json",
        message=message,
        param=param,
    )
