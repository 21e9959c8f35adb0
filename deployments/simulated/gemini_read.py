"""A generateContent request, checked and put into the project's own words."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pydantic import ValidationError

from deployments.simulated.counting import Block
from deployments.simulated.gemini_rules import MODELS, fault, is_unsigned
from deployments.simulated.gemini_shapes import (
    Config,
    Content,
    Declaration,
    FunctionResponse,
    Part,
    Request,
)
from deployments.simulated.script import Ask, Incoming, Problem
from tercet import content as own
from tercet.call import Prompt
from tercet.task import Message

# Counted and billed beside the text, so that adapters have something to add up.
THOUGHTS: Mapping[str, int] = {"gemini-4-argon": 3, "gemini-4-carbon": 3}
UNSIGNED = "unsigned"
"""The flaw of a request that lacks a signature."""
_CHOICES: Mapping[str, Literal["auto", "none", "required"]] = {
    "any": "required",
    "none": "none",
}


def read(incoming: Incoming) -> Ask | Problem:
    """Check a POST to generateContent, streamGenerateContent or countTokens."""
    model = incoming.model
    if not key_of(incoming):
        return Problem(name="no-key", model=model)
    if model not in MODELS:
        message = f"models/{model} is not found for this API version."
        return Problem(name="unknown-model", message=message, model=model)
    if incoming.stream and incoming.query.get("alt") != "sse":
        message = "Simulated: streamGenerateContent is only served with alt=sse."
        return Problem(name="bad-request", message=message, model=model)
    try:
        request = Request.model_validate_json(incoming.body)
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        message = f"Invalid value at '{where}': {first['msg']}"
        return Problem(name="bad-request", message=message, model=model)
    found = fault(request, model)
    if found is not None:
        return Problem(name="bad-request", message=found, model=model)
    return _ask(request, incoming)


def key_of(incoming: Incoming) -> str:
    """Return the key of a request, or an empty string."""
    return incoming.headers.get("x-goog-api-key", "") or incoming.query.get("key", "")


def _ask(request: Request, incoming: Incoming) -> Ask:
    system = "".join(part.text or "" for part in request.system_instruction.parts)
    config = request.generation_config
    return Ask(
        model=incoming.model,
        prompt=Prompt(
            system=system,
            messages=tuple(_message(content) for content in request.contents),
            # Thoughts count against the limit, as they do in the real API.
            max_output_tokens=config.max_output_tokens - THOUGHTS.get(incoming.model, 0),
            stop=tuple(config.stop_sequences),
            controls=_controls(request),
        ),
        blocks=(*_blocks(request), Block(text=system), *map(_content, request.contents)),
        stream=incoming.stream,
        continues=request.continuation_token is not None,
        flaw=UNSIGNED if is_unsigned(request) else None,
    )


def _message(content: Content) -> Message:
    speaker = "user" if content.role == "user" else "assistant"
    return Message(speaker=speaker, parts=tuple(_heard(content.parts)))


def _heard(parts: Iterable[Part]) -> Iterator[own.Part]:
    """Yield what a simulated model understands: it sees no pictures and forgets its thoughts."""
    for part in parts:
        if part.text is not None and not part.thought:
            yield own.Text(part.text)
        elif part.function_call is not None:
            call = part.function_call
            arguments = json.dumps(call.args)
            yield own.ToolUse(id=call.id or call.name, name=call.name, arguments=arguments)
        elif part.function_response is not None:
            answer = part.function_response
            text = own.Text(_told(answer))
            yield own.ToolResult(id=answer.id or answer.name, parts=(text,))


def _told(answer: FunctionResponse) -> str:
    """Return a result as a reader should see it: by convention, `output` or `result` is all."""
    for name in ("output", "result", "error"):
        if isinstance(answer.response.get(name), str):
            return str(answer.response[name])
    return json.dumps(answer.response, ensure_ascii=False)


def _controls(request: Request) -> own.Controls:
    config, calling = request.generation_config, request.tool_config.function_calling_config
    allowed = calling.allowed_function_names
    declared = [tool for tools in request.tools for tool in tools.function_declarations]
    return own.Controls(
        tools=tuple(_tool(tool) for tool in declared if not allowed or tool.name in allowed),
        tool_choice=own.ToolChoice(mode=_CHOICES.get(calling.mode, "auto")),
        output=_output(config),
        effort="none" if config.thinking_config.thinking_budget == 0 else None,
        shows_thoughts=config.thinking_config.include_thoughts,
    )


def _tool(tool: Declaration) -> own.Tool:
    schema = tool.parameters or tool.parameters_json_schema or {}
    return own.Tool(name=tool.name, schema=schema)


def _output(config: Config) -> own.OutputFormat | None:
    if config.response_mime_type != "application/json":
        return None
    return own.OutputFormat(schema=config.response_schema or config.response_json_schema)


def _blocks(request: Request) -> Iterator[Block]:
    for tool in request.tools:
        yield Block(text=tool.model_dump_json(by_alias=True, exclude_unset=True))


def _content(content: Content) -> Block:
    return _counted(content.parts)


def _counted(parts: Iterable[Part]) -> Block:
    blocks = [_block(part) for part in parts]
    return Block(
        text="".join(block.text for block in blocks),
        media=tuple(kind for block in blocks for kind in block.media),
        seen="".join(block.seen for block in blocks),
    )


def _block(part: Part) -> Block:
    media = part.inline_data or part.file_data
    if media is not None:
        kind = "image" if media.mime_type.startswith("image/") else "document"
        return Block(text="", media=(kind,), seen=media.model_dump_json())
    if part.function_call is not None:
        call = part.function_call
        return Block(text=call.name + json.dumps(call.args, ensure_ascii=False))
    if part.function_response is not None:
        answer = part.function_response
        inner = _counted(answer.parts)
        text = answer.name + json.dumps(answer.response, ensure_ascii=False) + inner.text
        return Block(text=text, media=inner.media, seen=inner.seen)
    ran = part.executable_code or part.code_execution_result
    return Block(text=(part.text or "") if ran is None else json.dumps(ran, ensure_ascii=False))
