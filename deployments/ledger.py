"""The ledger: a library over one SQLite file that every replica of a host writes to.

Writes go through one thread per process, which commits whatever is waiting as one transaction, so
concurrent attempts share an fsync. A write has happened when its coroutine returns.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from tercet.ledger import RequestClosed, RequestOpened, Reservation, Settlement, month_of

BUSY_TIMEOUT_S = 10.0
"""How long a writer waits for another process's transaction."""
MAX_GROUP = 256

Row = dict[str, object]

_RESERVE = """
INSERT INTO attempts (attempt_id, task_id, key_id, month, tier, provider, model, role, round, state,
  reserved_nano_usd, price_source, simulated, reserved_at_ns, deadline_at_ns)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'reserved', ?, ?, ?, ?, ?)
"""
_SETTLE = """
UPDATE attempts SET state = ?, outcome = ?, settled_nano_usd = ?, usage_source = ?, fresh_input = ?,
  cache_read = ?, cache_write_5m = ?, cache_write_1h = ?, output = ?, thinking = ?, upstream_id = ?,
  first_token_ns = ?, latency_ns = ?, settled_at_ns = ?
WHERE attempt_id = ? AND state IN ('reserved', 'sent')
"""
_OPEN = """
INSERT INTO tasks (task_id, key_id, asked_model, profile, route, opened_at_ns)
VALUES (?, ?, ?, ?, ?, ?)
"""
_CLOSE = """
UPDATE tasks SET outcome = ?, answer = ?, closed_at_ns = ? WHERE task_id = ? AND outcome IS NULL
"""


@dataclass(frozen=True, slots=True)
class _Write:
    statement: str
    values: tuple[object, ...]
    done: asyncio.Future[None]


class Ledger:
    """The writer of one process, and a reader for receipts."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            sqlite3.Error: the file cannot be opened or is not a ledger.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        connection = _connect(path)
        _prepare(connection)
        self._thread = threading.Thread(
            target=self._run, args=(connection,), name="ledger-writer", daemon=True
        )
        self._thread.start()

    async def reserve(self, row: Reservation) -> None:
        """Record an attempt that is about to be made; durable on return."""
        values = (
            row.attempt_id, row.task_id, row.key_id, month_of(row.at), row.tier, row.provider,
            row.model, row.role, row.round, row.reserved_nano_usd, row.price_source,
            int(row.simulated), _ns(row.at), _ns(row.deadline_at),
        )  # fmt: skip
        await self._write(_RESERVE, values)

    async def settle(self, row: Settlement) -> None:
        """Record what became of an attempt. A second settlement of one attempt changes nothing."""
        usage = row.usage
        values = (
            row.state, row.outcome, row.settled_nano_usd, row.usage_source, usage.fresh_input,
            usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.output,
            usage.thinking, row.upstream_id, _ns(row.first_token_s), _ns(row.latency_s),
            _ns(row.at), row.attempt_id,
        )  # fmt: skip
        await self._write(_SETTLE, values)

    async def open_request(self, row: RequestOpened) -> None:
        """Record a task and its route."""
        values = (
            row.task_id, row.key_id, row.asked_model, row.profile, row.route, _ns(row.at),
        )  # fmt: skip
        await self._write(_OPEN, values)

    async def close_request(self, row: RequestClosed) -> None:
        """Record how a task ended."""
        await self._write(_CLOSE, (row.outcome, row.answer, _ns(row.at), row.task_id))

    async def task(self, task_id: str) -> tuple[Row, Sequence[Row]] | None:
        """Return a task's row and its attempts in the order they were made, or `None`."""
        return await asyncio.to_thread(_read_task, self._path, task_id)

    def close(self) -> None:
        """Commit what is waiting and stop the writer."""
        self._writes.put(None)
        self._thread.join()

    async def _write(self, statement: str, values: tuple[object, ...]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writes.put(_Write(statement, values, done))
        await done

    def _run(self, connection: sqlite3.Connection) -> None:
        open_for_writes = True
        while open_for_writes:
            group, open_for_writes = self._next_group()
            if group:
                _commit(connection, group)
        connection.close()

    def _next_group(self) -> tuple[list[_Write], bool]:
        """Wait for one write and take what else is waiting; False when the writer is to stop."""
        group: list[_Write] = []
        write = self._writes.get()
        while write is not None:
            group.append(write)
            if len(group) == MAX_GROUP or self._writes.empty():
                return group, True
            write = self._writes.get()
        return group, False


def simulated_totals(path: Path) -> Counter[str]:
    """Return nano-USD by model of simulated attempts; open ones count at their reservation."""
    query = """
        SELECT model, sum(coalesce(settled_nano_usd, reserved_nano_usd)) AS nano_usd
        FROM attempts WHERE simulated = 1 GROUP BY model
    """
    connection = _connect(path)
    try:
        return +Counter({row["model"]: row["nano_usd"] for row in connection.execute(query)})
    finally:
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Create the tables. Replicas start together, and setting WAL does not wait for a lock."""
    schema = files("deployments").joinpath("schema.sql").read_text("utf-8")
    give_up_at = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(schema)
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
        else:
            return


def _commit(connection: sqlite3.Connection, group: list[_Write]) -> None:
    """Write the group in one transaction; if it fails, one by one, to find the culprit."""
    try:
        _transact(connection, group)
    except Exception as error:  # noqa: BLE001  a value SQLite cannot hold raises what it likes
        if len(group) == 1:
            _tell(group[0], error)
            return
        for write in group:
            _commit(connection, [write])
        return
    for write in group:
        _tell(write, None)


def _transact(connection: sqlite3.Connection, group: list[_Write]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for write in group:
            connection.execute(write.statement, write.values)
        connection.execute("COMMIT")
    except Exception:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _tell(write: _Write, error: Exception | None) -> None:
    def resolve() -> None:
        if write.done.done():
            return
        if error is None:
            write.done.set_result(None)
        else:
            write.done.set_exception(error)

    loop = write.done.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(resolve)


def _read_task(path: Path, task_id: str) -> tuple[Row, Sequence[Row]] | None:
    connection = _connect(path)
    try:
        task = connection.execute("SELECT * FROM tasks WHERE task_id = ?", (task_id,)).fetchone()
        if task is None:
            return None
        attempts = connection.execute(
            "SELECT * FROM attempts WHERE task_id = ? ORDER BY reserved_at_ns, rowid", (task_id,)
        ).fetchall()
        return dict(task), [dict(attempt) for attempt in attempts]
    finally:
        connection.close()


def _ns(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1e9)
