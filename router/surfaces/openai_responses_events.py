"""OpenAI Responses, outward: changes of output items as numbered server-sent events.

Shapes are those of openai 3.54.0 (`openai/types/responses/response_*_event.py`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from router.surfaces.openai_responses_items import Change, text_of
from router.surfaces.writing import encode, event
from tercet.content import JsonObject, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class _Voice:
    """How the text of one type of item is told."""

    text: str
    """What the events of the text are called."""
    field: str = "text"
    """Where the last of them has it whole."""
    part: str | None = None
    """What the events of the part around the text are called."""
    place: JsonObject
    """Where in the item the part is."""
    blank: JsonObject
    """The part before it has text."""
    more: JsonObject
    """What the events of the text have besides."""


_VOICES: Mapping[str, _Voice] = {
    "message": _Voice(
        text="response.output_text",
        part="response.content_part",
        place={"content_index": 0},
        blank={"type": "output_text", "text": "", "annotations": [], "logprobs": []},
        more={"logprobs": []},
    ),
    "reasoning": _Voice(
        text="response.reasoning_summary_text",
        part="response.reasoning_summary_part",
        place={"summary_index": 0},
        blank={"type": "summary_text", "text": ""},
        more={},
    ),
    "function_call": _Voice(
        text="response.function_call_arguments",
        field="arguments",
        place={},
        blank={},
        more={},
    ),
    "custom_tool_call": _Voice(
        text="response.custom_tool_call_input",
        field="input",
        place={},
        blank={},
        more={},
    ),
}


class Numbered:
    """The events of one stream."""

    def __init__(self) -> None:
        self._told = 0

    def event(self, name: str, **fields: JsonValue) -> bytes:
        """Return the next event."""
        number, self._told = self._told, self._told + 1
        return event(encode({"type": name, "sequence_number": number, **fields}), name)

    def changes(self, changes: Iterable[Change]) -> bytes:
        """Return the events that tell of changes."""
        return b"".join(map(self._change, changes))

    def _change(self, change: Change) -> bytes:
        voice = _VOICES[str(change.item["type"])]
        at: JsonObject = {
            "item_id": change.item["id"],
            "output_index": change.index,
            **voice.place,
        }
        match change.what:
            case "opened":
                return self._item("response.output_item.added", change)
            case "begun" if voice.part is not None:
                return self.event(f"{voice.part}.added", **at, part=voice.blank)
            case "begun":
                return b""
            case "more":
                return self.event(f"{voice.text}.delta", **at, **voice.more, delta=change.text)
            case "shut":
                return self._shut(change, voice, at)

    def _shut(self, change: Change, voice: _Voice, at: JsonObject) -> bytes:
        text = text_of(change.item)
        told = b""
        if text is not None:
            told += self.event(f"{voice.text}.done", **at, **voice.more, **{voice.field: text})
            if voice.part is not None:
                part: JsonObject = {**voice.blank, "text": text}
                told += self.event(f"{voice.part}.done", **at, part=part)
        return told + self._item("response.output_item.done", change)

    def _item(self, name: str, change: Change) -> bytes:
        return self.event(name, output_index=change.index, item=change.item)
