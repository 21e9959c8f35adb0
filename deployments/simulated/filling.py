"""Makes the smallest JSON that satisfies a schema, well enough for what clients declare."""

import math
from collections.abc import Callable, Mapping

from tercet.content import JsonObject, JsonValue

Schema = Mapping[str, JsonValue]

_DEEPEST = 40
_MOST_ITEMS = 100
_LARGEST = 10**15
_STRING = "simulated"
_COMBINED = frozenset({"anyOf", "oneOf", "allOf"})
_FORMATS: Mapping[str, str] = {
    "date": "2026-11-23",
    "date-time": "2026-11-23T00:00:00Z",
    "time": "00:00:00Z",
    "email": "simulated@example.com",
    "uri": "https://example.com/simulated",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}


def arguments_for(schema: Schema, given: JsonObject) -> JsonObject:
    """Return `given` with what the schema requires beside it."""
    required = _Filler(schema, None).value(dict(schema))
    return {**required, **given} if isinstance(required, dict) else given


def answer_for(schema: Schema, text: str) -> JsonValue:
    """Return a value of the schema with `text` in its first free string."""
    return _Filler(schema, text).value(dict(schema))


class _Filler:
    def __init__(self, root: Schema, text: str | None) -> None:
        self._root = root
        self._text = text
        self._is_answer = text is not None
        self._makers: Mapping[str, Callable[[Schema, int], JsonValue]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": lambda schema, _depth: math.ceil(_number(schema)),
            "number": lambda schema, _depth: _number(schema),
            "boolean": lambda _schema, _depth: True,
            "null": lambda _schema, _depth: None,
        }

    def value(self, schema: JsonValue, depth: int = 0) -> JsonValue:
        """Fill one schema; `True` and what is no schema allow everything."""
        if depth > _DEEPEST:
            return None
        if not isinstance(schema, dict):
            return self._string({}, depth)
        if "$ref" in schema:
            return self.value(self._resolved(schema["$ref"]), depth + 1)
        schema = _flat(schema)
        if "const" in schema:
            return schema["const"]
        options = schema.get("enum")
        if isinstance(options, list) and options:
            return options[0]
        if "$ref" in schema or _COMBINED & schema.keys():
            return self.value(schema, depth + 1)
        return self._makers.get(_type_of(schema), self._string)(schema, depth)

    def _resolved(self, pointer: JsonValue) -> JsonValue:
        found: JsonValue = dict(self._root)
        steps = str(pointer).removeprefix("#").strip("/").split("/")
        for step in filter(None, steps):
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def _object(self, schema: Schema, depth: int) -> JsonValue:
        known, required = schema.get("properties"), schema.get("required")
        properties = known if isinstance(known, dict) else {}
        names = [n for n in required if isinstance(n, str)] if isinstance(required, list) else []
        if not names and self._is_answer and depth == 0:
            # Nothing is required, but an answer should say something.
            names = list(properties)
        return {name: self.value(properties.get(name), depth + 1) for name in names}

    def _array(self, schema: Schema, depth: int) -> JsonValue:
        leading = schema.get("prefixItems")
        if isinstance(leading, list):
            return [self.value(item, depth + 1) for item in leading[:_MOST_ITEMS]]
        fewest, most = _count(schema, "minItems", 1), _count(schema, "maxItems", _MOST_ITEMS)
        wanted = min(max(fewest, 1), most, _MOST_ITEMS)
        return [self.value(schema.get("items"), depth + 1) for _ in range(wanted)]

    def _string(self, schema: Schema, _depth: int) -> JsonValue:
        shape = _FORMATS.get(str(schema.get("format")))
        if shape is not None:
            return shape
        text = _STRING
        if self._text is not None and "pattern" not in schema:
            text, self._text = self._text, None
        fewest = min(_count(schema, "minLength", 0), 10_000)
        return text.ljust(fewest, ".")[: _count(schema, "maxLength", len(text) + fewest)]


def _flat(schema: JsonObject) -> JsonObject:
    """Return a schema with one of its alternatives, and all of its `allOf`, merged into it."""
    flat = {name: value for name, value in schema.items() if name not in _COMBINED}
    for name in ("anyOf", "oneOf"):
        alternatives = [option for option in _dicts(schema.get(name)) if option != {"type": "null"}]
        flat |= alternatives[0] if alternatives else {}
    for part in _dicts(schema.get("allOf")):
        flat = _merged(flat, part)
    return flat


def _merged(one: JsonObject, other: JsonObject) -> JsonObject:
    merged = {**one, **other}
    for name in ("properties", "required"):
        first, second = one.get(name), other.get(name)
        if isinstance(first, dict) and isinstance(second, dict):
            merged[name] = {**first, **second}
        if isinstance(first, list) and isinstance(second, list):
            merged[name] = [*first, *second]
    return merged


def _dicts(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _type_of(schema: Schema) -> str:
    """Return the type in JSON Schema's spelling; Gemini's own is in capitals."""
    named = schema.get("type")
    if isinstance(named, list):
        named = next((name for name in named if name != "null"), "null")
    if isinstance(named, str):
        return named.lower()
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _number(schema: Schema) -> float:
    """Return 1, or what is closest to it within the bounds."""
    number = 1.0
    for name, beyond in (("minimum", 0), ("exclusiveMinimum", 1)):
        least = _bound(schema, name)
        number = number if least is None else max(number, least + beyond)
    for name, beyond in (("maximum", 0), ("exclusiveMaximum", 1)):
        most = _bound(schema, name)
        number = number if most is None else min(number, most - beyond)
    step = _bound(schema, "multipleOf")
    return math.ceil(number / step) * step if step is not None and step > 0 else number


def _bound(schema: Schema, name: str) -> float | None:
    value = schema.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _LARGEST else None


def _count(schema: Schema, name: str, default: int) -> int:
    found = _bound(schema, name)
    return default if found is None or found < 0 else int(found)
