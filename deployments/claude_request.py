"""A prompt as the body of a request to Anthropic's Messages API.

With `deployments.claude`, `deployments.claude_reply` and `deployments.claude_usage`, the only files
that spell this API; only the first knows its SDK.
"""

import json
import re
from collections.abc import Mapping
from itertools import groupby

from deployments.provider import json_object
from tercet.call import Prompt
from tercet.content import (
    CacheFor,
    Controls,
    JsonObject,
    JsonValue,
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

JSON_ONLY = "Answer with one JSON object and nothing else: no other text and no code fence."
"""The API has no way to ask for JSON without a schema."""

_CHOICES: Mapping[str, str] = {"auto": "auto", "none": "none", "required": "any", "one": "tool"}
_EFFORTS: Mapping[str, str] = {"none": "low", "minimal": "low"}
# The models that can go without thinking at low effort, and how each says it; to others both words
# are a 400. The rest think always (platform.claude.com, model pages of the 5.5 models, and
# docs.apiyi.com/en/live/2026-11/claude-thinking-guide-refresh, read 2026-11-23).
_THOUGHTLESS: Mapping[str, str] = {
    "claude-haiku-5-5": "disabled",
    "claude-sonnet-5-5": "between_tools",
}
_COUNTED = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "output_config", "thinking"}
)
_UNFIT_FOR_ID = re.compile(r"[^a-zA-Z0-9_-]")


def request_body(model: str, prompt: Prompt) -> bytes | None:
    """Return the body to POST; `None` if a verbatim one is no JSON object.

    A verbatim body of this API is returned byte for byte unless it names another model, has a field
    it is to go without, or its `max_tokens` is missing or above what the prompt allows: then it is
    encoded anew, with nothing but these changed.
    """
    verbatim = verbatim_of(prompt)
    if verbatim is None:
        return _encoded(messages_body(model, prompt))
    return _rewritten(verbatim, model, prompt.max_output_tokens)


def count_body(model: str, prompt: Prompt) -> bytes | None:
    """Return the body with which to have a prompt counted; see `request_body`."""
    verbatim = verbatim_of(prompt)
    if verbatim is not None:
        return _rewritten(verbatim, model, None)
    body = messages_body(model, prompt)
    return _encoded({name: value for name, value in body.items() if name in _COUNTED})


def verbatim_of(prompt: Prompt) -> Verbatim | None:
    """Return the prompt in this API's own words, where it is given in them."""
    verbatim = prompt.verbatim
    return verbatim if verbatim is not None and verbatim.provider == "anthropic" else None


def messages_body(model: str, prompt: Prompt) -> JsonObject:
    """Return the request for a stream; sampling is left out, which the API refuses."""
    controls = prompt.controls
    body: JsonObject = {
        "model": model,
        "max_tokens": prompt.max_output_tokens,
        "service_tier": "standard_only",  # the bound that is reserved is the standard price's
        "messages": _turns(prompt.messages),
        "stream": True,
    }
    wanted: JsonObject = {
        "system": _system(prompt, controls.output),
        # The API refuses blank sequences, which OpenAI's clients may send.
        "stop_sequences": [stop for stop in prompt.stop if stop.strip()],
        "tools": [_tool(tool) for tool in controls.tools],
        "tool_choice": _tool_choice(controls),
        "output_config": _output_config(controls),
        "thinking": _thinking(model, controls),
    }
    return body | {name: value for name, value in wanted.items() if value}


def _encoded(body: JsonObject) -> bytes:
    return json.dumps(body).encode()


def _rewritten(verbatim: Verbatim, model: str, most: int | None) -> bytes | None:
    try:
        fields: JsonValue = json.loads(verbatim.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    sent = {name: value for name, value in fields.items() if name not in verbatim.without}
    sent["model"] = model
    asked = sent.get("max_tokens")
    # A bool is an int to Python, and no number to the API.
    if most is not None and not (type(asked) is int and asked <= most):
        sent["max_tokens"] = most
    return verbatim.body if sent == fields else _encoded(sent)


def _system(prompt: Prompt, output: OutputFormat | None) -> JsonValue:
    wants_any_json = output is not None and output.schema is None
    if prompt.system_cache is None or not prompt.system.strip():
        return "\n\n".join(filter(None, (prompt.system, JSON_ONLY if wants_any_json else "")))
    blocks: list[JsonValue] = [
        _kept({"type": "text", "text": prompt.system}, prompt.system_cache),
    ]
    return [*blocks, {"type": "text", "text": JSON_ONLY}] if wants_any_json else blocks


def _turns(messages: tuple[Message, ...]) -> list[JsonValue]:
    """Return the turns, those of one speaker in a row as one, so that tool results come first."""
    said = [(message.speaker, _blocks(message.parts)) for message in messages]
    spoken = groupby((turn for turn in said if turn[1]), key=lambda turn: turn[0])
    return [
        {"role": speaker, "content": _content([block for _, blocks in row for block in blocks])}
        for speaker, row in spoken
    ]


def _content(blocks: list[JsonObject]) -> JsonValue:
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return blocks[0]["text"]
    return [*sorted(blocks, key=_is_no_result)]


def _is_no_result(block: JsonObject) -> bool:
    return block["type"] != "tool_result"


def _blocks(parts: tuple[Part, ...]) -> list[JsonObject]:
    return [block for block in map(_block, parts) if block is not None]


def _block(part: Part) -> JsonObject | None:
    match part:
        case Text():
            # The API refuses blank text.
            text: JsonObject = {"type": "text", "text": part.text}
            return _kept(text, part.cache) if part.text.strip() else None
        case Media():
            return _kept(_media(part), part.cache)
        case ToolUse():
            return _kept(_tool_use(part), part.cache)
        case ToolResult():
            return _kept(_tool_result(part), part.cache)
        case Thought():
            return _thought(part)


def _kept(block: JsonObject, cache: CacheFor | None) -> JsonObject:
    return block if cache is None else {**block, "cache_control": _breakpoint(cache)}


def _breakpoint(cache: CacheFor) -> JsonObject:
    return {"type": "ephemeral", "ttl": cache}


def _media(media: Media) -> JsonObject:
    source: JsonObject = {"type": "url", "url": media.url}
    if media.data is not None:
        source = {"type": "base64", "media_type": media.mime, "data": media.data}
    block: JsonObject = {"type": media.kind, "source": source}
    if media.kind == "document" and media.name:
        block["title"] = media.name
    return block


def _tool_use(use: ToolUse) -> JsonObject:
    return {"type": "tool_use", "id": _id(use.id), "name": use.name, "input": _input(use.arguments)}


def _id(id_: str) -> str:
    """Return an id of a tool use as the API takes it: other providers' have dots and colons."""
    return _UNFIT_FOR_ID.sub("_", id_)


def _input(arguments: str) -> JsonObject:
    """Return the arguments as the object that the API insists on.

    Text that is no JSON object, as a model cut short leaves behind, is sent inside one: a 400 would
    end the conversation, and the model can see what was wrong with it.
    """
    if not arguments.strip():
        return {}
    parsed = json_object(arguments)
    return {"_raw": arguments} if parsed is None else parsed


def _tool_result(result: ToolResult) -> JsonObject:
    block: JsonObject = {"type": "tool_result", "tool_use_id": _id(result.id)}
    blocks = _blocks(result.parts)
    if blocks:
        block["content"] = _content(blocks)
    if result.is_error:
        block["is_error"] = True
    return block


def _thought(thought: Thought) -> JsonObject | None:
    """Return a thought as it came; the API takes none of another's, and none without signature."""
    signature = thought.signature
    if thought.by != "anthropic" or not signature:
        return None
    if thought.is_redacted:
        return {"type": "redacted_thinking", "data": signature}
    return {"type": "thinking", "thinking": thought.text, "signature": signature}


def _tool(tool: Tool) -> JsonObject:
    schema: JsonObject = dict(tool.schema) or {"type": "object", "properties": {}}
    offered: JsonObject = {"name": tool.name, "input_schema": {"type": "object", **schema}}
    if tool.description:
        offered["description"] = tool.description
    if tool.strict:
        offered["strict"] = True
    return _kept(offered, tool.cache)


def _tool_choice(controls: Controls) -> JsonObject | None:
    choice = controls.tool_choice
    is_default = choice.mode == "auto" and controls.parallel_tools
    if not controls.tools or is_default:
        return None
    chosen: JsonObject = {"type": _CHOICES[choice.mode]}
    if choice.mode == "one":
        chosen["name"] = choice.name
    if choice.mode != "none" and not controls.parallel_tools:
        chosen["disable_parallel_tool_use"] = True
    return chosen


def _output_config(controls: Controls) -> JsonObject:
    config: JsonObject = {}
    if controls.output is not None and controls.output.schema is not None:
        config["format"] = {"type": "json_schema", "schema": _closed({**controls.output.schema})}
    if controls.effort is not None:
        config["effort"] = _EFFORTS.get(controls.effort, controls.effort)
    return config


def _closed(schema: JsonValue) -> JsonValue:
    """Close the objects that are open: the API takes none. One that maps names is left to it."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(inner) for name, inner in schema.items()}
    if closed.get("type") == "object" and closed.get("additionalProperties", True) is True:
        closed["additionalProperties"] = False
    return closed


def _thinking(model: str, controls: Controls) -> JsonObject | None:
    if controls.effort == "none" and model in _THOUGHTLESS:
        return {"type": _THOUGHTLESS[model]}
    # The API refuses to think where it has to use a tool.
    is_forced = bool(controls.tools) and controls.tool_choice.mode in ("required", "one")
    if is_forced or not controls.shows_thoughts:
        return None
    return {"type": "adaptive", "display": "summarized"}
