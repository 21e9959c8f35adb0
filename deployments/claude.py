"""Claude through the official SDK: the only file that knows it."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import cast

import anthropic
import httpx2

from deployments.claude_reply import Events, Reading, Tee, counted_tokens, kind_of, whole_message
from deployments.claude_request import count_body, request_body, verbatim_of
from deployments.provider import Ended, Failed, ProviderEvent, seconds_of
from tercet.call import Prompt
from tercet.content import JsonValue, Verbatim
from tercet.rules import Limits

DRAIN_S = 0.5
"""How long the end of a body may take to follow its last event."""
MESSAGE_LENGTH = 500
"""Most characters of a provider's words that are kept."""
NO_OBJECT = Failed(kind="bad_request", message="the request is no JSON object", billed="no")


class Claude:
    """One client for one key; one pool of connections per replica."""

    def __init__(self, key: str, base_url: str | None, limits: Limits) -> None:
        """Open no connection yet."""
        self._key = key
        self._timeout = httpx2.Timeout(limits.first_event_s, connect=limits.connect_s)
        # Nothing comes of a message that is not streamed until it is whole: its deadline is above.
        self._patient = httpx2.Timeout(limits.first_event_s, connect=limits.connect_s, read=None)
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=base_url,
            max_retries=0,  # each POST is one attempt with its own row; retries are decided above
            timeout=self._timeout,
            open_telemetry=False,  # the spans are `attempt`'s, and no API is sent our trace
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def stream(
        self, model: str, prompt: Prompt, attempt_id: str
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Ask `model`; see `Provider.stream`."""
        body = request_body(model, prompt)
        if body is None:
            yield NO_OBJECT
            return
        verbatim = verbatim_of(prompt)
        try:
            headers = {"x-client-request-id": attempt_id}
            async with await self._post("/v1/messages", body, verbatim, headers) as reply:
                async for event in _read(reply.response, verbatim):
                    yield self._safe(event) if isinstance(event, Failed) else event
        except Exception as error:  # noqa: BLE001  nothing a provider sends or breaks off is a bug
            yield self._safe(_failed(error))

    async def count(self, model: str, prompt: Prompt) -> int | Failed:
        """Have the input tokens of a prompt counted, which is free; see `Provider.stream`."""
        body = count_body(model, prompt)
        if body is None:
            return NO_OBJECT
        path, verbatim = "/v1/messages/count_tokens", verbatim_of(prompt)
        try:
            async with await self._post(path, body, verbatim, {}) as reply:
                return counted_tokens(await reply.response.aread())
        except Exception as error:  # noqa: BLE001  as above
            return self._safe(replace(_failed(error), billed="no"))

    async def _post(
        self, path: str, body: bytes, verbatim: Verbatim | None, headers: dict[str, str]
    ) -> anthropic.AsyncStream[object]:
        """POST the bytes as they are, and return once the headers of a success are there."""
        is_streamed = verbatim is None or verbatim.stream
        return await self._client.post(
            path,
            content=body,
            cast_to=object,
            options={
                "headers": {**(verbatim.headers if verbatim is not None else {}), **headers},
                "params": dict(verbatim.query) if verbatim is not None else {},
                "timeout": self._timeout if is_streamed else self._patient,
            },
            stream=True,
            stream_cls=anthropic.AsyncStream[object],
        )

    def _safe(self, failed: Failed) -> Failed:
        message = failed.message.replace(self._key, "[key]")[:MESSAGE_LENGTH]
        return replace(failed, message=message)


async def _read(
    response: httpx2.Response, verbatim: Verbatim | None
) -> AsyncIterator[ProviderEvent]:
    """Turn the answer into events; success only if `message_stop` was seen."""
    if verbatim is not None and not verbatim.stream:
        for told in whole_message(await response.aread()):
            yield told
        return
    chunks = response.aiter_bytes()
    events = Events()
    reading = Reading() if verbatim is None else Tee()
    async for chunk in chunks:
        for told in (told for event in events.feed(chunk) for told in reading.take(event)):
            if isinstance(told, Ended):
                await _drain(chunks)
            yield told
            if isinstance(told, Ended | Failed):
                return
    yield Failed(kind="truncated", message="the stream ended without message_stop", billed="maybe")


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read to the end of the body: the connection of a body left early is not used again."""
    with suppress(Exception):
        async with asyncio.timeout(DRAIN_S):
            async for _ in chunks:
                pass


def _failed(error: Exception) -> Failed:
    # The SDK wraps refused connections, resets after the POST and time-outs of both alike.
    if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
        return Failed(kind="unreachable", message="connection failed", billed="no")
    # Nothing that breaks a stream once it is open is wrapped by the SDK.
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return Failed(kind="timeout", message="no event in time", billed="maybe")
    if isinstance(error, anthropic.APIConnectionError):
        return Failed(kind="unreachable", message="connection failed", billed="maybe")
    if isinstance(error, anthropic.APIStatusError):
        return _refused(error)
    return Failed(kind="truncated", message=type(error).__name__, billed="maybe")


def _said(error: anthropic.APIStatusError) -> str:
    """Return the API's own words; the SDK quotes the whole body around them."""
    body = cast("JsonValue", error.body)
    told = body.get("error") if isinstance(body, dict) else None
    message = told.get("message") if isinstance(told, dict) else None
    return message if isinstance(message, str) else error.message


def _refused(error: anthropic.APIStatusError) -> Failed:
    return Failed(
        kind=kind_of(error.type, error.status_code, f"{error.message} {error.body}"),
        message=f"{error.type or error.status_code}: {_said(error)}",
        billed="no",
        retry_after_s=seconds_of(error.response.headers.get("retry-after"), time.time()),
    )
