"""What keep-alive policies decide by, and what they decided.

Decisions are in no journal: a ledger that is built anew has none of before.
"""

import json
from collections.abc import Sequence
from functools import partial

from sqlalchemy import bindparam, delete, select, text

from deployments.ledger.database import Database
from deployments.ledger.operations import Operation, ns
from deployments.ledger.page import Page
from deployments.ledger.schema import decisions
from tercet.catalog import LOCAL
from tercet.leases import Arrivals, Decided

KEPT_S = 35 * 24 * 3600.0
"""How long decisions are kept."""

_NOTE = text("""
INSERT INTO decisions (at_ns, policy, wants_on, in_force, why, numbers)
VALUES (:at_ns, :policy, :wants_on, :in_force, :why, :numbers)
ON CONFLICT (at_ns, policy) DO NOTHING
""")
_FORGET = delete(decisions).where(decisions.c.at_ns < bindparam("before_ns"))
_NEWEST = (
    select(decisions)
    .where(decisions.c.at_ns >= bindparam("since_ns"))
    .order_by(decisions.c.at_ns.desc(), decisions.c.policy)
    .limit(bindparam("most"))
)

# A route's document begins with its name. That the local model was not ready is said in its reason
# by `router.waking`; that it cannot do what is asked, in other words.
_PATTERNS = {"chosen": f'{{"name": "{LOCAL}"%', "spilt": "%, but the local model is %"}
_ARRIVALS = text("""
SELECT minute, count(*), coalesce(sum(api), 0), coalesce(sum(served), 0),
  coalesce(sum(input), 0), coalesce(sum(output), 0)
FROM (
  SELECT tasks.opened_at_ns / :minute_ns AS minute,
    sum(CASE WHEN provider <> :local THEN coalesce(settled_nano_usd, 0) ELSE 0 END) AS api,
    max(CASE WHEN provider = :local AND attempts.outcome = 'complete' THEN 1 ELSE 0 END) AS served,
    sum(CASE WHEN provider = :local AND attempts.outcome = 'complete'
      THEN coalesce(fresh_input, 0) + coalesce(cache_read, 0) + coalesce(cache_write_5m, 0)
        + coalesce(cache_write_1h, 0) ELSE 0 END) AS input,
    sum(CASE WHEN provider = :local AND attempts.outcome = 'complete'
      THEN coalesce(output, 0) ELSE 0 END) AS output
  FROM tasks LEFT JOIN attempts ON attempts.task_id = tasks.task_id
  WHERE tasks.opened_at_ns >= :since_ns AND tasks.opened_at_ns < :until_ns
    AND (tasks.route LIKE :chosen OR tasks.route LIKE :spilt)
  GROUP BY tasks.task_id, tasks.opened_at_ns
) AS arrived
GROUP BY minute ORDER BY minute
""")


_SERVED = text("""
SELECT max(settled_at_ns) FROM attempts
WHERE provider = :local AND outcome = 'complete' AND settled_at_ns >= :since_ns
""")


def note(row: Decided) -> Operation[None]:
    """Add a decision, and forget old ones."""
    return Operation(apply=partial(_note, row))


def newest(database: Database, asked: tuple[float, int]) -> Sequence[Decided]:
    """Return so many decisions since a time, the newest first."""
    since, most = asked
    with database.reading() as connection:
        return [
            Decided(
                at=row.at_ns / 1e9,
                policy=row.policy,
                wants_on=bool(row.wants_on),
                is_in_force=bool(row.in_force),
                why=row.why,
                numbers=json.loads(row.numbers),
            )
            for row in connection.execute(_NEWEST, {"since_ns": ns(since), "most": most})
        ]


def arrivals(database: Database, asked: tuple[float, float, float]) -> Sequence[Arrivals]:
    """Return by the minute what came for the local model from one time to another.

    The third of `asked` is how long a minute is, in seconds: 60 but in a rehearsal.
    """
    since, until, minute_s = asked
    times = {"since_ns": ns(since), "until_ns": ns(until), "minute_ns": ns(minute_s)}
    with database.reading() as connection:
        found = connection.execute(_ARRIVALS, {**_PATTERNS, **times, "local": LOCAL})
        return [
            Arrivals(
                minute=int(minute),
                count=count,
                api_nano_usd=int(api),
                local_count=local,
                local_input_tokens=int(read),
                local_output_tokens=int(said),
            )
            for minute, count, api, local, read, said in found
        ]


def last_served(database: Database, since: float) -> float | None:
    """Return when the local model last gave an answer, `None`: not since that time."""
    asked = {"local": LOCAL, "since_ns": ns(since)}
    with database.reading() as connection:
        at_ns = connection.execute(_SERVED, asked).scalar()
    return None if at_ns is None else at_ns / 1e9


def _note(row: Decided, page: Page) -> None:
    values = {
        "at_ns": ns(row.at),
        "policy": row.policy,
        "wants_on": int(row.wants_on),
        "in_force": int(row.is_in_force),
        "why": row.why,
        "numbers": json.dumps(dict(row.numbers)),
    }
    page.connection.execute(_NOTE, values)
    page.connection.execute(_FORGET, {"before_ns": ns(row.at - KEPT_S)})
