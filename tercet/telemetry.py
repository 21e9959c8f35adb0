"""How spans are spelt: their names and attributes. No other file spells them.

GenAI names are those of OpenTelemetry's semantic conventions 1.45, none of them stable; what a
request costs has no name there, so `gen_ai.usage.cost.*` is a draft (proposal 443 of
semantic-conventions-genai) and only told to who opts in.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from tercet.answer import Answer, NoAnswer
from tercet.call import Call, Completion, Outcome, Prompt
from tercet.catalog import Model, ProviderName
from tercet.content import Said, text_of
from tercet.ledger import Settlement
from tercet.metrics import OTHER, SURFACES, why_of
from tercet.route import Route
from tercet.task import Task
from tercet.usage import NANO_USD_PER_USD

Value = str | int | float | bool | Sequence[str]
Attributes = Mapping[str, Value]
SpanKind = Literal["server", "internal", "client"]
"""`server`: asked by who is not ours. `client`: asks who is not ours."""


class Work(NamedTuple):
    """What a span is about, when it begins."""

    name: str
    kind: SpanKind
    parent: str | None
    """A W3C traceparent; `None`: a trace begins here."""
    attributes: Attributes


class Traced(Protocol):
    """Work under way that has a span."""

    @property
    def traceparent(self) -> str:
        """The W3C trace context of what it asks for."""
        ...

    def end(self, attributes: Attributes, error: str | None = None) -> None:
        """Tell how it ended; `error` is a kind, never a text."""
        ...


class Tracer(Protocol):
    """Begins spans; where there is none, nothing is traced and nothing costs anything."""

    @property
    def tells_content(self) -> bool:
        """Whether prompts and answers are recorded."""
        ...

    @property
    def tells_drafts(self) -> bool:
        """Whether names that are only proposed are used."""
        ...

    def begin(self, work: Work) -> Traced:
        """Begin a span."""
        ...


_PROVIDERS: Mapping[ProviderName, tuple[str, str]] = {
    "anthropic": ("chat", "anthropic"),
    "google": ("generate_content", "gcp.gemini"),
    "local": ("chat", "vllm"),
}
"""What the operation and the provider are called."""


def resource_attributes(part: str, env: Mapping[str, str]) -> Attributes:
    """Return who tells of spans; `OTEL_SERVICE_NAME` goes before our own name."""
    named = {} if env.get("OTEL_SERVICE_NAME") else {"service.name": "tercet"}
    return {**named, "tercet.part": part}


def request_work(path: str, parent: str | None) -> Work:
    """Return the span of a request at its beginning."""
    surface = SURFACES.get(path, OTHER)
    return Work(
        f"POST {path}",
        "server",
        parent,
        {"http.request.method": "POST", "http.route": path, "tercet.surface": surface},
    )


def request_end(
    task: Task | None, route: Route | None, ending: Answer | NoAnswer | None
) -> dict[str, Value]:
    """Return what a request's span says at its end."""
    said: dict[str, Value] = {}
    if task is not None:
        said["tercet.task"] = task.id
    if task is not None and route is not None:
        said["tercet.route"] = route.name
        said["tercet.composition"] = route.composition
        said["tercet.why"] = why_of(task, route)
    if ending is not None:
        said["tercet.cost_nano_usd"] = sum(step.outcome.cost_nano_usd for step in ending.steps)
        said["tercet.rounds"] = max((step.round for step in ending.steps), default=0)
    if isinstance(ending, Answer):
        said["gen_ai.response.model"] = ending.model
        said["tercet.degraded"] = ending.degraded
    return said


def reply_attributes(outcome: str, status: int | None) -> Attributes:
    """Return what is known of a response; it has no status where the caller left before it."""
    said: dict[str, Value] = {"tercet.outcome": outcome}
    return said if status is None else said | {"http.response.status_code": status}


def call_work(call: Call) -> Work:
    """Return the span of a tier's call at its beginning."""
    return Work(f"call {call.tier}", "internal", call.prompt.traceparent, _seat(call))


def call_end(outcome: Outcome) -> Attributes:
    """Return what a call's span says at its end."""
    return {
        "gen_ai.response.model": outcome.model,
        "tercet.cost_nano_usd": outcome.cost_nano_usd,
    }


def _seat(call: Call) -> Attributes:
    return {
        "tercet.task": call.task_id,
        "tercet.tier": call.tier,
        "tercet.role": call.role,
        "tercet.round": call.round,
        "gen_ai.request.model": call.model,
    }


def attempt_work(call: Call, model: Model, attempt_id: str) -> Work:
    """Return the span of an attempt at its beginning."""
    operation, provider = _PROVIDERS[model.provider]
    attributes = {
        **_seat(call),
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider,
        "gen_ai.request.max_tokens": call.prompt.max_output_tokens,
        "tercet.attempt": attempt_id,
    }
    return Work(f"{operation} {model.name}", "client", call.prompt.traceparent, attributes)


def attempt_end(row: Settlement, outcome: Outcome, *, drafts: bool) -> dict[str, Value]:
    """Return what an attempt's span says at its end."""
    usage = row.usage
    said: dict[str, Value] = {
        "tercet.cost_nano_usd": row.settled_nano_usd,
        "tercet.usage_source": row.usage_source,
        "tercet.state": row.state,
    }
    if row.usage_source != "none":
        said |= {
            "gen_ai.usage.input_tokens": usage.input,
            "gen_ai.usage.output_tokens": usage.output,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_5m + usage.cache_write_1h,
            "gen_ai.usage.reasoning.output_tokens": usage.thinking,
        }
    if drafts:
        said |= {
            "gen_ai.usage.cost.amount": row.settled_nano_usd / NANO_USD_PER_USD,
            "gen_ai.usage.cost.currency": "USD",
            "gen_ai.usage.cost.source": "local",
        }
    if row.upstream_id is not None:
        said["gen_ai.response.id"] = row.upstream_id
    if row.first_token_s is not None:
        said["gen_ai.response.time_to_first_chunk"] = row.first_token_s
    if isinstance(outcome, Completion):
        said["gen_ai.response.model"] = outcome.model
        said["gen_ai.response.finish_reasons"] = (outcome.finish,)
    return said


def error_of(outcome: Outcome) -> str | None:
    """Return the kind of a failure."""
    return None if isinstance(outcome, Completion) else outcome.kind


def error_attributes(error: str) -> Attributes:
    """Return how an error is told."""
    return {"error.type": error}


def content_attributes(prompt: Prompt, said: tuple[Said, ...]) -> Attributes:
    """Return the text of a prompt and its answer; images and tools' arguments are left out."""
    asked = [_told(message.speaker, message.text) for message in prompt.messages]
    return {
        "gen_ai.system_instructions": json.dumps(_parts(prompt.system)),
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps([_told("assistant", text_of(said))]),
    }


def _told(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": _parts(text)}


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "content": text}]
