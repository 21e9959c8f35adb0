"""Whether the rented machine pays, worked out of the ledger beside Serve's controller.

A thread of its own reads the closed minutes and runs every policy on them; the controller only
looks at what it came to. What it knows is all in the ledger, so a controller that starts anew
begins with the weeks before it.
"""

import asyncio
import logging
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cluster.doorstep import Doorstep
from cluster.rentals.opening import doorstep_of
from deployments.ledger import Ledger
from tercet.config import settings
from tercet.keep_alive.ledger_minutes import Comparison, rehearsed
from tercet.keep_alive.policy import Economics
from tercet.keep_alive.shadow import Outcome
from tercet.leases import Arrivals, Decided, Lease
from tercet.readiness import Start
from tercet.rental_file import load_rental
from tercet.rental_rules import RentalRules
from tercet.usage import NANO_USD_PER_USD

logger = logging.getLogger(__name__)

HISTORY_MIN = 14 * 24 * 60
"""Minutes of the past that are gone through at first: two of every hour of the week."""
SHADOW_EVERY_MIN = 60
"""How often it is noted what the others would have cost, besides when one changes its mind."""
LATE_S = 5.0
"""How long after its end a minute is read: answers are paid for when they have ended."""
UNKNOWN_HOURLY_NANO_USD = NANO_USD_PER_USD * 3 // 10
"""Of a machine before one was rented, where rental.yaml names no highest price."""
SILENCE_S = 3.0
"""How long after the controller's last word it is not known what it wants."""
BREATH = 200
"""Minutes of history after which other threads of the process get their turn."""


class Books(Protocol):
    """The part of the ledger that knows what came, what starts took and what was decided."""

    async def arrivals(
        self, since: float, until: float, minute_s: float = 60.0
    ) -> Sequence[Arrivals]:
        """Return by the minute what came for the local model."""
        ...

    async def starts(self, limit: int = 50) -> Sequence[Start]:
        """Return so many starts, the newest first."""
        ...

    async def leases(self, *, open_only: bool) -> Sequence[Lease]:
        """Return leases, the newest first."""
        ...

    async def note_decision(self, row: Decided) -> None:
        """Record what a policy wants."""
        ...


class Keeper:
    """The policy in force and the others, up to the last closed minute."""

    def __init__(
        self,
        books: Books,
        rules: RentalRules,
        clock: Callable[[], float],
        history_min: int = HISTORY_MIN,
    ) -> None:
        """Begin with nothing known."""
        self._history_min = history_min
        self._books = books
        self._rules = rules
        self._clock = clock
        self._comparison: Comparison | None = None
        self._unwanted_at: float | None = None
        """Since when no replica is wanted; `None`: one is."""
        self._heard_at = 0.0
        self.wish: bool | None = None
        """Whether the machine is wanted; `None`: not known yet."""

    async def look(self) -> None:
        """Take in the minutes that have closed, and note what follows."""
        minute_s = self._rules.minute_s
        until = int((self._clock() - min(LATE_S, minute_s)) // minute_s)
        before = self._comparison
        if before is None:
            begin = until - self._history_min
            before = Comparison.begin(self._rules.keep_alive, begin)
        since = before.next_minute * minute_s
        found = await self._books.arrivals(since, until * minute_s, minute_s)
        economics = rehearsed(await self._economics(), minute_s)
        for count, comparison in enumerate(before.after(found, until, economics)):
            if self._comparison is not None:
                await self._note(before, comparison)
            elif count % BREATH == 0:
                await asyncio.sleep(0.01)
            before = comparison
        self._comparison = before
        self.wish = before.shadows[self._rules.keep_alive.policy].decision.on

    def hear(self, replicas: int) -> None:
        """Hear from the controller how many replicas there are or should be."""
        now = self._clock()
        # Serve does not ask while a call waits for the first replica: silence is no zero.
        is_fresh, self._heard_at = now - self._heard_at < SILENCE_S, now
        if replicas > 0:
            self._unwanted_at = None
        elif self._unwanted_at is None or not is_fresh:
            self._unwanted_at = now

    def let_go(self, doorstep: Doorstep) -> None:
        """End the wish for a machine that no replica was wanted on for `linger_s`.

        Ray stops an idle node itself, and sooner; but one on which an object was forgotten is
        never idle to it (seen when a node came back under the address of one that had died).
        """
        now, since, linger_s = self._clock(), self._unwanted_at, self._rules.times.linger_s
        if since is None or now - since < linger_s or now - self._heard_at > SILENCE_S:
            return
        for lease_id, node in doorstep.wanted().items():
            if "holder" not in node and now - doorstep.wished_at(lease_id) > linger_s:
                logger.warning("%s: no replica is wanted on it, and Ray keeps it", lease_id)
                doorstep.dismiss(lease_id)

    async def _economics(self) -> Economics:
        starts, leases = await self._books.starts(), await self._books.leases(open_only=False)
        most = self._rules.want.most_hourly_nano_usd or UNKNOWN_HOURLY_NANO_USD
        times = self._rules.times
        totals = [start.total_s for start in starts]
        return Economics(
            hourly_nano_usd=leases[0].hourly_nano_usd if leases else most,
            start_s=statistics.median(totals) if totals else times.warm_up_s,
            min_run_s=times.least_run_s,
        )

    async def _note(self, before: Comparison, after: Comparison) -> None:
        in_force = self._rules.keep_alive.policy
        at = after.next_minute * self._rules.minute_s
        for name, shadow in after.shadows.items():
            is_in_force = name == in_force
            is_other = shadow.decision.on != before.shadows[name].decision.on
            if not (is_in_force or is_other or after.next_minute % SHADOW_EVERY_MIN == 0):
                continue
            await self._books.note_decision(
                Decided(
                    at=at,
                    policy=name,
                    wants_on=shadow.decision.on,
                    is_in_force=is_in_force,
                    why=shadow.decision.why,
                    numbers={**shadow.decision.numbers, **_bill(shadow.outcome)},
                )
            )


def _bill(outcome: Outcome) -> dict[str, float]:
    """Return what a policy has come to or would have, since the history began."""
    return {
        "bill_gpu_usd": outcome.gpu_nano_usd / NANO_USD_PER_USD,
        "bill_api_usd": outcome.api_nano_usd / NANO_USD_PER_USD,
        "bill_starts": float(outcome.starts),
    }


@lru_cache(maxsize=4)
def keeper_of(config: Path | None) -> Keeper | None:
    """Return this process's keeper, looking by itself; `None`: no machine is rented.

    Raises:
        ConfigError: rental.yaml cannot be read.
        LedgerError: the ledger cannot be opened.
    """
    rules = load_rental(config)
    if rules is None:
        return None
    keeper = Keeper(Ledger(settings().ledger), rules, time.time)
    doorstep = doorstep_of(rules)
    every_s = min(10.0, rules.minute_s / 2, rules.times.linger_s / 2)
    work = threading.Thread(
        target=lambda: asyncio.run(_go_on(keeper, doorstep, every_s)), name="keeper", daemon=True
    )
    work.start()
    return keeper


async def _go_on(keeper: Keeper, doorstep: Doorstep, every_s: float) -> None:
    while True:
        try:
            keeper.let_go(doorstep)
            await keeper.look()
        except Exception:  # the ledger may be away; what was wanted stays wanted
            logger.exception("it is not known whether the rented machine pays")
        await asyncio.sleep(every_s)
