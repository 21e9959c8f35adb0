"""Labels: how good arms' answers were. They are in no journal, and a repair carries them over."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from deployments.ledger.database import Database
from deployments.ledger.operations import Operation, ns
from deployments.ledger.page import Page, Row
from deployments.ledger.schema import labels
from deployments.ledger.statements import upsert
from tercet.learning import Label, LabelCount

_PUT = upsert(labels)
_SINCE = labels.c.at_ns >= bindparam("since_ns")
_ALL = select(labels).where(_SINCE).order_by(labels.c.at_ns, *labels.primary_key)
_SORT = (labels.c.kind, labels.c.arm, labels.c.source)
_COUNT = (
    select(*_SORT, func.count(), func.avg(labels.c.quality), func.max(labels.c.at_ns))
    .where(_SINCE)
    .group_by(*_SORT)
    .order_by(*_SORT)
)
_FORGET = delete(labels).where(labels.c.at_ns < bindparam("before_ns"))


def put(rows: Sequence[Label]) -> Operation[None]:
    """Add labels; of one task, arm and source the last counts."""
    return Operation(apply=partial(_put, [_row(label) for label in rows]))


def forget(before: float) -> Operation[int]:
    """Delete the labels of before a time; say how many those were."""
    return Operation(apply=partial(_forget, before))


def read_labels(database: Database, since: float) -> Sequence[Label]:
    """Return the labels since a time, the oldest first."""
    with database.reading() as connection:
        return labels_since(connection, since)


def labels_since(connection: Connection, since: float) -> Sequence[Label]:
    """Return the same over a connection that is there."""
    return [_label(row) for row in connection.execute(_ALL, {"since_ns": ns(since)}).mappings()]


def counts_since(connection: Connection, since: float) -> Sequence[LabelCount]:
    """Return how many labels there are since a time, by kind, arm and source."""
    return [
        LabelCount(
            kind=kind,
            arm=arm,
            source=source,
            count=count,
            quality=float(quality),
            latest_at=latest_ns / 1e9,
        )
        for kind, arm, source, count, quality, latest_ns in connection.execute(
            _COUNT, {"since_ns": ns(since)}
        )
    ]


def _put(rows: Sequence[Row], page: Page) -> None:
    if rows:
        page.connection.execute(_PUT, list(rows))


def _forget(before: float, page: Page) -> int:
    return page.connection.execute(_FORGET, {"before_ns": ns(before)}).rowcount


def _row(label: Label) -> Row:
    return {
        "task_id": label.task_id,
        "arm": label.arm,
        "source": label.source,
        "group_id": label.group_id,
        "kind": label.kind,
        "kinds": json.dumps(dict(label.kinds)),
        "declared": int(label.is_declared),
        "quality": label.quality,
        "cost_nano_usd": label.cost_nano_usd,
        "size_tokens": label.size_tokens,
        "sketch": label.sketch,
        "policy_version": label.policy_version,
        "propensity": label.propensity,
        "at_ns": ns(label.at),
        "seconds": label.seconds,
    }


def _label(row: Mapping[Any, Any]) -> Label:
    sketch = row["sketch"]
    return Label(
        task_id=row["task_id"],
        group_id=row["group_id"],
        kind=row["kind"],
        kinds=json.loads(row["kinds"]),
        is_declared=bool(row["declared"]),
        arm=row["arm"],
        quality=row["quality"],
        source=row["source"],
        cost_nano_usd=row["cost_nano_usd"],
        size_tokens=row["size_tokens"],
        sketch=None if sketch is None else bytes(sketch),
        policy_version=row["policy_version"],
        propensity=row["propensity"],
        at=row["at_ns"] / 1e9,
        seconds=row["seconds"],
    )
