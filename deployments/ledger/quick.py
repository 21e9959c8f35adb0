"""Statements without what SQLAlchemy does around each, which on SQLite is most of their time.

A reservation and its settlement are 17 statements. Through `Connection.execute` each took 30 to
60 µs beside SQLite's own 3 to 10; a statement is compiled once here and handed to the driver
(2026-11-29: `bench.ledger`, reserve + settle).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeGuard, cast

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

Values = Mapping[str, object]
Rows = Sequence[Sequence[Any]]


def run(
    connection: Connection,
    statement: Executable | str,
    values: Values | Sequence[object] | None = None,
) -> Rows:
    """Execute a statement; return its rows, if it has any.

    A list in `values` is for a parameter that expands. A string is the database's own SQL, and its
    parameters come in order.

    Raises:
        DBAPIError: as from SQLAlchemy.
    """
    if connection.dialect.name != "sqlite":
        return _elsewhere(connection, statement, values)
    if isinstance(statement, str):
        return _raw(connection, statement, cast("Sequence[object]", values or ()))
    given = cast("Values", values or {})
    shape = tuple((name, len(some)) for name, some in given.items() if _expands(some))
    text, order = _compiled(statement, tuple(given), shape)
    flat = {**given, **_spread(given)} if shape else given
    return _raw(connection, text, [flat[name] for name in order])


def run_many(connection: Connection, statement: Executable, many: Sequence[Values]) -> None:
    """Execute a statement that returns nothing once for each of `many`."""
    if connection.dialect.name != "sqlite":
        connection.execute(statement, cast("Sequence[dict[str, Any]]", many))
        return
    text, order = _compiled(statement, tuple(many[0]), ())
    rows = [[values[name] for name in order] for values in many]
    _raw(connection, text, rows, many=True)


def _elsewhere(
    connection: Connection,
    statement: Executable | str,
    values: Values | Sequence[object] | None,
) -> Rows:
    given = cast("Any", values)
    if isinstance(statement, str):
        result = connection.exec_driver_sql(statement, given and tuple(given))
    else:
        result = connection.execute(statement, given)
    return result.fetchall() if result.returns_rows else ()


def _raw(connection: Connection, text: str, values: Sequence[Any], *, many: bool = False) -> Rows:
    cursor = cast("sqlite3.Cursor", connection.connection.cursor())
    try:
        found = cursor.executemany(text, values) if many else cursor.execute(text, values)
        return found.fetchall()
    except sqlite3.Error as error:
        raise DBAPIError.instance(text, None, error, sqlite3.Error) from error
    finally:
        cursor.close()


def _expands(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _spread(values: Values) -> Values:
    """Return the members of lists under the names that the compiler gives them."""
    return {
        f"{name}_{place}": member
        for name, some in values.items()
        if _expands(some)
        for place, member in enumerate(some, start=1)
    }


@lru_cache(maxsize=1024)
def _compiled(
    statement: Executable, names: tuple[str, ...], shape: tuple[tuple[str, int], ...]
) -> tuple[str, Sequence[str]]:
    """Return SQLite's text and the order of its parameters, for lists of these lengths."""
    given = cast("Any", statement)
    if shape:
        given = given.params({name: list(range(length)) for name, length in shape})
    compiled = given.compile(
        dialect=sqlite.dialect(),
        column_keys=list(names),
        compile_kwargs={"render_postcompile": bool(shape)},
    )
    return str(compiled), tuple(compiled.positiontup or ())
