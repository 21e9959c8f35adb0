"""The replica's class: imports vLLM only when it starts, so that the head can name it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from importlib import import_module
from typing import Any

from deployments.local.start_log import output_from_now, phases_of
from deployments.serve import listen_on_own_address

Chunk = dict[str, Any]
"""A chat-completion chunk as OpenAI spells it, or `{"error": {"code", "message", "type"}}`."""

FIRST: Mapping[str, Any] = {
    "messages": [{"role": "user", "content": "Hi"}],
    "max_tokens": 1,
    "temperature": 0,
}


class Engine:
    """One model on this node. Callers send plain dicts and are sent plain dicts.

    Nothing of vLLM's crosses to the caller, neither its types nor its exceptions: the caller's
    process could not unpickle them.
    """

    async def __init__(
        self, definition: Mapping[str, Any], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Load the model and have it say one token; a replica that exists is one that answers."""
        listen_on_own_address()
        began = clock()
        vllm_server = await asyncio.to_thread(import_module, "deployments.local.vllm_server")
        imported = clock()
        output = output_from_now()
        self._server: Any = await vllm_server.start(definition)
        built = clock()
        # Serve awaits the `__del__` it finds on the instance.
        self.__del__ = self.close
        await self._say_first_token()
        self._state = {
            "name": definition["name"],
            "vllm": vllm_server.VERSION,
            "phases": {
                "import": imported - began,
                **phases_of(output, built - imported),
                "first token": clock() - built,
            },
        }

    async def chat(
        self, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Answer a chat-completion request as a stream, whose last chunk has the usage.

        Closing or cancelling the generator stops the work. Of the headers, `x-request-id` names
        the request in vLLM's logs and `traceparent` joins its spans to the caller's.
        """
        async with aclosing(self._server.stream(request, headers or {})) as chunks:
            async for chunk in chunks:
                yield chunk

    async def state(self) -> dict[str, Any]:
        """Return what runs, the seconds of each phase of its start, and its unfinished requests."""
        return self._state | {"unfinished": self._server.unfinished()}

    async def check_health(self) -> None:
        """Raise if the engine's processes are gone; Serve then replaces the replica."""
        await self._server.check()

    async def close(self) -> None:
        """End vLLM's processes; Serve calls it when the streams under way have ended."""
        await asyncio.to_thread(self._server.stop)

    async def _say_first_token(self) -> None:
        async for chunk in self.chat(FIRST):
            if "error" in chunk:
                raise RuntimeError(f"the model does not answer: {chunk['error']}")
