"""The ledger: a library over one database that every replica writes to, SQLite or Postgres."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from sqlalchemy import text

from deployments.ledger import (
    claiming,
    keep_alive,
    keys,
    labels,
    leases,
    looks,
    operations,
    policies,
    remembering,
    requests,
    samples,
    starts,
    sweeping,
    transitions,
)
from deployments.ledger.database import Database, LedgerError, url_of
from deployments.ledger.keeping import FileKeeper, Keeper, PlainKeeper
from deployments.ledger.operations import execute, ns
from deployments.ledger.page import Row
from deployments.ledger.reading import (
    LOOK_AGAIN_S,
    LOOKS,
    Hours,
    is_settling,
    read_exhausted,
    read_spending,
    read_task,
    simulated_totals,
)
from deployments.ledger.writer import Terms, Writer
from tercet.budget import Caps, Denied, Granted
from tercet.keys import Key
from tercet.learning import Label, Lock, PolicyMove, PolicyVersion
from tercet.leases import (
    Arrivals,
    Decided,
    Lease,
    LeaseCharged,
    LeaseEnded,
    LeaseOpened,
    LeaseSeen,
    Span,
)
from tercet.ledger import (
    Claim,
    Claimed,
    InProgress,
    Kept,
    Mismatch,
    RequestClosed,
    RequestOpened,
    Reservation,
    Sent,
    Settlement,
    Spending,
)
from tercet.migration import JudgeAudit, Look, Migration, Sample, Transition
from tercet.readiness import Start

__all__ = ["Ledger", "LedgerError", "simulated_totals", "url_of"]

Asked = TypeVar("Asked")
Found = TypeVar("Found")

UNCAPPED: Caps = MappingProxyType({})

_EXHAUST = text("""
INSERT INTO exhausted (provider, until_ns, why, at_ns)
VALUES (:provider, :until_ns, :why, :at_ns)
ON CONFLICT (provider) DO UPDATE
SET until_ns = excluded.until_ns, why = excluded.why, at_ns = excluded.at_ns
""")


class Ledger:
    """The books of one process. A write has happened when its coroutine returns.

    Every method may raise `LedgerError`, except `mark_sent`.
    """

    def __init__(
        self, url: Path | str, caps: Caps = UNCAPPED, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Open or create the ledger, and say that this process is alive.

        Raises:
            LedgerError: it cannot be opened or is not a ledger.
        """
        self.writer_id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._database = Database(url)
        self._hours = Hours()
        self._keeper = self._kept(clock)
        terms = Terms(writer_id=self.writer_id, caps=caps, keeper=self._keeper, clock=clock)
        try:
            self._writer = Writer(self._database, terms)
        except LedgerError:
            self._database.close()
            self._keeper.close()
            raise

    def _kept(self, clock: Callable[[], float]) -> Keeper:
        file = self._database.file
        return PlainKeeper() if file is None else FileKeeper(file, self.writer_id, clock)

    async def reserve(self, row: Reservation) -> Granted | Denied:
        """Record an attempt that is about to be made, or deny it; durable on return.

        Raises:
            LedgerError: it is not known to be recorded: settle it as void, and ask nobody.
        """
        return await self._writer.write(operations.reserve(row))

    def mark_sent(self, row: Sent) -> None:
        """Record that the provider has begun to answer; lost if the process dies at once."""
        self._writer.note(operations.mark_sent(row))

    async def settle(self, row: Settlement) -> None:
        """Record what became of an attempt.

        If that fails, it is kept and recorded later, also by another process if this one ends.

        A second settlement changes nothing, nor does that of an attempt that is not there. The
        guess a sweep has made is replaced.
        """
        await self._writer.write(operations.settle(row), settles=row)

    def open_request(self, row: RequestOpened) -> None:
        """Record a task and its route, before long; lost if the process dies at once."""
        self._writer.note(requests.opening(row))

    def close_request(self, row: RequestClosed) -> None:
        """Record how a task ended, before long; only its first end counts. Lost as its opening."""
        self._writer.note(requests.closing(row))

    async def task(self, task_id: str) -> tuple[Row, Sequence[Row]] | None:
        """Return a task's row and its attempts in the order they were made, or `None`.

        One that may have ended is waited for as long as it takes to be written, by any process.
        """
        with suppress(LedgerError):  # what can be read may be, though nothing can be written
            await self._writer.flush()
        found = await self._read(read_task, task_id)
        for _ in range(LOOKS):
            if not is_settling(found):
                break
            await asyncio.sleep(LOOK_AGAIN_S)
            found = await self._read(read_task, task_id)
        return found

    async def claim(self, row: Claim) -> Claimed | InProgress | Mismatch | Kept:
        """Take a request that must not be done twice, or learn what became of it."""
        return await self._writer.write(claiming.take(row))

    async def keep(self, row: Claim, document: str) -> None:
        """Record what a claim's caller was told, for those who ask again."""
        await self._writer.write(claiming.keep(row, document))

    async def release(self, row: Claim) -> None:
        """Give up a claim whose request was not done; what is kept stays kept."""
        await self._writer.write(claiming.release(row))

    async def remember(self, answer_id: str, key_id: str, document: str, at: float) -> None:
        """Keep what a later request may continue; see `remembering.KEPT_S`."""
        await self._writer.write(remembering.remember(answer_id, key_id, document, at))

    async def recall(self, answer_id: str, key_id: str) -> str | None:
        """Return what was remembered for this key, or `None`."""
        return await self._read(remembering.recall, (answer_id, key_id))

    async def forget(self, answer_id: str, key_id: str) -> bool:
        """Delete what was remembered for this key; say whether there was anything."""
        return await self._writer.write(remembering.forget(answer_id, key_id))

    async def spending(self, at: float) -> Spending:
        """Return what the ledger says of money now."""
        return await self._read(partial(read_spending, hours=self._hours), at)

    async def note_exhausted(self, provider: str, until: float, why: str, at: float) -> None:
        """Record that a provider refuses for want of money until then."""
        values = {"provider": provider, "until_ns": ns(until), "why": why, "at_ns": ns(at)}
        await self._writer.write(execute(_EXHAUST, values))

    async def exhausted(self, at: float) -> Mapping[str, float]:
        """Return until when (Unix seconds) which providers are not to be asked."""
        return await self._read(read_exhausted, at)

    async def keys(self) -> Sequence[Key]:
        """Return the keys that are not revoked."""
        return await self._read(keys.read_keys, None)

    async def key(self, handle: str) -> Key | None:
        """Return the key with this public part, unless it is revoked."""
        return await self._read(keys.read_key, handle)

    async def create_key(self, key: Key) -> bool:
        """Add a key; return whether its name was free."""
        return await self._writer.write(keys.create(key))

    async def rotate_key(self, name: str, sha256: str, until: float) -> bool:
        """Give a key a new secret; the last one holds until then. Return whether there is one."""
        return await self._writer.write(keys.rotate(name, sha256, until))

    async def revoke_key(self, name: str, at: float) -> bool:
        """End a key for good; return whether there was one."""
        return await self._writer.write(keys.revoke(name, at))

    async def note_start(self, start: Start) -> None:
        """Record how long the local model took to be ready; a start noted twice is one."""
        await self._writer.write(starts.note(start))

    async def starts(self, limit: int = 50) -> Sequence[Start]:
        """Return so many starts of the local model, the newest first."""
        return await self._read(starts.newest, limit)

    async def open_lease(self, row: LeaseOpened) -> Granted | Denied:
        """Record a machine about to be rented and hold what it costs at first, or deny it.

        Raises:
            LedgerError: it is not known to be recorded: end it as never created, and rent nothing.
        """
        return await self._writer.write(leases.open_lease(row))

    async def see_lease(self, row: LeaseSeen) -> None:
        """Book what has come due, and go on in the state that was seen; not of one that ended."""
        await self._writer.write(leases.see(row))

    async def accrue_lease(self, lease_id: str, at: float, ahead_s: float) -> Granted | Denied:
        """Book what has come due, and hold what so many seconds more of running cost.

        What is due is booked past any cap; denied are the seconds ahead: stop the machine. So are
        those of a lease that has ended or never was.
        """
        return await self._writer.write(leases.renew(lease_id, at, ahead_s))

    async def end_lease(self, row: LeaseEnded) -> None:
        """Book what has come due and let go of what is held; only the first end counts."""
        await self._writer.write(leases.end(row))

    async def correct_lease(self, row: LeaseCharged) -> int:
        """Make what is booked for a lease in a month equal to its bill; return the difference."""
        return await self._writer.write(leases.correct(row))

    async def leases(self, *, open_only: bool) -> Sequence[Lease]:
        """Return leases, the newest first."""
        return await self._read(leases.read_open if open_only else leases.read_leases, None)

    async def lease(self, lease_id: str) -> Lease | None:
        """Return a lease, or `None`."""
        return await self._read(leases.read_lease, lease_id)

    async def spans(self, lease_id: str) -> Sequence[Span]:
        """Return the spans of a lease and its corrections, in the order they were written."""
        return await self._read(leases.read_spans, lease_id)

    async def gpu_seconds(self, at: float) -> float:
        """Return how long machines have run in the UTC day of this time, by then."""
        return await self._read(leases.read_gpu_seconds, at)

    async def note_decision(self, row: Decided) -> None:
        """Record what a keep-alive policy wants; see `keep_alive.KEPT_S`."""
        await self._writer.write(keep_alive.note(row))

    async def decisions(self, since: float, limit: int = 1_000) -> Sequence[Decided]:
        """Return the newest decisions since then, the newest first."""
        return await self._read(keep_alive.newest, (since, limit))

    async def arrivals(
        self, since: float, until: float, minute_s: float = 60.0
    ) -> Sequence[Arrivals]:
        """Return by the minute what came for the local model; minutes without any lack."""
        return await self._read(keep_alive.arrivals, (since, until, minute_s))

    async def last_served(self, since: float) -> float | None:
        """Return when the local model last gave an answer, `None`: not since that time."""
        return await self._read(keep_alive.last_served, since)

    async def note_labels(self, rows: Sequence[Label]) -> None:
        """Record labels; of one task, arm and source the last counts."""
        await self._writer.write(labels.put(rows))

    async def labels(self, since: float) -> Sequence[Label]:
        """Return the labels since a time, the oldest first."""
        return await self._read(labels.read_labels, since)

    async def forget_labels(self, before: float) -> int:
        """Delete the labels of before a time; return how many those were."""
        return await self._writer.write(labels.forget(before))

    async def put_policy(self, row: PolicyVersion) -> bool:
        """Add a version of what was learned; return whether its name was free."""
        return await self._writer.write(policies.put(row))

    async def move_policies(self, rows: Sequence[PolicyMove]) -> bool:
        """Move versions, all or none; whoever has the place one comes to is retired.

        Return whether all were where they come from.
        """
        return await self._writer.write(policies.move(rows))

    async def forget_policies(self, before: float) -> int:
        """Delete versions that ended before a time and never were in force; return how many."""
        return await self._writer.write(policies.forget(before))

    async def policies(self) -> Sequence[PolicyVersion]:
        """Return every version without its document, the newest first."""
        return await self._read(policies.read_policies, None)

    async def policies_in_play(self) -> Sequence[PolicyVersion]:
        """Return the versions that route, without their documents: cheap enough to ask often."""
        return await self._read(policies.read_in_play, None)

    async def policy(self, version: str) -> PolicyVersion | None:
        """Return a version with its document, or `None`."""
        return await self._read(policies.read_policy, version)

    async def take_lock(self, lock: Lock) -> bool:
        """Take a lock of learning, or one's own for longer; return whether it is the owner's."""
        return await self._writer.write(policies.take_lock(lock))

    async def give_back_lock(self, name: str, owner: str) -> bool:
        """Let go of a lock; return whether the owner had it."""
        return await self._writer.write(policies.give_back(name, owner))

    async def locks(self, at: float) -> Sequence[Lock]:
        """Return the locks of learning that hold at a time."""
        return await self._read(policies.read_locks, at)

    async def move_migration(self, row: Transition) -> bool:
        """Move a kind of work; return whether it was where it comes from."""
        return await self._writer.write(transitions.move(row))

    async def migrations(self) -> Sequence[Migration]:
        """Return where each kind is that has moved; every other one is in `baseline`."""
        return await self._read(transitions.read_migrations, None)

    async def note_look(self, row: Look) -> None:
        """Record what is known of a kind of work; of one kind the last look is kept."""
        await self._writer.write(looks.note(row))

    async def looks(self) -> Sequence[Look]:
        """Return what was known of each kind when it was looked at last."""
        return await self._read(looks.read_looks, None)

    async def note_sample(self, row: Sample) -> None:
        """Record two answers compared; of one task, arm and purpose the last counts."""
        await self._writer.write(samples.note(row))

    async def note_audit(self, row: JudgeAudit) -> None:
        """Record what a judge said of answers whose qualities are known."""
        await self._writer.write(samples.note_audit(row))

    async def sweep(self, at: float) -> int:
        """Settle orphans and tidy up; return how many orphans there were."""
        return await self._writer.write(sweeping.sweep(self.writer_id, at))

    async def beat(self, at: float) -> None:
        """Say that this process is alive: see `sweeping.BEAT_EVERY_S`."""
        await self._writer.write(sweeping.beat(self.writer_id, at))

    async def _read(self, query: Callable[[Database, Asked], Found], asked: Asked) -> Found:
        try:
            async with asyncio.timeout(self._database.patience_s):
                return await asyncio.to_thread(query, self._database, asked)
        except TimeoutError as error:
            raise self._database.failure("does not answer", error) from error

    def close(self) -> None:
        """Commit what is waiting and stop the writer."""
        self._writer.close()
        self._database.close()
        self._keeper.close()
