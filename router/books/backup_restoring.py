"""`tercet ledger restore`: a ledger made from its backups, up to the last row copied."""

import hashlib
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TextIO

from deployments.ledger import LedgerError, health
from deployments.ledger.database import Database
from deployments.ledger.inspection import file_of
from deployments.ledger.journal import Journal, JournalDamagedError, folder_of, sizes
from deployments.ledger.opening import prepare
from deployments.ledger.repair import catch_up, repair
from router.books.backup_folder import (
    Snapshot,
    copy_lines,
    goes_on,
    moment,
    private,
    snapshots,
    synced,
    what_is_wrong,
)
from router.terminal.output import tell
from router.terminal.progress import progress
from tercet.ledger import month_of

_LATEST = """
SELECT count(*), max(max(reserved_at_ns, coalesce(settled_at_ns, 0))) FROM attempts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """What is wanted."""

    folder: Path
    to: str
    at: float | None = None
    """Unix seconds: the newest snapshot until then as it was; `None`: everything."""
    journal: Path | None = None
    """The ledger's own journal where that is left, in place of its copy."""
    as_json: bool = False
    screen: TextIO | None = None


class _DamagedError(Exception):
    """A backup is not what was written; the message says in what."""


class _Found(NamedTuple):
    rows: int
    until_ns: int | None


def restore(wanted: Restore, now: float) -> int:
    """Build the ledger, look it over, put it in place, and say up to when it goes; return 0.

    Raises:
        LedgerError: something is there already, or no backup is whole.
    """
    to = file_of(wanted.to)
    if to is None:
        raise LedgerError(
            "a Postgres ledger is restored with psql or pg_restore; docs/backup.md says how"
        )
    _require_free(to)
    skipped: list[str] = []
    try:
        with progress("restoring the ledger", wanted.screen):
            snapshot, found = _restored(wanted, to, now, skipped)
    except OSError as error:
        raise LedgerError(
            f"{to} cannot be restored: {error}; see that there is room, and that both may be read "
            "and written"
        ) from error
    _say(wanted, to, snapshot, found, skipped)
    return 0


def _restored(wanted: Restore, to: Path, now: float, skipped: list[str]) -> tuple[Snapshot, _Found]:
    chosen = _chosen(wanted)
    journal = _journal_of(chosen[0], wanted)
    for snapshot in chosen:
        with TemporaryDirectory(dir=_made(to.parent), prefix=f".{to.name}.") as work:
            draft = Path(work) / to.name
            try:
                found = _built(snapshot, draft, journal, now)
            except _DamagedError as damage:
                skipped.append(f"{snapshot.file}: {damage}")
                continue
            except JournalDamagedError as damage:  # which the snapshots before it need as well
                raise LedgerError(
                    f"not restored: {damage}; restore {snapshot.file} as it was, without what "
                    f"came after it, with --at {moment(snapshot.made_at)}"
                ) from damage
            _put(draft, to)
            return snapshot, found
    raise LedgerError(f"not restored: {'; '.join(skipped)}; name an earlier moment with --at")


def _chosen(wanted: Restore) -> Sequence[Snapshot]:
    """Return the snapshots to be tried, the newest first.

    An older one of the same series makes the same money with the journal's help.
    """
    found = snapshots(wanted.folder)
    if not found:
        raise LedgerError(
            f"{wanted.folder} has no backup; name the folder that `tercet ledger backup` wrote"
        )
    if wanted.at is None:
        series = found[-1].file.parent
        return [snapshot for snapshot in reversed(found) if snapshot.file.parent == series]
    until = [snapshot for snapshot in found if snapshot.made_at <= wanted.at]
    if not until:
        raise LedgerError(
            f"{wanted.folder} has no backup so old; the first is of {moment(found[0].made_at)}"
        )
    return until[-1:]


def _journal_of(newest: Snapshot, wanted: Restore) -> Path | None:
    """Return the journal to go on with after the snapshot; `None`: none."""
    if wanted.at is not None:
        return None
    if wanted.journal is not None and not goes_on(wanted.journal, newest.journal):
        raise LedgerError(
            f"{wanted.journal} does not go on from its copy {newest.journal}; leave --journal out"
        )
    journal = wanted.journal or newest.journal
    there = sizes(journal)
    if any(there.get(part, 0) < size for part, size in newest.marks.items()):
        raise LedgerError(
            f"{journal} is shorter than when {newest.file} was made: rows are missing; bring it "
            f"back, or restore that snapshot alone with --at {moment(newest.made_at)}"
        )
    return journal


def _built(snapshot: Snapshot, draft: Path, journal: Path | None, now: float) -> _Found:
    """Make the ledger beside its place.

    Raises:
        _DamagedError: the snapshot is not what was written.
        JournalDamagedError: the journal is not.
    """
    _copy(snapshot, draft)
    kept = _made(folder_of(draft)) if journal is not None else folder_of(draft)
    if journal is not None:
        for part, size in sizes(journal).items():
            copy_lines(journal / f"{part}.jsonl", kept / f"{part}.jsonl", size)
    with closing(Database(draft)) as database:
        prepare(database)
        if journal is not None:
            with database.connect() as connection, database.transaction(connection):
                catch_up(connection, Journal(kept, lambda: month_of(now)))
    # Without one, `repair` begins a journal with the rows that there are.
    wrong = what_is_wrong(draft, kept) if journal is not None else repair(draft, now)
    if wrong is not None:
        raise _DamagedError(wrong) if journal is None else JournalDamagedError(wrong)
    with closing(health.connect(draft)) as connection:
        return _Found(*connection.execute(_LATEST).fetchone())


def _copy(snapshot: Snapshot, draft: Path) -> None:
    digest = hashlib.sha256()
    try:
        with snapshot.file.open("rb") as source, private(draft) as file:
            while data := source.read(1 << 20):
                digest.update(data)
                file.write(data)
    except FileNotFoundError as error:
        raise _DamagedError("it is missing") from error
    if digest.hexdigest() != snapshot.sha256:
        raise _DamagedError("its bytes are not those that were written")


def _put(draft: Path, to: Path) -> None:
    """Move the ledger to its place, where nothing is.

    A crash before its journal follows costs nothing: a journal that is behind is written again.
    """
    synced(draft)
    os.link(draft, to)
    if (journal := folder_of(draft)).exists():
        journal.rename(folder_of(to))
    synced(to.parent)


def _require_free(to: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".journal"):
        path = to.with_name(f"{to.name}{suffix}")
        if path.exists():
            raise LedgerError(
                f"{path} is there already, and a restore writes over nothing; move it away, or "
                "name another path with --to"
            )


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _say(
    wanted: Restore, to: Path, snapshot: Snapshot, found: _Found, skipped: Sequence[str]
) -> None:
    for why in skipped:
        sys.stderr.write(f"tercet: {why}; a snapshot before it was taken\n")
    until = None if found.until_ns is None else moment(found.until_ns / 1e9)
    document = {
        "ledger": str(to),
        "snapshot": str(snapshot.file),
        "snapshot_at": moment(snapshot.made_at),
        "attempts": found.rows,
        "until": until,
        "skipped": skipped,
    }
    text = (
        f"restored {to}: {found.rows:,} attempts, the last change of {until or 'none'}\n"
        f"receipts, keys and what was learned are those of {moment(snapshot.made_at)}\n"
    )
    tell(text, document, as_json=wanted.as_json)
