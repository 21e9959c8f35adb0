"""Is an SQLite ledger what was written to it? And what is the matter where it cannot be written."""

import errno
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from deployments.ledger import journal
from deployments.ledger.journal import JournalDamagedError, Sizes
from tercet.budget import Balance, scopes
from tercet.leases import lease_scopes

Trouble = Literal["full", "read_only", "disk", "damaged", "busy", "missing"]
Sums = Mapping[tuple[str, str], Balance]
"""By month and scope."""

# From the table itself: an index is a copy, and can be the damaged one.
SUMS = """
SELECT month, key_id, tier, provider, model, simulated, count(*),
  sum(CASE WHEN state IN ('reserved', 'sent') THEN 0 ELSE coalesce(settled_nano_usd, 0) END),
  sum(CASE WHEN state IN ('reserved', 'sent') THEN reserved_nano_usd ELSE 0 END)
FROM attempts NOT INDEXED GROUP BY 1, 2, 3, 4, 5, 6
"""
# In and out of months, by the machines' providers. A span without its lease is nobody's.
RENTED_SUMS = """
SELECT spans.month, provider, sum(nano_usd), 0 FROM spans
JOIN leases USING (lease_id) GROUP BY 1, 2
UNION ALL SELECT held_month, provider, 0, sum(held_nano_usd) FROM leases GROUP BY 1, 2
"""
_RENTED = "SELECT lease_id, NULL FROM leases UNION ALL SELECT lease_id, seq FROM spans"
MARKS = "SELECT part, bytes FROM journaled"
"""How far of the journal the database has taken in; `deployments.ledger.repair` makes the table."""

# Python fails to decode SQLite's own message where that quotes a damaged name.
_FAULTS = (sqlite3.Error, UnicodeDecodeError)
_IDENTITY = ("month", "key_id", "tier", "provider", "model", "simulated")
_BY_CODE: Mapping[int, Trouble] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_IOERR: "disk",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_CANTOPEN: "missing",
}
_BY_ERRNO: Mapping[int, Trouble] = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EROFS: "read_only",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
    errno.EIO: "disk",
    errno.ENOENT: "missing",
}
_SENTENCES: Mapping[Trouble, str] = {
    "full": "the disk is full; free some room, and paid calls start again by themselves",
    "read_only": "it is read-only; make it writable, and paid calls start again by themselves",
    "disk": "the disk fails; see to it, or move the ledger to another one",
    "damaged": "it is damaged; it is built anew from its journal, or restore it from a backup",
    "busy": "another process holds it; if this lasts, end the process",
    "missing": "it cannot be opened; see that its folder is there and may be written to",
}


def trouble_of(error: BaseException | None) -> Trouble | None:
    """Classify what went wrong while writing, by the causes of the error too; `None`: no fault."""
    while error is not None:
        if isinstance(error, JournalDamagedError | UnicodeDecodeError):
            return "damaged"
        found = None
        if isinstance(error, sqlite3.Error):
            found = _sqlite_trouble(error)
        elif isinstance(error, OSError):
            found = _BY_ERRNO.get(error.errno or 0)
        if found:
            return found
        error = getattr(error, "orig", None) or error.__cause__
    return None


def sentence(path: Path, trouble: Trouble) -> str:
    """Say what is the matter with a ledger, and what to do."""
    return f"the ledger {path}: {_SENTENCES[trouble]}"


def is_passing(path: Path, found: str) -> bool:
    """Whether what `check` has found is no damage, but something that passes."""
    troubles: Sequence[Trouble] = ("busy", "full", "missing", "read_only", "disk")
    return found in {sentence(path, trouble) for trouble in troubles}


def check(path: Path, folder: Path | None = None) -> str | None:
    """Return what is wrong with a ledger and its journal, with a remedy, or `None`: all is whole.

    May be asked while others write. Lines of the journal that are not committed yet do not count:
    the next writer catches up with them.
    """
    try:
        with closing(connect(path)) as connection:
            connection.execute("BEGIN")
            wrong = _inner(connection) or _against_journal(
                connection, folder or journal.folder_of(path)
            )
    except (*_FAULTS, JournalDamagedError, OSError) as error:
        wrong = str(error)
        trouble = trouble_of(error)
        if trouble is not None and trouble != "damaged":
            return sentence(path, trouble)
    return wrong and f"the ledger {path} is damaged: {wrong}; it is built anew from its journal"


def check_alone(path: Path) -> str | None:
    """Return what is wrong with the database by itself, whatever its journal says."""
    try:
        with closing(connect(path)) as connection:
            connection.execute("BEGIN")
            return _inner(connection)
    except _FAULTS as error:
        return str(error)


def connect(path: Path) -> sqlite3.Connection:
    """Open a database that is there; never make one."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None)
    # A damaged text need not be UTF-8, and is to be compared all the same.
    connection.text_factory = _readable
    return connection


def marks_of(path: Path) -> dict[str, int]:
    """Return the same of a database that may be damaged; what cannot be read is not known."""
    try:
        with closing(connect(path)) as connection:
            return marks(connection)
    except _FAULTS:
        return {}


def marks(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how far of each part of the journal the database has taken in."""
    return dict(connection.execute(MARKS).fetchall()) if _has(connection, "journaled") else {}


def balances_of(
    rows: Iterable[tuple[str, str, str, str, str, int, int, int, int]],
    rented: Iterable[tuple[str, str, int, int]],
) -> Sums:
    """Return what the balances have to be, from the rows of `SUMS` and of `RENTED_SUMS`."""
    sums: dict[tuple[str, str], Balance] = {}
    for month, key_id, tier, provider, _, _, _, spent, held in rows:
        charged = scopes(key_id=key_id, tier=tier, provider=provider)
        _add(sums, month, charged, spent, held)
    for month, provider, spent, held in rented:
        _add(sums, month, lease_scopes(provider), spent, held)
    return sums


def _add(
    sums: dict[tuple[str, str], Balance], month: str, charged: Sequence[str], spent: int, held: int
) -> None:
    for scope in charged:
        before = sums.get((month, scope), Balance())
        sums[month, scope] = Balance(spent=before.spent + spent, held=before.held + held)


def _has(connection: sqlite3.Connection, table: str) -> bool:
    """Whether there is such a table: a ledger of an older release may be looked at."""
    there = "SELECT 1 FROM sqlite_schema WHERE name = ?"
    return connection.execute(there, (table,)).fetchone() is not None


def _readable(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _inner(connection: sqlite3.Connection) -> str | None:
    # Unlike `quick_check` it compares the indexes too, and some sums are read from those.
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        return " ".join(str(found).split())
    rented = connection.execute(RENTED_SUMS) if _has(connection, "leases") else ()
    due = balances_of(connection.execute(SUMS), rented)
    kept = {
        (month, scope): Balance(spent=spent, held=held)
        for month, scope, spent, held in connection.execute(
            "SELECT month, scope, spent_nano_usd, held_nano_usd FROM balances"
        )
    }
    for key in sorted(due.keys() | kept.keys()):
        if due.get(key, Balance()) != kept.get(key, Balance()):
            return f"the balance of {key[1]} in {key[0]} is not what its rows come to"
    return None


def _against_journal(connection: sqlite3.Connection, folder: Path) -> str | None:
    """Compare how many rows of each kind were made: amounts the balances answer for."""
    taken = marks(connection)
    if not taken:
        return None
    due = _made(folder, taken)
    kept = Counter({row[:6]: row[6] for row in connection.execute(SUMS)})
    if _has(connection, "leases"):
        kept.update(connection.execute(_RENTED))
    if due == kept:
        return None
    if kept.total() < due.total():
        return f"it has {kept.total()} rows, fewer than the {due.total()} of its journal"
    return "its rows are not those of its journal"


def _made(folder: Path, taken: Sizes) -> Counter[tuple[object, ...]]:
    there = journal.sizes(folder)
    counts: Counter[tuple[object, ...]] = Counter()
    rented: set[tuple[object, ...]] = set()  # every change of such a row is a line
    for part, end in sorted(taken.items()):
        if there.get(part, 0) < end:
            raise JournalDamagedError(f"{folder / part}.jsonl is shorter than what was written")
        for line, _ in journal.lines(folder, part, end=end):
            if b'"op":"reserve"' in line:
                entry = journal.parsed(line)
                counts[tuple(entry[name] for name in _IDENTITY)] += 1
            elif b'"op":"lease"' in line or b'"op":"span"' in line:
                entry = journal.parsed(line)
                rented.add((entry["lease_id"], entry.get("seq")))
    counts.update(rented)
    return counts


def _sqlite_trouble(error: sqlite3.Error) -> Trouble | None:
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_ERROR and str(error).startswith(("no such table", "no such column")):
        return "damaged"
    return _BY_CODE.get(code & 0xFF)
