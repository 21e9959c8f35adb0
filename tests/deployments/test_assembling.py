import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.assembling import Assembly
from deployments.outbox import joined
from tercet.call import Delta, Piece, Raw, ThoughtDelta, ToolDelta, pieces_of
from tercet.content import Said, Text, Thought, ToolUse


def assembled(*pieces: Piece) -> tuple[Said, ...]:
    assembly = Assembly(by="anthropic")
    for piece in pieces:
        assembly.add(piece)
    return assembly.parts


def use(arguments: str, index: int = 0, signature: str | None = None) -> ToolDelta:
    return ToolDelta(
        index=index, id=f"call_{index}", name="ls", arguments=arguments, signature=signature
    )


def test_pieces_become_parts_in_the_order_they_came() -> None:
    assert assembled(
        ThoughtDelta(text="Let "),
        ThoughtDelta(text="me see"),
        ThoughtDelta(text="", signature="sig"),
        Delta("I "),
        Delta("look."),
        use('{"a'),
        use('": 1}'),
        use("{}", 1),
        Delta("Done."),
    ) == (
        Thought(text="Let me see", signature="sig", by="anthropic"),
        Text("I look."),
        ToolUse(id="call_0", name="ls", arguments='{"a": 1}'),
        ToolUse(id="call_1", name="ls", arguments="{}"),
        Text("Done."),
    )


def test_a_signature_ends_a_thought_whether_its_text_is_withheld_or_left_out() -> None:
    assert assembled(
        ThoughtDelta(text="One", signature="s1"),
        ThoughtDelta(text="", signature="s2", is_redacted=True),
        ThoughtDelta(text="", signature="s3"),
    ) == (
        Thought(text="One", signature="s1", by="anthropic"),
        Thought(text="", signature="s2", by="anthropic", is_redacted=True),
        Thought(text="", signature="s3", by="anthropic"),
    )


def test_a_signed_tool_use_says_who_signed_it() -> None:
    assert assembled(use("{}", signature="s")) == (
        ToolUse(id="call_0", name="ls", arguments="{}", signature="s", by="anthropic"),
    )


def test_raw_bytes_are_no_part() -> None:
    assert assembled(Raw(b"data: x\n\n"), Delta("x")) == (Text("x"),)


PIECES = st.lists(
    st.one_of(
        st.text(max_size=3).map(Delta),
        st.builds(
            ThoughtDelta, text=st.text(max_size=3), signature=st.sampled_from([None, "s", "t"])
        ),
        st.builds(use, st.text(max_size=3), st.sampled_from([0, 1])),
    ),
    max_size=12,
)


@given(PIECES)
def test_joining_neighbours_changes_nothing_that_is_said(pieces: list[Piece]) -> None:
    assert assembled(*joined(list(pieces))) == assembled(*pieces)


@pytest.mark.parametrize(
    "parts",
    [
        (Text("Hi"),),
        (Thought(text="Hm", signature="s", by="anthropic"), Text("Hi")),
        (
            ToolUse(id="call_0", name="ls", arguments="{}"),
            ToolUse(id="call_1", name="ls", arguments="{}", signature="s", by="anthropic"),
        ),
    ],
)
def test_parts_taken_apart_are_put_together_again(parts: tuple[Said, ...]) -> None:
    assert assembled(*pieces_of(parts)) == parts
