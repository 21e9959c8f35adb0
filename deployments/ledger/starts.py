"""Past starts of the local model: what hold-or-spill learns load times from.

They are in no journal: a ledger that is built anew learns them again.
"""

import json
from collections.abc import Sequence

from sqlalchemy import bindparam, select, text

from deployments.ledger.database import Database
from deployments.ledger.operations import Operation, execute, ns
from deployments.ledger.schema import starts
from tercet.readiness import Start

# An error would fail whatever else is written in the same transaction.
_NOTE = text("""
INSERT INTO starts (at_ns, node, phases, total_ns) VALUES (:at_ns, :node, :phases, :total_ns)
ON CONFLICT (at_ns, node) DO NOTHING
""")
_NEWEST = (
    select(starts).order_by(starts.c.at_ns.desc(), starts.c.node.desc()).limit(bindparam("most"))
)


def note(start: Start) -> Operation[None]:
    """Add a start; one that two processes have seen is one."""
    values = {
        "at_ns": ns(start.at),
        "node": start.node,
        "phases": json.dumps(dict(start.phases)),
        "total_ns": ns(start.total_s),
    }
    return execute(_NOTE, values)


def newest(database: Database, most: int) -> Sequence[Start]:
    """Return so many starts, the newest first."""
    with database.reading() as connection:
        return [
            Start(
                at=row.at_ns / 1e9,
                phases=json.loads(row.phases),
                total_s=row.total_ns / 1e9,
                node=row.node,
            )
            for row in connection.execute(_NEWEST, {"most": most})
        ]
