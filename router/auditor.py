"""The deployment that has what was learned fitted and judged at night, in a process that ends."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from tercet.config import Config

LOOK_S = 600.0
"""Longest sleep: a clock may be set, and a machine sleep, meanwhile."""
NIGHT_S = 2 * 3600.0
"""A night's work that takes longer is ended."""
_DAY_S = 24 * 3600.0
_COMMAND = (sys.executable, "-m", "router.refit.nightly")
_TOLD_CHARS = 2_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a child process ended."""

    status: int | None
    """`None`: it took too long."""
    output: str
    errors: str


Work = Callable[[], Awaitable[Ended]]


async def in_child() -> Ended:
    """Do a night's work in a child process; nothing of it outlives whoever waits."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*_COMMAND, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(NIGHT_S):
            output, errors = await child.communicate()
    except TimeoutError:
        return Ended(status=None, output="", errors="")
    finally:
        with suppress(ProcessLookupError):
            child.kill()
    return Ended(
        status=child.returncode,
        output=output.decode(errors="replace"),
        errors=errors.decode(errors="replace"),
    )


def next_at(now: float, hour: int) -> float:
    """Return the first time after `now` (Unix seconds) at which this hour (UTC) begins."""
    at = now // _DAY_S * _DAY_S + hour * 3600
    return at if at > now else at + _DAY_S


class Auditor:
    """Waits for the hour, day after day. Two of them do no harm: one finds the other at it."""

    def __init__(
        self,
        config: Config,
        work: Work = in_child,
        clock: Callable[[], float] = time.time,
        look_s: float = LOOK_S,
    ) -> None:
        """Begin to wait, unless only the plan's rule may route; needs an event loop."""
        self._work = work
        self._clock = clock
        self._look_s = look_s
        self._hour = config.learning.refit_hour
        self._is_at_once = config.learning.policy == "learned"
        is_on = config.learning.policy != "plan"
        self._job = asyncio.create_task(self._run()) if is_on else None

    async def close(self) -> None:
        """Stop waiting; a night's work that is under way is ended, and begun anew the next."""
        if self._job is not None:
            self._job.cancel()
            await asyncio.wait([self._job])

    async def _run(self) -> None:
        # From the first task on: the public results are put in force where nothing is.
        due = self._clock() if self._is_at_once else next_at(self._clock(), self._hour)
        while True:
            now = self._clock()
            if now < due:
                await asyncio.sleep(min(due - now, self._look_s))
                continue
            due = next_at(now, self._hour)
            try:
                _log(await self._work())
            except Exception:
                # Routing goes on as it is, and the next night tries again.
                logger.exception("the night's work could not be begun")


def _log(ended: Ended) -> None:
    if ended.status == 0:
        said = json.loads(ended.output.strip().rpartition("\n")[2])["said"]
        logger.info("learned: %s", "; ".join(said))
    elif ended.status is None:
        logger.warning("the night's work took more than %.0f hours and was ended", NIGHT_S / 3600)
    else:
        why = ended.errors.strip()[-_TOLD_CHARS:]
        logger.warning("nothing was learned tonight (exit status %s): %s", ended.status, why)
