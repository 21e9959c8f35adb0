"""Versions of what was learned, and the locks of those who make and move them.

They are in no journal, and a repair carries them over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, delete, or_, select, text, update

from deployments.ledger.database import Database
from deployments.ledger.operations import Operation, ns
from deployments.ledger.page import Page, Row
from deployments.ledger.schema import locks, policies
from tercet.learning import Lock, PolicyMove, PolicyState, PolicyVersion

ROUTING: tuple[PolicyState, ...] = ("in_force", "canary")

_COLUMNS = tuple(column.name for column in policies.columns)
_PUT = text(
    f"INSERT INTO policies ({', '.join(_COLUMNS)}) "  # noqa: S608  our own names
    f"VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) "
    "ON CONFLICT (version) DO NOTHING RETURNING version"
)
# Whoever moves a version has all of them to itself: two cannot both find that none is in force.
_TAKEN = select(policies.c.version, policies.c.state).order_by(policies.c.version).with_for_update()
_MOVE = update(policies).where(policies.c.version == bindparam("id"))
_TO = _MOVE.values(
    state=bindparam("to"),
    share=bindparam("part"),
    why=bindparam("because"),
    changed_at_ns=bindparam("when"),
)
_INTO_FORCE = _MOVE.values(in_force_at_ns=bindparam("when"))
_HEADS = select(*(column for column in policies.columns if column.name != "document")).order_by(
    policies.c.made_at_ns.desc(), policies.c.version.desc()
)
_IN_PLAY = _HEADS.where(policies.c.state.in_(ROUTING))
_ONE = select(policies).where(policies.c.version == bindparam("wanted"))
# What was once in force is kept: it is what a rollback comes back to.
_FORGET = delete(policies).where(
    policies.c.state.in_(("retired", "rolled_back")),
    policies.c.in_force_at_ns.is_(None),
    policies.c.changed_at_ns < bindparam("before_ns"),
)
_TAKE = text("""
INSERT INTO locks (name, owner, until_ns, why, at_ns)
VALUES (:name, :owner, :until_ns, :why, :at_ns)
ON CONFLICT (name) DO UPDATE
SET owner = excluded.owner, until_ns = excluded.until_ns, why = excluded.why, at_ns = excluded.at_ns
WHERE locks.until_ns <= excluded.at_ns OR locks.owner = excluded.owner
RETURNING name
""")
_GIVE_BACK = (
    delete(locks)
    .where(locks.c.name == bindparam("id"), locks.c.owner == bindparam("whose"))
    .returning(locks.c.name)
)
_HELD = (
    select(locks)
    .where(or_(locks.c.until_ns.is_(None), locks.c.until_ns > bindparam("at_ns")))
    .order_by(locks.c.name)
)


def put(row: PolicyVersion) -> Operation[bool]:
    """Add a version with its document; False: there is one of that name."""
    return Operation(apply=partial(_put, row))


def move(rows: Sequence[PolicyMove]) -> Operation[bool]:
    """Move versions, all or none; whoever has the place one comes to is retired.

    False: one of them is not where it should come from.
    """
    return Operation(apply=partial(_move, rows))


def forget(before: float) -> Operation[int]:
    """Delete versions that ended before a time and never were in force; say how many."""
    return Operation(apply=partial(_forget, before))


def take_lock(lock: Lock) -> Operation[bool]:
    """Take a lock, or take one's own for longer; False: another has it."""
    return Operation(apply=partial(_take, lock))


def give_back(name: str, owner: str) -> Operation[bool]:
    """Let go of a lock; False: the owner had none."""
    return Operation(apply=partial(_give_back, name, owner))


def read_policies(database: Database, _: None) -> Sequence[PolicyVersion]:
    """Return every version without its document, the newest first."""
    with database.reading() as connection:
        return all_policies(connection)


def read_in_play(database: Database, _: None) -> Sequence[PolicyVersion]:
    """Return those that route, without their documents."""
    with database.reading() as connection:
        return [_version(row) for row in connection.execute(_IN_PLAY).mappings()]


def read_policy(database: Database, version: str) -> PolicyVersion | None:
    """Return a version with its document."""
    with database.reading() as connection:
        return policy_of(connection, version)


def read_locks(database: Database, at: float) -> Sequence[Lock]:
    """Return the locks that hold at a time."""
    with database.reading() as connection:
        return locks_at(connection, at)


def all_policies(connection: Connection) -> Sequence[PolicyVersion]:
    """Return every version without its document, the newest first."""
    return [_version(row) for row in connection.execute(_HEADS).mappings()]


def policy_of(connection: Connection, version: str) -> PolicyVersion | None:
    """Return a version with its document."""
    row = connection.execute(_ONE, {"wanted": version}).mappings().one_or_none()
    return None if row is None else _version(row, bytes(row["document"]))


def locks_at(connection: Connection, at: float) -> Sequence[Lock]:
    """Return the locks that hold at a time."""
    return [
        Lock(
            name=row["name"],
            owner=row["owner"],
            until=_seconds(row["until_ns"]),
            why=row["why"],
            at=row["at_ns"] / 1e9,
        )
        for row in connection.execute(_HELD, {"at_ns": ns(at)}).mappings()
    ]


def _put(row: PolicyVersion, page: Page) -> bool:
    if row.document is None:
        raise ValueError(f"version {row.version} has no document: read it along with `policy`")
    return page.connection.execute(_PUT, _row(row)).scalar() is not None


def _move(rows: Sequence[PolicyMove], page: Page) -> bool:
    found = page.connection.execute(_TAKEN)
    there = {str(version): str(state) for version, state in found}
    if any(there.get(row.version) != row.come_from for row in rows):
        return False
    for row in rows:
        _come(row, there, page)
    return True


def _come(row: PolicyMove, there: dict[str, str], page: Page) -> None:
    for version, state in tuple(there.items()):
        # First, because the indexes hold at most one in each place.
        if row.to in ROUTING and state == row.to and version != row.version:
            why = f"{row.version} took its place"
            _set(replace(row, version=version, to="retired", share=0.0, why=why), there, page)
    _set(row, there, page)
    if row.to == "in_force":
        page.connection.execute(_INTO_FORCE, {"id": row.version, "when": ns(row.at)})


def _set(row: PolicyMove, there: dict[str, str], page: Page) -> None:
    there[row.version] = row.to
    values = {
        "id": row.version,
        "to": row.to,
        "part": row.share,
        "because": row.why,
        "when": ns(row.at),
    }
    page.connection.execute(_TO, values)


def _forget(before: float, page: Page) -> int:
    return page.connection.execute(_FORGET, {"before_ns": ns(before)}).rowcount


def _take(lock: Lock, page: Page) -> bool:
    values = {
        "name": lock.name,
        "owner": lock.owner,
        "until_ns": ns(lock.until),
        "why": lock.why,
        "at_ns": ns(lock.at),
    }
    return page.connection.execute(_TAKE, values).scalar() is not None


def _give_back(name: str, owner: str, page: Page) -> bool:
    return page.connection.execute(_GIVE_BACK, {"id": name, "whose": owner}).scalar() is not None


def _row(row: PolicyVersion) -> Row:
    return {
        "version": row.version,
        "made_at_ns": ns(row.made_at),
        "state": row.state,
        "share": row.share,
        "document": row.document,
        "summary": row.summary,
        "why": row.why,
        "changed_at_ns": ns(row.changed_at),
        "in_force_at_ns": ns(row.in_force_at),
    }


def _version(row: Mapping[Any, Any], document: bytes | None = None) -> PolicyVersion:
    return PolicyVersion(
        version=row["version"],
        made_at=row["made_at_ns"] / 1e9,
        state=row["state"],
        share=row["share"],
        document=document,
        summary=row["summary"],
        why=row["why"],
        changed_at=row["changed_at_ns"] / 1e9,
        in_force_at=_seconds(row["in_force_at_ns"]),
    )


def _seconds(at_ns: int | None) -> float | None:
    return None if at_ns is None else at_ns / 1e9
