"""The writer: one thread a process, which commits whatever waits as one transaction."""

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from deployments.faults import reach
from deployments.ledger.database import Database, LedgerAwayError, LedgerError, is_outage
from deployments.ledger.health import trouble_of
from deployments.ledger.keeping import Keeper
from deployments.ledger.opening import prepare
from deployments.ledger.operations import NOTHING, Operation, settle
from deployments.ledger.page import Page, Row
from deployments.ledger.sweeping import BEAT_EVERY_S, beat, sweep
from tercet.budget import Caps
from tercet.ledger import Settlement

logger = logging.getLogger(__name__)

MAX_GROUP = 256
TICK_S = 0.25
"""How often a writer without work writes notes, and looks whether it has to let go of the file."""
LOOK_AGAIN_S = 0.25
LOOK_SELDOM_S = 10.0
"""How often it is looked whether somebody has restored what cannot be repaired."""
OPENING_S = 30.0
"""How long opening waits for a ledger that is being mended."""
CLOSING_S = 30.0
"""How long closing waits for a database that does not answer."""

Result = TypeVar("Result")
Told = asyncio.Future[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every transaction of a process is made with."""

    writer_id: str
    caps: Caps
    keeper: Keeper
    clock: Callable[[], float]
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class _Write:
    operation: Operation[Any]
    told: Told | None = None
    settles: Settlement | None = None
    """Kept if it cannot be committed: what an attempt cost is known but once."""


class Writer:
    """Takes operations from any loop; each is told when it has been committed, or why not."""

    def __init__(self, database: Database, terms: Terms) -> None:
        """Open the database, say that this process is alive, and begin to take what comes.

        One that is away for a reason that passes is opened later.

        Raises:
            LedgerError: the database cannot be opened.
        """
        self._database = database
        self._terms = terms
        self._connection: Connection | None = None
        self._enter_at = 0.0
        self._is_open = False
        self._away: str | None = None
        """Why the ledger could not be opened so far."""
        self._house_at = time.monotonic() + BEAT_EVERY_S
        try:
            self._wait_to_enter()
            self._transact([beat(terms.writer_id, terms.clock())])
        except Exception as error:
            self._disconnect()
            failure = self._failure(error)
            if not isinstance(failure, LedgerAwayError):
                raise failure from error
            self._away = str(failure)
            logger.warning("nothing is written yet: %s", failure)
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._notes: deque[Operation[Any]] = deque()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def write(
        self, operation: Operation[Result], settles: Settlement | None = None
    ) -> Result:
        """Return once the operation is durable.

        Raises:
            LedgerError: it is not, or nobody knows.
        """
        told: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._writes.put(_Write(operation, told, settles))
        try:
            async with asyncio.timeout(self._database.patience_s):
                return await told
        except TimeoutError as error:
            raise self._database.failure("does not answer", error) from error

    def note(self, operation: Operation[Any]) -> None:
        """Write with what else is written, `TICK_S` later at most; lost if the process ends first.

        It does not wake the writer: a transaction costs more than its rows.
        """
        self._notes.append(operation)

    async def flush(self) -> None:
        """Return once what was noted is durable.

        Raises:
            LedgerError: it is not, or nobody knows.
        """
        if self._notes:
            await self.write(NOTHING)

    def close(self) -> None:
        """Commit what is waiting and stop."""
        self._is_closing = True
        self._writes.put(None)
        self._thread.join(CLOSING_S)

    def _wait_to_enter(self) -> None:
        give_up_at = time.monotonic() + OPENING_S
        while not self._terms.keeper.enter():
            if time.monotonic() > give_up_at:
                why = self._terms.keeper.why_unfit() or "another process is mending it"
                raise LedgerError(f"the ledger {self._database} cannot be used now: {why}")
            time.sleep(LOOK_AGAIN_S)

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            group, goes_on = self._next_group()
            why = self._unfit()
            if why is not None:
                self._refuse(group, LedgerError(why))
                continue
            if group:
                self._commit(group)
            self._keep_house()
        self._disconnect()

    def _next_group(self) -> tuple[list[_Write], bool]:
        """Wait a while for writes and take all that waits; False when the writer is to stop."""
        writes: list[_Write] = []
        write: _Write | None = None
        with suppress(queue.Empty):
            write = self._writes.get(timeout=TICK_S)
            while write is not None:
                writes.append(write)
                if len(writes) == MAX_GROUP:
                    break
                write = self._writes.get_nowait()
        is_stopping = write is None and self._is_closing
        # What a note is about was written before it was made, and never is in this group.
        return [*self._noted(), *writes], not is_stopping

    def _noted(self) -> list[_Write]:
        notes: list[_Write] = []
        with suppress(IndexError):
            while True:
                notes.append(_Write(self._notes.popleft()))
        return notes

    def _unfit(self) -> str | None:
        """Return why nothing may be written now; let go of the file, so that it can be mended."""
        keeper = self._terms.keeper
        if (why := keeper.why_unfit() or self._away) is None:
            return None
        self._disconnect()
        if time.monotonic() < self._enter_at:
            return why
        try:
            if keeper.enter():
                logger.warning("the ledger is in use again; it was not, because %s", why)
                self._away = None
                return None
            self._enter_at = time.monotonic() + LOOK_AGAIN_S
        except (LedgerError, OSError) as error:
            why = str(self._failure(error))
            seldom = not isinstance(error, LedgerAwayError | OSError)
            self._enter_at = time.monotonic() + (LOOK_SELDOM_S if seldom else LOOK_AGAIN_S)
        return why

    def _keep_house(self) -> None:
        """Every few seconds: say that this process lives, settle orphans and what is owed."""
        if time.monotonic() < self._house_at:
            return
        self._house_at = time.monotonic() + BEAT_EVERY_S
        now, keeper = self._terms.clock(), self._terms.keeper
        owed = keeper.owed()
        chores = [beat(self._terms.writer_id, now), *map(settle, owed)]
        try:
            self._transact(chores)
            self._transact([sweep(self._terms.writer_id, now)])
        except Exception as error:  # noqa: BLE001  it is done again in a while
            self._failed(error)
            logger.warning("the ledger's chores are not done: %s", self._failure(error))
            return
        if owed:
            keeper.paid()
        keeper.tidy(now)

    def _commit(self, group: Sequence[_Write]) -> None:
        """Write the group in one transaction; if a row is refused, one by one, to find which."""
        try:
            results = self._transact([write.operation for write in group])
        except Exception as error:  # noqa: BLE001  a value a driver cannot hold raises what it likes
            if self._failed(error) or len(group) == 1:
                self._refuse(group, self._failure(error))
                return
            for write in group:
                self._commit([write])
            return
        _tell(group, results)

    def _failed(self, error: Exception) -> bool:
        """Say whether nothing can be written now, whatever the rows."""
        self._terms.keeper.failed(error)
        is_out = is_outage(error) or trouble_of(error) is not None
        if is_out:
            self._disconnect()
        return is_out

    def _refuse(self, group: Sequence[_Write], error: LedgerError) -> None:
        for write in group:
            if write.settles is not None:
                self._terms.keeper.owe(write.settles)
        _tell(group, error)

    def _failure(self, error: Exception) -> LedgerError:
        if isinstance(error, LedgerError):
            return error
        failure = self._database.failure("cannot be written", error)
        failure.__cause__ = error
        return failure

    def _transact(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        connection = self._begun()
        try:
            with self._terms.keeper.group(connection) as append:
                results, entries = fold(connection, operations, self._terms)
                if entries:
                    append(entries)
                reach("writer_before_commit")
                self._database.commit(connection)
        except BaseException:
            self._database.undo(connection)
            raise
        reach("writer_after_commit")
        return results

    def _begun(self) -> Connection:
        """Begin; a connection that was lost while nothing was written is made anew first."""
        if not self._is_open:
            prepare(self._database)
            self._is_open = True
        if self._connection is not None:
            try:
                self._database.begin(self._connection)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._disconnect()
            else:
                return self._connection
        self._connection = self._database.connect()
        self._database.begin(self._connection)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(DBAPIError):
                self._connection.close()
            self._connection = None


def fold(
    connection: Connection, operations: Sequence[Operation[Any]], terms: Terms
) -> tuple[list[Any], list[Row]]:
    """Do the operations in the open transaction; return what each says, and the journal's rows."""
    page = Page(connection, terms.caps, terms.writer_id)
    ids = [name for operation in operations for name in operation.find(connection)]
    charges = [operation.charge for operation in operations if operation.charge is not None]
    touches = [operation.touch for operation in operations if operation.touch is not None]
    page.load(ids, charges, touches)
    results = [operation.apply(page) for operation in operations]
    page.store()
    return results, page.entries


def _tell(group: Sequence[_Write], outcome: LedgerError | Sequence[Any]) -> None:
    """Tell every waiting coroutine; one wake-up a loop, not one a write."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Told, Any]]] = {}
    for index, write in enumerate(group):
        result = outcome if isinstance(outcome, LedgerError) else outcome[index]
        if write.told is not None:
            by_loop.setdefault(write.told.get_loop(), []).append((write.told, result))
        elif isinstance(result, LedgerError):
            logger.warning("a note for the ledger is lost: %s", result)
    for loop, told in by_loop.items():
        with suppress(RuntimeError):  # the loop has ended, and with it whoever asked
            loop.call_soon_threadsafe(_resolve, told)


def _resolve(told: Sequence[tuple[Told, Any]]) -> None:
    for future, result in told:
        if future.done():
            continue
        if isinstance(result, LedgerError):
            future.set_exception(result)
        else:
            future.set_result(result)
