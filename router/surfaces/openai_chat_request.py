"""OpenAI chat completions, inward: a JSON body becomes a `Task`, or a refusal that says why not.

Names and limits are those of OpenAI's reference as generated into openai 3.54.0
(`openai/types/chat/completion_create_params.py`), where they are not said to be ours.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from typing import Never, TypeVar, get_args

from router.surfaces.body import JsonObject, JsonValue
from router.surfaces.refusal import Refusal
from tercet.task import Hints, Message, Speaker, Task, TaskKind

# Ours: the first two bound the work of one request, the third fits 32 bits.
_MOST_MESSAGES = 2_000
_MOST_PARTS = 10_000
_MOST_TOKENS = 2**31 - 1
_MOST_NAME_CHARS = 256
_MOST_ECHOED_CHARS = 100
_MOST_IGNORED = 32
_HEADER_SAFE = re.compile(r"[A-Za-z0-9_.-]{1,64}")

_MOST_STOPS = 4
_MOST_PAIRS = 16
_MOST_KEY_CHARS = 64
_MOST_VALUE_CHARS = 512

_SPEAKERS: Mapping[str, Speaker] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_TIERS = ("tier1", "tier2", "tier3", "local")
_KINDS: tuple[TaskKind, ...] = get_args(TaskKind)
_HINTS = frozenset(field.name for field in fields(Hints))

_Choice = TypeVar("_Choice", bound=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the gateway knows of a request and its body cannot say."""

    task_id: str
    key_id: str
    deadline_at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A task, and how its answer is to be written."""

    task: Task
    stream: bool
    include_usage: bool
    """End a stream with a chunk of usage; only ever true of a stream."""
    ignored: tuple[str, ...]
    """Fields that were given and have no effect; safe in a response header."""


class _RefusedError(Exception):
    """Carries a refusal out of the nested checks; it does not leave this file."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def read_request(
    body: JsonObject, known_models: Collection[str], identity: Identity
) -> ChatRequest | Refusal:
    """Read the body of `POST /v1/chat/completions`; any JSON object is a request or a refusal."""
    # OpenAI reads null as "not given" for every optional field.
    given: JsonObject = {name: value for name, value in body.items() if value is not None}
    try:
        return _request(given, known_models, identity)
    except _RefusedError as refused:
        return refused.refusal


def _request(given: JsonObject, known_models: Collection[str], identity: Identity) -> ChatRequest:
    model = _model(given, known_models)
    _check_fields(given)
    stream = given.get("stream", False)
    if not isinstance(stream, bool):
        _refuse("stream", "must be true or false")
    task = Task(
        id=identity.task_id,
        key_id=identity.key_id,
        model=model,
        messages=_messages(given.get("messages")),
        max_output_tokens=_max_output_tokens(given),
        stop=_stop(given.get("stop")),
        hints=_hints(given, model),
        deadline_at=identity.deadline_at,
    )
    usage = _include_usage(given, stream=stream)
    return ChatRequest(task=task, stream=stream, include_usage=usage, ignored=_ignored(given))


def _check_fields(given: JsonObject) -> None:
    for name, value in given.items():
        if name in _NEUTRAL and not any(_same(value, other) for other in _NEUTRAL[name]):
            wants = " or ".join(map(json.dumps, _NEUTRAL[name])) or "left out"
            _refuse(name, f"is not supported yet: it must be {wants}", "unsupported_parameter")
        if name in _UNUSED and not _UNUSED[name].accepts(value):
            _refuse(name, f"must be {_UNUSED[name].wants}")


def _same(one: JsonValue, other: JsonValue) -> bool:
    # To Python, True equals 1.
    return type(one) is type(other) and one == other


def _model(given: JsonObject, known_models: Collection[str]) -> str:
    model = given.get("model")
    if model is None:
        _refuse("model", "is missing; name a model, or auto", "missing_required_parameter")
    if not isinstance(model, str) or not 1 <= len(model) <= _MOST_NAME_CHARS:
        _refuse("model", f"must be a string of 1 to {_MOST_NAME_CHARS} characters")
    if model not in known_models:
        fault = f"{_echo(model)} does not exist; use one of: {', '.join(sorted(known_models))}"
        _refuse("model", fault, "model_not_found", status=404)
    return model


def _messages(entries: JsonValue) -> tuple[Message, ...]:
    if entries is None:
        _refuse("messages", "is missing; send a list of messages", "missing_required_parameter")
    if not isinstance(entries, list) or not 1 <= len(entries) <= _MOST_MESSAGES:
        _refuse("messages", f"must be a list of 1 to {_MOST_MESSAGES} messages")
    if sum(map(_part_count, entries)) > _MOST_PARTS:
        _refuse("messages", f"must have at most {_MOST_PARTS} content parts in all")
    messages = [_message(entry, f"messages[{at}]") for at, entry in enumerate(entries)]
    _check_last_turn(messages)
    # A blank system message says nothing, and `Task` promises that its last message is not empty.
    return tuple(turn for turn in messages if turn.speaker != "system" or turn.text.strip())


def _part_count(entry: JsonValue) -> int:
    content = entry.get("content") if isinstance(entry, dict) else None
    return len(content) if isinstance(content, list) else 0


def _check_last_turn(messages: list[Message]) -> None:
    turns = [at for at, message in enumerate(messages) if message.speaker != "system"]
    if not any(messages[at].speaker == "user" for at in turns):
        _refuse("messages", "must have at least one message with role user")
    path, last = f"messages[{turns[-1]}]", messages[turns[-1]]
    # OpenAI accepts this and Anthropic calls it prefill; Claude refuses it since its 4.6 models
    # (platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6).
    if last.speaker != "user":
        _refuse(f"{path}.role", "is assistant; the last message must be from the user")
    if not last.text.strip():
        _refuse(f"{path}.content", "is blank; the last message must have text")


def _message(entry: JsonValue, path: str) -> Message:
    if not isinstance(entry, dict):
        _refuse(path, "must be an object with role and content")
    role = entry.get("role")
    if role in ("tool", "function"):
        _refuse(f"{path}.role", "tool is not supported yet; send tool results as user text")
    if not isinstance(role, str) or role not in _SPEAKERS:
        _refuse(f"{path}.role", f"must be one of {', '.join(_SPEAKERS)}{_instead_of(role)}")
    for name in ("tool_calls", "function_call", "audio"):
        if entry.get(name) not in (None, []):
            _refuse(f"{path}.{name}", "is not supported yet; leave it out", "unsupported_parameter")
    name = entry.get("name")
    if name is not None and not (isinstance(name, str) and len(name) <= _MOST_NAME_CHARS):
        _refuse(f"{path}.name", f"must be a string of at most {_MOST_NAME_CHARS} characters")
    speaker = _SPEAKERS[role]
    content = entry.get("content")
    if content is None and speaker == "assistant":
        content = entry.get("refusal")
    return Message(speaker=speaker, text=_text(content, f"{path}.content", speaker))


def _text(content: JsonValue, path: str, speaker: Speaker) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        _refuse(path, "must be a string, or a non-empty list of text parts")
    return "".join(_part(part, f"{path}[{at}]", speaker) for at, part in enumerate(content))


def _part(part: JsonValue, path: str, speaker: Speaker) -> str:
    if not isinstance(part, dict):
        _refuse(path, 'must be an object such as {"type": "text", "text": "..."}')
    kind = part.get("type")
    field = "refusal" if kind == "refusal" and speaker == "assistant" else "text"
    if kind != field:
        _refuse(f"{path}.type", f"must be text: nothing else is supported yet{_instead_of(kind)}")
    text = part.get(field)
    if not isinstance(text, str):
        _refuse(f"{path}.{field}", "must be a string")
    return text


def _max_output_tokens(given: JsonObject) -> int | None:
    asked = [_limit(given, name) for name in ("max_tokens", "max_completion_tokens")]
    limits = {limit for limit in asked if limit is not None}
    if len(limits) > 1:
        _refuse("max_tokens", "differs from max_completion_tokens; send only the latter")
    return limits.pop() if limits else None


def _limit(given: JsonObject, name: str) -> int | None:
    limit = given.get(name)
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= _MOST_TOKENS:
        _refuse(name, f"must be an integer from 1 to {_MOST_TOKENS}")
    return limit


def _stop(stop: JsonValue) -> tuple[str, ...]:
    if stop is None:
        return ()
    if isinstance(stop, str) and stop:
        return (stop,)
    if not isinstance(stop, list) or len(stop) > _MOST_STOPS:
        _refuse("stop", f"must be a non-empty string, or a list of up to {_MOST_STOPS} of them")
    return tuple(_stop_text(text, f"stop[{at}]") for at, text in enumerate(stop))


def _stop_text(text: JsonValue, path: str) -> str:
    if not isinstance(text, str) or not text:
        _refuse(path, "must be a non-empty string")
    return text


def _include_usage(given: JsonObject, *, stream: bool) -> bool:
    options = given.get("stream_options")
    if options is None:
        return False
    if not stream or not isinstance(options, dict):
        _refuse("stream_options", "must be an object, and needs stream: true; or leave it out")
    include_usage = options.get("include_usage")
    if include_usage is not None and not isinstance(include_usage, bool):
        _refuse("stream_options.include_usage", "must be true or false")
    return include_usage is True


def _hints(given: JsonObject, model: str) -> Hints:
    metadata = given.get("metadata", {})
    if not isinstance(metadata, dict) or len(metadata) > _MOST_PAIRS:
        _refuse("metadata", f"must be an object of at most {_MOST_PAIRS} pairs")
    hints = {key: _hint(key, value) for key, value in metadata.items()}
    tier = _choice(hints, "tier", _TIERS)
    if tier is not None and model in _TIERS and model != tier:
        _refuse("metadata.tier", f"is {tier} and model is {model}; name one tier, or model auto")
    return Hints(
        tier=tier,
        kind=_choice(hints, "kind", _KINDS),
        requires_design=_flag(hints, "requires_design"),
        is_critical=_flag(hints, "is_critical"),
        requires_implementation=_flag(hints, "requires_implementation"),
        is_routine=_flag(hints, "is_routine"),
        strict=_flag(hints, "strict") is True,
    )


def _hint(key: str, value: JsonValue) -> str:
    if len(key) > _MOST_KEY_CHARS:
        _refuse("metadata", f"must have keys of at most {_MOST_KEY_CHARS} characters")
    if key in _HINTS and isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or len(value) > _MOST_VALUE_CHARS:
        _refuse(f"metadata.{key}", f"must be a string of at most {_MOST_VALUE_CHARS} characters")
    return value


def _choice(hints: Mapping[str, str], name: str, choices: tuple[_Choice, ...]) -> _Choice | None:
    said = hints.get(name)
    choice = next((choice for choice in choices if choice == said), None)
    if said is not None and choice is None:
        _refuse(f"metadata.{name}", f"must be one of {', '.join(choices)}{_instead_of(said)}")
    return choice


def _flag(hints: Mapping[str, str], name: str) -> bool | None:
    said = _choice(hints, name, ("true", "false"))
    return None if said is None else said == "true"


def _ignored(given: JsonObject) -> tuple[str, ...]:
    dropped = given.keys() - _READ - _NEUTRAL.keys()
    return tuple(sorted(filter(_HEADER_SAFE.fullmatch, dropped))[:_MOST_IGNORED])


def _refuse(path: str, fault: str, code: str = "invalid_value", status: int = 400) -> Never:
    raise _RefusedError(
        Refusal(
            status=status,
            type="not_found_error" if status == 404 else "invalid_request_error",
            code=code,
            message=f"{path} {fault}.",
            param=path,
        )
    )


def _instead_of(value: JsonValue) -> str:
    return f", not {_echo(value)}" if isinstance(value, str) else ""


def _echo(text: str) -> str:
    return repr(text[:_MOST_ECHOED_CHARS])


@dataclass(frozen=True, slots=True)
class _Rule:
    accepts: Callable[[JsonValue], bool]
    wants: str
    """Ends the sentence "must be"."""


def _is_number(value: JsonValue, low: int, high: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return low <= value <= high


def _is_bias(value: JsonValue) -> bool:
    return isinstance(value, dict) and all(_is_number(bias, -100, 100) for bias in value.values())


def _number(low: int, high: int) -> _Rule:
    return _Rule(lambda value: _is_number(value, low, high), f"a number from {low} to {high}")


def _integer(low: int, high: int) -> _Rule:
    return _Rule(
        lambda value: isinstance(value, int) and _is_number(value, low, high),
        f"an integer from {low} to {high}",
    )


def _one_of(*names: str) -> _Rule:
    return _Rule(lambda value: value in names, f"one of {', '.join(names)}")


_STRING = _Rule(lambda value: isinstance(value, str), "a string")
_FLAG = _Rule(lambda value: isinstance(value, bool), "true or false")

# Checked as OpenAI checks them, and then without effect, like every name not in this file.
_UNUSED: Mapping[str, _Rule] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "seed": _integer(-(2**63), 2**63 - 1),
    "top_logprobs": _integer(0, 20),
    "logit_bias": _Rule(_is_bias, "an object of numbers from -100 to 100"),
    "user": _STRING,
    "safety_identifier": _STRING,
    "prompt_cache_key": _STRING,
    "store": _FLAG,
    "parallel_tool_calls": _FLAG,
    "service_tier": _one_of("auto", "default", "flex", "scale", "priority", "fast"),
    "reasoning_effort": _one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "verbosity": _one_of("low", "medium", "high"),
}

# Accepted only with these values, which ask for nothing: any other would change what is answered.
_NEUTRAL: Mapping[str, tuple[JsonValue, ...]] = {
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "web_search_options": (),
    "n": (1,),
    "logprobs": (False,),
    "audio": (),
    "modalities": (["text"],),
    "response_format": ({"type": "text"},),
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
    }
)
