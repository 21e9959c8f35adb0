"""Settlements that could not be committed, in a file made while there was room for it.

What is not in the spool either stays reserved at its upper bound, which is the safe side.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from zlib import crc32

from deployments.ledger.journal import Entry, framed, parsed

ROOM_BYTES = 256 * 1024
"""Some five hundred settlements."""


class SpoolError(Exception):
    """A settlement could not be kept; its attempt stays booked at its upper bound."""


class Spool:
    """One process's file, held while the process lives. Not for several threads at once."""

    def __init__(self, path: Path, room_bytes: int = ROOM_BYTES) -> None:
        """Make the file and fill it, or take it over with what it has.

        Raises:
            SpoolError: another process has it, or there is no room for it.
        """
        self._path = path
        self._room_bytes = room_bytes
        try:
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            self._descriptor = _held(path)
        except OSError as error:
            raise self._error(error) from error
        try:
            missing = room_bytes - os.fstat(self._descriptor).st_size
            if missing > 0:
                self._write(bytes(missing), room_bytes - missing)
            self.entries, self._end = _read(self._descriptor)
        except SpoolError:
            path.unlink()
            self.close()
            raise

    entries: Sequence[Entry]
    """What is kept and not cleared, in order."""

    def keep(self, entry: Entry) -> None:
        """Write one more, durably; no room on the disk is needed.

        Raises:
            SpoolError: the file is full or cannot be written.
        """
        line = framed(entry)
        if self._end + len(line) >= self._room_bytes:
            raise SpoolError(f"the spool {self._path} is full; make room for the ledger to write")
        self._write(line, self._end)
        self._end += len(line)
        self.entries = (*self.entries, entry)

    def clear(self) -> None:
        """Forget everything: it has been committed.

        Raises:
            SpoolError: the file cannot be written; what is in it can be committed twice.
        """
        if self._end:
            self._write(bytes(self._end), 0)
        self._end = 0
        self.entries = ()

    def close(self) -> None:
        """Let go of the file; what is in it is there for others to commit."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Delete the file, committed or empty, and let go of it."""
        self._path.unlink(missing_ok=True)
        self.close()

    def _write(self, data: bytes, offset: int) -> None:
        try:
            written = os.pwrite(self._descriptor, data, offset)
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._error(error) from error
        if written != len(data):
            raise SpoolError(f"the spool {self._path}: no room; free some on its disk")

    def _error(self, error: OSError) -> SpoolError:
        return SpoolError(f"the spool {self._path}: {error.strerror}; see to its disk")


def folder_of(path: Path) -> Path:
    """Return where the spools of a database are."""
    return path.with_name(f"{path.name}.spool")


def abandoned(folder: Path) -> Iterator[Spool]:
    """Yield the spools of processes that have ended, held: commit, then `remove` or `close` each.

    A spool that cannot be read is left for the next time.
    """
    for path in sorted(folder.glob("*")):
        try:
            yield Spool(path, path.stat().st_size)
        except (SpoolError, FileNotFoundError):
            continue


def _held(path: Path) -> int:
    """Open the file and lock it, as the one that is in the folder and not one just deleted."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _read(descriptor: int) -> tuple[tuple[Entry, ...], int]:
    """Return the whole entries and where they end; a line that was not finished is written over."""
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    found: list[Entry] = []
    end = 0
    for line in data.split(b"\0", 1)[0].splitlines(keepends=True):
        if not line.endswith(b"\n") or b"%08x" % crc32(line[9:-1]) != line[:8]:
            break
        found.append(parsed(line[9:-1]))
        end += len(line)
    return tuple(found), end
