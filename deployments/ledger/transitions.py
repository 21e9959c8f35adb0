"""Kinds' moves to the local model and back. They are in no journal, and a repair carries them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, exists, select, text

from deployments.ledger.database import Database
from deployments.ledger.evidence_schema import transitions
from deployments.ledger.operations import Operation, ns
from deployments.ledger.page import Page, Row
from tercet.migration import Migration, Transition

_COLUMNS = tuple(column.name for column in transitions.columns)
# Of two who move a kind at once, one finds the number taken.
_PUT = text(
    f"INSERT INTO transitions ({', '.join(_COLUMNS)}) "  # noqa: S608  our own names
    f"VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "
    "ON CONFLICT (kind, seq) DO NOTHING RETURNING seq"
)
_ALL = select(transitions).order_by(transitions.c.at_ns, transitions.c.kind, transitions.c.seq)
_later = transitions.alias("later")
_LAST = select(transitions).where(
    ~exists().where(_later.c.kind == transitions.c.kind, _later.c.seq > transitions.c.seq)
)
_OF_ALL = _LAST.order_by(transitions.c.kind)
_OF_ONE = _LAST.where(transitions.c.kind == bindparam("of"))


def move(row: Transition) -> Operation[bool]:
    """Move a kind; False: it is not where it should come from, or has moved since."""
    return Operation(apply=partial(_move, row))


def read_migrations(database: Database, _: None) -> Sequence[Migration]:
    """Return where each kind is that has moved."""
    with database.reading() as connection:
        found = connection.execute(_OF_ALL).mappings()
        return [_transition(row).migration for row in found]


def all_transitions(connection: Connection) -> Sequence[Transition]:
    """Return every move, the oldest first."""
    return [_transition(row) for row in connection.execute(_ALL).mappings()]


def _move(row: Transition, page: Page) -> bool:
    found = page.connection.execute(_OF_ONE, {"of": row.kind}).mappings().one_or_none()
    seq, state = (0, "baseline") if found is None else (found["seq"], found["come_to"])
    if (row.seq, row.come_from) != (seq + 1, state):
        return False
    return page.connection.execute(_PUT, _row(row)).scalar() is not None


def _row(row: Transition) -> Row:
    return {
        "kind": row.kind,
        "seq": row.seq,
        "come_from": row.come_from,
        "come_to": row.to,
        "share": row.share,
        "why": row.why,
        "moved_by": row.by,
        "evidence": row.evidence,
        "at_ns": ns(row.at),
    }


def _transition(row: Mapping[Any, Any]) -> Transition:
    return Transition(
        kind=row["kind"],
        seq=row["seq"],
        come_from=row["come_from"],
        to=row["come_to"],
        share=row["share"],
        why=row["why"],
        by=row["moved_by"],
        evidence=row["evidence"],
        at=row["at_ns"] / 1e9,
    )
