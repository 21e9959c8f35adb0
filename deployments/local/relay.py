"""The replica's class where the machine is outside the cluster: it rents one and relays to it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import tunnel
from deployments.local.engine import FIRST, Chunk
from deployments.local.hold import Hold, holding
from deployments.local.remote import LostError, Remote
from deployments.serve import listen_on_own_address
from tercet.renting import RentFailureKind

logger = logging.getLogger(__name__)

HOPELESS: frozenset[RentFailureKind] = frozenset({"rejected", "no_credit", "unauthorized"})
"""Failures that time alone does not mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a machine is held."""

    url: str = f"http://{tunnel.NODE}:{tunnel.HTTP_PORT}"
    """Of its server, as this host reaches it."""
    lasts_s: float = 120.0
    """How long a machine is wanted after its relay was killed: the next one may take it over."""
    silent_s: float = 60.0
    """How long one that was heard, and was taken over, may not answer."""
    look_s: float = 0.5
    """How often a machine that starts is asked."""
    retry_s: float = 10.0
    """After a failure to rent."""


TERMS = Terms()


class Relay:
    """One machine and its model: `deployments.local.engine.Engine` for callers."""

    async def __init__(
        self, definition: Mapping[str, Any], config: str | None = None, terms: Terms = TERMS
    ) -> None:
        """Rent a machine and have its model say one token.

        Raises:
            RuntimeError: none can be had, or none answered within `give_up_s`.
        """
        listen_on_own_address()
        # Serve awaits the `__del__` it finds on the instance.
        self.__del__ = self.close
        self._terms = terms
        self._unfinished = 0
        self._is_closed = False
        self._why = "it was not asked for yet"
        self._open = AsyncExitStack()
        self._closing = asyncio.Lock()
        folder = None if config is None else Path(config)
        give_up_s = definition["give_up_s"]
        try:
            async with asyncio.timeout(give_up_s):
                hold = holding(definition, folder, terms.lasts_s)
                self._hold = await self._open.enter_async_context(hold)
                self._remote, phases = await self._begin()
                version = await self._remote.version()
        except TimeoutError:
            await self.close()
            raise RuntimeError(f"no machine after {give_up_s:.0f} s: {self._why}") from None
        except BaseException as error:
            is_stopped = self._is_closed and isinstance(error, Exception)
            await self.close()
            if is_stopped:  # the error is then that of a client that was closed, or the like
                raise RuntimeError("it was stopped while it started") from error
            raise
        self._state = {"name": definition["name"], "vllm": version, "phases": phases}

    async def chat(
        self, request: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Chunk, None]:
        """Answer; see `Engine.chat`.

        Raises:
            LostError: the machine is out of reach, or its server broke off.
        """
        self._unfinished += 1
        try:
            async with aclosing(self._remote.stream(request, headers or {})) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self._unfinished -= 1

    async def state(self) -> dict[str, Any]:
        """Return what runs; see `Engine.state`."""
        return self._state | {"unfinished": self._unfinished}

    async def check_health(self) -> None:
        """Raise if the machine is let go, or does not answer; Serve then replaces the replica."""
        if not self._hold.renew():
            raise LostError("its machine is not wanted any more")
        await self._remote.check()

    async def close(self) -> None:
        """Let the machine go; Serve calls it when the streams under way have ended.

        It may be called while the start is still under way, which then fails. Whoever calls it
        second waits for the first: the process may end after it.
        """
        self._is_closed = True
        async with self._closing:
            await self._open.aclose()

    async def _begin(self) -> tuple[Remote, dict[str, float]]:
        """Rent until a machine answers; return it, and the seconds of the phases of its start."""
        while not self._is_closed:
            failure = await self._hold.take()
            if failure is not None:
                self._why = failure.message
                logger.warning("no machine: %s", failure.message)
                if failure.kind in HOPELESS:
                    raise RuntimeError(failure.message)
                await asyncio.sleep(failure.retry_after_s or self._terms.retry_s)
                continue
            remote = Remote(self._terms.url, self._hold.key)
            self._open.push_async_callback(remote.close)
            phases = await _answering(remote, self._hold, self._terms)
            if phases is not None:
                return remote, phases
            self._why = "a machine was rented and lost again before it answered"
            logger.warning("%s", self._why)
            await remote.close()
            await self._hold.let_go()
        raise RuntimeError("nobody waits for a machine any more")


async def _answering(remote: Remote, hold: Hold, terms: Terms) -> dict[str, float] | None:
    """Wait until the model answers; `None`: its machine is lost.

    The wait for the machine itself is no phase here: it is part of `placed`, as in the cluster.
    """
    was_heard = hold.is_heard
    began = heard = time.monotonic()
    while hold.renew():
        now = time.monotonic()
        if not hold.is_heard:
            heard = now
        if was_heard and now - began > terms.silent_s:
            return None
        try:
            await remote.check()
            answered = time.monotonic()
            await _say_first_token(remote)
        except LostError:
            await asyncio.sleep(terms.look_s)
            continue
        return {"engine": answered - heard, "first token": time.monotonic() - answered}
    return None


async def _say_first_token(remote: Remote) -> None:
    async for chunk in remote.stream(FIRST, {}):
        if "error" in chunk:
            raise RuntimeError(f"the model does not answer: {chunk['error']}")
