"""What the Messages API refuses although every field is right by itself."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, groupby

from pydantic import JsonValue

from deployments.simulated.anthropic_shapes import (
    Block,
    Conversation,
    CustomTool,
    Document,
    Image,
    RedactedThinking,
    Request,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    blocks,
)
from deployments.simulated.signing import is_signed_by

MODELS: Mapping[str, str] = {
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-sonnet-5-5": "Claude Sonnet 5.5",
    "claude-haiku-5-5": "Claude Haiku 5.5",
}
VERSIONS = ("2023-06-01", "2026-10-21")
_NEW = "2026-10-21"
# platform.claude.com, models/opus-5-5: it always thinks, which a forced tool choice would prevent.
_ALWAYS_THINKS = frozenset({"claude-opus-5-5"})
_FORCED = frozenset({"any", "tool"})
_MOST_BREAKPOINTS = 4
_FAMILY = "claude"


def fault(request: Conversation, version: str) -> str | None:
    """Return the first thing the API would refuse, in its way of saying so."""
    found = chain.from_iterable(check(request, version) for check in _CHECKS)
    return next(found, None)


def _sampling(request: Conversation, version: str) -> Iterator[str]:
    sent = {"temperature", "top_p", "top_k"} & request.model_fields_set
    if version == _NEW and sent:
        yield f"{min(sent)}: sampling parameters are not supported on API version {version}"
    thinks = request.thinking is not None and request.thinking.type != "disabled"
    if thinks and request.temperature not in (None, 1):
        yield "temperature: may only be set to 1 when thinking is enabled or adaptive"


def _turns(request: Conversation, _version: str) -> Iterator[str]:
    if request.messages[0].role != "user":
        yield "messages.0.role: the first message must use the user role"
    for n, turn in enumerate(request.messages):
        texts = [block.text for block in turn.content if isinstance(block, Text)]
        if not turn.content or not all(text.strip() for text in texts):
            yield f"messages.{n}.content: text content must be non-empty"
    if len(request.system) > 1 and not all(block.text.strip() for block in request.system):
        yield "system: text content blocks must be non-empty"


def _places(request: Conversation, version: str) -> Iterator[str]:
    """Blocks stand where the API wants them."""
    for where, role, block in blocks(request):
        if isinstance(block, ToolUse | Thinking | RedactedThinking) and role != "assistant":
            yield f"{where}: {block.type} blocks can only be specified in assistant messages"
        if isinstance(block, ToolResult | Image) and role != "user":
            yield f"{where}: {block.type} blocks can only be specified in user messages"
        if isinstance(block, Document) and role != "user" and version == _NEW:
            yield f"{where}: document blocks are not permitted in {role} messages"
        if isinstance(block, Text) and block.citations and role == "user" and version == _NEW:
            yield f"{where}.text.citations: must be empty in user messages"


def _signatures(request: Conversation, _version: str) -> Iterator[str]:
    for where, _role, block in blocks(request):
        if isinstance(block, Thinking) and not is_signed_by(_FAMILY, block.signature):
            yield f"{where}: Invalid `signature` in `thinking` block"
        if isinstance(block, RedactedThinking) and not is_signed_by(_FAMILY, block.data):
            yield f"{where}: Invalid `data` in `redacted_thinking` block"


def _pairs(request: Conversation, _version: str) -> Iterator[str]:
    """Every use of a tool is answered at once, and nothing else is."""
    heard = ((n, turn) for n, turn in enumerate(request.messages) if turn.role != "system")
    waiting: list[str] = []
    seen: set[str] = set()
    for role, run in groupby(heard, key=lambda numbered: numbered[1].role):
        said = [(n, block) for n, turn in run for block in turn.content]
        where = f"messages.{said[0][0]}" if said else "messages"
        if role == "user":
            yield from _answers(where, [block for _, block in said], waiting)
            waiting = []
            continue
        waiting = [block.id for _, block in said if isinstance(block, ToolUse)]
        if len(set(waiting)) < len(waiting) or seen & set(waiting):
            yield f"{where}: `tool_use` ids must be unique"
        seen.update(waiting)
    if waiting:
        yield _unanswered("messages", waiting)


def _answers(where: str, said: list[Block], waiting: list[str]) -> Iterator[str]:
    answered = [block.tool_use_id for block in said if isinstance(block, ToolResult)]
    strays = [name for name in answered if name not in waiting]
    if strays:
        yield (
            f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {strays[0]}. Each"
            " `tool_result` block must have a corresponding `tool_use` block in the previous"
            " message."
        )
    if len(set(answered)) < len(answered):
        yield f"{where}: each `tool_use` must have a single result"
    leading = said[: len(waiting)]
    first = {block.tool_use_id for block in leading if isinstance(block, ToolResult)}
    missing = [name for name in waiting if name not in first]
    if missing:
        yield _unanswered(where, missing)


def _unanswered(where: str, missing: list[str]) -> str:
    return (
        f"{where}: `tool_use` ids were found without `tool_result` blocks immediately after:"
        f" {', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result`"
        " block in the next message."
    )


def _tools(request: Conversation, _version: str) -> Iterator[str]:
    names = [tool.name for tool in request.tools if tool.name]
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."
    for n, tool in enumerate(request.tools):
        if isinstance(tool, CustomTool) and tool.strict:
            yield from _closed(tool.input_schema.model_dump(), f"tools.{n}.custom.input_schema")


def _choice(request: Conversation, _version: str) -> Iterator[str]:
    choice = request.tool_choice
    if choice is None:
        return
    names = [tool.name for tool in request.tools]
    if not request.tools:
        yield "tool_choice: may only be specified while providing tools"
    if choice.type == "tool" and choice.name not in names:
        yield f"tool_choice: Tool '{choice.name}' not found in provided tools"
    if choice.type in _FORCED and request.model in _ALWAYS_THINKS:
        yield f"tool_choice: forced tool use is not supported on {request.model}"
    if choice.type in _FORCED and request.thinking and request.thinking.type != "disabled":
        yield "tool_choice: Thinking may not be enabled when tool_choice forces tool use."


def _thinking(request: Conversation, _version: str) -> Iterator[str]:
    thinking = request.thinking
    if thinking is None:
        return
    if thinking.type == "disabled" and request.model in _ALWAYS_THINKS:
        yield f"thinking.type: thinking cannot be disabled on {request.model}"
    if (thinking.type == "enabled") != (thinking.budget_tokens is not None):
        yield "thinking.budget_tokens: belongs to type `enabled`, which requires it"
    limit = request.max_tokens if isinstance(request, Request) else None
    if limit is not None and thinking.budget_tokens is not None and limit <= thinking.budget_tokens:
        yield "max_tokens: must be greater than `thinking.budget_tokens`"


def _output(request: Conversation, _version: str) -> Iterator[str]:
    wanted = request.output_config.format if request.output_config is not None else None
    if wanted is not None:
        yield from _closed(wanted.json_schema, "output_config.format.schema")
    if isinstance(request, Request) and not all(word.strip() for word in request.stop_sequences):
        yield "stop_sequences: each stop sequence must contain non-whitespace"


def _closed(schema: JsonValue, where: str) -> Iterator[str]:
    """Objects of an enforced schema must say that they hold nothing else."""
    if isinstance(schema, list):
        for n, item in enumerate(schema):
            yield from _closed(item, f"{where}.{n}")
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
    for name, inner in schema.items():
        yield from _closed(inner, f"{where}.{name}")


def _breakpoints(request: Conversation, _version: str) -> Iterator[str]:
    said = [block for _, _, block in blocks(request)]
    marked = [getattr(it, "cache_control", None) for it in (*request.tools, *request.system, *said)]
    count = sum(mark is not None for mark in marked)
    if count > _MOST_BREAKPOINTS:
        yield (
            f"A maximum of {_MOST_BREAKPOINTS} blocks with cache_control may be provided."
            f" Found {count}."
        )


_CHECKS: tuple[Callable[[Conversation, str], Iterator[str]], ...] = (
    _sampling,
    _turns,
    _places,
    _signatures,
    _pairs,
    _tools,
    _choice,
    _thinking,
    _output,
    _breakpoints,
)
