"""A Messages request, checked and put into the project's own words."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, ValidationError

from deployments.simulated.anthropic_rules import MODELS, VERSIONS, fault
from deployments.simulated.anthropic_shapes import Block as Sent
from deployments.simulated.anthropic_shapes import (
    Conversation,
    CustomTool,
    Document,
    Image,
    Other,
    RedactedThinking,
    Request,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Turn,
    TypedTool,
)
from deployments.simulated.counting import Block
from deployments.simulated.script import Ask, Incoming, Problem
from tercet import content as own
from tercet.call import Prompt
from tercet.task import Message

# Typed tools that the caller runs, as it does its own; all others are the API's.
_RUN_BY_CALLERS = ("bash_", "text_editor_", "computer_", "memory_")
_CHOICES: Mapping[str, Literal["auto", "none", "required", "one"]] = {
    "auto": "auto",
    "none": "none",
    "any": "required",
    "tool": "one",
}


def read(incoming: Incoming) -> Ask | Problem:
    """Check a POST to /v1/messages."""
    return _checked(incoming, Request)


def count(incoming: Incoming) -> Ask | Problem:
    """Check a POST to /v1/messages/count_tokens."""
    return _checked(incoming, Conversation)


def key_of(incoming: Incoming) -> str:
    """Return the caller's key, or an empty string."""
    bearer = incoming.headers.get("authorization", "")
    sent = bearer[7:] if bearer[:7].lower() == "bearer " else ""
    return (sent or incoming.headers.get("x-api-key", "")).strip()


def _checked(incoming: Incoming, shape: type[Conversation]) -> Ask | Problem:
    if not key_of(incoming):
        return Problem(name="no-key")
    version = incoming.headers.get("anthropic-version")
    if version not in VERSIONS:
        return Problem(name="bad-request", message=f"anthropic-version: {version} is not valid")
    try:
        request = shape.model_validate_json(incoming.body)
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        return Problem(name="bad-request", message=f"{where}: {first['msg']}".lstrip(": "))
    found = fault(request, version)
    if found is not None:
        return Problem(name="bad-request", message=found, model=request.model)
    if request.model not in MODELS:
        name = request.model
        return Problem(name="unknown-model", message=f"model: {name}", model=name)
    return _ask(request)


def _ask(request: Conversation) -> Ask:
    heard = [turn for turn in request.messages if turn.role != "system"]
    told = [turn.content for turn in request.messages if turn.role == "system"]
    system = [block.text for block in request.system]
    system += ["\n".join(b.text for b in blocks if isinstance(b, Text)) for blocks in told]
    paid = request if isinstance(request, Request) else None
    return Ask(
        model=request.model,
        prompt=Prompt(
            system="\n".join(text for text in system if text),
            messages=tuple(_message(turn) for turn in heard),
            max_output_tokens=paid.max_tokens if paid is not None else 0,
            stop=tuple(paid.stop_sequences) if paid is not None else (),
            controls=_controls(request),
        ),
        blocks=tuple(_blocks(request)),
        stream=paid is not None and paid.stream,
        continues=heard[-1].role == "assistant",
    )


def _message(turn: Turn) -> Message:
    speaker = "assistant" if turn.role == "assistant" else "user"
    return Message(speaker=speaker, parts=tuple(_parts(turn.content)))


def _parts(content: Iterable[Sent]) -> Iterator[own.Part]:
    """Yield what a simulated model understands: it sees no pictures, and nothing of a beta."""
    for block in content:
        match block:
            case Text(text=text):
                yield own.Text(text)
            case ToolUse(id=name, name=tool, input=arguments):
                yield own.ToolUse(id=name, name=tool, arguments=json.dumps(arguments))
            case ToolResult(tool_use_id=name):
                said = (b.text for b in block.content or () if isinstance(b, Text))
                yield own.ToolResult(id=name, parts=tuple(own.Text(text) for text in said))
            case _:
                pass


def _controls(request: Conversation) -> own.Controls:
    choice, thinking = request.tool_choice, request.thinking
    wanted = request.output_config.format if request.output_config is not None else None
    return own.Controls(
        tools=tuple(_tools(request)),
        tool_choice=_choice(request),
        parallel_tools=choice is None or not choice.disable_parallel_tool_use,
        output=own.OutputFormat(schema=wanted.json_schema) if wanted is not None else None,
        effort="none" if thinking is not None and thinking.type == "disabled" else None,
        shows_thoughts=thinking is not None and thinking.display == "summarized",
    )


def _tools(request: Conversation) -> Iterator[own.Tool]:
    for tool in request.tools:
        if isinstance(tool, CustomTool):
            yield own.Tool(name=tool.name, schema=tool.input_schema.model_dump())
        elif tool.name and tool.type.startswith(_RUN_BY_CALLERS):
            yield own.Tool(name=tool.name)


def _choice(request: Conversation) -> own.ToolChoice:
    choice = request.tool_choice
    if choice is None:
        return own.ToolChoice()
    return own.ToolChoice(mode=_CHOICES[choice.type], name=choice.name)


def _blocks(request: Conversation) -> Iterator[Block]:
    """Yield everything that counts, in the order in which the API caches it."""
    yield from (_dumped(tool) for tool in request.tools)
    said = (block for turn in request.messages for block in turn.content)
    yield from (_block(block) for block in (*request.system, *said))
    if request.cache_control is not None:
        yield Block(text="", kept=request.cache_control.ttl)


def _block(block: Sent) -> Block:
    match block:
        case Text(text=text):
            return Block(text=text, kept=_kept(block))
        case Thinking(thinking=text, signature=signature):
            return Block(text=text, seen=signature)
        case RedactedThinking(data=data):
            return Block(text="", seen=data)
        case ToolUse(name=name, input=arguments):
            text = name + json.dumps(arguments, ensure_ascii=False)
            return Block(text=text, seen=block.id, kept=_kept(block))
        case Image() | Document():
            seen = block.source.model_dump_json()
            return Block(text="", media=(block.type,), seen=seen, kept=_kept(block))
        case ToolResult():
            return _result(block)
        case Other():
            return _dumped(block)


def _result(result: ToolResult) -> Block:
    inner = [_block(block) for block in result.content or ()]
    return Block(
        text="".join(block.text for block in inner),
        media=tuple(kind for block in inner for kind in block.media),
        seen="".join(block.seen for block in inner),
        kept=_kept(result),
    )


def _dumped(sent: CustomTool | TypedTool | Other) -> Block:
    """Count what is sent as it is, in compact JSON."""
    text = sent.model_dump_json(exclude={"cache_control"}, exclude_unset=True)
    return Block(text=text, kept=_kept(sent))


def _kept(sent: BaseModel) -> own.CacheFor | None:
    mark = getattr(sent, "cache_control", None)
    return mark.ttl if mark is not None else None
