"""The second copy of attempts and leases: what each of them became, as lines with a checksum.

A line is the CRC-32 of a JSON object in hex, a space, and the object, by month of writing. It is
written before the commit it belongs to, so the database follows the journal and never the other
way round; see `deployments.ledger.repair`. Nothing is fsynced line by line: a process that dies
loses nothing, and what a power cut takes is in the database, which is.
"""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast
from zlib import crc32

Entry = Mapping[str, object]
Sizes = Mapping[str, int]
"""Bytes by part; a part is a month, as `2026-11`."""

_SUFFIX = ".jsonl"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_JSON = json.JSONEncoder(separators=(",", ":"))


class JournalDamagedError(Exception):
    """The journal cannot be trusted; the message names the file and the line."""


class Journal:
    """The writer's end. Two processes may have one each: `locked` keeps their lines apart."""

    def __init__(self, folder: Path, month: Callable[[], str]) -> None:
        """Hold no file open."""
        self.folder = folder
        self._month = month
        self._before: tuple[Path, int] | None = None
        self._unsynced: set[Path] = set()

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep every other process from appending."""
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _opened(self) -> int:
        try:
            return os.open(self.folder, _FOLDER)
        except FileNotFoundError:
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            return os.open(self.folder, _FOLDER)

    def append(self, entries: Sequence[Entry]) -> tuple[str, int]:
        """Write the entries at once, or none; return the part they went to and its new size.

        The caller holds `locked`.

        Raises:
            OSError: there is no room, or the file cannot be written.
        """
        # A clock that is set back must not put lines before older ones.
        part = max([self._month(), *sizes(self.folder)])
        path = self.folder / f"{part}{_SUFFIX}"
        data = b"".join(map(framed, entries))
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            before = _whole(descriptor)
            self._before = path, before
            _write(descriptor, data)
        except OSError:
            self.undo()
            raise
        finally:
            os.close(descriptor)
        self._unsynced.add(path)
        return part, before + len(data)

    def undo(self) -> None:
        """Take back what was last appended, whose commit has failed. The caller holds `locked`."""
        if self._before is not None:
            path, size = self._before
            # Where that fails it is caught up with: too much is booked, not too little.
            with suppress(OSError):
                os.truncate(path, size)
        self.settled()

    def settled(self) -> None:
        """Know that what was last appended has been committed."""
        self._before = None

    def sync(self) -> None:
        """Bring what was appended to the disk: every few seconds, outside of any transaction."""
        paths, self._unsynced = self._unsynced, set()
        for path in (*paths, self.folder) if paths else ():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def folder_of(path: Path) -> Path:
    """Return where the journal of a database is."""
    return path.with_name(f"{path.name}.journal")


def sizes(folder: Path) -> dict[str, int]:
    """Return the parts there are, in the order they were written."""
    try:
        found = [entry for entry in os.scandir(folder) if entry.name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return {}
    return {
        entry.name.removesuffix(_SUFFIX): entry.stat().st_size
        for entry in sorted(found, key=lambda entry: entry.name)
    }


def entries(folder: Path, since: Sizes | None = None) -> Iterator[dict[str, object]]:
    """Read what was written after `since`, in order. A line cut off by a crash does not count.

    Raises:
        JournalDamagedError: a whole line is not what was written.
    """
    since = since or {}
    for part in sizes(folder):
        for line, _ in lines(folder, part, since.get(part, 0)):
            yield parsed(line)


def lines(
    folder: Path, part: str, start: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int]]:
    """Yield the JSON of each whole line, checked, and the offset at which the line ends.

    Raises:
        JournalDamagedError: a line is damaged, or `end` is given and no line ends there.
    """
    path = folder / f"{part}{_SUFFIX}"
    at = start
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if end is not None and at >= end:
                break
            if not line.endswith(b"\n"):
                break
            data = line[9:-1]
            if b"%08x " % crc32(data) != line[:9]:
                raise JournalDamagedError(f"{path}, line {_line_at(path, at)} is damaged")
            at += len(line)
            yield data, at
    if end is not None and at != end:
        raise JournalDamagedError(f"{path} ends at byte {at} where {end} are known to be written")


def framed(entry: Entry) -> bytes:
    """Return the line of an entry; unknown values are left out."""
    known = {name: value for name, value in entry.items() if value is not None}
    data = _JSON.encode(known).encode()
    return b"%08x %s\n" % (crc32(data), data)


def parsed(line: bytes) -> dict[str, object]:
    """Return the entry of a checked line."""
    return cast("dict[str, object]", json.loads(line))


def _write(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _whole(descriptor: int) -> int:
    """Cut off a line whose writer was killed, and return the size."""
    size = os.fstat(descriptor).st_size
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return size
    # No line is near this long, but a group can be written in part.
    start = max(0, size - (1 << 20))
    kept = start + os.pread(descriptor, size - start, start).rfind(b"\n") + 1
    os.ftruncate(descriptor, kept)
    return kept


def _line_at(path: Path, offset: int) -> int:
    with path.open("rb") as file:
        return file.read(offset).count(b"\n") + 1
