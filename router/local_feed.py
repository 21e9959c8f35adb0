"""The local model's readiness, asked for again and again so that no request waits for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from router.waking import Holding, LoadTimes
from tercet.readiness import LocalReport, Readiness

EVERY_S = 1.0
UNHEARD = LocalReport(readiness=Readiness(kind="away", why="its proxy does not answer"), starts=())

Ask = Callable[[], Awaitable[LocalReport]]

logger = logging.getLogger(__name__)


class LocalFeed:
    """What one ingress replica was last told of the local model, and who waits for that."""

    def __init__(self, holding: Holding, report: Ask, wake: Ask) -> None:
        """Begin with nothing heard; `report` and `wake` may raise, and return in a few seconds."""
        self.holding = holding
        self._last = UNHEARD
        self._ask = report
        self._wake = wake
        self._is_deaf = False

    async def run(self) -> None:
        """Ask at once and then again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Ask the proxy; while it is silent the model is taken to be out of reach."""
        try:
            self._take(await self._ask())
            self._is_deaf = False
        except Exception:
            # Told once: a proxy is away while it is replaced.
            if not self._is_deaf:
                logger.exception("the local model's proxy does not answer")
            self._is_deaf = True
            self._take(LocalReport(readiness=UNHEARD.readiness, starts=self._last.starts))

    def report(self) -> LocalReport:
        """Return what is known now."""
        return LocalReport(readiness=self.holding.readiness, starts=self._last.starts)

    async def wake(self) -> None:
        """Have the model woken.

        Raises:
            TimeoutError: its proxy does not answer; or whatever Serve raises.
        """
        self._take(await self._wake())

    def _take(self, report: LocalReport) -> None:
        self._last = report
        self.holding.note(report.readiness, LoadTimes(starts=report.starts))
