"""The ledger read for the console: short looks, each at one moment, by columns with an index."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Executable, func, select

from deployments.ledger.database import Database, LedgerError
from deployments.ledger.evidence_schema import audits, samples
from deployments.ledger.keys import all_keys
from deployments.ledger.labels import counts_since
from deployments.ledger.leases import all_leases
from deployments.ledger.looks import all_looks
from deployments.ledger.opening import HEAD
from deployments.ledger.page import Row
from deployments.ledger.reading import Hours, read_task, spending_of
from deployments.ledger.schema import attempts, decisions, exhausted, spans, starts, tasks
from deployments.ledger.transitions import all_transitions
from tercet.keys import Key
from tercet.learning import LabelCount
from tercet.leases import Lease, Span
from tercet.ledger import Spending
from tercet.migration import Look, Transition

Found = Mapping[str, Any]
"""A row; the schema says which type a column has."""

_DAY_NS = 24 * 3600 * 10**9
_HEAD_CHARS = 200
"""Of a task's documents: the kind is the profile's first field, the name the route's."""
_BEGIN: Mapping[bool, str] = {
    True: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    False: "BEGIN",
}


class SettledRow(NamedTuple):
    """An attempt that has ended, with the beginning of its task's profile."""

    attempt_id: str
    month: str
    tier: str
    provider: str
    model: str
    key_id: str
    flag: str | None
    outcome: str | None
    settled_nano_usd: int | None
    reserved_at_ns: int
    settled_at_ns: int
    latency_ns: int | None
    profile: str | None
    """`None`: its task's row is not there, or not yet."""


class ArrivedRow(NamedTuple):
    """A task that came, with the beginnings of its documents."""

    task_id: str
    opened_at_ns: int
    profile: str
    route: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tasks of a list are wanted; empty: all."""

    route: str = ""
    kind: str = ""
    outcome: str = ""
    key_id: str = ""

    @property
    def conditions(self) -> Sequence[ColumnElement[bool]]:
        """The same as SQL."""
        found: list[ColumnElement[bool]] = []
        if self.route:
            found.append(_begins(tasks.c.route, "name", self.route))
        if self.kind:
            found.append(_begins(tasks.c.profile, "kind", self.kind))
        if self.outcome == "under_way":
            found.append(tasks.c.outcome.is_(None))
        elif self.outcome:
            found.append(tasks.c.outcome == self.outcome)
        if self.key_id:
            found.append(tasks.c.key_id == self.key_id)
        return found


def _begins(document: Column[str], field: str, value: str) -> ColumnElement[bool]:
    beginning = f"{{{json.dumps(field)}: {json.dumps(value)}"
    return func.substr(document, 1, len(beginning)) == beginning


class View:
    """A ledger as it stood when the look began."""

    def __init__(self, connection: Connection) -> None:
        """Read over a connection in a transaction."""
        self._connection = connection

    def settled_until(self, since_ns: int, many: int) -> int | None:
        """Return when the attempt ended that is `many` after a time; `None`: so many there are not.

        Of the index alone, so that a chunk is bounded without being read.
        """
        ended = attempts.c.settled_at_ns
        return self._connection.execute(
            select(ended).where(ended >= since_ns).order_by(ended).offset(many).limit(1)
        ).scalar()

    def settled(self, since_ns: int, until_ns: int | None) -> Sequence[SettledRow]:
        """Return the attempts that ended from a time to another, in the order they did."""
        columns = [attempts.c[name] for name in SettledRow._fields[:-1]]
        profile = func.substr(tasks.c.profile, 1, _HEAD_CHARS)
        ended = attempts.c.settled_at_ns
        joined = attempts.outerjoin(tasks, tasks.c.task_id == attempts.c.task_id)
        asked = select(*columns, profile).select_from(joined).where(ended >= since_ns)
        if until_ns is not None:
            asked = asked.where(ended < until_ns)
        rows = self._connection.execute(asked.order_by(ended)).all()
        return [SettledRow._make(row) for row in rows]

    def arrived_until(self, since_ns: int, many: int) -> int | None:
        """Return when the task came that is `many` after a time; `None`: so many there are not."""
        came = tasks.c.opened_at_ns
        return self._connection.execute(
            select(came).where(came >= since_ns).order_by(came).offset(many).limit(1)
        ).scalar()

    def arrived(self, since_ns: int, until_ns: int | None) -> Sequence[ArrivedRow]:
        """Return the tasks that came from a time to another, in the order they did."""
        heads = [func.substr(column, 1, _HEAD_CHARS) for column in (tasks.c.profile, tasks.c.route)]
        came = tasks.c.opened_at_ns
        asked = select(tasks.c.task_id, came, *heads).where(came >= since_ns).order_by(came)
        if until_ns is not None:
            asked = asked.where(came < until_ns)
        return [ArrivedRow._make(row) for row in self._connection.execute(asked).all()]

    def rented(self) -> Sequence[tuple[str, int, int]]:
        """Return what rented machines cost, by month and day (since 1970, UTC)."""
        day = spans.c.since_ns // _DAY_NS
        asked = select(spans.c.month, day, func.sum(spans.c.nano_usd)).group_by(spans.c.month, day)
        found = self._connection.execute(asked)
        return [(month, int(on), int(spent)) for month, on, spent in found]

    def spending(self, at: float, hours: Hours) -> Spending:
        """Return the month's balances, and lately what was spent by the hour."""
        return spending_of(self._connection, at, hours)

    def tasks(self, wanted: Wanted, before_ns: int, most: int, among: int) -> Sequence[Found]:
        """Return the newest tasks from before a time, so many of so many that are looked through.

        Args:
            wanted: which of them.
            before_ns: Unix nanoseconds.
            most: how many are returned at most.
            among: how many are looked through at most.
        """
        came = tasks.c.opened_at_ns
        newest = select(tasks).where(came < before_ns).order_by(came.desc(), tasks.c.task_id)
        if wanted.conditions:
            until_ns = self.looked_until(before_ns, among)
            newest = newest.where(*wanted.conditions, came >= (until_ns or 0))
        return self._rows(newest.limit(most))

    def looked_until(self, before_ns: int, among: int) -> int | None:
        """Return when the oldest came of so many tasks from before a time; `None`: there are less.

        That is how far `tasks` looks.
        """
        came = tasks.c.opened_at_ns
        asked = select(came).where(came < before_ns).order_by(came.desc())
        return self._connection.execute(asked.offset(among - 1).limit(1)).scalar()

    def attempts_of(self, task_ids: Sequence[str]) -> Sequence[Found]:
        """Return what lists tell of these tasks' attempts, in the order they were made."""
        made = attempts.c
        columns = (
            made.task_id, made.model, made.state, made.settled_nano_usd, made.reserved_nano_usd,
            made.simulated,
        )  # fmt: skip
        asked = select(*columns).where(made.task_id.in_(task_ids))
        return self._rows(asked.order_by(made.reserved_at_ns, made.attempt_id))

    def transitions(self) -> Sequence[Transition]:
        """Return every move of a kind, the oldest first."""
        return all_transitions(self._connection)

    def looks(self) -> Sequence[Look]:
        """Return what was known of each kind when it was looked at last."""
        return all_looks(self._connection)

    def leases(self) -> Sequence[Lease]:
        """Return every lease, the newest first."""
        return all_leases(self._connection)

    def spans(self, since_ns: int) -> Sequence[Span]:
        """Return the spans that reach beyond a time and the corrections since then, in order."""
        begun = spans.c.since_ns
        # A span ends with its day at the latest, but for one that is open.
        asked = select(spans).where(begun >= since_ns - _DAY_NS).order_by(begun, spans.c.seq)
        return [Span(**row) for row in self._connection.execute(asked).mappings()]

    def starts(self, most: int) -> Sequence[Found]:
        """Return so many starts of the local model, the newest first."""
        return self._rows(select(starts).order_by(starts.c.at_ns.desc()).limit(most))

    def decisions(self, most: int) -> Sequence[Found]:
        """Return so many decisions of keep-alive policies, the newest first."""
        newest = select(decisions).order_by(decisions.c.at_ns.desc(), decisions.c.policy)
        return self._rows(newest.limit(most))

    def exhausted(self, at_ns: int) -> Sequence[Found]:
        """Return the providers that refuse for want of money at a time."""
        return self._rows(select(exhausted).where(exhausted.c.until_ns > at_ns))

    def every_key(self) -> Sequence[Key]:
        """Return every key in the order they were made, those that are revoked too."""
        return all_keys(self._connection)

    def label_counts(self, since: float) -> Sequence[LabelCount]:
        """Return how many labels there are since a time (Unix seconds), by kind, arm and source."""
        return counts_since(self._connection, since)

    def samples(self, most: int) -> Sequence[Found]:
        """Return so many samples, the newest first."""
        return self._rows(select(samples).order_by(samples.c.at_ns.desc()).limit(most))

    def samples_of(self, task_id: str) -> Sequence[Found]:
        """Return the samples of a task."""
        return self._rows(select(samples).where(samples.c.task_id == task_id))

    def sample_counts(self, since_ns: int) -> Sequence[Found]:
        """Return the samples since a time by kind, purpose, state, reason and who compared."""
        of = samples.c
        sorts = (of.kind, of.purpose, of.state, of.reason, of.judged_by)
        more = of.tested_quality - of.base_quality
        cost = of.judge_nano_usd + func.coalesce(of.tested_nano_usd, 0)
        figures = (
            func.count().label("count"),
            func.sum(more).label("difference"),
            func.count().filter(more > 0).label("better"),
            func.count().filter(more < 0).label("worse"),
            func.sum(cost).label("nano_usd"),
        )
        return self._rows(select(*sorts, *figures).where(of.at_ns >= since_ns).group_by(*sorts))

    def audits(self, since_ns: int) -> Sequence[Found]:
        """Return how judges did on answers whose qualities are known, since a time, by judge."""
        of = audits.c
        error = of.judged - of.truth
        figures = (
            func.count().label("items"),
            func.avg(error).label("bias"),
            func.avg(func.abs(error)).label("error"),
            func.avg(of.consistent).label("consistent"),
        )
        asked = select(of.judge, *figures).where(of.at_ns >= since_ns)
        return self._rows(asked.group_by(of.judge).order_by(of.judge))

    def _rows(self, asked: Executable) -> Sequence[Found]:
        return [dict(row) for row in self._connection.execute(asked).mappings()]


class Viewer:
    """Looks at a ledger that others write; it makes none where there is none."""

    def __init__(self, path_or_url: Path | str) -> None:
        """Connect to nothing yet.

        Raises:
            LedgerError: this is no address of a ledger.
        """
        self._database = Database(path_or_url)
        self._is_release = False

    @contextmanager
    def look(self) -> Generator[View]:
        """Look at one moment of it; not for long, since what is replaced meanwhile is kept.

        Raises:
            LedgerError: it is missing, not a ledger of this release, or cannot be read.
        """
        self._require_file()
        with self._database.reading() as connection:
            connection.exec_driver_sql(_BEGIN[self._database.is_postgres])
            try:
                self._require_release(connection)
                yield View(connection)
            finally:
                if not connection.invalidated:
                    connection.exec_driver_sql("ROLLBACK")

    def task(self, task_id: str) -> tuple[Row, Sequence[Row]] | None:
        """Return a task's row and its attempts in the order they were made, or `None`.

        Raises:
            LedgerError: it cannot be read.
        """
        self._require_file()
        return read_task(self._database, task_id)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._database.close()

    def _require_file(self) -> None:
        file = self._database.file
        if file is not None and not file.exists():
            raise LedgerError(
                f"{file} does not exist; the gateway makes it when it starts, and requests fill it"
            )

    def _require_release(self, connection: Connection) -> None:
        if self._is_release:
            return
        if not connection.dialect.has_table(connection, "alembic_version"):
            raise LedgerError(
                f"{self._database} is no ledger: it has no tables of one; name one in TERCET_LEDGER"
            )
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if found != HEAD:
            raise LedgerError(
                f"the ledger {self._database} is of release {found} and this program reads {HEAD}; "
                "start the gateway of this release once, which brings it up to date"
            )
        self._is_release = True
