"""What gauges show of a ledger, read every few seconds and never on the request path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, func, select, text

from deployments.ledger.database import Database, LedgerError
from deployments.ledger.keep_alive import last_served
from deployments.ledger.leases import all_leases
from deployments.ledger.reading import Hours, spending_of
from deployments.ledger.schema import IS_OPEN, attempts, leases, spans
from deployments.ledger.transitions import read_migrations
from tercet.leases import Lease
from tercet.ledger import Spending
from tercet.migration import Migration

_ESTIMATED = select(func.coalesce(func.sum(attempts.c.settled_nano_usd), 0)).where(
    attempts.c.month == bindparam("month"), attempts.c.state == text("'estimated'")
)
_OPENED = select(func.count()).select_from(attempts).where(IS_OPEN)
_IS_CORRECTION = spans.c.state == text("'correction'")
_BILLED = (
    select(
        leases.c.provider,
        func.sum(case((_IS_CORRECTION, spans.c.nano_usd), else_=0)),
        func.sum(case((_IS_CORRECTION, 0), else_=spans.c.nano_usd)),
    )
    .join(spans, spans.c.lease_id == leases.c.lease_id)
    .where(spans.c.month == bindparam("month"))
    .group_by(leases.c.provider)
    .having(func.sum(case((_IS_CORRECTION, 1), else_=0)) > 0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A ledger at one moment."""

    spending: Spending
    estimated_nano_usd: int
    """Of this month's attempts: what was booked without the provider's count."""
    opened: int
    """Attempts that hold money."""
    leases: Sequence[Lease]
    served_at: float | None
    """When the local model last answered since a rented machine runs, Unix seconds."""
    billed: Sequence[tuple[str, int, int]]
    """Where bills were corrected this month: provider, corrections, and what was accrued."""
    migrations: Sequence[Migration]


class Looking:
    """Looks at one ledger again and again; each look blocks."""

    def __init__(self, path_or_url: Path | str) -> None:
        """Connect to nothing yet.

        Raises:
            LedgerError: this is no address of a ledger.
        """
        self._database = Database(path_or_url)
        self._hours = Hours()
        self._served_at: float | None = None

    def look(self, at: float) -> Looked:
        """Read what there is at `at` (Unix seconds).

        Raises:
            LedgerError: it cannot be read, or nobody has written it yet.
        """
        file = self._database.file
        if file is not None and not file.exists():
            raise LedgerError(f"{file} does not exist yet; the gateway makes it")
        with self._database.reading() as connection:
            spending = spending_of(connection, at, self._hours)
            month = {"month": spending.month}
            rented = all_leases(connection)
            return Looked(
                spending=spending,
                estimated_nano_usd=_count(connection, _ESTIMATED, month),
                opened=_count(connection, _OPENED, {}),
                leases=rented,
                served_at=self._served(rented),
                billed=[
                    (str(provider), int(corrected), int(accrued))
                    for provider, corrected, accrued in connection.execute(_BILLED, month)
                ],
                migrations=read_migrations(self._database, None),
            )

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _served(self, rented: Sequence[Lease]) -> float | None:
        running = [lease.since for lease in rented if _is_running(lease)]
        if running:
            since = max(min(running), self._served_at or 0.0)
            self._served_at = last_served(self._database, since) or self._served_at
        return self._served_at


def _is_running(lease: Lease) -> bool:
    return lease.ended_at is None and lease.state == "running"


def _count(connection: Connection, asked: Select[Any], values: Mapping[str, str]) -> int:
    return int(connection.execute(asked, values).scalar_one())
