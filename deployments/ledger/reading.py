"""What the ledger is asked: a task's rows, what has been spent, and what the tests compare."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from sqlalchemy import Connection, bindparam, func, select

from deployments.ledger.database import Database
from deployments.ledger.operations import ns
from deployments.ledger.page import OPEN_STATES, Row
from deployments.ledger.schema import attempts, balances, exhausted, spans, tasks
from tercet.accrual import by_hour
from tercet.budget import Balance
from tercet.leases import Span
from tercet.ledger import Spending, month_of

LOOKS, LOOK_AGAIN_S = 10, 0.05
"""Twice the time that a note may take to be written, by any process."""

HOUR_NS = 3600 * 10**9
HOURS_OF_S = 35 * 24 * 3600.0
HOURS_EVERY_S = 60.0
"""How old the spending by hours may be: it is a sum over weeks of rows."""

_TASK = select(tasks).where(tasks.c.task_id == bindparam("task_id"))
_ATTEMPTS = (
    select(attempts)
    .where(attempts.c.task_id == bindparam("task_id"))
    .order_by(attempts.c.reserved_at_ns, attempts.c.round, attempts.c.attempt_id)
)
_LATEST = select(func.max(balances.c.month))
_BALANCES = select(balances.c.scope, balances.c.spent_nano_usd, balances.c.held_nano_usd).where(
    balances.c.month == bindparam("month")
)
_HOUR = attempts.c.settled_at_ns // HOUR_NS
_HOURS = (
    select(_HOUR, func.sum(attempts.c.settled_nano_usd))
    .where(attempts.c.settled_at_ns >= bindparam("since_ns"), attempts.c.settled_nano_usd > 0)
    .group_by(_HOUR)
)
_SPANS = select(spans).where(spans.c.since_ns >= bindparam("since_ns"), spans.c.nano_usd > 0)
_EXHAUSTED = select(exhausted.c.provider, exhausted.c.until_ns).where(
    exhausted.c.until_ns > bindparam("at_ns")
)
_SIMULATED = (
    select(
        attempts.c.model,
        func.sum(func.coalesce(attempts.c.settled_nano_usd, attempts.c.reserved_nano_usd)),
    )
    .where(attempts.c.simulated == 1)
    .group_by(attempts.c.model)
)


def read_task(database: Database, task_id: str) -> tuple[Row, Sequence[Row]] | None:
    """Return a task's row and its attempts in the order they were made, or `None`."""
    with database.reading() as connection:
        task = connection.execute(_TASK, {"task_id": task_id}).mappings().one_or_none()
        if task is None:
            return None
        made = connection.execute(_ATTEMPTS, {"task_id": task_id}).mappings()
        return dict(task), [dict(row) for row in made]


def is_settling(found: tuple[Row, Sequence[Row]] | None) -> bool:
    """Say whether a task may have more of a row than was read: no call of it is under way."""
    if found is None:
        return True
    task, made = found
    return task["outcome"] is None and all(row["state"] not in OPEN_STATES for row in made)


@dataclass(slots=True)
class Hours:
    """What was last read of the spending by hours."""

    read_at: float = -inf
    nano_usd: Mapping[int, int] = field(default_factory=dict[int, int])


def read_spending(database: Database, at: float, hours: Hours) -> Spending:
    """Return the balances of the ledger's month now, and lately what was spent by the hour."""
    with database.reading() as connection:
        return spending_of(connection, at, hours)


def spending_of(connection: Connection, at: float, hours: Hours) -> Spending:
    """Return the same over a connection; hours that were read a moment ago still hold."""
    month = max(month_of(at), connection.execute(_LATEST).scalar() or "")
    kept = connection.execute(_BALANCES, {"month": month})
    by_scope = {scope: Balance(spent=spent, held=held) for scope, spent, held in kept}
    if not 0 <= at - hours.read_at < HOURS_EVERY_S:
        since = {"since_ns": ns(at - HOURS_OF_S)}
        spent = connection.execute(_HOURS, since)
        rented = connection.execute(_SPANS, since).mappings()
        hours.nano_usd = Counter({int(hour): int(nano_usd) for hour, nano_usd in spent}) + Counter(
            by_hour(Span(**row) for row in rented)
        )
        hours.read_at = at
    return Spending(month=month, balances=by_scope, hours=hours.nano_usd)


def read_exhausted(database: Database, at: float) -> Mapping[str, float]:
    """Return until when which providers are not to be asked, in Unix seconds."""
    with database.reading() as connection:
        rows = connection.execute(_EXHAUSTED, {"at_ns": ns(at)})
        return {provider: until_ns / 1e9 for provider, until_ns in rows}


def simulated_totals(path_or_url: Path | str) -> Counter[str]:
    """Return nano-USD by model of simulated attempts; open ones count at their reservation."""
    database = Database(path_or_url)
    try:
        with database.reading() as connection:
            rows = connection.execute(_SIMULATED)
            return +Counter({model: int(nano_usd) for model, nano_usd in rows})
    finally:
        database.close()
