"""A folder of backups of one ledger: what is in it, and how the journal's copy grows.

    FOLDER/<series>/journal/<part>.jsonl   the ledger's journal, copied line by line
    FOLDER/<series>/<when>.sqlite3         a snapshot of the database
    FOLDER/<series>/<when>.jsonl           what is known of it; written last, so it counts

A series ends where the journal does not go on from its copy, because it was written anew.
"""

import fcntl
import os
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from pydantic import TypeAdapter

from deployments.ledger import LedgerError, health
from deployments.ledger.journal import Journal, JournalDamagedError, framed, lines, parsed, sizes

_CHUNK = 1 << 20
"""No line of a journal is near this long."""
_TAIL = 4096
"""Bytes of the copy's end that tell whether a journal goes on from it: every line has its id."""
_SERIES = "[0-9]*T[0-9]*Z"


class DivergedError(LedgerError):
    """The journal does not go on from its copy: a series ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A database as it was at one moment."""

    file: Path
    ledger: str
    """Whose it is."""
    made_at: float
    """Unix seconds."""
    sha256: str
    marks: Mapping[str, int]
    """How far of each part of the journal it has taken in."""

    @property
    def journal(self) -> Path:
        """The copy of the journal that goes with it."""
        return self.file.with_name("journal")


_KNOWN = TypeAdapter(Snapshot)


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """Make the folder and keep every other backup out of it.

    Raises:
        LedgerError: another one writes there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise LedgerError(
            f"another backup writes to {folder}; end that one, or name another folder with --to"
        ) from error
    finally:
        os.close(descriptor)


def snapshots(folder: Path) -> Sequence[Snapshot]:
    """Return what can be restored, the oldest first.

    Raises:
        LedgerError: what is known of one is damaged.
    """
    found = [_read(path) for path in folder.glob(f"{_SERIES}/*.jsonl")]
    return sorted(found, key=lambda snapshot: snapshot.made_at)


def add(snapshot: Snapshot) -> None:
    """Have a snapshot count, whose file is in place."""
    known = {name: value for name, value in asdict(snapshot).items() if name != "file"}
    path = snapshot.file.with_suffix(".jsonl")
    temporary = path.with_suffix(".part")
    with private(temporary) as file:
        file.write(framed(known))
    synced(temporary)
    temporary.rename(path)
    synced(path.parent)


def prune(folder: Path, keep: int) -> Sequence[Snapshot]:
    """Remove all but the newest `keep`; return those that are left."""
    found = snapshots(folder)
    for old in found[:-keep]:
        old.file.with_suffix(".jsonl").unlink()
        old.file.unlink(missing_ok=True)
    tidy(folder)
    return found[-keep:]


def tidy(folder: Path) -> None:
    """Remove what a backup that was killed has left, and series without a snapshot."""
    for series in folder.glob(_SERIES):
        if not any(series.glob("*.jsonl")):
            shutil.rmtree(series)
    for path in (*folder.glob(f"{_SERIES}/*.part*"), *folder.glob(f"{_SERIES}/*.sqlite3")):
        if path.suffix != ".sqlite3" or not path.with_suffix(".jsonl").exists():
            path.unlink()


def stamp(at: float) -> str:
    """Write Unix seconds as part of a file's name; a later one sorts later."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def moment(at: float) -> str:
    """Write Unix seconds as people and `--at` do."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def follow(source: Path, copy: Path) -> int:
    """Append to the copy what the journal has more, durably; return how many bytes.

    Raises:
        DivergedError: the journal does not go on from the copy.
    """
    there, copied = sizes(source), sizes(copy)
    if there == copied:
        return 0
    if source.exists():
        # What is there while nobody writes is committed, or taken in by the next who writes.
        with Journal(source, lambda: "").locked():
            there = sizes(source)
    if not goes_on(source, copy):
        raise DivergedError(
            f"the journal {source} was written anew while it was copied; back the ledger up again"
        )
    copy.mkdir(mode=0o700, parents=True, exist_ok=True)
    return sum(
        copy_lines(source / f"{part}.jsonl", copy / f"{part}.jsonl", size)
        for part, size in there.items()
        if size > copied.get(part, 0)
    )


def goes_on(source: Path, copy: Path) -> bool:
    """Whether the journal is the copy and perhaps more."""
    there = sizes(source)
    return all(
        there.get(part, 0) >= size
        and _tail(source / f"{part}.jsonl", size) == _tail(copy / f"{part}.jsonl", size)
        for part, size in sizes(copy).items()
    )


def copy_lines(source: Path, copy: Path, end: int) -> int:
    """Append what the copy lacks of the whole lines before `end`; return how many bytes."""
    with source.open("rb") as journal, private(copy) as file:
        start = journal.seek(file.seek(0, os.SEEK_END))
        while (left := end - journal.tell()) > 0:
            data = journal.read(min(_CHUNK, left))
            whole = data.rfind(b"\n") + 1
            if not whole:
                break  # a line whose writer was killed
            file.write(data[:whole])
            journal.seek(whole - len(data), os.SEEK_CUR)
        grown = file.tell() - start
    synced(copy)
    synced(copy.parent)
    return grown


def what_is_wrong(file: Path, journal: Path) -> str | None:
    """Return what is wrong with a database and its journal, without a remedy; `None`: nothing."""
    wrong = health.check(file, journal)
    if wrong is None:
        return None
    return wrong.removeprefix(f"the ledger {file} is damaged: ").removesuffix(
        "; it is built anew from its journal"
    )


def private(path: Path) -> BinaryIO:
    """Open a file to append to, which nobody else may read."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    return cast("BinaryIO", os.fdopen(os.open(path, flags, 0o600), "ab"))


def synced(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tail(path: Path, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, end - _TAIL))
        return file.read(end - file.tell())


def _read(path: Path) -> Snapshot:
    try:
        ((line, _),) = lines(path.parent, path.stem)
        return _KNOWN.validate_python({"file": path.with_suffix(".sqlite3"), **parsed(line)})
    except (ValueError, JournalDamagedError) as error:
        raise LedgerError(
            f"{path} is damaged; move it away, and the snapshots before it count"
        ) from error
