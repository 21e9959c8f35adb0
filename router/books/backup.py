"""`tercet ledger backup`: snapshots of an SQLite ledger, and between them its journal."""

import hashlib
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from deployments.ledger import LedgerError, health
from deployments.ledger.inspection import PATIENCE_S, file_of, inspected
from deployments.ledger.journal import folder_of
from router.books.backup_folder import (
    DivergedError,
    Snapshot,
    add,
    alone,
    follow,
    goes_on,
    moment,
    private,
    prune,
    snapshots,
    stamp,
    synced,
    tidy,
    what_is_wrong,
)
from router.terminal.output import tell
from router.terminal.progress import progress

POLL_S = 1.0
"""Between two looks whether the journal has grown: what a disk that fails can cost, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What is wanted."""

    to: Path
    every_s: float | None = None
    """Between two snapshots; `None`: one snapshot, and that is all."""
    keep: int = 24
    as_json: bool = False
    screen: TextIO | None = None


def backup(
    ledger: Path | str,
    wanted: Backup,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Back up once, or until the process ends; return 0.

    Raises:
        LedgerError: the ledger cannot be read or is in Postgres, or the folder not be written.
    """
    file = file_of(ledger)
    if file is None:
        raise LedgerError(
            "Postgres keeps its own copies: use pg_dump or pg_basebackup; docs/backup.md says how"
        )
    try:
        with inspected(file):
            pass  # says what is the matter with one that cannot be read
        with alone(wanted.to):
            _warn_of_one_disk(file, wanted.to)
            while True:
                snapshot = _told(file, wanted, clock)
                if wanted.every_s is None:
                    return 0
                _follow(folder_of(file), snapshot, clock() + wanted.every_s, clock, sleep)
    except OSError as error:
        raise LedgerError(
            f"the backup in {wanted.to} cannot be written: {error.strerror}; "
            "see to its disk, or name another folder with --to"
        ) from error


def take(ledger: Path, folder: Path, now: float) -> Snapshot:
    """Add a snapshot that has been looked over, with the journal up to it or further.

    Raises:
        LedgerError: the ledger is damaged or cannot be read, or the folder is another ledger's.
        OSError: the folder cannot be written.
    """
    tidy(folder)
    found = snapshots(folder)
    newest = found[-1] if found else None
    if newest is not None and newest.ledger != str(ledger):
        raise LedgerError(f"{folder} has backups of {newest.ledger}; name another with --to")
    # The newest is the one with the latest time, also after a clock was set back.
    made_at = round(now if newest is None else max(now, newest.made_at + 0.001), 3)
    is_next = newest is not None and goes_on(folder_of(ledger), newest.journal)
    series = newest.file.parent if newest and is_next else folder / stamp(made_at)
    series.mkdir(mode=0o700, exist_ok=True)
    part = series / f"{stamp(made_at)}.part"
    try:
        snapshot = _filled(ledger, part, made_at)
    except BaseException:
        tidy(folder)
        raise
    part.rename(snapshot.file)
    add(snapshot)
    synced(folder)
    return snapshot


def _filled(ledger: Path, part: Path, made_at: float) -> Snapshot:
    """Copy the database, then the journal, which has then at least what the database has."""
    private(part).close()
    try:
        name = f"{ledger.as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(name, uri=True, timeout=PATIENCE_S)) as source,
            closing(sqlite3.connect(part)) as copy,
        ):
            source.backup(copy)  # in one step: writers go on, and it need not begin again
    except sqlite3.Error as error:
        raise LedgerError(
            f"no snapshot of {ledger}: {error}; see that {part.parent} has room, and ask "
            "`tercet ledger verify`"
        ) from error
    follow(folder_of(ledger), part.with_name("journal"))
    if (wrong := what_is_wrong(part, part.with_name("journal"))) is not None:
        raise LedgerError(f"no snapshot of {ledger}: {wrong}; ask `tercet ledger verify`")
    synced(part)
    with part.open("rb") as data:
        sha256 = hashlib.file_digest(data, "sha256").hexdigest()
    return Snapshot(
        file=part.with_suffix(".sqlite3"),
        ledger=str(ledger),
        made_at=made_at,
        sha256=sha256,
        marks=health.marks_of(part),
    )


def _told(file: Path, wanted: Backup, clock: Callable[[], float]) -> Snapshot:
    with progress("taking a snapshot", wanted.screen):
        snapshot = take(file, wanted.to, clock())
    kept = prune(wanted.to, wanted.keep)
    size = snapshot.file.stat().st_size
    document: dict[str, object] = {
        "snapshot": str(snapshot.file),
        "made_at": snapshot.made_at,
        "bytes": size,
        "kept": len(kept),
    }
    text = f"{moment(snapshot.made_at)}  {snapshot.file}  {size:,} bytes, {len(kept)} kept\n"
    tell(text, document, as_json=wanted.as_json)
    sys.stdout.flush()
    return snapshot


def _follow(
    journal: Path,
    snapshot: Snapshot,
    until: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Copy what the journal has more, every `POLL_S`, until then or until it is written anew."""
    try:
        while (left := until - clock()) > 0:
            sleep(min(POLL_S, left))
            follow(journal, snapshot.journal)
    except DivergedError:
        return


def _warn_of_one_disk(ledger: Path, folder: Path) -> None:
    if ledger.stat().st_dev == folder.stat().st_dev:
        sys.stderr.write(
            f"tercet: {folder} is on the ledger's own disk, and would fail with it; name a folder "
            "on another one with --to\n"
        )
