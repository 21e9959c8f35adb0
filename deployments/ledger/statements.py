"""Statements that are alike for many tables."""

from sqlalchemy import Table, TextClause, text


def upsert(table: Table) -> TextClause:
    """Return what writes a row, given by column, over the one with the same primary key."""
    names, key = list(table.columns.keys()), list(table.primary_key.columns.keys())
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    return text(
        f"INSERT INTO {table.name} ({', '.join(names)}) "  # noqa: S608  our own names
        f"VALUES ({', '.join(f':{name}' for name in names)}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
    )
