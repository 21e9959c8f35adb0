"""Opening a ledger: its tables are made, or brought to the shape this release writes."""

import time
from importlib.resources import as_file, files

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from deployments.ledger.database import BUSY_TIMEOUT_S, Database, LedgerError

HEAD = "0009"
"""The newest migration. Alembic, slow to import, is asked only where a database is not there."""
_LOCK = 0x7465726365740001
"""Any number that nothing else locks: one process migrates, the others wait and find it done."""


def prepare(database: Database) -> None:
    """Bring the database to `HEAD`.

    Raises:
        LedgerError: it is not there, is damaged, or is not a ledger.
    """
    try:
        database.make_folder()
        with database.connect() as connection:
            if not database.is_postgres:
                _use_wal(connection)
            if _version(connection) != HEAD:
                _migrate(database, connection)
    except (DBAPIError, OSError) as error:
        raise database.failure("cannot be opened", error) from error


def _use_wal(connection: Connection) -> None:
    """Set the journal's mode. Replicas start together, and setting WAL does not wait for a lock."""
    give_up_at = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        except OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
        else:
            return


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(database: Database, connection: Connection) -> None:
    with database.transaction(connection):
        if database.is_postgres:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        if _version(connection) != HEAD:
            upgrade(connection, HEAD)


def upgrade(connection: Connection, revision: str) -> None:
    """Run the migrations up to `revision` in the transaction that is open."""
    # Here, because importing Alembic takes time that a ledger at its head need not pay.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    with as_file(files("deployments.ledger").joinpath("migrations")) as folder:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            message = f"the ledger is of a newer release than this one: {error}; run that release"
            raise LedgerError(message) from error
