"""Tidying: attempts whose process has ended are booked at their upper bound, never at zero."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, text

from deployments.ledger.operations import Operation, execute, ns
from deployments.ledger.page import OPEN_STATES, Page, amount
from deployments.ledger.remembering import EXPIRED as FORGOTTEN
from deployments.ledger.remembering import KEPT_S
from deployments.ledger.schema import IS_OPEN, attempts, claims, writers

BEAT_EVERY_S = 5.0
"""How often a process says that it is alive."""
SILENT_S = 20.0
"""A process that has said nothing for so long has ended."""
GRACE_S = 30.0
"""How long after its deadline an attempt may still be settled by its own process."""

_ALIVE = select(writers.c.writer_id).where(writers.c.seen_at_ns >= bindparam("silent_ns"))
# A row without a writer is of the first release: nothing but its deadline speaks for its end.
_ORPHANS = select(attempts.c.attempt_id).where(
    IS_OPEN,
    or_(
        attempts.c.deadline_at_ns < bindparam("late_ns"),
        and_(
            attempts.c.writer_id != bindparam("own"),
            attempts.c.writer_id.not_in(_ALIVE),
        ),
    ),
)
_EXPIRED = delete(claims).where(claims.c.expires_at_ns <= bindparam("at_ns"))
_DEAD = delete(writers).where(
    writers.c.seen_at_ns < bindparam("silent_ns"), writers.c.writer_id != bindparam("own")
)
_SEEN = text("""
INSERT INTO writers (writer_id, seen_at_ns) VALUES (:writer_id, :seen_at_ns)
ON CONFLICT (writer_id) DO UPDATE SET seen_at_ns = excluded.seen_at_ns
""")


def sweep(writer_id: str, at: float) -> Operation[int]:
    """Settle orphans, forget what is expired and who has ended; say how many orphans there were.

    A process's own attempts are its own until their deadline is past, however late its beats are.
    """
    silent = {"silent_ns": ns(at - SILENT_S), "own": writer_id}
    found: list[str] = []

    def find(connection: Connection) -> Sequence[str]:
        found[:] = connection.execute(_ORPHANS, silent | {"late_ns": ns(at - GRACE_S)}).scalars()
        return found

    def apply(page: Page) -> int:
        page.connection.execute(_EXPIRED, {"at_ns": ns(at)})
        page.connection.execute(FORGOTTEN, {"before_ns": ns(at - KEPT_S)})
        page.connection.execute(_DEAD, silent)
        return sum(_book(page, attempt_id, at) for attempt_id in found)

    return Operation(apply=apply, find=find)


def beat(writer_id: str, at: float) -> Operation[None]:
    """Say that a process is alive."""
    return execute(_SEEN, {"writer_id": writer_id, "seen_at_ns": ns(at)})


def _book(page: Page, attempt_id: str, at: float) -> bool:
    there = page.attempt(attempt_id)
    if there is None or there["state"] not in OPEN_STATES:
        return False  # settled since it was found
    bound = amount(there, "reserved_nano_usd")
    row = there | {
        "state": "estimated",
        "flag": "orphan",
        "usage_source": "estimated",
        "settled_nano_usd": bound,
        "outcome": "orphaned",
        "settled_at_ns": ns(at),
    }
    page.change("orphan", row, held=-bound, spent=bound)
    return True
