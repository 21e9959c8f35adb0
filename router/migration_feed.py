"""How far the kinds of work have moved to the local model, read again and again."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from router.choices import Migrations
from tercet.migration import Look, Migration, MigrationRules

EVERY_S = 5.0
"""A kind that is rolled back may go wrong for so long."""

logger = logging.getLogger(__name__)


class Moves(Protocol):
    """The part of the ledger that keeps the migrations."""

    async def migrations(self) -> Sequence[Migration]:
        """Return where each kind is that has moved."""
        ...

    async def looks(self) -> Sequence[Look]:
        """Return what was known of each kind when it was looked at last."""
        ...


class MigrationFeed:
    """Keeps what was last read of the migrations."""

    def __init__(self, moves: Moves, rules: MigrationRules) -> None:
        """Begin with every kind in `baseline`."""
        self._moves = moves
        self._seen = Migrations(rules=rules)
        self._is_blind = False

    def migrations(self) -> Migrations:
        """Return what was last read."""
        return self._seen

    async def run(self) -> None:
        """Look at once and then again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Read the ledger; if that fails, what was read last still holds."""
        try:
            rows, looks = await self._moves.migrations(), await self._moves.looks()
        except Exception:
            # Told once: the ledger may be away for hours.
            if not self._is_blind:
                logger.exception("the migrations could not be read; they stand still")
            self._is_blind = True
            return
        self._is_blind = False
        self._seen = replace(
            self._seen,
            moved={row.kind: row for row in rows},
            suspected=frozenset(look.kind for look in looks if look.is_suspected),
        )
