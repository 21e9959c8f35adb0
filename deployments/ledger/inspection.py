"""The ledger read for an operator: one moment of it, from one transaction that cannot write."""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, cast

from sqlalchemy import Connection, Engine, NullPool, create_engine, func, make_url, select
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError

from deployments.ledger import health
from deployments.ledger.database import LedgerError, url_of
from deployments.ledger.keys import all_keys
from deployments.ledger.labels import counts_since, labels_since
from deployments.ledger.leases import all_leases, all_spans
from deployments.ledger.looks import all_looks
from deployments.ledger.opening import HEAD
from deployments.ledger.page import OPEN_STATES
from deployments.ledger.policies import all_policies, locks_at, policy_of
from deployments.ledger.reading import Hours, spending_of
from deployments.ledger.samples import audits_since, samples_since
from deployments.ledger.schema import attempts, balances, starts, tasks
from deployments.ledger.transitions import all_transitions
from tercet.budget import Balance
from tercet.catalog import LOCAL
from tercet.keys import Key
from tercet.learning import Label, LabelCount, Lock, PolicyVersion
from tercet.leases import Lease, Span
from tercet.ledger import Spending
from tercet.migration import JudgeAudit, Look, Sample, Transition

PATIENCE_S = 3.0
"""How long a reader waits for a lock or for a server."""
AT_ONCE = 1_000
"""Rows fetched at a time."""

# What databases say, and what to do about it; the first that is found in the message counts.
_REMEDIES: Mapping[str, str] = {
    "locked": "another program has it for itself; end that one and ask again",
    "malformed": "it is damaged; stop the gateway and run `tercet ledger repair`",
    "not a database": "it is not a ledger; name one with --ledger or TERCET_LEDGER",
    "unable to open": "see that it may be read, and its folder written (for SQLite's -shm)",
    "resolve": "see that the URL names a host that there is",
    "connection": "see that the server runs and that the URL's host, user and password are right",
}
_ANY_REMEDY = "see that it is a ledger of this release"


class AttemptRow(NamedTuple):
    """A row of the attempts' table, column for column."""

    attempt_id: str
    task_id: str
    key_id: str
    month: str
    tier: str
    provider: str
    model: str
    role: str
    round: int
    state: str
    flag: str | None
    writer_id: str | None
    reserved_nano_usd: int
    output_limit: int | None
    settled_nano_usd: int | None
    price_source: str
    usage_source: str | None
    fresh_input: int | None
    cache_read: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    output: int | None
    thinking: int | None
    outcome: str | None
    upstream_id: str | None
    simulated: int
    first_token_ns: int | None
    latency_ns: int | None
    reserved_at_ns: int
    deadline_at_ns: int
    settled_at_ns: int | None

    @property
    def is_open(self) -> bool:
        """Whether it is still under way: it holds its upper bound and has spent nothing."""
        return self.state in OPEN_STATES

    @property
    def spent(self) -> int:
        """Nano-USD booked."""
        return self.settled_nano_usd or 0

    @property
    def held(self) -> int:
        """Nano-USD held until it is settled."""
        return self.reserved_nano_usd if self.is_open else 0


class TaskRow(NamedTuple):
    """A row of the tasks' table, as learning reads it, with what its attempts cost."""

    task_id: str
    key_id: str
    profile: str
    route: str
    outcome: str | None
    answer: str | None
    opened_at_ns: int
    closed_at_ns: int | None
    nano_usd: int | None
    """Booked so far; `None`: nothing was sent."""


class Inspection:
    """A ledger as it stood when it was opened, however much is written meanwhile."""

    def __init__(self, connection: Connection, file: Path | None) -> None:
        """Read from a connection in a transaction; `file` is where SQLite keeps it."""
        self._connection = connection
        self._file = file

    def attempts(self, month: str | None = None) -> Iterator[AttemptRow]:
        """Yield the attempts of a month, or all, in the order of months and reservations."""
        asked = select(*(attempts.c[name] for name in AttemptRow._fields))
        if month is not None:
            asked = asked.where(attempts.c.month == month)
        ordered = asked.order_by(attempts.c.month, attempts.c.reserved_at_ns, attempts.c.attempt_id)
        rows = self._connection.execute(ordered.execution_options(yield_per=AT_ONCE))
        return map(AttemptRow._make, rows)

    def balances(self) -> Mapping[tuple[str, str], Balance]:
        """Return what the ledger believes was spent and is held, by month and scope."""
        kept = balances.c
        rows = self._connection.execute(
            select(kept.month, kept.scope, kept.spent_nano_usd, kept.held_nano_usd)
        )
        return {
            (month, scope): Balance(spent=spent, held=held) for month, scope, spent, held in rows
        }

    def spending(self, at: float) -> Spending:
        """Return the balances of the month at `at` (Unix seconds), and what hours have cost."""
        return spending_of(self._connection, at, Hours())

    def every_key(self) -> Sequence[Key]:
        """Return every key in the order they were made, those that are revoked too."""
        return all_keys(self._connection)

    def leases(self) -> Sequence[Lease]:
        """Return every lease, the newest first."""
        return all_leases(self._connection)

    def spans(self) -> Sequence[Span]:
        """Return the spans and corrections of every lease, in the order they were written."""
        return all_spans(self._connection)

    def rented(self) -> Sequence[tuple[str, str, int, int]]:
        """Return what leases have spent and hold, by month and provider; a pair may come twice."""
        found = self._connection.exec_driver_sql(health.RENTED_SUMS)
        return [(str(of), str(by), int(spent), int(held)) for of, by, spent, held in found]

    def served(self) -> Iterator[tuple[int, int]]:
        """Yield from when to when (Unix ns) the local model was asked, in the order of asking."""
        asked = attempts.c
        rows = self._connection.execute(
            select(asked.reserved_at_ns, func.coalesce(asked.settled_at_ns, asked.deadline_at_ns))
            .where(asked.provider == LOCAL, asked.state != "void")
            .order_by(asked.reserved_at_ns)
        )
        return ((since_ns, until_ns) for since_ns, until_ns in rows)

    def readied(self) -> Sequence[int]:
        """Return when (Unix ns) starts of the local model ended, in their order."""
        ended = starts.c.at_ns + starts.c.total_ns
        return self._connection.execute(select(ended).order_by(ended)).scalars().all()

    def tasks(self, since_ns: int) -> Iterator[TaskRow]:
        """Yield the tasks that came since then (Unix ns), in the order they came."""
        spent = (
            select(func.sum(attempts.c.settled_nano_usd))
            .where(attempts.c.task_id == tasks.c.task_id)
            .scalar_subquery()
        )
        asked = (
            select(*(tasks.c[name] for name in TaskRow._fields[:-1]), spent)
            .where(tasks.c.opened_at_ns >= since_ns)
            .order_by(tasks.c.opened_at_ns, tasks.c.task_id)
        )
        for row in self._connection.execute(asked.execution_options(yield_per=AT_ONCE)):
            *values, nano_usd = row
            yield TaskRow(*values, nano_usd=None if nano_usd is None else int(nano_usd))

    def labels(self, since: float) -> Sequence[Label]:
        """Return the labels since a time (Unix seconds), the oldest first."""
        return labels_since(self._connection, since)

    def label_counts(self, since: float) -> Sequence[LabelCount]:
        """Return how many labels there are since a time, by kind, arm and source."""
        return counts_since(self._connection, since)

    def policies(self) -> Sequence[PolicyVersion]:
        """Return every version of what was learned without its document, the newest first."""
        return all_policies(self._connection)

    def policy(self, version: str) -> PolicyVersion | None:
        """Return a version with its document, or `None`."""
        return policy_of(self._connection, version)

    def locks(self, at: float) -> Sequence[Lock]:
        """Return the locks of learning that hold at a time."""
        return locks_at(self._connection, at)

    def transitions(self) -> Sequence[Transition]:
        """Return every move of a kind of work to the local model or back, the oldest first."""
        return all_transitions(self._connection)

    def looks(self) -> Sequence[Look]:
        """Return what was known of each kind of work when it was looked at last."""
        return all_looks(self._connection)

    def samples(self, since: float) -> Sequence[Sample]:
        """Return the pairs of answers chosen since a time (Unix seconds), the oldest first."""
        return samples_since(self._connection, since)

    def audits(self, since: float) -> Sequence[JudgeAudit]:
        """Return what judges said of the gold set since a time, the oldest first."""
        return audits_since(self._connection, since)

    def latest_month(self) -> str | None:
        """Return the last month that something was charged to."""
        return self._connection.execute(select(func.max(balances.c.month))).scalar()

    def damage(self) -> list[str]:
        """Return what the database itself finds wrong; Postgres is only asked to answer."""
        if self._connection.dialect.name == "postgresql":
            return []
        try:
            said = self._connection.exec_driver_sql("PRAGMA integrity_check(10)").scalars()
            lines = [line for text in said for line in cast("str", text).splitlines()]
        except DatabaseError as error:
            return [str(error.orig)]
        return [line for line in lines if line != "ok"]

    def journal_damage(self) -> str | None:
        """Return where the ledger and its journal differ, if it has one."""
        return None if self._file is None else health.check(self._file)


@contextmanager
def inspected(path_or_url: Path | str) -> Generator[Inspection]:
    """Open a ledger to read it.

    Raises:
        LedgerError: it is missing, not a ledger of this release, locked or out of reach; also
            from inside the block, where reading it fails.
    """
    engine = _engine(path_or_url)
    try:
        with closing(engine.connect()) as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            _require_release(connection, _named(path_or_url))
            yield Inspection(connection, file_of(path_or_url))
    except DBAPIError as error:
        said = " ".join(str(error.orig).split())
        found = (remedy for word, remedy in _REMEDIES.items() if word in said.lower())
        raise LedgerError(
            f"the ledger {_named(path_or_url)} cannot be read: {said}; {next(found, _ANY_REMEDY)}"
        ) from error
    finally:
        engine.dispose()


def _named(path_or_url: Path | str) -> str:
    """Name a ledger without its password."""
    text = str(path_or_url)
    return make_url(text).render_as_string() if "://" in text else text


def _require_release(connection: Connection, name: str) -> None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        raise LedgerError(
            f"{name} is no ledger: it has no tables of one; name one with --ledger or TERCET_LEDGER"
        )
    version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if version != HEAD:
        raise LedgerError(
            f"the ledger {name} is of release {version} and this program reads {HEAD}; start the "
            "gateway of this release once, which brings it up to date"
        )


def _engine(path_or_url: Path | str) -> Engine:
    file = file_of(path_or_url)
    if file is None:
        return create_engine(
            make_url(str(path_or_url)).set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            isolation_level="REPEATABLE READ",
            connect_args={
                "connect_timeout": round(PATIENCE_S),
                "options": "-c default_transaction_read_only=on",
                "application_name": "tercet ledger",
            },
        )
    if not file.exists():
        raise LedgerError(f"{file} does not exist; `make run` and some requests write it")
    if file.is_dir():
        raise LedgerError(f"{file} is a folder; name the file in it with --ledger or TERCET_LEDGER")
    name = f"{file.as_uri()}?mode=ro"
    return create_engine(
        "sqlite+pysqlite://",
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        creator=lambda: sqlite3.connect(name, uri=True, timeout=PATIENCE_S),
    )


def file_of(path_or_url: Path | str) -> Path | None:
    """Return the SQLite file that is named, or `None`: it is in Postgres.

    Raises:
        LedgerError: this is no address of a ledger.
    """
    try:
        url = make_url(url_of(path_or_url))
    except ArgumentError as error:
        raise LedgerError(
            "the ledger's URL cannot be read; write a path, sqlite:////path or postgresql://..."
        ) from error
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise LedgerError(f"no ledger can be in {url.drivername}; use sqlite or postgresql")
    return Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None
