"""A provider whose SDK is imported when it is first asked.

An SDK is 15 to 50 MB and one to two seconds of a processor, in the process of every tier: start-up
does not wait for it, and a tier that is never asked never has it (docs/speed.md).
"""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from deployments.provider import Failed, Provider, ProviderEvent
from tercet.call import Prompt

logger = logging.getLogger(__name__)


class LazyProvider:
    """Makes the provider at the first call; whoever calls meanwhile waits for the same one."""

    def __init__(self, make: Callable[[], Provider]) -> None:
        """Import nothing; `make` imports, and runs in a thread."""
        self._make = make
        self._made: Provider | None = None
        self._making = asyncio.Lock()

    async def stream(
        self, model: str, prompt: Prompt, attempt_id: str
    ) -> AsyncGenerator[ProviderEvent, None]:
        """Ask `model`; see `Provider.stream`."""
        provider = self._made or await self._provider()
        if isinstance(provider, Failed):
            yield provider
            return
        async with aclosing(provider.stream(model, prompt, attempt_id)) as events:
            async for event in events:
                yield event

    async def count(self, model: str, prompt: Prompt) -> int | Failed:
        """Return how many tokens `prompt` is to `model`; see `Provider.count`."""
        provider = self._made or await self._provider()
        return provider if isinstance(provider, Failed) else await provider.count(model, prompt)

    async def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            await self._made.close()

    async def _provider(self) -> Provider | Failed:
        async with self._making:
            if self._made is None:
                try:
                    self._made = await asyncio.to_thread(_unwatched, self._make)
                except Exception as error:  # noqa: BLE001  whatever an SDK raises
                    # By its name alone: its text could quote the key.
                    why = f"its client cannot be made: {type(error).__name__}"
                    logger.error("a provider is not asked: %s", why)  # noqa: TRY400  as above
                    return Failed(kind="unavailable", message=why, billed="no")
            return self._made


def _unwatched(make: Callable[[], Provider]) -> Provider:
    """Make it without the collector, which would look at an SDK's million objects again and again.

    They stay for good, so it is not to look at them later either; Serve does the same at the start.
    """
    gc.disable()
    try:
        return make()
    finally:
        gc.freeze()
        gc.enable()
