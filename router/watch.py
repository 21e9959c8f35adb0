"""The month's money and the keys, read again and again, so that no request waits for them."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tercet.keys import Key
from tercet.ledger import Spending
from tercet.outlook import Outlook, outlook
from tercet.rules import BudgetRules

EVERY_S = 2.0

logger = logging.getLogger(__name__)


class Accounts(Protocol):
    """The part of the ledger that says what is spent, and who may spend."""

    async def spending(self, at: float, /) -> Spending:
        """Return the month of `at` (Unix seconds)."""
        ...

    async def keys(self) -> Sequence[Key]:
        """Return the keys that are not revoked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the ledger last said, and what follows from it."""

    spending: Spending
    outlook: Outlook


class Watch:
    """Keeps what was last seen of the month; nothing, until the ledger was read once."""

    def __init__(
        self,
        accounts: Accounts,
        rules: BudgetRules,
        clock: Callable[[], float],
        take_keys: Callable[[Iterable[Key]], None],
    ) -> None:
        """Begin with nothing; `take_keys` is told of the keys each time they are read."""
        self.seen: Seen | None = None
        self._take_keys = take_keys
        self._accounts = accounts
        self._rules = rules
        self._clock = clock
        self._is_blind = False

    def outlook(self) -> Outlook:
        """Return the latest outlook; until there is one, the ledger's caps alone hold."""
        return Outlook.normal(self._clock()) if self.seen is None else self.seen.outlook

    async def run(self) -> None:
        """Look at once and then again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Read the ledger; if that fails, what was seen last still holds."""
        at = self._clock()
        before = None if self.seen is None else self.seen.outlook
        try:
            self._take_keys(await self._accounts.keys())
            spending = await self._accounts.spending(at)
            self.seen = Seen(spending=spending, outlook=outlook(spending, self._rules, at, before))
            self._is_blind = False
        except Exception:
            # Told once: the ledger may be away for hours.
            if not self._is_blind:
                logger.exception("the ledger could not be read; outlook and keys stand still")
            self._is_blind = True
