"""The deployment that has the ledger audited, in processes that end.

At night what was learned is fitted and judged; every few minutes it is looked at whether a kind of
work moves to the local model or back, so that one that has come to be worse does not wait for the
night.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from deployments.meters import reported
from router.metering import EVERY_S, Metering
from tercet.config import Config, settings
from tercet.meters import Meters

SLEEP_S = 600.0
"""Longest sleep: a clock may be set, and a machine sleep, meanwhile."""
LOOK_EVERY_S = 300.0
_DAY_S = 24 * 3600.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Work that is done again and again."""

    name: str
    work: Work
    due: Callable[[float], float]
    """From a time, when it is done next; both Unix seconds."""
    is_at_once: bool = False
    """Whether it is first done when the auditor begins."""


async def in_child(module: str, most_s: float) -> Ended:
    """Run a module in a child process; nothing of it outlives whoever waits.

    Args:
        module: its last line of standard output is JSON.
        most_s: after which it is ended.
    """
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(most_s):
            output, errors = await child.communicate()
    except TimeoutError:
        return Ended(status=None, output="", errors="")
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    return Ended(
        status=child.returncode,
        output=output.decode(errors="replace"),
        errors=errors.decode(errors="replace"),
    )


NIGHT: Work = partial(in_child, "router.refit.nightly", 2 * 3600.0)
LOOK: Work = partial(in_child, "router.migrations.look", LOOK_EVERY_S)


def next_at(now: float, hour: int) -> float:
    """Return the first time after `now` (Unix seconds) at which this hour (UTC) begins."""
    at = now // _DAY_S * _DAY_S + hour * 3600
    return at if at > now else at + _DAY_S


def rounds(config: Config, night: Work = NIGHT, look: Work = LOOK) -> list[Round]:
    """Return the work that there is by the configuration."""
    learning, found = config.learning, list[Round]()
    if learning.policy != "plan":
        found.append(
            Round(
                name="learned",
                work=night,
                due=lambda now: next_at(now, learning.refit_hour),
                # From the first task on: the public results are put in force where nothing is.
                is_at_once=learning.policy == "learned",
            )
        )
    if config.migrations.phase == "migrate" and config.local is not None:
        found.append(Round(name="migration", work=look, due=lambda now: now + LOOK_EVERY_S))
    return found


class Auditor:
    """Does its rounds. Two of them do no harm: one finds the other at it."""

    def __init__(
        self,
        config: Config,
        its_rounds: list[Round] | None = None,
        clock: Callable[[], float] = time.time,
        sleep_s: float = SLEEP_S,
    ) -> None:
        """Begin; needs an event loop."""
        self._clock = clock
        self._sleep_s = sleep_s
        begun = rounds(config) if its_rounds is None else its_rounds
        self._jobs = [asyncio.create_task(self._run(one)) for one in begun]
        metering = Metering(settings().ledger, config, clock)
        self._reporter = reported(Meters(metering.gauges))
        if self._reporter is not None:
            self._jobs.append(asyncio.create_task(_look(metering)))

    async def close(self) -> None:
        """Stop; work that is under way is ended, and begun anew the next time."""
        for job in self._jobs:
            job.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs)
        if self._reporter is not None:
            self._reporter.close()

    async def _run(self, one: Round) -> None:
        begun = self._clock()
        due = begun if one.is_at_once else one.due(begun)
        while True:
            now = self._clock()
            if now < due:
                await asyncio.sleep(min(due - now, self._sleep_s))
                continue
            due = one.due(now)
            try:
                _log(one.name, await one.work())
            except Exception:
                # Routing goes on as it is, and the next time tries again.
                logger.exception("%s: the work could not be begun", one.name)


async def _look(metering: Metering) -> None:
    """Keep the ledger's gauges, until cancelled."""
    try:
        while True:
            await asyncio.to_thread(metering.look)
            await asyncio.sleep(EVERY_S)
    finally:
        metering.close()


def _log(name: str, ended: Ended) -> None:
    if ended.status == 0:
        said = json.loads(ended.output.strip().rpartition("\n")[2])["said"]
        if said:
            logger.info("%s: %s", name, "; ".join(said))
    elif ended.status is None:
        logger.warning("%s: the work took too long and was ended", name)
    else:
        why = ended.errors.strip()[-_TOLD_CHARS:]
        logger.warning("%s: nothing was done (exit status %s): %s", name, ended.status, why)
