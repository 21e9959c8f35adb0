"""The callers' keys: made, rotated and revoked by the operator, read by every replica."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, select, text, update

from deployments.ledger.database import Database
from deployments.ledger.operations import Operation, ns
from deployments.ledger.page import Page, Row
from deployments.ledger.schema import keys
from tercet.keys import Key

_COLUMNS = tuple(column.name for column in keys.columns)
_VALUES = f"({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
_CREATE = text(f"INSERT INTO keys {_VALUES} ON CONFLICT (name) DO NOTHING RETURNING name")
_ALL = select(keys).order_by(keys.c.created_at_ns, keys.c.name)
_LIVE = select(keys).where(keys.c.revoked_at_ns.is_(None))
_ONE = _LIVE.where(keys.c.handle == bindparam("wanted"))
_MINE = update(keys).where(keys.c.name == bindparam("id"), keys.c.revoked_at_ns.is_(None))
_ROTATE = _MINE.values(
    old_sha256=keys.c.sha256, old_until_ns=bindparam("until"), sha256=bindparam("new")
).returning(keys.c.name)
_REVOKE = _MINE.values(revoked_at_ns=bindparam("at")).returning(keys.c.name)


def read_keys(database: Database, _: None) -> Sequence[Key]:
    """Return the keys that are not revoked."""
    with database.reading() as connection:
        return [_key(row) for row in connection.execute(_LIVE).mappings()]


def read_key(database: Database, handle: str) -> Key | None:
    """Return the key with this public part, unless it is revoked."""
    with database.reading() as connection:
        row = connection.execute(_ONE, {"wanted": handle}).mappings().one_or_none()
        return None if row is None else _key(row)


def all_keys(connection: Connection) -> Sequence[Key]:
    """Return every key in the order they were made, those that are revoked too."""
    return [_key(row) for row in connection.execute(_ALL).mappings()]


def create(key: Key) -> Operation[bool]:
    """Add a key; False: its name is or was another's."""
    return Operation(apply=partial(_told, _CREATE, _row(key)))


def rotate(name: str, sha256: str, until: float) -> Operation[bool]:
    """Give a key a new secret; the last one holds until then. False: there is no such key."""
    return Operation(apply=partial(_told, _ROTATE, {"id": name, "new": sha256, "until": ns(until)}))


def revoke(name: str, at: float) -> Operation[bool]:
    """End a key for good; False: there is no such key."""
    return Operation(apply=partial(_told, _REVOKE, {"id": name, "at": ns(at)}))


def _told(statement: Executable, values: Mapping[str, object], page: Page) -> bool:
    return page.connection.execute(statement, values).scalar() is not None


def _row(key: Key) -> Row:
    return {
        "name": key.id,
        "handle": key.handle,
        "sha256": key.sha256,
        "old_sha256": key.old_sha256,
        "old_until_ns": ns(key.old_until),
        "month_cap_nano_usd": key.month_cap_nano_usd,
        "requests_per_minute": key.requests_per_minute,
        "concurrent": key.concurrent,
        "tiers": _listed(key.tiers),
        "models": _listed(key.models),
        "created_at_ns": ns(key.created_at),
        "revoked_at_ns": ns(key.revoked_at),
    }


def _key(row: Mapping[Any, Any]) -> Key:
    return Key(
        id=row["name"],
        handle=row["handle"],
        sha256=row["sha256"],
        old_sha256=row["old_sha256"],
        old_until=_seconds(row["old_until_ns"]),
        month_cap_nano_usd=row["month_cap_nano_usd"],
        requests_per_minute=row["requests_per_minute"],
        concurrent=row["concurrent"],
        tiers=_named(row["tiers"]),
        models=_named(row["models"]),
        created_at=row["created_at_ns"] / 1e9,
        revoked_at=_seconds(row["revoked_at_ns"]),
    )


def _listed(names: frozenset[str] | None) -> str | None:
    return None if names is None else json.dumps(sorted(names))


def _named(listed: str | None) -> frozenset[str] | None:
    return None if listed is None else frozenset(json.loads(listed))


def _seconds(at_ns: int | None) -> float | None:
    return None if at_ns is None else at_ns / 1e9
