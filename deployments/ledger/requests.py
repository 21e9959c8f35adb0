"""The row of a request: how it was routed, and how it ended. What it cost is in its attempts."""

from sqlalchemy import bindparam, insert, update

from deployments.ledger.operations import Operation, execute, ns
from deployments.ledger.schema import tasks
from tercet.ledger import RequestClosed, RequestOpened

_OPEN = insert(tasks)
_CLOSE = (
    update(tasks)
    .where(tasks.c.task_id == bindparam("task"), tasks.c.outcome.is_(None))
    .values(outcome=bindparam("how"), answer=bindparam("what"), closed_at_ns=bindparam("when"))
)


def opening(row: RequestOpened) -> Operation[None]:
    """Write down a task and its route."""
    values = {
        "task_id": row.task_id,
        "key_id": row.key_id,
        "asked_model": row.asked_model,
        "profile": row.profile,
        "route": row.route,
        "opened_at_ns": ns(row.at),
    }
    return execute(_OPEN, values)


def closing(row: RequestClosed) -> Operation[None]:
    """Write down how a task ended; only its first end counts."""
    values = {"task": row.task_id, "how": row.outcome, "what": row.answer, "when": ns(row.at)}
    return execute(_CLOSE, values)
