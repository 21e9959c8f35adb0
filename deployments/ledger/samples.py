"""Answers that were compared, and judges that were. In no journal; a repair carries both over."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, bindparam, select

from deployments.ledger.evidence_schema import audits, samples
from deployments.ledger.operations import Operation, execute, ns
from deployments.ledger.page import Row
from deployments.ledger.statements import upsert
from tercet.migration import JudgeAudit, Sample

# What a column is called whose value has a name that is not for SQL.
_COLUMNS = {"at": "at_ns", "by": "judged_by", "is_consistent": "consistent"}
_FIELDS = {column: field for field, column in _COLUMNS.items()}


_PUT_SAMPLE, _PUT_AUDIT = upsert(samples), upsert(audits)
_SAMPLES = (
    select(samples)
    .where(samples.c.at_ns >= bindparam("since_ns"))
    .order_by(samples.c.at_ns, *samples.primary_key)
)
_AUDITS = (
    select(audits)
    .where(audits.c.at_ns >= bindparam("since_ns"))
    .order_by(audits.c.at_ns, *audits.primary_key)
)


def note(row: Sample) -> Operation[None]:
    """Add a sample; of one task, arm and purpose the last counts."""
    return execute(_PUT_SAMPLE, _row(row))


def note_audit(row: JudgeAudit) -> Operation[None]:
    """Add what a judge said of one item at one time."""
    return execute(_PUT_AUDIT, _row(row))


def samples_since(connection: Connection, since: float) -> Sequence[Sample]:
    """Return the samples that were chosen since a time, the oldest first."""
    found = connection.execute(_SAMPLES, {"since_ns": ns(since)}).mappings()
    return [Sample(**_values(row)) for row in found]


def audits_since(connection: Connection, since: float) -> Sequence[JudgeAudit]:
    """Return what judges have said of the gold set since a time, the oldest first."""
    found = connection.execute(_AUDITS, {"since_ns": ns(since)}).mappings()
    return [JudgeAudit(**_values(row)) for row in found]


def _row(value: Sample | JudgeAudit) -> Row:
    row: Row = {_COLUMNS.get(name, name): field for name, field in asdict(value).items()}
    said = value.is_consistent
    return row | {"at_ns": ns(value.at), "consistent": None if said is None else int(said)}


def _values(row: Mapping[Any, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {_FIELDS.get(str(name), str(name)): row[name] for name in row}
    said = values["is_consistent"]
    return values | {
        "at": values["at"] / 1e9,
        "is_consistent": None if said is None else bool(said),
    }
