"""What is kept beside a database so that nothing is lost with it: journal, spool, fitness.

SQLite is one file on one disk, so it has a second copy, a place for settlements the disk has no
room for, and an agreement between processes on when it may be used. Postgres has its own.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, cast

from sqlalchemy import Connection

from deployments.ledger import health
from deployments.ledger.journal import Entry, Journal, folder_of
from deployments.ledger.repair import Append, Fitness, group
from deployments.ledger.spool import Spool, SpoolError, abandoned
from deployments.ledger.spool import folder_of as spools_of
from tercet.ledger import Settlement, month_of
from tercet.usage import Usage

INSPECT_EVERY_S = 3600.0


class Keeper(Protocol):
    """What a writer does beside its transactions."""

    def enter(self) -> bool:
        """Begin to use the ledger, with no connection open; False: not now.

        Raises:
            LedgerError: it is damaged, and cannot be repaired from what is there.
        """
        ...

    def why_unfit(self) -> str | None:
        """Return why the ledger may not be used now, or `None`."""
        ...

    def group(self, connection: Connection) -> AbstractContextManager[Append]:
        """Accompany an open transaction; commit inside."""
        ...

    def failed(self, error: BaseException) -> None:
        """Learn what a transaction failed of."""
        ...

    def owe(self, row: Settlement) -> None:
        """Keep a settlement that could not be committed."""
        ...

    def owed(self) -> Sequence[Settlement]:
        """Return the settlements that are kept, those of processes that have ended too."""
        ...

    def paid(self) -> None:
        """Forget what `owed` returned: it has been committed."""
        ...

    def tidy(self, now: float) -> None:
        """Do what is due every few seconds."""
        ...

    def close(self) -> None:
        """Let go, with no connection open."""
        ...


class PlainKeeper:
    """For a database that looks after itself: what is owed waits in memory."""

    def __init__(self) -> None:
        self._owed: list[Settlement] = []

    def enter(self) -> bool:
        """Always."""
        return True

    def why_unfit(self) -> str | None:
        """Never."""
        return None

    def group(self, connection: Connection) -> AbstractContextManager[Append]:
        """Write no second copy of what `connection` commits."""
        del connection
        return nullcontext(_nothing)

    def failed(self, error: BaseException) -> None:
        """Leave it to whoever runs the server."""

    def owe(self, row: Settlement) -> None:
        """Keep it in memory: until it is settled, its attempt counts at its upper bound."""
        self._owed.append(row)

    def owed(self) -> Sequence[Settlement]:
        """Return what is kept."""
        return tuple(self._owed)

    def paid(self) -> None:
        """Forget it."""
        self._owed.clear()

    def tidy(self, now: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class FileKeeper(PlainKeeper):
    """For an SQLite file: a journal, a spool and its fitness beside it."""

    def __init__(self, path: Path, writer_id: str, clock: Callable[[], float]) -> None:
        super().__init__()
        self._path = path
        self._fitness = Fitness(path, clock)
        self._journal = Journal(folder_of(path), lambda: month_of(clock()))
        self._spools = spools_of(path)
        self._name = writer_id.replace("/", "_")
        self._spool: Spool | None = None
        self._taken: list[Spool] = []
        self._inspect_at = clock() + INSPECT_EVERY_S
        self._is_closed = False

    def enter(self) -> bool:
        """Take part; repairs what is damaged if nobody else has the ledger open."""
        if not self._fitness.enter():
            return False
        if self._spool is None:
            # A disk without room for it: settlements that fail stay at their upper bounds.
            with suppress(SpoolError):
                self._spool = Spool(self._spools / self._name)
        return True

    def why_unfit(self) -> str | None:
        """Return what some process has found, or that the file is not the one that was opened."""
        return self._fitness.why_unfit()

    def group(self, connection: Connection) -> AbstractContextManager[Append]:
        """Write a second copy of what is committed."""
        return group(connection, self._journal)

    def failed(self, error: BaseException) -> None:
        """Have everybody stop where the file is damaged."""
        if health.trouble_of(error) == "damaged":
            self._fitness.declare_unfit(health.sentence(self._path, "damaged"))

    def owe(self, row: Settlement) -> None:
        """Keep it in the spool too, which needs no room on the disk."""
        super().owe(row)
        if self._spool is not None:
            with suppress(SpoolError):
                self._spool.keep(cast("Entry", asdict(row)))

    def owed(self) -> Sequence[Settlement]:
        """Return what is kept here, and by processes that have ended."""
        self._taken += abandoned(self._spools)
        theirs = [_settlement(entry) for spool in self._taken for entry in spool.entries]
        return (*super().owed(), *theirs)

    def paid(self) -> None:
        """Forget it."""
        super().paid()
        if self._spool is not None and self._spool.entries:
            with suppress(SpoolError):
                self._spool.clear()
        for spool in self._taken:
            spool.remove()
        self._taken.clear()

    def tidy(self, now: float) -> None:
        """Bring the journal to the disk, and look the file over once an hour."""
        with suppress(OSError):
            self._journal.sync()
        if now >= self._inspect_at:
            self._inspect_at = now + INSPECT_EVERY_S
            threading.Thread(target=self._inspect, name="ledger-inspection", daemon=True).start()

    def close(self) -> None:
        """Let go; a spool that holds something stays for others to commit."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._spool is not None:
            if self._spool.entries:
                self._spool.close()
            else:
                self._spool.remove()
        self._fitness.close()

    def _inspect(self) -> None:
        wrong = health.check(self._path)
        if wrong is not None and not health.is_passing(self._path, wrong):
            self._fitness.declare_unfit(wrong)


def _settlement(entry: Entry) -> Settlement:
    usage = Usage(**cast("Mapping[str, int]", entry["usage"]))
    known: dict[str, Any] = {"upstream_id": None, "first_token_s": None, **entry, "usage": usage}
    return Settlement(**known)


def _nothing(_: Sequence[Entry]) -> None: ...
