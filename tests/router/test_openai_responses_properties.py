import base64
import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fakes.responses import FRAME, answer, ordered, read
from hypothesis import given, settings
from hypothesis import strategies as st

from router.surfaces.openai_responses import SURFACE
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Order
from router.surfaces.writing import encode
from tercet.call import Delta, Piece, Raw, ThoughtDelta, ToolDelta, pieces_of
from tercet.catalog import ProviderName
from tercet.content import Said, Text, Thought, ToolUse
from tercet.task import Message

PNG = "iVBORw0KGgo="
PDF = "JVBERi0="
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}
CALL = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "a cat"}
USER = {"role": "user", "content": "Hi"}
WHOLE: dict[str, Any] = {
    "model": "tier1",
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "a", "cache_control": {"type": "ephemeral"}},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]},
        {"type": "reasoning", "encrypted_content": "gAAA", "summary": []},
        CALL,
        OUTPUT,
        {"type": "custom_tool_call", "call_id": "call_2", "name": "patch", "input": "a"},
        {
            "type": "custom_tool_call_output",
            "call_id": "call_2",
            "output": [{"type": "input_text", "text": "a"}],
        },
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "a"}]},
        USER,
    ],
    "tools": [
        LOOK,
        {"type": "custom", "name": "patch", "format": {"type": "text"}},
        {"type": "namespace", "name": "eyes", "description": "", "tools": [LOOK]},
        {"type": "web_search"},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "custom", "name": "patch"}],
    },
    "reasoning": {"effort": "low", "summary": "auto", "generate_summary": "auto"},
    "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}, "verbosity": "low"},
    "metadata": {"tier": "tier1", "strict": True},
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 10,
    "parallel_tool_calls": True,
    "stream": True,
    "stream_options": {},
    "store": True,
    "temperature": 1,
    "top_p": 1,
    "service_tier": "auto",
    "truncation": "auto",
    "top_logprobs": 1,
    "previous_response_id": None,
    "conversation": None,
    "prompt": None,
    "background": False,
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(
        ["function", "custom", "message", "user", "input_text", "data:", "https://["]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3) | st.sampled_from(["type", "name", "content", "text", "tools"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path]
    for at, item in inner:
        deeper = (*path, at)
        found += paths_of(item, deeper) if isinstance(item, dict | list) else [deeper]
    return found


PATHS = paths_of(WHOLE)[1:]


def put(place: Any, path: tuple[Any, ...], value: Any) -> None:
    """Put the value there, if an earlier change has left the place."""
    *steps, last = path
    with suppress(KeyError, IndexError, TypeError):
        for step in steps:
            place = place[step]
        place[last] = value


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=2))
def test_any_value_anywhere_is_an_order_or_a_refusal_that_names_its_field(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    body = copy.deepcopy(WHOLE)
    for path, value in changes:
        put(body, path, value)
    told = read(body)
    if isinstance(told, Refusal):
        assert told.status in (400, 404)
        assert told.param is not None
        assert told.message.startswith(told.param)
    else:
        json.loads(told.writer.body(FRAME, answer("Four.")))


@given(JSON)
def test_any_name_of_what_is_continued_is_read(value: Any) -> None:
    SURFACE.continues({"previous_response_id": value})
    assert isinstance(read({"previous_response_id": value}), Refusal)


def test_the_body_that_is_changed_is_an_order() -> None:
    assert isinstance(read(WHOLE), Order)


def sealable(by: ProviderName) -> st.SearchStrategy[Thought]:
    def thought(text: str, signature: str, *, is_redacted: bool) -> Thought:
        said = "" if is_redacted else text
        return Thought(text=said, signature=signature, by=by, is_redacted=is_redacted)

    return st.builds(thought, TEXT, SIGNATURE, is_redacted=st.booleans())


TEXT = st.text(max_size=8)
SIGNATURE = st.binary(min_size=1, max_size=8).map(lambda raw: base64.b64encode(raw).decode())
NAMES = st.sampled_from(["look", "patch", "eyes__look", "made_up"])


@st.composite
def saying(draw: st.DrawFn) -> tuple[Said, ...]:
    """Draw what a model can have said: pieces that follow each other are one part."""
    parts: list[Said] = []
    for at in range(draw(st.integers(1, 6))):
        last = parts[-1] if parts else None
        kind = draw(st.sampled_from(["text", "thought", "open thought", "use"]))
        if kind == "text" and not isinstance(last, Text):
            parts.append(Text(draw(st.text(min_size=1, max_size=8))))
        elif kind == "thought":
            if not (isinstance(last, Thought) and last.signature is None):
                parts.append(draw(sealable(draw(st.sampled_from(["anthropic", "google"])))))
        elif kind == "open thought" and not (isinstance(last, Thought) and last.signature is None):
            parts.append(Thought(text=draw(st.text(min_size=1, max_size=8)), by="local"))
        elif kind == "use":
            parts.append(use(draw, at))
    return tuple(parts) or (Text("Four."),)


def use(draw: st.DrawFn, at: int) -> ToolUse:
    name = draw(NAMES)
    arguments = encode({"input": draw(TEXT)}).decode() if name == "patch" else draw(TEXT)
    signature = draw(st.none() | SIGNATURE)
    return ToolUse(
        id=f"call_{at}",
        name=name,
        arguments=arguments,
        signature=signature,
        by=None if signature is None else "google",
    )


def in_bits(pieces: tuple[Piece, ...]) -> Iterator[Piece]:
    """Yield the same, a character at a time."""
    for piece in pieces:
        match piece:
            case Delta():
                yield from map(Delta, piece.text)
            case ThoughtDelta():
                yield from (ThoughtDelta(text=c) for c in piece.text)
                yield replace(piece, text="")
            case ToolDelta():
                yield replace(piece, arguments="")
                yield from (replace(piece, arguments=c) for c in piece.arguments)
            case Raw():
                pass


OFFERED: dict[str, Any] = {"tools": WHOLE["tools"], "reasoning": {"summary": "auto"}}


@settings(max_examples=300, deadline=None)
@given(saying())
def test_what_a_model_said_comes_back_as_it_was_by_items_and_by_id(parts: tuple[Said, ...]) -> None:
    first = ordered(**OFFERED)
    said = answer(*parts)
    body = json.loads(first.writer.body(FRAME, said))
    results = [
        {"type": "function_call_output", "call_id": part.id, "output": "done"}
        for part in parts
        if isinstance(part, ToolUse)
    ]
    asked = [*results, USER]
    by_items = ordered(input=[USER, *body["output"], *asked])
    document = first.writer.memory(FRAME, said)
    by_id = ordered(document, input=asked, previous_response_id="resp_req_1")
    spoken = Message(speaker="assistant", parts=parts)
    assert by_items.task.messages == by_id.task.messages
    assert by_items.task.messages[1:2] == (spoken,)


@settings(max_examples=300, deadline=None)
@given(saying())
def test_a_stream_in_the_smallest_pieces_ends_in_the_same_response(parts: tuple[Said, ...]) -> None:
    order, said = ordered(**OFFERED), answer(*parts)
    stream = order.writer.stream(FRAME, said.model)
    told = stream.opening() + b"".join(map(stream.piece, in_bits(pieces_of(parts))))
    last = (told + stream.closing(said)).decode().removesuffix("\n\n").split("\ndata: ")[-1]
    assert json.loads(last)["response"] == json.loads(order.writer.body(FRAME, said))
