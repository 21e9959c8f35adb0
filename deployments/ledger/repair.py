"""An SQLite ledger and its journal, kept equal, and each built anew from the other.

The table `journaled` says how far of the journal the database has taken in, in the transactions
that do. So a database that is behind (killed before a commit, deleted, restored from an older
copy, without its WAL) takes in the rest, and a journal that is behind (a power cut) is known to be.
"""

import fcntl
import os
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import DBAPIError

from deployments.ledger import health, journal, quick
from deployments.ledger.carrying import carry_over
from deployments.ledger.database import Database, LedgerAwayError, LedgerError, lock_of
from deployments.ledger.journal import Entry, Journal, JournalDamagedError
from deployments.ledger.opening import prepare
from deployments.ledger.schema import attempts, leases, spans
from tercet.ledger import month_of

Append = Callable[[Sequence[Entry]], None]

_MARK = "INSERT OR REPLACE INTO journaled VALUES (?, ?)"
# What a line of the journal is of, by its operation; all others are of attempts.
_TABLES = {"lease": leases, "span": spans}
_BALANCE = "INSERT OR REPLACE INTO balances VALUES (?, ?, ?, ?)"
_BATCH = 1_000


@contextmanager
def group(connection: Connection, kept: Journal) -> Generator[Append]:
    """Keep the journal and an open write transaction equal; commit inside.

    What the database lacks of the journal is caught up with first; what was appended is taken back
    if the commit fails.

    Raises:
        JournalDamagedError: the two cannot be made equal.
    """
    with kept.locked():
        catch_up(connection, kept)

        def append(entries: Sequence[Entry]) -> None:
            quick.run(connection, _MARK, kept.append(entries))

        try:
            yield append
        except BaseException:
            kept.undo()
            raise
        kept.settled()


def catch_up(connection: Connection, kept: Journal) -> None:
    """Take in what the journal has and the database has not; begin a journal where there is none.

    Raises:
        JournalDamagedError: the journal is damaged, or shorter than what was written.
    """
    taken = {str(part): int(size) for part, size in quick.run(connection, health.MARKS)}
    there = journal.sizes(kept.folder)
    if taken == there:
        if not taken:
            _seed(connection, kept)
        return
    for part in sorted(taken.keys() | there.keys()):
        if there.get(part, 0) < taken.get(part, 0):
            path = kept.folder / f"{part}.jsonl"
            raise JournalDamagedError(f"{path} is missing or shorter than what was written")
        _take_in(connection, kept.folder, part, taken.get(part, 0))
    _balance(connection)


def _take_in(connection: Connection, folder: Path, part: str, start: int) -> None:
    rows: defaultdict[Table, list[Entry]] = defaultdict(list)
    end = start
    for line, end in journal.lines(folder, part, start):  # noqa: B007  kept after the loop
        entry = journal.parsed(line)
        table = _TABLES.get(str(entry["op"]), attempts)
        rows[table].append(entry)
        if len(rows[table]) == _BATCH:
            _put(connection, table, rows.pop(table))
    for table, some in rows.items():
        _put(connection, table, some)
    connection.exec_driver_sql(_MARK, (part, end))


def _put(connection: Connection, table: Table, entries: Sequence[Entry]) -> None:
    names = table.columns.keys()
    put = (
        f"INSERT OR REPLACE INTO {table.name} ({', '.join(names)}) "  # noqa: S608  our own names
        f"VALUES ({', '.join('?' * len(names))})"
    )
    rows = [tuple(entry.get(name) for name in names) for entry in entries]
    connection.exec_driver_sql(put, rows)


def _balance(connection: Connection) -> None:
    rows = [tuple(row) for row in connection.exec_driver_sql(health.SUMS)]
    rented = [tuple(row) for row in connection.exec_driver_sql(health.RENTED_SUMS)]
    due = [
        (month, scope, balance.spent, balance.held)
        for (month, scope), balance in health.balances_of(rows, rented).items()
    ]
    if due:
        connection.exec_driver_sql(_BALANCE, due)


def _seed(connection: Connection, kept: Journal) -> None:
    """Write the rows that are there as the journal's first lines."""
    for op, table in {"reserve": attempts, **_TABLES}.items():
        for some in connection.execute(select(table)).mappings().partitions(_BATCH):
            part, size = kept.append([{"op": op, **row} for row in some])
            connection.exec_driver_sql(_MARK, (part, size))


def repair(path: Path, at: float) -> str | None:
    """Build what is damaged anew; return why that cannot be done, or `None`: all is well.

    Nobody else may have the ledger open. What was damaged is kept beside it, as `.damaged-<time>`.

    Raises:
        OSError, LedgerError, DBAPIError: there is no room, or the disk fails.
    """
    found = health.check(path)
    if found is None or (path.exists() and health.is_passing(path, found)):
        return found
    alone, taken = health.check_alone(path), health.marks_of(path)
    try:
        _rebuild(path, at, taken)
    except JournalDamagedError as damage:
        there = journal.sizes(journal.folder_of(path))
        if alone is None and taken and all(taken.get(part, 0) >= there[part] for part in there):
            _rewrite_journal(path, at, max(taken))
            return health.check(path)
        return (
            f"the ledger {path} cannot be built anew: {damage}, and the database is "
            f"{'behind it' if alone is None else f'damaged too ({alone})'}; "
            f"restore both, and {journal.folder_of(path)}, from one backup"
        )
    return health.check(path)


def _rebuild(path: Path, at: float, taken: Mapping[str, int]) -> None:
    folder = journal.folder_of(path)
    there = journal.sizes(folder)
    if not any(there.values()) or any(there.get(part, 0) < size for part, size in taken.items()):
        raise JournalDamagedError(f"the journal {folder} is empty or shorter than what was written")
    fresh = path.with_name(f"{path.name}.rebuilt")
    for suffix in ("", "-wal", "-shm"):
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    database = Database(fresh)
    try:
        prepare(database)
        with database.connect() as connection:
            database.begin(connection)
            catch_up(connection, Journal(folder, lambda: month_of(at)))
            carry_over(path, connection)
            connection.exec_driver_sql("COMMIT")
    finally:
        database.close()
    wrong = health.check(fresh, folder)
    if wrong is not None:
        raise JournalDamagedError(f"the journal {folder} does not make a whole ledger: {wrong}")
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(_aside(path, at, suffix))
    fresh.rename(path)
    _sync(path.parent)


def _rewrite_journal(path: Path, at: float, part: str) -> None:
    """Begin the journal again with what the database has, in a part that was there before.

    So a crash half-way leaves a journal that is behind, and this is done again.
    """
    folder = journal.folder_of(path)
    if folder.exists():
        folder.rename(_aside(folder, at))
    database = Database(path)
    kept = Journal(folder, lambda: part)
    folder.mkdir()
    try:
        with database.connect() as connection:
            database.begin(connection)
            connection.exec_driver_sql("DELETE FROM journaled")
            _seed(connection, kept)
            connection.exec_driver_sql("COMMIT")
    finally:
        database.close()
    kept.sync()


class Fitness:
    """Whether a ledger may be used, agreed on by all processes that have it open.

    A process holds a shared lock while it has connections. Whoever finds damage leaves a mark,
    everybody closes and lets go, and the first to have the lock alone repairs.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Open nothing yet; `enter` takes the lock."""
        self._path = path
        self._clock = clock
        self._mark = path.with_name(f"{path.name}.unfit")
        self._lock = -1
        self._inode: int | None = None
        self._why: str | None = None

    def why_unfit(self) -> str | None:
        """Return why the ledger may not be used now, or `None`; for asking before each group."""
        if self._why is None and os.access(self._mark, os.F_OK):
            self._why = self._mark.read_text("utf-8") or f"the ledger {self._path} is being mended"
        if self._why is None:
            inode = _inode_of(self._path)
            self._inode = self._inode or inode
            if inode != self._inode:
                self.declare_unfit(f"the ledger {self._path} was deleted or replaced while in use")
        return self._why

    def declare_unfit(self, reason: str) -> None:
        """Have every process stop using the ledger; close your connections, then `enter` again."""
        self._why = reason
        with suppress(OSError):  # a disk that takes no mark: this process at least stops
            self._mark.write_text(reason, "utf-8")

    def enter(self) -> bool:
        """Take part, with no connection open; False: not now, ask again in a while.

        Whoever comes when nobody else has the ledger open looks it over, and repairs it.

        Raises:
            LedgerError: it cannot be repaired from what is there, or is no ledger.
            OSError: the lock's file cannot be made.
        """
        if self._lock < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._lock = os.open(lock_of(self._path), flags, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        if self._has_lock(fcntl.LOCK_EX):
            self._look_over()
        elif self._mark.exists():
            return False
        if not self._has_lock(fcntl.LOCK_SH):
            return False
        self._why = self._inode = None
        return True

    def close(self) -> None:
        """Let go; with no connection open."""
        if self._lock >= 0:
            os.close(self._lock)

    def _has_lock(self, sort: int) -> bool:
        try:
            fcntl.flock(self._lock, sort | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _look_over(self) -> None:
        try:
            why = self._mended()
        except (OSError, DBAPIError) as error:
            why = f"the ledger {self._path} cannot be built anew: {error}"
        if why is None:
            self._mark.unlink(missing_ok=True)
            return
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        if health.is_passing(self._path, why):
            raise LedgerAwayError(why)  # everybody finds out alone, also that it has passed
        self.declare_unfit(why)
        raise LedgerError(why)

    def _mended(self) -> str | None:
        has_journal = any(journal.sizes(journal.folder_of(self._path)).values())
        if not self._path.exists() and not has_journal:
            return None  # a new ledger
        if self._path.exists():
            self._migrate(has_journal=has_journal)
        return repair(self._path, self._clock())

    def _migrate(self, *, has_journal: bool) -> None:
        """Bring the file of an older release to this one's shape, before it is looked over."""
        database = Database(self._path)
        try:
            prepare(database)
        except LedgerError:
            if not has_journal:
                fcntl.flock(self._lock, fcntl.LOCK_UN)
                raise  # there is nothing to repair it from: it may not even be a ledger
        finally:
            database.close()


def _inode_of(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _aside(path: Path, at: float, suffix: str = "") -> Path:
    return path.with_name(f"{path.name}.damaged-{at:.0f}{suffix}")


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
