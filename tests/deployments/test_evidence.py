"""Upper bounds and estimates of what is more than text."""

from dataclasses import replace

from deployments.evidence import IMAGE_TOKENS, PDF_TOKENS, most_input_tokens
from tercet.call import Prompt
from tercet.catalog import Model
from tercet.content import (
    Controls,
    Media,
    OutputFormat,
    Part,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Verbatim,
)
from tercet.task import Message

OPUS = Model(
    name="claude-opus-5-5", provider="anthropic", window_tokens=1_000_000, max_output_tokens=128_000
)
PICTURE = Media(kind="image", mime="image/png", data="A" * 4_000_000)
PAPER = Media(kind="document", mime="application/pdf", data="A" * 4_000_000)
ALONE = 2 * 32
"""The overhead of one message and of the system prompt."""


def prompt(*parts: Part, controls: Controls | None = None) -> Prompt:
    said = Message(speaker="user", parts=parts)
    return Prompt(system="", messages=(said,), max_output_tokens=1, controls=controls or Controls())


def test_a_picture_is_bounded_by_rule_and_not_by_its_bytes() -> None:
    assert most_input_tokens(prompt(Text("ab"), PICTURE), OPUS) == ALONE + 2 + IMAGE_TOKENS


def test_a_picture_that_a_tool_gave_counts_too() -> None:
    result = ToolResult(id="call_1", parts=(Text("ab"), PICTURE))
    assert most_input_tokens(prompt(result), OPUS) == ALONE + 32 + 6 + 2 + IMAGE_TOKENS


def test_nothing_is_bounded_by_more_than_the_model_can_read() -> None:
    assert most_input_tokens(prompt(PAPER), OPUS) == ALONE + PDF_TOKENS
    assert most_input_tokens(prompt(PAPER, PAPER), OPUS) == 1_000_000


def test_thoughts_signatures_and_tool_uses_count_by_their_bytes() -> None:
    thought = Thought(text="hm", signature="s" * 10, by="anthropic")
    use = ToolUse(id="c1", name="ls", arguments='{"a":1}', signature="s" * 5, by="google")
    assert most_input_tokens(prompt(thought, use), OPUS) == ALONE + 12 + 2 + 2 + 7 + 5 + 32


def test_tools_and_a_schema_count_with_what_providers_add() -> None:
    tool = Tool(name="ls", description="list", schema={"type": "object"})
    schema = '{"type": "object"}'
    asked = Controls(tools=(tool,), output=OutputFormat(schema={"type": "object"}))
    tools = 2 + 4 + len(schema) + 32 + 1_000
    assert most_input_tokens(prompt(controls=asked), OPUS) == ALONE + tools + len(schema) + 1_000


def test_what_only_the_bytes_of_a_verbatim_request_hold_counts() -> None:
    verbatim = Verbatim(
        provider="anthropic", body=b"x" * 50_000 + b"A" * 4_000_000, headers={}, stream=True
    )
    asked = replace(prompt(PICTURE), verbatim=verbatim)
    assert most_input_tokens(asked, OPUS) == 50_000 + IMAGE_TOKENS + 4_000
