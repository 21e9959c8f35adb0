"""What no journal has, taken over from a damaged file as far as it can be read."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from deployments.ledger.evidence_schema import audits, looks, samples, transitions
from deployments.ledger.schema import keys, labels, locks, policies, tasks

_CARRIED = (keys, policies, locks, labels, tasks, transitions, looks, samples, audits)


def carry_over(damaged: Path, fresh: Connection) -> None:
    """Copy keys, tasks, what was learned, and what kinds of work moved on."""
    name = f"{damaged.absolute().as_uri()}?mode=ro"
    for table in _CARRIED:
        # Python fails to decode SQLite's own message where that quotes a damaged name.
        with (
            suppress(sqlite3.Error, UnicodeDecodeError),
            closing(sqlite3.connect(name, uri=True)) as connection,
        ):
            _copy(table, connection, fresh)


def _copy(table: Table, damaged: sqlite3.Connection, fresh: Connection) -> None:
    there = {name for _, name, *_ in damaged.execute(f"PRAGMA table_info({table.name})")}
    names = [column.name for column in table.columns if column.name in there]
    columns = ", ".join(names)
    put = f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608  our own names
    for row in damaged.execute(f"SELECT {columns} FROM {table.name}"):  # noqa: S608  our own names
        with suppress(DBAPIError):  # what is no such row any more
            fresh.exec_driver_sql(put, row)
