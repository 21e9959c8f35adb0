"""Hold or spill: what becomes of a request for the local model while that is not ready.

Nothing here wakes it. Times are Unix seconds and come as arguments.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tercet.readiness import Readiness, Start

SURE = 0.95
"""How probable it must be that a request which is held will be answered in time."""
COUNTED = 50
"""Older starts than the newest so many say little of the disk and the model there is now."""
ENOUGH = 19
"""The next of 20 alike starts is the longest with a probability of 5 %: of fewer, none is sure."""
PRIOR_S = (150.0, 150.0, 150.0)
"""Starts taken for granted until there are `ENOUGH`: 149.9 s were measured with Ray on two busy
cores (2026-11-23), and a 33B model on a 24 GB card is reckoned at 90 to 130 s. Three, so that the
middle of few real ones is cautious too. Too long a guess costs the price of an API's answer; too
short a one, a caller's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTimes:
    """How long starts take, by those that were."""

    starts: Sequence[Start] = ()
    """In any order."""

    def quantile(self, share: float) -> float:
        """Return the seconds within which the next start ends with this probability, above 0.

        Of a sample too small to say, the longest.
        """
        return _quantile(self._sample_s(), share)

    def expected_s(self, now: float, readiness: Readiness) -> float:
        """Return within how many more seconds it is ready, as surely as `SURE`.

        Of past starts, those count that were still under way after the time this one has had.
        Infinity: nothing is under way, or it has had longer than any.
        """
        if readiness.kind == "ready":
            return 0.0
        if not readiness.is_starting:
            return math.inf
        had_s = 0.0 if readiness.since is None else max(now - readiness.since, 0.0)
        longer = [total_s for total_s in self._sample_s() if total_s > had_s]
        return _quantile(longer, SURE) - had_s if longer else math.inf

    def _sample_s(self) -> list[float]:
        newest = sorted(self.starts, key=lambda start: start.at)[-COUNTED:]
        prior = PRIOR_S if len(newest) < ENOUGH else ()
        return sorted((*(start.total_s for start in newest), *prior))


def _quantile(ordered: Sequence[float], share: float) -> float:
    # The next of n + 1 alike is at most the k-th of n with the probability k / (n + 1).
    rank = math.ceil(share * (len(ordered) + 1))
    return ordered[min(rank, len(ordered)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a caller has said about waiting."""

    allowed: bool
    deadline_at: float
    """When the answer must be whole."""
    answer_s: float
    """How long the answer takes once it is begun, whoever gives it; above 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How many requests are held, and how many may be."""

    count: int
    most: int


@dataclass(frozen=True, slots=True)
class Go:
    """Ask the local model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Wait for the local model."""

    until: float
    """When to spill after all: later, nobody could answer before the deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spill:
    """Have an API answer."""

    reason: str


def decide(
    readiness: Readiness, wait: Wait, queue: Held, loads: LoadTimes, now: float
) -> Go | Hold | Spill:
    """Decide what becomes of a request that would go to the local model."""
    if readiness.kind == "ready":
        return Go()
    if not (readiness.is_starting and wait.allowed):
        return _spill(readiness)
    if queue.count >= queue.most:
        return _spill(readiness, f"; {queue.count} requests wait for it already")
    left_s = loads.expected_s(now, readiness)
    until = wait.deadline_at - wait.answer_s
    if now + left_s < until:
        return Hold(until=until)
    if math.isinf(left_s):
        return _spill(readiness, "; it has taken longer than any start before")
    return _spill(readiness, f"; it may take {left_s:.0f} s more, too long for the deadline")


def _spill(readiness: Readiness, more: str = "") -> Spill:
    state = "out of reach" if readiness.kind == "away" else readiness.kind
    return Spill(reason=f"the local model is {state} ({readiness.why}){more}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """The local model as a decision sees it."""

    readiness: Readiness
    loads: LoadTimes
    queue: Held
    now: float
    """Unix seconds."""


class Holding:
    """The requests of one event loop that are held. It learns by `note`, and asks nobody."""

    def __init__(self, most: int, clock: Callable[[], float] = time.time) -> None:
        """Hold at most so many; until the first note the model is taken to be out of reach."""
        self._most = most
        self._clock = clock
        self._count = 0
        self._loads = LoadTimes()
        self._readiness = Readiness(kind="away", why="nothing was heard of it yet")
        self._noted = asyncio.Event()

    @property
    def count(self) -> int:
        """How many requests are held now."""
        return self._count

    @property
    def readiness(self) -> Readiness:
        """What was last heard, or followed from a call."""
        return self._readiness

    def note(self, readiness: Readiness, loads: LoadTimes | None = None) -> None:
        """Take a newer snapshot; those who wait go on with the newest."""
        self._readiness = readiness
        self._loads = loads or self._loads
        self._noted.set()
        self._noted = asyncio.Event()

    def lose(self) -> None:
        """Take the model to be out of reach until the next note: a call to it has failed."""
        self.note(Readiness(kind="away", why="a call to it has just failed"))

    def local(self) -> Local:
        """Return what a decision made now goes by."""
        return Local(
            readiness=self._readiness,
            loads=self._loads,
            queue=Held(count=self._count, most=self._most),
            now=self._clock(),
        )

    async def until_ready(self, until: float) -> Go | Spill:
        """Hold a request that was told to wait until then, or until the start has ended.

        It is not judged by the clock again before its time is up.
        """
        if (end := self._end()) is not None:
            return end
        if self._count >= self._most:
            return _spill(self._readiness, f"; {self._count} requests wait for it already")
        self._count += 1
        try:
            async with asyncio.timeout(until - self._clock()):
                return await self._end_of_start()
        except TimeoutError:
            return self._end() or _spill(self._readiness, "; the time to wait for it is over")
        finally:
            self._count -= 1

    async def _end_of_start(self) -> Go | Spill:
        while (end := self._end()) is None:
            await self._noted.wait()
        return end

    def _end(self) -> Go | Spill | None:
        if self._readiness.kind == "ready":
            return Go()
        return None if self._readiness.is_starting else _spill(self._readiness)
