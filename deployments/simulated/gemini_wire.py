"""The Gemini API, from the server's side: the only simulated file that spells it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from deployments.simulated.counting import Block, output_tokens
from deployments.simulated.scenarios import BROKEN
from deployments.simulated.script import (
    Ask,
    Frame,
    Incoming,
    Json,
    Problem,
    Script,
    Turn,
    Wire,
    encoded,
    spoken,
)
from tercet.call import Prompt
from tercet.task import Message

MODELS: Mapping[str, str] = {
    "gemini-4-argon": "Gemini 4 Argon",
    "gemini-4-carbon": "Gemini 4 Carbon",
    "gemini-4-hydrogen": "Gemini 4 Hydrogen",
    "gemini-3.8-flash": "Gemini 3.8 Flash",
}
# Counted and billed beside the text, so that adapters have something to add up.
THOUGHTS: Mapping[str, int] = {"gemini-4-argon": 3, "gemini-4-carbon": 3}
_MOST_OUTPUT = 65_536
_CONTEXT = 1_048_576
_RPC = "type.googleapis.com/google.rpc."


class _Lenient(BaseModel):
    # The SDK sends some fields in camelCase and some in snake_case.
    model_config = ConfigDict(
        strict=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class _Part(_Lenient):
    text: str = ""


class _Content(_Lenient):
    role: Literal["user", "model"] = "user"
    parts: list[_Part] = Field(min_length=1)


class _Instruction(_Lenient):
    parts: list[_Part] = []


class _Config(_Lenient):
    max_output_tokens: int = Field(default=_MOST_OUTPUT, ge=1, le=_MOST_OUTPUT)
    stop_sequences: list[str] = Field(default=[], max_length=5)


class _Request(_Lenient):
    contents: list[_Content] = Field(min_length=1)
    system_instruction: _Instruction = _Instruction()
    generation_config: _Config = _Config()
    continuation_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    code: int
    status: str
    message: str
    details: tuple[Json, ...] = ()


_QUOTA = _Error(code=429, status="RESOURCE_EXHAUSTED", message="You exceeded your current quota.")
_BUSY = _Error(code=503, status="UNAVAILABLE", message="The model is overloaded. Try again later.")
_INTERNAL = _Error(code=500, status="INTERNAL", message="An internal error has occurred.")

ERRORS: Mapping[str, _Error] = {
    "bad-request": _Error(code=400, status="INVALID_ARGUMENT", message="Invalid request."),
    "unknown-model": _Error(code=404, status="NOT_FOUND", message="Not found."),
    "no-key": _Error(
        code=403,
        status="PERMISSION_DENIED",
        message="Method doesn't allow unregistered callers. Please use API Key.",
    ),
    "bad-key": _Error(
        code=400,
        status="INVALID_ARGUMENT",
        message="API key not valid. Please pass a valid API key.",
        details=({"@type": f"{_RPC}ErrorInfo", "reason": "API_KEY_INVALID"},),
    ),
    "rate": _QUOTA,
    "rate-once": _QUOTA,
    "spend-limit": _Error(
        code=429,
        status="RESOURCE_EXHAUSTED",
        message="Your project has exceeded its monthly spending cap.",
        details=(
            {
                "@type": f"{_RPC}ErrorInfo",
                "reason": "SPENDING_CAP_EXCEEDED",
                "metadata": {"error_code": "enforced_spend_limit_reached"},
            },
        ),
    ),
    "payment": _Error(
        code=403,
        status="PERMISSION_DENIED",
        message="This API method requires billing to be enabled.",
        details=({"@type": f"{_RPC}ErrorInfo", "reason": "BILLING_DISABLED"},),
    ),
    "overloaded": _BUSY,
    "early-error": _BUSY,
    "mid-error": _BUSY,
    "e500": _INTERNAL,
    "leaky": _INTERNAL,
    "e503": _Error(code=503, status="UNAVAILABLE", message="The service is unavailable."),
    "e504": _Error(code=504, status="DEADLINE_EXCEEDED", message="Deadline expired."),
    "too-long": _Error(
        code=400,
        status="INVALID_ARGUMENT",
        message=f"The input token count ({_CONTEXT + 1}) exceeds the maximum number of tokens"
        f" allowed ({_CONTEXT}).",
    ),
}

_ENDINGS: Mapping[str, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "stop_sequence": "STOP",
}
_WITHHELD: Mapping[str, str] = {
    "safety": "SAFETY",
    "recitation": "RECITATION",
    "malformed-call": "MALFORMED_FUNCTION_CALL",
    "empty": "STOP",
}


def _key_of(incoming: Incoming) -> str:
    """Return the key of a request, or an empty string."""
    return incoming.headers.get("x-goog-api-key", "") or incoming.query.get("key", "")


def _models() -> Json:
    """Return the body of GET /{version}/models."""
    listed = [
        {
            "name": f"models/{name}",
            "version": name,
            "displayName": shown,
            "inputTokenLimit": _CONTEXT,
            "outputTokenLimit": _MOST_OUTPUT,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }
        for name, shown in MODELS.items()
    ]
    return {"models": listed}


def _counted(tokens: int) -> Json:
    details = [{"modality": "TEXT", "tokenCount": tokens}]
    return {"totalTokens": tokens, "promptTokensDetails": details}


def _error_script(problem: Problem, _request_id: str) -> Script:
    """Return an error response."""
    told = ERRORS[problem.name]
    headers = {"content-type": "application/json; charset=UTF-8"}
    details = told.details
    if problem.value is not None:
        headers["retry-after"] = problem.value
        details = (*details, {"@type": f"{_RPC}RetryInfo", "retryDelay": f"{problem.value}s"})
    body = encoded(_error_body(told, problem.message or told.message, details))
    headers["content-length"] = str(len(body))
    outcome = f"failed:{problem.name}"
    return Script(status=told.code, headers=headers, frames=[Frame(data=body)], outcome=outcome)


def _error_body(told: _Error, message: str, details: tuple[Json, ...]) -> Json:
    about: dict[str, object] = {"code": told.code, "message": message, "status": told.status}
    if details:
        about["details"] = details
    return {"error": about}


def _read(incoming: Incoming) -> Ask | Problem:
    """Check a POST to generateContent, streamGenerateContent or countTokens."""
    model = incoming.model
    if not _key_of(incoming):
        return Problem(name="no-key", model=model)
    if model not in MODELS:
        message = f"models/{model} is not found for this API version."
        return Problem(name="unknown-model", message=message, model=model)
    if incoming.stream and incoming.query.get("alt") != "sse":
        message = "Simulated: streamGenerateContent is only served with alt=sse."
        return Problem(name="bad-request", message=message, model=model)
    try:
        request = _Request.model_validate_json(incoming.body)
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        message = f"Invalid value at '{where}': {first['msg']}"
        return Problem(name="bad-request", message=message, model=model)
    return _ask(request, incoming)


def _ask(request: _Request, incoming: Incoming) -> Ask:
    system = _text(request.system_instruction.parts)
    said = [(content.role, _text(content.parts)) for content in request.contents]
    config = request.generation_config
    return Ask(
        model=incoming.model,
        prompt=Prompt(
            system=system,
            messages=tuple(
                Message(speaker="user" if role == "user" else "assistant", text=text)
                for role, text in said
            ),
            # Thoughts count against the limit, as they do in the real API.
            max_output_tokens=config.max_output_tokens - THOUGHTS.get(incoming.model, 0),
            stop=tuple(config.stop_sequences),
        ),
        blocks=tuple(Block(text=text) for text in (system, *(text for _, text in said))),
        stream=incoming.stream,
        continues=request.continuation_token is not None,
    )


def _text(parts: list[_Part]) -> str:
    return "".join(part.text for part in parts)


def _frames(turn: Turn) -> Iterator[Frame]:
    """Yield the chunks of a stream; the last one has the finish reason."""
    name = turn.scenario.name
    if name == "early-error":
        yield _error_chunk(name)
    elif name == "pings":
        # The API has no pings, and its SDK takes comments for JSON: only empty lines are neutral.
        yield from repeat(Frame(data=b"\r\n", after_s=turn.scenario.interval_s))
    elif name in BROKEN:
        yield from _broken_frames(turn)
    elif _has_text(turn):
        yield from _text_frames(turn)
    else:
        body = _body(turn)
        yield replace(body, data=_sse(body.data))


def _text_frames(turn: Turn) -> Iterator[Frame]:
    said = list(spoken(turn))
    for n, (piece, output, after_s) in enumerate(said):
        ended = n == len(said) - 1
        yield replace(_chunk(turn, piece, output, _finish(turn) if ended else {}), after_s=after_s)


def _broken_frames(turn: Turn) -> Iterator[Frame]:
    last = Frame(data=b"")
    for piece, output, after_s in spoken(turn):
        last = replace(_chunk(turn, piece, output, {}), after_s=after_s)
        yield last
    if turn.scenario.name == "mid-error":
        yield replace(_error_chunk("mid-error"), output=last.output)
    elif turn.scenario.name == "bad-json":
        yield Frame(data=_sse(b'{"candidates": [{"content": {"par'), output=last.output)
    elif not last.data:
        # Headers without a body: the break comes before the first piece.
        yield last


def _chunk(turn: Turn, text: str, output: int, finish: Json) -> Frame:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, **finish, "index": 0}
    body, total = _reply(turn, {"candidates": [candidate]}, output)
    return Frame(data=_sse(encoded(body)), output=total)


def _error_chunk(name: str) -> Frame:
    told = ERRORS[name]
    return Frame(data=_sse(encoded(_error_body(told, told.message, told.details))))


def _sse(data: bytes) -> bytes:
    return b"data: %b\r\n\r\n" % data


def _has_text(turn: Turn) -> bool:
    withheld = turn.scenario.name in {*_WITHHELD, "refusal", "no-candidates", "bad-args"}
    return bool(turn.speech.text) and not withheld


def _finish(turn: Turn) -> Json:
    match turn.scenario.name:
        case "pause":
            return {"finishReason": "CONTINUATION", "continuationToken": "c2ltdWxhdGVk"}
        case "window-full":
            return {"finishReason": "MAX_TOKENS"}
        case _:
            return {"finishReason": _ENDINGS[turn.speech.ended]}


def _body(turn: Turn) -> Frame:
    """Return the answer as one response."""
    output = output_tokens(turn.speech.text) if _has_text(turn) else 0
    body, total = _reply(turn, _answer(turn), output)
    return Frame(data=encoded(body), output=total)


def _answer(turn: Turn) -> Json:
    """Return the part of a response that depends on what was said or withheld."""
    name = turn.scenario.name
    if name == "refusal":
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    if name == "no-candidates":
        return {}
    if name in _WITHHELD:
        return {"candidates": [{"finishReason": _WITHHELD[name], "index": 0, **_remark(name)}]}
    parts: list[Json] = [{"text": turn.speech.text}] if turn.speech.text else []
    if name == "bad-args":
        parts = [{"functionCall": {"name": "get_weather", "args": '{"city": "Oslo", "days":'}}]
    return {
        "candidates": [{"content": {"parts": parts, "role": "model"}, **_finish(turn), "index": 0}]
    }


def _remark(name: str) -> Json:
    if name == "empty":
        return {"content": {"parts": [], "role": "model"}}
    return {"finishMessage": f"Simulated: withheld, {_WITHHELD[name]}."}


def _reply(turn: Turn, answer: Json, output: int) -> tuple[Json, int]:
    """Return a response with its counts, and the output tokens that are billed so far."""
    thoughts = THOUGHTS.get(turn.ask.model, 0) if "candidates" in answer else 0
    body: dict[str, object] = {**answer, "modelVersion": turn.ask.model}
    body["responseId"] = turn.request_id
    if turn.scenario.name != "usage-absent":
        body["usageMetadata"] = _usage(turn, output, thoughts)
    return body, output + thoughts


def _usage(turn: Turn, output: int, thoughts: int) -> Json:
    whole = output_tokens(turn.speech.text) if _has_text(turn) else 0
    reported = turn.scenario.reported
    prompt, said = reported(turn.usage.input), reported(output, left=whole - output)
    counts: dict[str, object] = {"promptTokenCount": prompt, "candidatesTokenCount": said}
    if thoughts:
        counts["thoughtsTokenCount"] = reported(thoughts)
    counts["totalTokenCount"] = prompt + said + reported(thoughts)
    counts["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": prompt}]
    return counts


def _no_headers(_request_id: str) -> Mapping[str, str]:
    return {}


GEMINI = Wire(
    provider="google",
    read=_read,
    count=_read,
    counted=_counted,
    error=_error_script,
    frames=_frames,
    body=_body,
    headers=_no_headers,
    key=_key_of,
    models=_models,
)
