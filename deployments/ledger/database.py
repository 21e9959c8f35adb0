"""The database a ledger is in, SQLite or Postgres: connections ready for use, and failures."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)

from deployments.ledger import quick
from deployments.ledger.health import trouble_of

BUSY_TIMEOUT_S = 10.0
"""How long a writer of SQLite waits for another process's transaction."""
POSTGRES_PATIENCE_S = 2.0
"""How long a caller waits for Postgres before the write counts as failed."""
_POSTGRES_OPTIONS = "-c synchronous_commit=on -c statement_timeout=1800"


class LedgerError(Exception):
    """The ledger could not be read or written; the message says why and what to do."""


class LedgerAwayError(LedgerError):
    """The ledger cannot be reached now, for a reason that passes: it is to be tried again."""


class Database:
    """One database. The only place that makes connections to it."""

    def __init__(self, path_or_url: Path | str) -> None:
        """Connect to nothing yet.

        Raises:
            LedgerError: this is no address of a ledger.
        """
        self._url = _parsed(url_of(path_or_url))
        self.is_postgres = self._url.get_backend_name() == "postgresql"
        self.patience_s = POSTGRES_PATIENCE_S if self.is_postgres else BUSY_TIMEOUT_S + 2
        self._engine = _postgres(self._url) if self.is_postgres else _sqlite(self._url)
        self._turn = _Turn(None if self.is_postgres else self._url.database)

    @property
    def file(self) -> Path | None:
        """The SQLite file, or `None`."""
        if self.is_postgres or not self._url.database:
            return None
        return Path(self._url.database)

    def __str__(self) -> str:
        """Name the database without its password."""
        return self._url.render_as_string(hide_password=True)

    def make_folder(self) -> None:
        """Make the folder of a new SQLite file."""
        if not self.is_postgres and self._url.database:
            folder = Path(self._url.database).parent
            folder.mkdir(0o700, parents=True, exist_ok=True)

    def connect(self) -> Connection:
        """Return a connection on which every statement outside `transaction` stands alone.

        Raises:
            LedgerError: there is no database to connect to.
        """
        try:
            return self._engine.connect()
        except DBAPIError as error:
            raise self.failure("cannot be opened", error) from error

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Connect for a few queries.

        Raises:
            LedgerError: the database cannot be read.
        """
        with self._shared(), self.connect() as connection:
            try:
                yield connection
            except DBAPIError as error:
                raise self.failure("cannot be read", error) from error

    @contextmanager
    def _shared(self) -> Generator[None]:
        """Keep a file from being replaced under a reader, who would delete the new one's WAL."""
        if self.file is None or not self.file.exists():
            yield
            return
        lock = os.open(lock_of(self.file), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise LedgerError(f"the ledger {self} is being mended; ask again in a while") from error
        finally:
            os.close(lock)

    def begin(self, connection: Connection) -> None:
        """Begin to write; in SQLite everybody else's writing waits from now on."""
        if self.is_postgres:
            quick.run(connection, "BEGIN")
            return
        self._turn.take()
        try:
            quick.run(connection, "BEGIN IMMEDIATE")
        except BaseException:
            self._turn.pass_on()
            raise

    def commit(self, connection: Connection) -> None:
        """Make what was written since `begin` durable. If this fails, it may be so or not."""
        quick.run(connection, "COMMIT")
        self._turn.pass_on()

    def undo(self, connection: Connection) -> None:
        """Roll back, if there is anything to roll back and anybody to ask for it."""
        # SQLite has rolled back by itself where a write failed for want of room.
        with suppress(DBAPIError):
            if not connection.invalidated:
                quick.run(connection, "ROLLBACK")
        self._turn.pass_on()

    @contextmanager
    def transaction(self, connection: Connection) -> Generator[None]:
        """Write everything inside, or nothing."""
        self.begin(connection)
        try:
            yield
            self.commit(connection)
        except BaseException:
            self.undo(connection)
            raise

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._engine.dispose()
        self._turn.close()

    def failure(self, what: str, error: BaseException) -> LedgerError:
        """Say in one line what went wrong and what to do about it."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        if is_outage(error):
            remedy = "no paid call is made until it can be; see that it is there, has room and runs"
        elif isinstance(error, DBAPIError) and not isinstance(error, IntegrityError | DataError):
            remedy = "name a ledger in TERCET_LEDGER, or restore this one from its copy"
        else:
            remedy = "nothing but this row is wrong: a bug of whoever wrote it"
        sort = LedgerAwayError if is_outage(error) and passes(error) else LedgerError
        return sort(f"the ledger {self} {what}: {' '.join(str(cause).split())}; {remedy}")


def is_outage(error: BaseException) -> bool:
    """Whether nothing can be written now, whatever the rows say."""
    return isinstance(
        error, LedgerError | OperationalError | InterfaceError | InternalError | OSError
    )


def passes(error: BaseException) -> bool:
    """Whether what keeps a ledger from being used may pass by itself."""
    trouble = trouble_of(error)
    return trouble != "damaged" and (trouble is not None or isinstance(error, OperationalError))


def url_of(path_or_url: Path | str) -> str:
    """Return the URL of a ledger that is named by a URL or by the path of an SQLite file."""
    text = str(path_or_url)
    return text if "://" in text else f"sqlite:///{Path(text).absolute()}"


def lock_of(path: Path) -> Path:
    """Return the file that whoever has the ledger open holds a shared lock on."""
    return path.with_name(f"{path.name}.lock")


class _Turn:
    """Whose turn it is to write to an SQLite file: a queue in front of its write lock.

    SQLite's own waiting sleeps up to 100 ms between two looks, in no order. With four processes
    writing without a pause, p99 of reserve + settle was 5 to 107 ms without the queue and 8 to
    16 ms with it; p50 was 1.0 ms and is 5.5 ms, since nobody jumps it (2026-11-23, 2 shared cores).
    The kernel passes the turn on when a process dies.
    """

    def __init__(self, database: str | None) -> None:
        self._path = Path(f"{database}-turn") if database else None
        self._file: int | None = None

    def take(self) -> None:
        if self._path is not None and self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def pass_on(self) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise LedgerError(
            "the ledger's URL cannot be read; write a path, sqlite:////path or postgresql://..."
        ) from error
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise LedgerError(f"no ledger can be in {url.drivername}; use sqlite or postgresql")
    driver = "sqlite+pysqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
    return url.set(drivername=driver)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _be_durable)
    return engine


def _be_durable(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _postgres(url: URL) -> Engine:
    return create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_pre_ping=True,
        pool_size=2,
        pool_timeout=POSTGRES_PATIENCE_S,
        connect_args={
            "connect_timeout": 2,
            "tcp_user_timeout": 2000,
            "options": _POSTGRES_OPTIONS,
            "application_name": "tercet",
        },
    )
