"""Claude through the official SDK: the only file that spells the Anthropic API."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from typing import cast

import anthropic
import httpx2
from anthropic.types import (
    Message,
    MessageDeltaUsage,
    MessageParam,
    RawMessageStreamEvent,
)
from anthropic.types import Usage as WireUsage

from deployments.provider import (
    Alive,
    Counter,
    Ended,
    Failed,
    Metered,
    ProviderEvent,
    seconds_of,
)
from tercet.call import Delta, FailureKind, FinishReason, Prompt
from tercet.rules import Limits
from tercet.usage import Usage

FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}

# By error type, never by status alone: an error event inside a stream arrives with status 200.
KINDS: Mapping[str, FailureKind] = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "billing_error": "exhausted",
    "authentication_error": "unauthorised",
    "permission_error": "unauthorised",
    "not_found_error": "bad_request",
    "invalid_request_error": "bad_request",
    "request_too_large": "too_long",
    "timeout_error": "timeout",
    "api_error": "unavailable",
}
SPENDING_LIMITS = ("enforced_spend_limit_reached", "credit balance is too low")
DRAIN_S = 0.5
"""How long the end of a body may take to follow its last event."""


class Claude:
    """One client for one key; one pool of connections per replica."""

    def __init__(self, key: str, base_url: str | None, limits: Limits) -> None:
        """Open no connection yet."""
        self._key = key
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=base_url,
            max_retries=0,  # each POST is one attempt with its own row; retries are decided above
            timeout=httpx2.Timeout(limits.first_event_s, connect=limits.connect_s),
            http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def stream(
        self, model: str, prompt: Prompt, attempt_id: str
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Ask `model`; see `Provider.stream`."""
        begun = False
        try:
            events = await self._client.messages.create(
                model=model,
                max_tokens=prompt.max_output_tokens,
                system=prompt.system or anthropic.omit,
                # The API refuses blank sequences, which OpenAI's clients may send.
                stop_sequences=[stop for stop in prompt.stop if stop.strip()] or anthropic.omit,
                messages=[_turn(m.speaker, m.text) for m in prompt.messages],
                stream=True,
                service_tier="standard_only",  # the bound that is reserved is the standard price's
                extra_headers={"x-client-request-id": attempt_id},
            )
            async with events:
                async for event in _read(events):
                    begun = True
                    yield event
        except anthropic.APIError as error:
            yield _failed(error, self._key, begun=begun)
        except httpx2.TimeoutException:
            # Nothing that breaks a stream once it is open is wrapped by the SDK.
            yield Failed(kind="timeout", message="no event in time", billed="maybe")
        except Exception as error:  # noqa: BLE001  the SDK checks no event's shape, and trips over it
            yield Failed(kind="truncated", message=type(error).__name__, billed="maybe")


def _turn(speaker: str, text: str) -> MessageParam:
    return cast("MessageParam", {"role": speaker, "content": text})


async def _read(events: AsyncIterator[RawMessageStreamEvent]) -> AsyncIterator[ProviderEvent]:
    """Turn the event stream into ours; success only if `message_stop` was seen."""
    opened: Message | None = None
    stop_reason: str | None = None
    said = False
    async for event in events:
        match event.type:
            # The SDK fills in what an event lacks with `None`, whatever its types say.
            case "message_start" if "usage" in event.message.model_fields_set:
                opened = event.message
                yield _metered(opened, None)
            case "content_block_delta" if event.delta.type == "text_delta":
                said = True
                yield Delta(event.delta.text)
            case "content_block_delta":
                yield Alive()
            case "message_delta":
                stop_reason = event.delta.stop_reason
                if opened is not None:
                    yield _metered(opened, event.usage)
            case "message_stop":
                await _drain(events)
                yield _end(stop_reason, said=said)
                return
            case _:
                pass
    yield Failed(kind="truncated", message="the stream ended without message_stop", billed="maybe")


async def _drain(events: AsyncIterator[RawMessageStreamEvent]) -> None:
    """Read to the end of the body: the connection of a body left early is not used again."""
    with suppress(Exception):
        async with asyncio.timeout(DRAIN_S):
            async for _ in events:
                pass


def _end(stop_reason: str | None, *, said: bool) -> Ended | Failed:
    finish = FINISH.get(stop_reason or "")
    # `pause_turn` and `tool_use` need tools, which are not sent.
    if finish is None or (stop_reason == "end_turn" and not said):
        # The event that has the reason also has the final count.
        billed = "maybe" if stop_reason is None else "as_metered"
        return Failed(kind="empty", message=f"stop reason {stop_reason}", billed=billed)
    return Ended(finish=finish)


def _metered(opened: Message, delta: MessageDeltaUsage | None) -> Metered:
    counter = Counter()
    usage = _usage(opened.usage, delta, counter)
    return Metered(
        usage=usage,
        upstream_id=opened.id,
        is_doubtful=counter.is_doubtful,
        service_tier=_service_tier(opened.usage),
    )


def _service_tier(usage: WireUsage) -> str | None:
    """Return what the reply says of how it was served, in the words of `PriceBook.cost_of`."""
    words = [word for word in (usage.service_tier, usage.speed) if word not in (None, "standard")]
    if usage.inference_geo == "us":
        words.append("us")
    return " ".join(words) or None


def _usage(opened: WireUsage, delta: MessageDeltaUsage | None, counter: Counter) -> Usage:
    """Combine the opening usage with the cumulative one: only the opening splits cache writes."""
    split = opened.cache_creation
    written = opened.cache_creation_input_tokens
    read = opened.cache_read_input_tokens
    fresh, output = opened.input_tokens, opened.output_tokens
    if delta is not None:
        fresh = fresh if delta.input_tokens is None else delta.input_tokens
        read = delta.cache_read_input_tokens or read
        written = delta.cache_creation_input_tokens or written
        output = delta.output_tokens
    writes = counter.tokens(written)
    hour = min(counter.tokens(split.ephemeral_1h_input_tokens), writes) if split is not None else 0
    details = delta.output_tokens_details if delta is not None else None
    return Usage(
        fresh_input=counter.tokens(fresh),
        cache_read=counter.tokens(read),
        cache_write_5m=writes - hour,
        cache_write_1h=hour,
        output=counter.tokens(output),
        thinking=counter.tokens(details.thinking_tokens) if details is not None else 0,
    )


def _failed(error: anthropic.APIError, key: str, *, begun: bool) -> Failed:
    # The SDK wraps refused connections, resets after the POST and time-outs of both alike.
    if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
        return Failed(kind="unreachable", message="connection failed", billed="no")
    if isinstance(error, anthropic.APITimeoutError):
        return Failed(kind="timeout", message="no event in time", billed="maybe")
    if isinstance(error, anthropic.APIConnectionError):
        return Failed(kind="unreachable", message="connection failed", billed="maybe")
    if not isinstance(error, anthropic.APIStatusError):
        return Failed(kind="truncated", message=type(error).__name__, billed="maybe")
    return Failed(
        kind=_kind(error),
        message=f"{error.type or error.status_code}: {error.message}".replace(key, "[key]")[:500],
        billed="maybe" if begun else "no",
        retry_after_s=seconds_of(error.response.headers.get("retry-after"), time.time()),
    )


def _kind(error: anthropic.APIStatusError) -> FailureKind:
    kind = KINDS.get(str(error.type))
    if error.status_code == 402 or any(limit in str(error.body) for limit in SPENDING_LIMITS):
        return "exhausted"
    if kind == "bad_request" and "too long" in error.message:
        return "too_long"
    if kind is not None:
        return kind
    return "bad_request" if 400 <= error.status_code < 500 else "unavailable"
