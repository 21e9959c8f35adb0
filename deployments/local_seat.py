"""The local model as a provider: its replica's `chat`, called and read."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from deployments.local_wire import Reading, UnsendableError, request_of
from deployments.provider import Failed, ProviderEvent
from tercet.call import Prompt

Chat = Callable[[Mapping[str, Any], Mapping[str, str]], AsyncGenerator[dict[str, Any], None]]
"""Takes a request and headers, and yields chunks, or one error as
`{"error": {"code", "message", "type"}}`; `deployments.local.engine` behind a handle."""


class LocalSeat:
    """The engine on VPS_1. Whoever leaves a stream frees the engine: its generator is closed."""

    def __init__(self, chat: Chat) -> None:
        """Call nothing yet."""
        self._chat = chat

    async def stream(
        self, model: str, prompt: Prompt, attempt_id: str
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Ask `model`; see `Provider.stream`.

        The attempt's id goes along as `x-request-id`, and the attempt's trace as `traceparent`.
        """
        try:
            request = request_of(model, prompt)
        except UnsendableError as error:
            yield Failed(kind="bad_request", message=str(error), billed="no")
            return
        reading = Reading(attempt_id)
        headers = {"x-request-id": attempt_id}
        if prompt.traceparent is not None:
            headers["traceparent"] = prompt.traceparent
        try:
            async with aclosing(self._chat(request, headers)) as chunks:
                async for chunk in chunks:
                    for event in reading.take(chunk):
                        yield event
                    if reading.failure is not None:
                        break
            last = reading.end()
        except Exception as error:  # noqa: BLE001  whatever Ray raises for a replica that is gone
            last = reading.lose(error)
        yield last

    async def count(self, model: str, prompt: Prompt) -> int | Failed:
        """Refuse: the engine counts nothing that it does not answer."""
        return Failed(kind="unavailable", message="the local model does not count", billed="no")

    async def close(self) -> None:
        """Close nothing: the replica is Serve's."""
