"""Gemini through the official SDK, which only this file imports."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, cast

import httpx2
from google import genai
from google.genai import errors, types

from deployments.gemini_reply import read
from deployments.gemini_wire import UnsendableError, request_of
from deployments.provider import Failed, ProviderEvent
from deployments.reply_json import parsed
from tercet.call import FailureKind, Prompt
from tercet.content import JsonObject
from tercet.rules import Limits

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

_PAGE = "models/{}:streamGenerateContent?alt=sse"


class _Wire(Protocol):
    """How the SDK itself makes requests: it has no public way to send and read JSON as it is."""

    async def async_request_streamed(
        self, http_method: str, path: str, request_dict: JsonObject, http_options: object
    ) -> AsyncIterator[types.HttpResponse]: ...


class _Models(Protocol):
    """The part of the SDK used here, typed: its own signature is partly unknown to checkers."""

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
        client = genai.Client(
            api_key=key,
            http_options=types.HttpOptions(
                base_url=base_url,
                api_version="v1",
                timeout=int(limits.first_event_s * 1000),
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_async_client=self._http,
            ),
        )
        self._wire = cast("_Wire", client._api_client)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._models = cast("_Models", client.aio.models)

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
            options = types.HttpOptions(headers={"x-client-request-id": attempt_id})
            replies = await self._wire.async_request_streamed(
                "post", _PAGE.format(model), request, options
            )
            async for event in read(_objects(replies), attempt_id):
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


async def _objects(replies: AsyncIterator[types.HttpResponse]) -> AsyncIterator[JsonObject]:
    async for reply in replies:
        yield parsed(reply.body or "{}")


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
