"""OpenAI Responses, outward: what a model says becomes output items, piece by piece.

Shapes are those of openai 3.54.0 (`openai/types/responses/response_output_item.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_core import from_json

from router.surfaces.openai_responses_seal import CallSignature, seal
from router.surfaces.openai_responses_tools import Caller
from tercet.call import Delta, Piece, Raw, ThoughtDelta, ToolDelta
from tercet.content import JsonObject, JsonValue, Thought

Kind = Literal["message", "reasoning", "function_call", "custom_tool_call"]
Status = Literal["completed", "incomplete"]

_PREFIXES: Mapping[Kind, str] = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
}
_BLANKS: Mapping[Kind, JsonObject] = {
    "message": {"status": "in_progress", "role": "assistant", "content": []},
    "reasoning": {"summary": []},
    "function_call": {"status": "in_progress", "arguments": ""},
    "custom_tool_call": {"status": "in_progress", "input": ""},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a caller wants to see of an answer."""

    shows_thoughts: bool = False
    """As summaries."""
    seals: bool = False
    """Send along what providers want to see again."""
    callers: Mapping[str, Caller] = field(default_factory=dict[str, Caller])
    """How the caller knows its tools, by the names models know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one item: it is there, its text begins, more text comes, it is whole."""

    what: Literal["opened", "begun", "more", "shut"]
    index: int
    item: JsonObject
    """As it is to be shown: blank until it is whole."""
    text: str = ""


@dataclass(slots=True)
class _Growing:
    kind: Kind
    blank: JsonObject
    texts: list[str] = field(default_factory=list[str])
    tool: int | None = None
    """The index of a tool use."""
    is_begun: bool = False


class Output:
    """The output items of one answer, in order."""

    def __init__(self, task_id: str, wishes: Wishes) -> None:
        self.items: list[JsonObject] = []
        """Those that are whole."""
        self._task_id, self._wishes = task_id, wishes
        self._last: _Growing | None = None

    def add(self, piece: Piece) -> Iterator[Change]:
        """Take the next piece; what it changes has to be read to the end."""
        match piece:
            case Delta():
                yield from self._say(piece.text)
            case ThoughtDelta():
                yield from self._think(piece)
            case ToolDelta():
                yield from self._use(piece)
            case Raw():
                pass

    def end(self, status: Status = "completed") -> Iterator[Change]:
        """Make the last item whole."""
        if self._last is not None:
            yield from self._shut(self._last, status)

    def _say(self, text: str) -> Iterator[Change]:
        if not text:
            return
        if self._last is None or self._last.kind != "message":
            yield from self._open("message", {})
        yield from self._more(text)

    def _think(self, piece: ThoughtDelta) -> Iterator[Change]:
        if not (self._wishes.shows_thoughts or self._wishes.seals):
            return
        if self._last is None or self._last.kind != "reasoning":
            yield from self._open("reasoning", {})
        assert self._last is not None  # noqa: S101  opened above
        if self._wishes.shows_thoughts:
            yield from self._more(piece.text)
        else:
            self._last.texts.append(piece.text)
        if piece.signature is not None:
            yield from self._sign(self._last, piece)

    def _sign(self, thought: _Growing, piece: ThoughtDelta) -> Iterator[Change]:
        if self._wishes.seals and piece.by is not None:
            whole = Thought(
                text="".join(thought.texts),
                signature=piece.signature,
                by=piece.by,
                is_redacted=piece.is_redacted,
            )
            thought.blank = thought.blank | {"encrypted_content": seal(whole)}
        yield from self._shut(thought, "completed")

    def _use(self, piece: ToolDelta) -> Iterator[Change]:
        if self._last is None or self._last.tool != piece.index:
            yield from self._sign_call(piece)
            caller = self._wishes.callers.get(piece.name, Caller(name=piece.name))
            head: JsonObject = {"call_id": piece.id, "name": caller.name}
            if caller.namespace is not None:
                head["namespace"] = caller.namespace
            kind = "custom_tool_call" if caller.is_custom else "function_call"
            yield from self._open(kind, head)
        assert self._last is not None  # noqa: S101  opened above
        self._last.tool = piece.index
        if self._last.kind == "custom_tool_call":
            self._last.texts.append(piece.arguments)  # told whole, out of its JSON
        else:
            yield from self._more(piece.arguments)

    def _sign_call(self, piece: ToolDelta) -> Iterator[Change]:
        if piece.signature is None or piece.by is None or not self._wishes.seals:
            return
        told = CallSignature(call_id=piece.id, signature=piece.signature, by=piece.by)
        yield from self._open("reasoning", {})
        assert self._last is not None  # noqa: S101  opened above
        self._last.blank = self._last.blank | {"encrypted_content": seal(told)}
        yield from self.end()

    def _open(self, kind: Kind, head: JsonObject) -> Iterator[Change]:
        yield from self.end()
        index = len(self.items)
        own_id = f"{_PREFIXES[kind]}_{self._task_id}_{index}"
        blank: JsonObject = {"id": own_id, "type": kind, **head, **_BLANKS[kind]}
        self._last = _Growing(kind, blank)
        yield Change(what="opened", index=index, item=blank)

    def _more(self, text: str) -> Iterator[Change]:
        last, index = self._last, len(self.items)
        if not text or last is None:
            return
        last.texts.append(text)
        if not last.is_begun:
            last.is_begun = True
            yield Change(what="begun", index=index, item=last.blank)
        yield Change(what="more", index=index, item=last.blank, text=text)

    def _shut(self, last: _Growing, status: Status) -> Iterator[Change]:
        text = "".join(last.texts)
        if last.kind == "custom_tool_call":
            text = _free_text(text)
            last.texts = []
            yield from self._more(text)
        elif last.kind == "reasoning" and not self._wishes.shows_thoughts:
            text = ""
        item = _whole(last.blank, text, status)
        self._last = None
        self.items.append(item)
        yield Change(what="shut", index=len(self.items) - 1, item=item)


def again(items: list[JsonObject]) -> Iterator[Change]:
    """Yield the changes that lead to these items."""
    for index, item in enumerate(items):
        text = text_of(item)
        kind = _kind_of(item)
        blank = {name: value for name, value in item.items() if name != "encrypted_content"}
        blank |= _BLANKS[kind]
        yield Change(what="opened", index=index, item=blank)
        if text:
            yield Change(what="begun", index=index, item=blank)
            yield Change(what="more", index=index, item=blank, text=text)
        yield Change(what="shut", index=index, item=item)


def text_of(item: Mapping[str, Any]) -> str | None:
    """Return the text of a whole item; `None`: it has no place for any."""
    match item["type"]:
        case "message":
            return item["content"][0]["text"]
        case "reasoning":
            return item["summary"][0]["text"] if item["summary"] else None
        case "function_call":
            return item["arguments"]
        case _:
            return item["input"]


def _whole(blank: JsonObject, text: str, status: Status) -> JsonObject:
    match _kind_of(blank):
        case "message":
            part: JsonObject = {
                "type": "output_text",
                "text": text,
                "annotations": [],
                "logprobs": [],
            }
            return {**blank, "status": status, "content": [part]}
        case "reasoning":
            summary: JsonObject = {"type": "summary_text", "text": text}
            return {**blank, "summary": [summary] if text else []}
        case "function_call":
            return blank | {"status": status, "arguments": text}
        case "custom_tool_call":
            return blank | {"status": status, "input": text}


def _kind_of(item: JsonObject) -> Kind:
    return next(kind for kind in _PREFIXES if kind == item["type"])


def _free_text(arguments: str) -> str:
    """Return the one argument, `CUSTOM_INPUT`, of a custom tool; or all that was said instead."""
    try:
        said: JsonValue = from_json(arguments)
    except ValueError:
        return arguments
    match said:
        case {"input": str(text)} if len(said) == 1:
            return text
        case _:
            return arguments
