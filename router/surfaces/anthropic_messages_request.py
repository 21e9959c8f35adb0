"""Anthropic Messages, inward: a JSON body becomes a `Task`, or a refusal that says why not.

Names and limits are those of anthropic 2.12.0 (`anthropic/types/message_create_params.py`), where
they are not said to be ours. A request also goes along as it came: what is not read here loses its
effect only when another provider answers.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Literal

from router.surfaces.anthropic_messages_content import (
    has_foreign,
    marked,
    read_messages,
    read_system,
)
from router.surfaces.anthropic_messages_reply import MessagesWriter
from router.surfaces.checking import (
    MOST_TOKENS,
    MOST_TOOLS,
    RefusedError,
    Rule,
    a_cache,
    a_choice,
    a_flag,
    a_limit,
    a_list,
    a_model,
    a_name,
    a_string,
    an_object,
    check_rules,
    given,
    ignored,
    integer,
    number,
    read_hints,
    refuse,
    stops,
)
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Identity, Incoming, Order, Resolve
from tercet.content import (
    Controls,
    Effort,
    JsonObject,
    JsonValue,
    OutputFormat,
    Sampling,
    Tool,
    ToolChoice,
    Verbatim,
)
from tercet.task import Hints, Task, TaskKind

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_EFFORTS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")
_CHOICES: Mapping[str, Literal["auto", "required", "none", "one"]] = {
    "auto": "auto",
    "any": "required",
    "none": "none",
    "tool": "one",
}
# They change the price in ways that no bound reserves for.
_UNBOUND = ("service_tier", "speed", "inference_geo", "fallbacks")
_FORWARDED = ("anthropic-beta", "anthropic-version")

# Ours: Anthropic's `metadata` has no room for them.
_HINTS: Mapping[str, str] = {
    field.name: f"x-tercet-{field.name.replace('_', '-')}" for field in fields(Hints)
}


def read(incoming: Incoming, resolve: Resolve, identity: Identity) -> Order | Refusal:
    """Read `POST /v1/messages`; any JSON object is an order or a refusal."""
    try:
        return _order(incoming, resolve, identity, _max_tokens(given(incoming.body)))
    except RefusedError as refused:
        return refused.refusal


def count_request(incoming: Incoming, resolve: Resolve, identity: Identity) -> Order | Refusal:
    """Read `POST /v1/messages/count_tokens`; any JSON object is an order or a refusal."""
    try:
        return _order(incoming, resolve, identity, None)
    except RefusedError as refused:
        return refused.refusal


def _order(
    incoming: Incoming, resolve: Resolve, identity: Identity, max_tokens: int | None
) -> Order:
    body = given(incoming.body)
    model = a_model(body.get("model"), resolve)
    check_rules(body, _RULES)
    stream = a_flag(body.get("stream"), "stream")
    verbatim = _verbatim(incoming, stream=stream)
    task = Task(
        id=identity.task_id,
        key_id=identity.key_id,
        model=model,
        messages=marked(
            read_system(body.get("system", "")) + read_messages(body.get("messages")),
            a_cache(body.get("cache_control"), "cache_control"),
        ),
        max_output_tokens=max_tokens,
        stop=stops(body.get("stop_sequences", []), "stop_sequences"),
        controls=_controls(body),
        hints=_hints(incoming.headers, model, identity.kinds),
        verbatim=verbatim,
        deadline_at=identity.deadline_at,
    )
    return Order(
        task=task,
        stream=stream,
        writer=MessagesWriter(),
        ignored=ignored(body.keys() - _READ) if verbatim is None else verbatim.without,
    )


def _verbatim(incoming: Incoming, *, stream: bool) -> Verbatim | None:
    if has_foreign(incoming.body.get("messages")):
        return None
    return Verbatim(
        provider="anthropic",
        body=incoming.raw,
        headers={name: incoming.headers[name] for name in _FORWARDED if name in incoming.headers},
        stream=stream,
        query={"beta": incoming.query["beta"]} if "beta" in incoming.query else {},
        is_needed=_needs_anthropic(incoming.body),
        without=tuple(name for name in _UNBOUND if name in incoming.body),
    )


def _needs_anthropic(body: JsonObject) -> bool:
    """Say whether something is asked for that Anthropic alone has."""
    if any(body.get(name) for name in ("mcp_servers", "container")):
        return True
    is_paused = any(turn.get("role") == "assistant" for turn in _objects(body.get("messages"))[-1:])
    kinds = (tool.get("type") for tool in _objects(body.get("tools")))
    return is_paused or any(kind not in (None, "custom") for kind in kinds)


def _objects(value: JsonValue) -> list[JsonObject]:
    entries = value if isinstance(value, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def _max_tokens(body: JsonObject) -> int:
    value = body.get("max_tokens")
    if isinstance(value, int) and not isinstance(value, bool) and value == 0:
        return 1  # Anthropic's zero fills the prompt cache and says nothing; others cannot
    limit = a_limit(value, "max_tokens")
    if limit is None:
        fault = f"is missing; send an integer from 0 to {MOST_TOKENS}"
        refuse("max_tokens", fault, "missing_required_parameter")
    return limit


def _hints(headers: Mapping[str, str], model: str, kinds: tuple[TaskKind, ...]) -> Hints:
    said: JsonObject = {
        name: headers[header] for name, header in _HINTS.items() if header in headers
    }
    try:
        return read_hints(said, model, kinds)
    except RefusedError as refused:
        wrong = refused.refusal
        param = wrong.param or ""
        header = _HINTS[param.removeprefix("metadata.")]
        message = wrong.message.replace(param, header)
        raise RefusedError(replace(wrong, param=header, message=message)) from None


def _controls(body: JsonObject) -> Controls:
    tools = _tools(body.get("tools", []))
    thinking = _thinking(body.get("thinking", {}))
    config = an_object(body.get("output_config", {}), "output_config")
    effort = None
    if "effort" in config:
        effort = a_choice(config["effort"], "output_config.effort", _EFFORTS)
    if thinking.get("type") == "disabled":
        effort = "none"
    choice = an_object(body.get("tool_choice", {"type": "auto"}), "tool_choice")
    path = "tool_choice.disable_parallel_tool_use"
    return Controls(
        tools=tuple(tools),
        tool_choice=_tool_choice(choice, tools, body),
        parallel_tools=not a_flag(choice.get("disable_parallel_tool_use"), path),
        output=_output(config, body),
        effort=effort,
        shows_thoughts=_shows(thinking),
        sampling=Sampling(
            temperature=_float(body, "temperature"),
            top_p=_float(body, "top_p"),
            top_k=None if "top_k" not in body else _integer(body["top_k"]),
        ),
    )


def _tools(value: JsonValue) -> list[Tool]:
    """Return the caller's own tools; Anthropic's are run by it, and nobody else has them."""
    tools: list[Tool] = []
    for at, entry in enumerate(a_list(value, "tools", MOST_TOOLS, of="tools")):
        path = f"tools[{at}]"
        tool = an_object(entry, path)
        if a_name(tool.get("type", "custom"), f"{path}.type") == "custom":
            tools.append(_tool(tool, path))
            if tools[-1].name in {earlier.name for earlier in tools[:-1]}:
                refuse(f"{path}.name", "is that of another tool")
    return tools


def _tool(tool: JsonObject, path: str) -> Tool:
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        refuse(f"{path}.input_schema", "must be an object: a JSON Schema")
    return Tool(
        name=a_name(tool.get("name"), f"{path}.name", _TOOL_NAME),
        description=a_string(tool.get("description", ""), f"{path}.description"),
        schema=schema,
        strict=a_flag(tool.get("strict"), f"{path}.strict"),
        cache=a_cache(tool.get("cache_control"), f"{path}.cache_control"),
    )


def _tool_choice(choice: JsonObject, tools: list[Tool], body: JsonObject) -> ToolChoice:
    mode = _CHOICES[a_choice(choice.get("type"), "tool_choice.type", _CHOICES)]
    name = a_name(choice.get("name"), "tool_choice.name") if mode == "one" else None
    is_ours = any(tool.name == name for tool in tools) if mode == "one" else bool(tools)
    if mode in ("auto", "none") or is_ours:
        return ToolChoice(mode=mode, name=name)
    entries = body.get("tools")
    if not isinstance(entries, list) or len(entries) == len(tools):
        path = "tool_choice.type" if name is None else "tool_choice.name"
        refuse(path, "needs tools" if name is None else "must be the name of one of the tools")
    return ToolChoice()  # it is a tool of Anthropic's


def _thinking(value: JsonValue) -> JsonObject:
    thinking = an_object(value, "thinking")
    if thinking:
        a_name(thinking.get("type"), "thinking.type")
    if "display" in thinking:
        a_choice(thinking["display"], "thinking.display", ("summarized", "omitted"))
    return thinking


def _shows(thinking: JsonObject) -> bool:
    is_on = thinking.get("type", "disabled") != "disabled"
    return is_on and thinking.get("display") != "omitted"


def _output(config: JsonObject, body: JsonObject) -> OutputFormat | None:
    # Anthropic's earlier beta had it at the top.
    path = "output_config.format" if "format" in config else "output_format"
    wanted = config.get("format", body.get("output_format"))
    if wanted is None:
        return None
    form = an_object(wanted, path)
    a_choice(form.get("type"), f"{path}.type", ("json_schema",))
    schema = form.get("schema")
    if not isinstance(schema, dict):
        refuse(f"{path}.schema", "must be an object: a JSON Schema")
    return OutputFormat(schema=schema, strict=True)


def _float(body: JsonObject, name: str) -> float | None:
    value = body.get(name)
    return float(value) if isinstance(value, int | float) else None


def _integer(value: JsonValue) -> int | None:
    return value if isinstance(value, int) else None


def _is_metadata(value: JsonValue) -> bool:
    return isinstance(value, dict) and isinstance(value.get("user_id", ""), str | None)


_RULES: Mapping[str, Rule] = {
    "temperature": number(0, 1),
    "top_p": number(0, 1),
    "top_k": integer(0, MOST_TOKENS),
    "metadata": Rule(_is_metadata, "an object whose user_id is a string"),
}

_READ = frozenset(
    {
        "model",
        "messages",
        "system",
        "max_tokens",
        "stream",
        "stop_sequences",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "cache_control",
        "temperature",
        "top_p",
        "top_k",
    }
)
