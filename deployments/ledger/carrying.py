"""What no journal has, taken over from a damaged file as far as it can be read."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from deployments.ledger.schema import keys, labels, locks, policies


def carry_over(damaged: Path, fresh: Connection) -> None:
    """Copy keys and what was learned."""
    name = f"{damaged.absolute().as_uri()}?mode=ro"
    for table in (keys, policies, locks, labels):
        # Python fails to decode SQLite's own message where that quotes a damaged name.
        with (
            suppress(sqlite3.Error, UnicodeDecodeError),
            closing(sqlite3.connect(name, uri=True)) as connection,
        ):
            _copy(table, connection, fresh)


def _copy(table: Table, damaged: sqlite3.Connection, fresh: Connection) -> None:
    names = [column.name for column in table.columns]
    put = f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(names))})"  # noqa: S608  our own
    for row in damaged.execute(f"SELECT {', '.join(names)} FROM {table.name}"):  # noqa: S608
        with suppress(DBAPIError):  # what is no such row any more
            fresh.exec_driver_sql(put, row)
