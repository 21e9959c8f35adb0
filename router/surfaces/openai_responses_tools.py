"""OpenAI Responses, inward: the tools, and which of them may or must be used.

What the caller itself runs becomes a `Tool`: functions, those in namespaces, and custom tools,
whose free text becomes one argument. What OpenAI would run is dropped, and named.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from router.surfaces.checking import (
    MOST_TOOLS,
    a_cache,
    a_choice,
    a_flag,
    a_list,
    a_name,
    a_string,
    an_object,
    refuse,
)
from tercet.content import JsonObject, JsonValue, Tool, ToolChoice

# OpenAI stops at 64 characters; all providers here take twice that, and MCP clients need it.
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")

CUSTOM_INPUT = "input"
"""The one argument that a custom tool's free text becomes."""
_CUSTOM_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {CUSTOM_INPUT: {"type": "string"}},
    "required": [CUSTOM_INPUT],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """How the caller knows a tool."""

    name: str
    namespace: str | None = None
    is_custom: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """The tools of a request."""

    tools: tuple[Tool, ...] = ()
    callers: Mapping[str, Caller] = field(default_factory=dict[str, Caller])
    """By the tool's name as models know it."""
    echoed: tuple[JsonValue, ...] = ()
    """As a response says them."""
    dropped: frozenset[str] = frozenset()
    """Kinds that nobody here can run, as `tools.web_search`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    tool: Tool
    caller: Caller
    echoed: JsonObject


def full_name(name: str, namespace: str | None) -> str:
    """Return the name models know a tool by."""
    return name if namespace is None else f"{namespace}__{name}"


def read_tools(value: JsonValue) -> Toolbox:
    """Return the tools, each name once."""
    tools: list[Tool] = []
    callers: dict[str, Caller] = {}
    echoed: list[JsonValue] = []
    dropped: set[str] = set()
    for at, one in enumerate(a_list(value, "tools", MOST_TOOLS, of="tools")):
        path = f"tools[{at}]"
        given = an_object(one, path)
        kind = a_name(given.get("type"), f"{path}.type")
        if kind not in _KINDS:
            dropped.add(f"tools.{kind}")
            continue
        entries = list(_entries(given, path, kind))
        for entry in entries:
            if entry.tool.name in callers:
                refuse(f"{path}.name", "is that of another tool")
            tools.append(entry.tool)
            callers[entry.tool.name] = entry.caller
        echoed.append(_echo(given, entries, kind))
    if len(tools) > MOST_TOOLS:
        refuse("tools", f"must be at most {MOST_TOOLS}, those in namespaces included")
    return Toolbox(
        tools=tuple(tools),
        callers=callers,
        echoed=tuple(echoed),
        dropped=frozenset(dropped),
    )


def _entries(given: JsonObject, path: str, kind: str) -> Iterator[_Entry]:
    if kind != "namespace":
        yield _entry(given, path, None)
        return
    namespace = a_name(given.get("name"), f"{path}.name", TOOL_NAME)
    a_string(given.get("description", ""), f"{path}.description")
    inner = a_list(given.get("tools"), f"{path}.tools", MOST_TOOLS, of="tools")
    for at, one in enumerate(inner):
        inner_path = f"{path}.tools[{at}]"
        yield _entry(an_object(one, inner_path), inner_path, namespace)


def _echo(given: JsonObject, entries: list[_Entry], kind: str) -> JsonObject:
    if kind != "namespace":
        return entries[0].echoed
    return {
        "type": kind,
        "name": given["name"],
        "description": given.get("description", ""),
        "tools": [entry.echoed for entry in entries],
    }


def _entry(given: JsonObject, path: str, namespace: str | None) -> _Entry:
    kind = a_choice(given.get("type"), f"{path}.type", ("function", "custom"))
    name = a_name(given.get("name"), f"{path}.name", TOOL_NAME)
    a_name(full_name(name, namespace), f"{path}.name", TOOL_NAME)
    described = a_string(given.get("description", ""), f"{path}.description")
    tool = Tool(
        name=full_name(name, namespace),
        description=described,
        cache=a_cache(given.get("cache_control"), f"{path}.cache_control"),
    )
    caller = Caller(name=name, namespace=namespace, is_custom=kind == "custom")
    echoed: JsonObject = {"type": kind, "name": name, "description": described}
    if caller.is_custom:
        shape = _format(given.get("format", {"type": "text"}), f"{path}.format")
        tool = replace(tool, description=_explained(described, shape), schema=_CUSTOM_SCHEMA)
        echoed["format"] = shape
        return _Entry(tool=tool, caller=caller, echoed=echoed)
    schema = a_schema(given.get("parameters", {}), f"{path}.parameters")
    strict = a_flag(given.get("strict"), f"{path}.strict")
    echoed |= {"parameters": schema, "strict": strict}
    return _Entry(tool=replace(tool, schema=schema, strict=strict), caller=caller, echoed=echoed)


def a_schema(value: JsonValue, path: str) -> JsonObject:
    """Return a JSON Schema as it is: its nulls mean something."""
    if not isinstance(value, dict):
        refuse(path, "must be an object: a JSON Schema")
    return value


def _format(value: JsonValue, path: str) -> JsonObject:
    shape = an_object(value, path)
    kind = a_choice(shape.get("type"), f"{path}.type", ("text", "grammar"))
    if kind == "text":
        return {"type": kind}
    return {
        "type": kind,
        "syntax": a_choice(shape.get("syntax"), f"{path}.syntax", ("lark", "regex")),
        "definition": a_string(shape.get("definition"), f"{path}.definition"),
    }


def _explained(described: str, shape: JsonObject) -> str:
    """Tell the model of a grammar, to which no provider here can hold it."""
    if shape["type"] == "text":
        return described
    grammar = f"The input must match this {shape['syntax']} grammar:\n\n{shape['definition']}"
    return f"{described}\n\n{grammar}".strip()


_KINDS = frozenset({"function", "custom", "namespace"})


def read_choice(value: JsonValue, box: Toolbox) -> tuple[ToolChoice, tuple[Tool, ...]]:
    """Return the choice, and the tools it leaves."""
    if not isinstance(value, dict):
        mode = a_choice(value, "tool_choice", ("none", "auto", "required"))
        return _chosen(ToolChoice(mode=mode), box.tools)
    kind = a_choice(value.get("type"), "tool_choice.type", ("function", "custom", "allowed_tools"))
    if kind != "allowed_tools":
        name = _named(value, "tool_choice")
        if name not in box.callers:
            refuse("tool_choice.name", "must be the name of one of the tools")
        return ToolChoice(mode="one", name=name), box.tools
    mode = a_choice(value.get("mode", "auto"), "tool_choice.mode", ("auto", "required"))
    path = "tool_choice.tools"
    entries = a_list(value.get("tools"), path, MOST_TOOLS, of="tools")
    named = {
        _named(entry, f"{path}[{at}]")
        for at, entry in enumerate(entries)
        if isinstance(entry, dict) and entry.get("type") in ("function", "custom")
    }
    tools = tuple(tool for tool in box.tools if tool.name in named)
    return _chosen(ToolChoice(mode=mode), tools)


def _chosen(choice: ToolChoice, tools: tuple[Tool, ...]) -> tuple[ToolChoice, tuple[Tool, ...]]:
    if choice.mode == "required" and not tools:
        refuse("tool_choice", "is required, and there are no tools that could be used")
    return choice, tools


def _named(value: JsonValue, path: str) -> str:
    given = an_object(value, path)
    namespace = given.get("namespace")
    if namespace is not None:
        namespace = a_name(namespace, f"{path}.namespace")
    return full_name(a_name(given.get("name"), f"{path}.name"), namespace)
