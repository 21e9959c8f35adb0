"""OpenAI chat completions, inward: a JSON body becomes a `Task`, or a refusal that says why not.

Names and limits are those of OpenAI's reference as generated into openai 3.54.0
(`openai/types/chat/completion_create_params.py`), where they are not said to be ours.
"""

import re
from collections.abc import Mapping
from typing import get_args

from router.surfaces.checking import (
    FLAG,
    MOST_TOOLS,
    STRING,
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
    check_neutral,
    check_rules,
    given,
    ignored,
    integer,
    is_number,
    number,
    one_of,
    read_hints,
    refuse,
    stops,
)
from router.surfaces.openai_chat_messages import dropped, read_messages
from router.surfaces.openai_chat_reply import ChatWriter
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
)
from tercet.task import Task

# OpenAI stops at 64 characters; all providers here take twice that, and MCP clients need it.
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")

_EFFORTS: tuple[Effort, ...] = get_args(Effort)


def read(incoming: Incoming, resolve: Resolve, identity: Identity) -> Order | Refusal:
    """Read `POST /v1/chat/completions`; any JSON object is an order or a refusal."""
    try:
        return _order(given(incoming.body), resolve, identity)
    except RefusedError as refused:
        return refused.refusal


def _order(body: JsonObject, resolve: Resolve, identity: Identity) -> Order:
    model = a_model(body.get("model"), resolve)
    check_neutral(body, _NEUTRAL)
    check_rules(body, _RULES)
    stream = a_flag(body.get("stream"), "stream")
    task = Task(
        id=identity.task_id,
        key_id=identity.key_id,
        model=model,
        messages=read_messages(body.get("messages")),
        max_output_tokens=_max_output_tokens(body),
        stop=_stop(body.get("stop", [])),
        controls=_controls(body),
        hints=read_hints(body.get("metadata", {}), model, identity.kinds),
        deadline_at=identity.deadline_at,
    )
    return Order(
        task=task,
        stream=stream,
        writer=ChatWriter(include_usage=_include_usage(body, stream=stream)),
        ignored=ignored(_without_effect(body)),
    )


def _max_output_tokens(body: JsonObject) -> int | None:
    asked = (a_limit(body.get(name), name) for name in ("max_tokens", "max_completion_tokens"))
    limits = {limit for limit in asked if limit is not None}
    if len(limits) > 1:
        refuse("max_tokens", "differs from max_completion_tokens; send only the latter")
    return limits.pop() if limits else None


def _stop(value: JsonValue) -> tuple[str, ...]:
    return stops([value] if isinstance(value, str) else value, "stop")


def _include_usage(body: JsonObject, *, stream: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not stream or not isinstance(options, dict):
        refuse("stream_options", "must be an object, and needs stream: true; or leave it out")
    return a_flag(options.get("include_usage"), "stream_options.include_usage")


def _controls(body: JsonObject) -> Controls:
    entries = a_list(body.get("tools", []), "tools", MOST_TOOLS, of="tools")
    tools = tuple(_tool(entry, f"tools[{at}]") for at, entry in enumerate(entries))
    names: set[str] = set()
    for at, tool in enumerate(tools):
        if tool.name in names:
            refuse(f"tools[{at}].function.name", "is that of another tool")
        names.add(tool.name)
    effort = None
    if "reasoning_effort" in body:
        effort = a_choice(body["reasoning_effort"], "reasoning_effort", _EFFORTS)
    return Controls(
        tools=tools,
        tool_choice=_tool_choice(body.get("tool_choice", "auto"), names),
        parallel_tools=a_flag(body.get("parallel_tool_calls"), "parallel_tool_calls", default=True),
        output=_output(body.get("response_format")),
        effort=effort,
        # OpenAI has no word for it: who asks for thinking may see it.
        shows_thoughts=effort not in (None, "none"),
        sampling=_sampling(body),
    )


def _tool(value: JsonValue, path: str) -> Tool:
    entry = an_object(value, path)
    if entry.get("type") != "function":
        refuse(f"{path}.type", "must be function: other tools are not supported")
    cache = a_cache(entry.get("cache_control"), f"{path}.cache_control")
    path = f"{path}.function"
    function = an_object(entry.get("function"), path)
    return Tool(
        name=a_name(function.get("name"), f"{path}.name", _TOOL_NAME),
        description=a_string(function.get("description", ""), f"{path}.description"),
        schema=_schema(function.get("parameters", {}), f"{path}.parameters"),
        strict=a_flag(function.get("strict"), f"{path}.strict"),
        cache=cache,
    )


def _schema(value: JsonValue, path: str) -> JsonObject:
    if not isinstance(value, dict):
        refuse(path, "must be an object: a JSON Schema")
    return value


def _tool_choice(value: JsonValue, names: set[str]) -> ToolChoice:
    if not isinstance(value, dict):
        mode = a_choice(value, "tool_choice", ("none", "auto", "required"))
        if mode == "required" and not names:
            refuse("tool_choice", "is required, and there are no tools")
        return ToolChoice(mode=mode)
    if value.get("type") != "function":
        refuse("tool_choice.type", "must be function: nothing else is supported")
    function = an_object(value.get("function"), "tool_choice.function")
    name = a_name(function.get("name"), "tool_choice.function.name")
    if name not in names:
        refuse("tool_choice.function.name", "must be the name of one of the tools")
    return ToolChoice(mode="one", name=name)


def _output(value: JsonValue) -> OutputFormat | None:
    if value is None:
        return None
    wanted = an_object(value, "response_format")
    kinds = ("text", "json_object", "json_schema")
    kind = a_choice(wanted.get("type"), "response_format.type", kinds)
    if kind != "json_schema":
        return OutputFormat() if kind == "json_object" else None
    path = "response_format.json_schema"
    told = an_object(wanted.get("json_schema"), path)
    schema = told.get("schema")
    return OutputFormat(
        name=a_name(told.get("name"), f"{path}.name", _TOOL_NAME),
        schema=None if schema is None else _schema(schema, f"{path}.schema"),
        strict=a_flag(told.get("strict"), f"{path}.strict"),
    )


def _sampling(body: JsonObject) -> Sampling:
    seed = body.get("seed")
    return Sampling(
        temperature=_float(body, "temperature"),
        top_p=_float(body, "top_p"),
        presence_penalty=_float(body, "presence_penalty"),
        frequency_penalty=_float(body, "frequency_penalty"),
        seed=seed if isinstance(seed, int) else None,
    )


def _float(body: JsonObject, name: str) -> float | None:
    value = body.get(name)
    return float(value) if isinstance(value, int | float) else None


def _without_effect(body: JsonObject) -> set[str]:
    names = body.keys() - _READ - _NEUTRAL.keys()
    names.update(dropped(body.get("messages")))
    wanted = body.get("response_format")
    schema = wanted.get("json_schema") if isinstance(wanted, dict) else None
    if isinstance(schema, dict) and schema.get("description"):
        names.add("response_format.json_schema.description")
    return names


def _is_bias(value: JsonValue) -> bool:
    return isinstance(value, dict) and all(is_number(bias, -100, 100) for bias in value.values())


# Checked as OpenAI checks them; those that are not read have no effect, like every name not in
# this file.
_RULES: Mapping[str, Rule] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "seed": integer(-(2**63), 2**63 - 1),
    "top_logprobs": integer(0, 20),
    "logit_bias": Rule(_is_bias, "an object of numbers from -100 to 100"),
    "user": STRING,
    "safety_identifier": STRING,
    "prompt_cache_key": STRING,
    "prompt_cache_retention": one_of("in_memory", "24h"),
    "store": FLAG,
    "service_tier": one_of("auto", "default", "flex", "scale", "priority", "fast"),
    "verbosity": one_of("low", "medium", "high"),
}

# Accepted only with these values, which ask for nothing: any other would change what is answered.
_NEUTRAL: Mapping[str, tuple[JsonValue, ...]] = {
    "functions": ([],),
    "function_call": ("none", "auto"),
    "web_search_options": (),
    "n": (1,),
    "logprobs": (False,),
    "audio": (),
    "modalities": (["text"],),
    "moderation": (),
}

_READ = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "stream",
        "stream_options",
        "metadata",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "seed",
    }
)
