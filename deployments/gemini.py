"""Gemini through the official SDK: the only file that spells the Gemini API."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Protocol, cast

import httpx2
from google import genai
from google.genai import errors, types

from deployments.provider import Alive, Counter, Ended, Failed, Metered, ProviderEvent
from tercet.call import Delta, FailureKind, FinishReason, Prompt
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


class _Models(Protocol):
    """The part of the SDK used here, typed: its own signature is partly unknown to checkers."""

    async def generate_content_stream(
        self, *, model: str, contents: list[types.Content], config: types.GenerateContentConfig
    ) -> AsyncIterator[types.GenerateContentResponse]: ...


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
            replies = await self._models.generate_content_stream(
                model=model, contents=_contents(prompt), config=_config(prompt, attempt_id)
            )
            # Only now is the request sent: the SDK's stream is lazy.
            async for event in _read(replies):
                begun = True
                yield event
        except errors.APIError as error:
            yield _failed(error, self._key, begun=begun)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            yield Failed(kind="unreachable", message="connection failed", billed="no")
        except httpx2.TimeoutException:
            yield Failed(kind="timeout", message="no event in time", billed="maybe")
        except httpx2.HTTPError as error:
            # A broken connection is not wrapped by the SDK.
            kind = "truncated" if begun else "unreachable"
            yield Failed(kind=kind, message=type(error).__name__, billed="maybe")
        except Exception as error:  # noqa: BLE001  the SDK raises whatever an odd reply breaks in it
            yield Failed(kind="truncated", message=type(error).__name__, billed="maybe")


def _contents(prompt: Prompt) -> list[types.Content]:
    return [
        types.Content(
            role="model" if message.speaker == "assistant" else "user",
            parts=[types.Part(text=message.text)],
        )
        for message in prompt.messages
    ]


def _config(prompt: Prompt, attempt_id: str) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        http_options=types.HttpOptions(headers={"x-client-request-id": attempt_id}),
        system_instruction=prompt.system or None,
        max_output_tokens=prompt.max_output_tokens,
        stop_sequences=list(prompt.stop) or None,
        # Off: a continuation is a second POST that no row would stand for.
        automatic_continuation=False,
    )


async def _read(
    replies: AsyncIterator[types.GenerateContentResponse],
) -> AsyncIterator[ProviderEvent]:
    """Turn cumulative replies into events; success only if a finish reason was seen."""
    reason: str | None = None
    said = False
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
            reason = candidate.finish_reason.value if candidate.finish_reason else reason
            texts = _texts(candidate)
            for text in texts:
                said = True
                yield Delta(text)
            if not texts:
                yield Alive()
    yield _end(reason, said=said)


def _texts(candidate: types.Candidate) -> list[str]:
    parts = (candidate.content.parts or []) if candidate.content is not None else []
    return [part.text for part in parts if part.text and not part.thought]


def _end(reason: str | None, *, said: bool) -> Ended | Failed:
    if reason is None:
        message = "the stream ended without a finish reason"
        return Failed(kind="truncated", message=message, billed="maybe")
    finish = FINISH.get(reason)
    if finish is None or (finish == "stop" and not said):
        return Failed(kind="empty", message=f"finish reason {reason}", billed="as_metered")
    return Ended(finish=finish)


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


def _failed(error: errors.APIError, key: str, *, begun: bool) -> Failed:
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
