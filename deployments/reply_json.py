"""What providers' replies are read with as JSON: nothing in them is taken for what it should be."""

from pydantic_core import from_json

from tercet.content import JsonObject, JsonValue


class UnreadableError(ValueError):
    """A reply has not the shape that its API documents."""


def parsed(data: bytes | str) -> JsonObject:
    """Return the object that a reply, or an event of one, is.

    Raises:
        UnreadableError: it is none.
    """
    try:
        fields: JsonValue = from_json(data)
    except ValueError as error:
        raise UnreadableError("no JSON") from error
    if not isinstance(fields, dict):
        raise UnreadableError("no JSON object")
    return fields


def string(fields: JsonObject, name: str) -> str:
    """Return a text; an absent one is empty.

    Raises:
        UnreadableError: it is something else.
    """
    text = fields.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise UnreadableError(f"{name} is no text")
    return text
