"""OpenAI Responses, inward: a JSON body becomes a `Task`, or a refusal that says why not.

Names and limits are those of OpenAI's reference as generated into openai 3.54.0
(`openai/types/responses/response_create_params.py`), where they are not said to be ours.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from router.surfaces.checking import (
    FLAG,
    STRING,
    RefusedError,
    Rule,
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
    number,
    one_of,
    read_hints,
    refuse,
)
from router.surfaces.openai_responses_input import Conversation, input_items, read_items
from router.surfaces.openai_responses_items import Wishes
from router.surfaces.openai_responses_reply import RESPONSE_PREFIX, ResponsesWriter
from router.surfaces.openai_responses_tools import (
    TOOL_NAME,
    Toolbox,
    a_schema,
    read_choice,
    read_tools,
)
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Identity, Incoming, Order, Resolve
from tercet.content import Controls, Effort, JsonObject, JsonValue, OutputFormat, Sampling
from tercet.task import Task

MOST_CONVERSATION_BYTES = 32_000_000
"""Ours: a conversation is stored with each of its answers, and grows by a request each time."""

_ENCRYPTED = "reasoning.encrypted_content"
_EFFORTS: tuple[Effort, ...] = get_args(Effort)
_RESPONSE_ID = re.compile(rf"{RESPONSE_PREFIX}([A-Za-z0-9_-]{{1,100}})")


def task_of(response_id: str) -> str:
    """Return the id of the task that a response answered; empty if it is none of ours."""
    found = _RESPONSE_ID.fullmatch(response_id)
    return "" if found is None else found[1]


def continues(body: JsonObject) -> str | None:
    """Return the id of the task whose answer a body continues."""
    named = body.get("previous_response_id")
    return (task_of(named) or None) if isinstance(named, str) else None


def read(incoming: Incoming, resolve: Resolve, identity: Identity) -> Order | Refusal:
    """Read `POST /v1/responses`; any JSON object is an order or a refusal."""
    try:
        return _order(given(incoming.body), incoming, resolve, identity)
    except RefusedError as refused:
        return refused.refusal


def _order(body: JsonObject, incoming: Incoming, resolve: Resolve, identity: Identity) -> Order:
    model = a_model(body.get("model"), resolve)
    check_neutral(body, _NEUTRAL)
    check_rules(body, _RULES)
    hints = read_hints(body.get("metadata", {}), model, identity.kinds)
    asked = _asked(body, _earlier(body, incoming))
    box = read_tools(body.get("tools", []))
    controls = _controls(body, box)
    task = Task(
        id=identity.task_id,
        key_id=identity.key_id,
        model=model,
        messages=asked.conversation.messages,
        max_output_tokens=a_limit(body.get("max_output_tokens"), "max_output_tokens"),
        controls=controls,
        hints=hints,
        deadline_at=identity.deadline_at,
    )
    return Order(
        task=task,
        stream=a_flag(body.get("stream"), "stream"),
        writer=_writer(body, asked, box, controls, incoming),
        ignored=ignored(_without_effect(body) | box.dropped | asked.conversation.dropped),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a request says, with what it continues."""

    conversation: Conversation
    items: tuple[JsonValue, ...]
    earlier_bytes: int


def _earlier(body: JsonObject, incoming: Incoming) -> JsonObject:
    """Return the stored answer that the request continues; without one, an empty object."""
    path = "previous_response_id"
    if path not in body:
        return {}
    a_string(body[path], path)
    if incoming.earlier is None:
        fault = "names no stored response of yours; send the whole conversation as input"
        refuse(path, fault, "previous_response_not_found", status=404)
    return incoming.earlier


def _asked(body: JsonObject, earlier: JsonObject) -> _Asked:
    items, before, size = input_items(body.get("input")), earlier.get("items"), earlier.get("bytes")
    known = before if isinstance(before, list) else []
    instructions = (
        a_string(body["instructions"], "instructions") if "instructions" in body else None
    )
    return _Asked(
        conversation=read_items(items, known, instructions),
        items=(*known, *items),
        earlier_bytes=size if isinstance(size, int) else 0,
    )


def _controls(body: JsonObject, box: Toolbox) -> Controls:
    choice, tools = read_choice(body.get("tool_choice", "auto"), box)
    reasoning = an_object(body.get("reasoning", {}), "reasoning")
    effort = None
    if "effort" in reasoning:
        effort = a_choice(reasoning["effort"], "reasoning.effort", _EFFORTS)
    return Controls(
        tools=tools,
        tool_choice=choice,
        parallel_tools=a_flag(body.get("parallel_tool_calls"), "parallel_tool_calls", default=True),
        output=_output(_format(body)),
        effort=effort,
        shows_thoughts=_summary(reasoning) is not None,
        sampling=_sampling(body),
    )


def _sampling(body: JsonObject) -> Sampling:
    return Sampling(
        temperature=_float(body, "temperature"),
        top_p=_float(body, "top_p"),
        presence_penalty=_float(body, "presence_penalty"),
        frequency_penalty=_float(body, "frequency_penalty"),
    )


def _summary(reasoning: JsonObject) -> str | None:
    for name in ("summary", "generate_summary"):
        if name in reasoning:
            return a_choice(reasoning[name], f"reasoning.{name}", ("auto", "concise", "detailed"))
    return None


def _float(body: JsonObject, name: str) -> float | None:
    value = body.get(name)
    return float(value) if isinstance(value, int | float) else None


def _format(body: JsonObject) -> JsonObject:
    """Return the format of the answer's text, as a response says it."""
    text = an_object(body.get("text", {}), "text")
    wanted = an_object(text.get("format", {"type": "text"}), "text.format")
    kinds = ("text", "json_object", "json_schema")
    kind = a_choice(wanted.get("type"), "text.format.type", kinds)
    if kind != "json_schema":
        return {"type": kind}
    schema = a_schema(wanted.get("schema"), "text.format.schema")
    described = wanted.get("description")
    return {
        "type": kind,
        "name": a_name(wanted.get("name"), "text.format.name", TOOL_NAME),
        "description": None
        if described is None
        else a_string(described, "text.format.description"),
        "schema": schema,
        "strict": a_flag(wanted.get("strict"), "text.format.strict"),
    }


def _output(wanted: JsonObject) -> OutputFormat | None:
    schema = wanted.get("schema")
    match wanted["type"]:
        case "json_object":
            return OutputFormat()
        case "json_schema" if isinstance(schema, dict):
            name, strict = str(wanted["name"]), wanted["strict"] is True
            return OutputFormat(name=name, schema=schema, strict=strict)
        case _:
            return None


def _writer(
    body: JsonObject, asked: _Asked, box: Toolbox, controls: Controls, incoming: Incoming
) -> ResponsesWriter:
    stores = a_flag(body.get("store"), "store", default=True)
    size = asked.earlier_bytes + len(incoming.raw)
    if stores and size > MOST_CONVERSATION_BYTES:
        fault = f"leads to more than {MOST_CONVERSATION_BYTES} bytes; begin a new conversation"
        refuse("previous_response_id", fault, "context_length_exceeded")
    wishes = Wishes(
        shows_thoughts=controls.shows_thoughts,
        # A caller that has its answer stored may still send it back itself, by its items.
        seals=stores or _ENCRYPTED in _included(body),
        callers=box.callers,
    )
    return ResponsesWriter(
        echoed=_echoed(body, box, stores=stores),
        wishes=wishes,
        conversation=asked.items if stores else None,
        conversation_bytes=size,
    )


def _included(body: JsonObject) -> list[str]:
    values = a_list(body.get("include", []), "include", _MOST_INCLUDED, of="names")
    return [a_name(value, f"include[{at}]") for at, value in enumerate(values)]


_MOST_INCLUDED = 64


def _echoed(body: JsonObject, box: Toolbox, *, stores: bool) -> JsonObject:
    """Return a response's fields that repeat the request's, or what it left out."""
    reasoning = an_object(body.get("reasoning", {}), "reasoning")
    text: JsonObject = {"format": _format(body), "verbosity": _verbosity(body)}
    metadata = an_object(body.get("metadata", {}), "metadata")
    echoed: JsonObject = {name: body.get(name, default) for name, default in _ECHOED.items()}
    echoed |= {
        "reasoning": {"effort": reasoning.get("effort"), "summary": _summary(reasoning)},
        "text": text,
        "metadata": {key: _word(value) for key, value in metadata.items()},
        "tools": list(box.echoed),
        "store": stores,
        "service_tier": "default",
    }
    return echoed


def _word(value: JsonValue) -> JsonValue:
    # A hint may be given as a boolean, and OpenAI's metadata are strings.
    return str(value).lower() if isinstance(value, bool) else value


def _verbosity(body: JsonObject) -> str:
    text = an_object(body.get("text", {}), "text")
    return a_choice(text.get("verbosity", "medium"), "text.verbosity", ("low", "medium", "high"))


def _without_effect(body: JsonObject) -> set[str]:
    names = {name for name in body if name not in _READ and name not in _NEUTRAL}
    names -= {name for name, value in _DEFAULTS.items() if body.get(name) == value}
    names.update(f"include.{name}" for name in _included(body) if name != _ENCRYPTED)
    reasoning = an_object(body.get("reasoning", {}), "reasoning")
    names.update(f"reasoning.{name}" for name in reasoning.keys() - _REASONING)
    if _verbosity(body) != "medium":
        names.add("text.verbosity")
    if _format(body).get("description"):
        names.add("text.format.description")
    return names


_REASONING = frozenset({"effort", "summary", "generate_summary"})

# Checked as OpenAI checks them; those that are not read have no effect, like every name not in
# this file.
_RULES: Mapping[str, Rule] = {
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "top_logprobs": integer(0, 20),
    "max_tool_calls": integer(0, 2**31 - 1),
    "user": STRING,
    "safety_identifier": STRING,
    "prompt_cache_key": STRING,
    "prompt_cache_retention": one_of("in_memory", "24h"),
    "store": FLAG,
    "service_tier": one_of("auto", "default", "flex", "scale", "priority", "fast"),
    "truncation": one_of("auto", "disabled"),
    "stream_options": Rule(lambda value: isinstance(value, dict), "an object"),
}

# Accepted only with these values, which ask for nothing: any other would change what is answered.
_NEUTRAL: Mapping[str, tuple[JsonValue, ...]] = {
    "background": (False,),
    "conversation": (),
    "prompt": (),
    "moderation": (),
}

# With these values they ask for nothing, so that nothing is said of them.
_DEFAULTS: Mapping[str, JsonValue] = {"top_logprobs": 0, "truncation": "disabled"}

# What a response says of these when the request does not: OpenAI's defaults.
_ECHOED: Mapping[str, JsonValue] = {
    "model": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "truncation": "disabled",
    "tool_choice": "auto",
    "user": None,
}

_READ = frozenset(
    {
        "model",
        "input",
        "instructions",
        "include",
        "max_output_tokens",
        "metadata",
        "parallel_tool_calls",
        "previous_response_id",
        "reasoning",
        "store",
        "stream",
        "stream_options",
        "text",
        "tool_choice",
        "tools",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
    }
)
