"""Gemini through the official SDK, which only this file imports."""

import json
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import httpx2
from google import genai
from google.genai import errors, types

from deployments.gemini_wire import UnsendableError, request_of
from deployments.provider import Alive, Counter, Ended, Failed, Metered, ProviderEvent
from tercet.call import Delta, FailureKind, FinishReason, Piece, Prompt, ThoughtDelta, ToolDelta
from tercet.content import JsonObject
from tercet.rules import Limits
from tercet.usage import Usage

FINISH: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
}

KINDS: Mapping[str, FailureKind] = {
    "RESOURCE_EXHAUSTED": "rate_limited",
    "UNAVAILABLE": "overloaded",
    "INTERNAL": "unavailable",
    "DEADLINE_EXCEEDED": "timeout",
    "UNAUTHENTICATED": "unauthorised",
    "PERMISSION_DENIED": "unauthorised",
    "NOT_FOUND": "bad_request",
    "INVALID_ARGUMENT": "bad_request",
    "FAILED_PRECONDITION": "bad_request",
}

_STEERING = ("systemInstruction", "tools", "toolConfig")


class _Models(Protocol):
    """The part of the SDK used here, typed: its own signature is partly unknown to checkers."""

    async def generate_content_stream(
        self, *, model: str, contents: list[types.Content], config: types.GenerateContentConfig
    ) -> AsyncIterator[types.GenerateContentResponse]: ...

    async def count_tokens(
        self, *, model: str, contents: list[types.Content], config: types.CountTokensConfig
    ) -> types.CountTokensResponse: ...


class Gemini:
    """One client for one key; one pool of connections per replica."""

    def __init__(self, key: str, base_url: str | None, limits: Limits) -> None:
        """Open no connection yet."""
        self._key = key
        self._connect_s = limits.connect_s
        # An own client, so httpx2 as for Claude: the SDK would pick the aiohttp that Ray brought,
        # which follows redirects with the key and retries a refused connection after up to 10 s.
        self._http = httpx2.AsyncClient(
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
            event_hooks={"request": [self._limit_connecting]},
        )
        self._client = genai.Client(
            api_key=key,
            http_options=types.HttpOptions(
                base_url=base_url,
                api_version="v1",
                timeout=int(limits.first_event_s * 1000),
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_async_client=self._http,
            ),
        ).aio
        self._models = cast("_Models", self._client.models)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _limit_connecting(self, request: httpx2.Request) -> None:
        # The SDK knows one timeout for everything.
        request.extensions["timeout"]["connect"] = self._connect_s

    async def stream(
        self, model: str, prompt: Prompt, attempt_id: str
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Ask `model`; see `Provider.stream`."""
        begun = False
        try:
            request = request_of(prompt)
            replies = await self._models.generate_content_stream(
                model=model, contents=_contents(request), config=_config(request, attempt_id)
            )
            # Only now is the request sent: the SDK's stream is lazy.
            async for event in _read(replies, attempt_id):
                begun = True
                yield event
        except Exception as error:  # noqa: BLE001  the SDK raises whatever an odd reply breaks in it
            yield _failed(error, self._key, begun=begun)

    async def count(self, model: str, prompt: Prompt) -> int | Failed:
        """Return how many tokens `prompt` is to `model`; see `Provider.count`."""
        try:
            counted = await self._models.count_tokens(
                model=model,
                contents=[types.Content(parts=[types.Part(text="-")])],
                config=_counting(model, request_of(prompt)),
            )
        except Exception as error:  # noqa: BLE001  as above
            return replace(_failed(error, self._key, begun=False), billed="no")
        if counted.total_tokens is None or counted.total_tokens < 0:
            return Failed(kind="truncated", message="a reply without a count", billed="no")
        return counted.total_tokens


def _contents(request: JsonObject) -> list[types.Content]:
    contents = cast("list[JsonObject]", request["contents"])
    return [types.Content.model_validate(content) for content in contents]


def _config(request: JsonObject, attempt_id: str) -> types.GenerateContentConfig:
    """Return all but the contents: the SDK has the generation's settings beside the rest."""
    generation = cast("JsonObject", request["generationConfig"])
    steering = {name: request[name] for name in _STEERING if name in request}
    config = types.GenerateContentConfig.model_validate({**steering, **generation})
    config.http_options = types.HttpOptions(headers={"x-client-request-id": attempt_id})
    # Off: a continuation is a second POST that no row would stand for; so would be the SDK's own
    # calling of tools, if it were ever given functions.
    config.automatic_continuation = False
    config.automatic_function_calling = types.AutomaticFunctionCallingConfig(disable=True)
    return config


def _counting(model: str, request: JsonObject) -> types.CountTokensConfig:
    """Return a configuration that has the whole request counted.

    The API takes either contents or a request, and the SDK knows only contents: what it is given
    of these is replaced by an empty list, which to the API is none.
    """
    body: dict[str, object] = {
        "contents": [],
        "generateContentRequest": {"model": f"models/{model}", **request},
    }
    return types.CountTokensConfig(http_options=types.HttpOptions(extra_body=body))


@dataclass(slots=True)
class _Heard:
    """What was heard of an answer so far."""

    attempt_id: str
    reason: str | None = None
    said: bool = False
    """Text or calls."""
    calls: int = 0
    has_nameless_call: bool = False

    def pieces(self, candidate: types.Candidate, response_id: str | None) -> Iterator[Piece]:
        """Read the next part of the answer."""
        parts = (candidate.content.parts or []) if candidate.content is not None else []
        for part in parts:
            signature = b64encode(part.thought_signature or b"").decode() or None
            if part.function_call is not None:
                yield self._call(part.function_call, response_id, signature)
            elif part.thought and (part.text or signature):
                yield ThoughtDelta(text=part.text or "", signature=signature)
            elif not part.thought:
                yield from self._text(part.text, signature)

    def _text(self, text: str | None, signature: str | None) -> Iterator[Piece]:
        if text:
            self.said = True
            yield Delta(text)
        if signature:
            # An answer's last text, which may be empty, is signed; only thoughts can hold that.
            yield ThoughtDelta(text="", signature=signature)

    def _call(
        self, call: types.FunctionCall, response_id: str | None, signature: str | None
    ) -> ToolDelta:
        index, self.calls, self.said = self.calls, self.calls + 1, True
        self.has_nameless_call |= not call.name
        return ToolDelta(
            index=index,
            id=call.id or f"call_{response_id or self.attempt_id}_{index}",
            name=call.name or "",
            arguments=json.dumps(call.args or {}, ensure_ascii=False, separators=(",", ":")),
            signature=signature,
        )

    def end(self) -> Ended | Failed:
        """Judge the answer, of which nothing more comes."""
        if self.reason is None:
            message = "the stream ended without a finish reason"
            return Failed(kind="truncated", message=message, billed="maybe")
        finish = FINISH.get(self.reason)
        if finish is None or (finish == "stop" and not self.said):
            message = f"finish reason {self.reason}"
            return Failed(kind="empty", message=message, billed="as_metered")
        if self.has_nameless_call:
            return Failed(kind="empty", message="a call without a name", billed="as_metered")
        return Ended(finish="tool_use" if finish == "stop" and self.calls else finish)


async def _read(
    replies: AsyncIterator[types.GenerateContentResponse], attempt_id: str
) -> AsyncIterator[ProviderEvent]:
    """Turn replies, whose counts are cumulative, into events."""
    heard = _Heard(attempt_id)
    async for reply in replies:
        if reply.usage_metadata is not None:
            counter = Counter()
            usage = _usage(reply.usage_metadata, counter)
            yield Metered(
                usage=usage, upstream_id=reply.response_id, is_doubtful=counter.is_doubtful
            )
        if reply.prompt_feedback is not None and reply.prompt_feedback.block_reason is not None:
            yield Ended(finish="content_filter")
            return
        for candidate in (reply.candidates or [])[:1]:
            if candidate.finish_reason:
                heard.reason = candidate.finish_reason.value
            pieces = [*heard.pieces(candidate, reply.response_id)]
            for piece in pieces or [Alive()]:
                yield piece
    yield heard.end()


def _usage(counted: types.GenerateContentResponseUsageMetadata, counter: Counter) -> Usage:
    """Make the buckets disjoint: the prompt count has the cached tokens and lacks tool-use ones."""
    cached = counter.tokens(counted.cached_content_token_count)
    prompt = counter.tokens(counted.prompt_token_count)
    thinking = counter.tokens(counted.thoughts_token_count)
    tool_use = counter.tokens(counted.tool_use_prompt_token_count)
    return Usage(
        fresh_input=max(prompt - cached, 0) + tool_use,
        cache_read=cached,
        output=counter.tokens(counted.candidates_token_count) + thinking,
        thinking=thinking,
    )


def _failed(error: Exception, key: str, *, begun: bool) -> Failed:
    match error:
        case UnsendableError():
            return Failed(kind="bad_request", message=str(error), billed="no")
        case errors.APIError():
            return _refused(error, key, begun=begun)
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return Failed(kind="unreachable", message="connection failed", billed="no")
        case httpx2.TimeoutException():
            return Failed(kind="timeout", message="no event in time", billed="maybe")
        case httpx2.HTTPError():
            # A broken connection is not wrapped by the SDK.
            kind = "truncated" if begun else "unreachable"
            return Failed(kind=kind, message=type(error).__name__, billed="maybe")
        case _:
            return Failed(kind="truncated", message=type(error).__name__, billed="maybe")


def _refused(error: errors.APIError, key: str, *, begun: bool) -> Failed:
    text = f"{error.status or error.code}: {error.message}"
    return Failed(
        kind=_kind(error, text),
        message=text.replace(key, "[key]")[:500],
        billed="maybe" if begun else "no",
        retry_after_s=_retry_delay(cast("Any", error.details)),
    )


def _kind(error: errors.APIError, text: str) -> FailureKind:
    kind = KINDS.get(str(error.status))
    # 402: the prepaid credit is used up.
    if error.code == 402 or "spending cap" in text:
        return "exhausted"
    if "API_KEY_INVALID" in str(cast("Any", error.details)):
        return "unauthorised"
    if kind == "bad_request" and "token" in text and "exceed" in text:
        return "too_long"
    if kind is not None:
        return kind
    return "bad_request" if 400 <= error.code < 500 else "unavailable"


def _retry_delay(details: Any) -> float | None:  # noqa: ANN401  google.rpc details are free-form JSON
    """Return RetryInfo's delay, as in `{"@type": "...RetryInfo", "retryDelay": "27s"}`."""
    try:
        rows = details["error"]["details"]
        delays = [row["retryDelay"] for row in rows if "retryDelay" in row]
        return float(delays[0].removesuffix("s"))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None
