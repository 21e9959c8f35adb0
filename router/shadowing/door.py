"""Where samples wait for the local model, and when it is woken for them."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from router.waking import Holding

logger = logging.getLogger(__name__)

AGAIN_S = 60.0
"""How long after it was asked to wake it is asked once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long samples wait, and what the local model is woken for."""

    wait_s: float = 4 * 3600.0
    """Longest wait of one sample: its texts are held in memory so long."""
    wake_at: int = 20
    """So many that wait are worth a start: a rented machine takes minutes, and is paid for ten."""
    wake_after_s: float = 2 * 3600.0
    """So long a wait is, too."""
    look_s: float = 1.0
    """How often its readiness is looked at: as often as that is asked for."""


class Door:
    """The samples of one replica that wait for the local model."""

    def __init__(
        self,
        holding: Holding,
        wake: Callable[[], Awaitable[object]],
        clock: Callable[[], float],
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin with nobody waiting; `wake` may raise. Times are Unix seconds."""
        self._holding = holding
        self._wake = wake
        self._clock = clock
        self._patience = patience or Patience()
        self._sleep = sleep
        self._since: list[float] = []
        self._woken_at = -math.inf

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._since)

    @property
    def is_open(self) -> bool:
        """Whether the local model answers now."""
        return self._holding.readiness.kind == "ready"

    async def until_open(self, since: float) -> bool:
        """Wait until it answers; return false if it does not in time, counted from `since`."""
        self._since.append(since)
        try:
            while not self.is_open:
                if self._clock() >= since + self._patience.wait_s:
                    return False
                await self._wake_if_due()
                await self._sleep(self._patience.look_s)
            return True
        finally:
            self._since.remove(since)

    async def _wake_if_due(self) -> None:
        now, readiness = self._clock(), self._holding.readiness
        is_worth_it = (
            len(self._since) >= self._patience.wake_at
            or now - min(self._since) >= self._patience.wake_after_s
        )
        may_wake = readiness.kind == "asleep" and not readiness.is_starting
        if not (is_worth_it and may_wake) or now - self._woken_at < AGAIN_S:
            return
        self._woken_at = now
        try:
            await self._wake()
        except Exception:
            logger.exception("the local model could not be woken for what waits for it")
