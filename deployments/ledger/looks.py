"""What the gate last knew of each kind. In no journal, and written anew at the next look."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from deployments.ledger.database import Database
from deployments.ledger.evidence_schema import looks
from deployments.ledger.operations import Operation, execute, ns
from deployments.ledger.statements import upsert
from tercet.migration import Look

_PUT = upsert(looks)
_ALL = select(looks).order_by(looks.c.kind)


def note(row: Look) -> Operation[None]:
    """Keep what was known of a kind in place of what was known at the look before."""
    values = {
        "kind": row.kind,
        "at_ns": ns(row.at),
        "is_suspected": int(row.is_suspected),
        "document": row.document,
    }
    return execute(_PUT, values)


def read_looks(database: Database, _: None) -> Sequence[Look]:
    """Return what was last known of each kind that was looked at."""
    with database.reading() as connection:
        return all_looks(connection)


def all_looks(connection: Connection) -> Sequence[Look]:
    """Return the same over a connection."""
    return [
        Look(
            kind=row["kind"],
            is_suspected=bool(row["is_suspected"]),
            document=row["document"],
            at=row["at_ns"] / 1e9,
        )
        for row in connection.execute(_ALL).mappings()
    ]
