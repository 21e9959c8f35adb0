"""The callers' keys from the operator's side: made, listed, rotated, revoked."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.books.table import table
from tercet.catalog import Catalog
from tercet.errors import ConfigError
from tercet.keys import DEFAULT_KEY, Key, Random, new_handle, new_text, sha256
from tercet.migration import EVIDENCE_KEY
from tercet.usage import usd

_HEADINGS = (
    "key", "handle", "state", "created", "month USD", "a minute", "at a time", "tiers", "models",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where an operator works, when, and how it is told."""

    ledger: Path | str
    now: float
    """Unix seconds."""
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a new key may do; `None`: no limit."""

    month_cap_nano_usd: int | None = None
    requests_per_minute: int | None = None
    concurrent: int | None = None
    tiers: Sequence[str] | None = None
    models: Sequence[str] | None = None


def create(session: Session, name: str, limits: Limits, catalog: Catalog, random: Random) -> int:
    """Make a key and print it; return 0.

    Raises:
        ConfigError: the name is taken, or a tier or model is not there.
        LedgerError: the ledger cannot be written.
    """
    if name == DEFAULT_KEY:
        raise ConfigError(f"{name!r} is the name of TERCET_API_KEY; choose another")
    if name == EVIDENCE_KEY:
        raise ConfigError(f"{name!r} is what shadow runs and judges are charged to; choose another")
    _require(limits.tiers, (*catalog.tiers, "local"), "tier")
    _require(limits.models, tuple(catalog.models), "model")
    handle = new_handle(random)
    key_text = new_text(handle, random)
    key = Key(
        id=name,
        handle=handle,
        sha256=sha256(key_text.encode()),
        month_cap_nano_usd=limits.month_cap_nano_usd,
        requests_per_minute=limits.requests_per_minute,
        concurrent=limits.concurrent,
        tiers=_set(limits.tiers),
        models=_set(limits.models),
        created_at=session.now,
    )
    if not _written(session, lambda ledger: ledger.create_key(key)):
        raise ConfigError(f"the name {name!r} is or was another key's; choose another")
    _hand_over(session, key, key_text, f"{name} opens from now on")
    return 0


def show(session: Session) -> int:
    """Print every key, without its hash; return 0.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with inspected(session.ledger) as books:
        known = books.every_key()
    if session.as_json:
        sys.stdout.write(f"{json.dumps([_document(key, session.now) for key in known])}\n")
    else:
        sys.stdout.write(table(_HEADINGS, [_line(key, session.now) for key in known]))
    return 0


def rotate(session: Session, name: str, overlap_s: float, random: Random) -> int:
    """Give a key a new secret and print it; return 0.

    Raises:
        ConfigError: there is no such key, or it is revoked.
        LedgerError: the ledger cannot be written.
    """
    handle = _live(session, name).handle
    key_text = new_text(handle, random)
    until = session.now + overlap_s
    digest = sha256(key_text.encode())
    if not _written(session, lambda ledger: ledger.rotate_key(name, digest, until)):
        raise _no_key(name)
    key = _live(session, name)
    _hand_over(session, key, key_text, f"the last secret of {name} holds until {_utc(until)}")
    return 0


def revoke(session: Session, name: str) -> int:
    """End a key; return 0.

    Raises:
        ConfigError: there is no such key, or it is revoked.
        LedgerError: the ledger cannot be written.
    """
    _live(session, name)
    if not _written(session, lambda ledger: ledger.revoke_key(name, session.now)):
        raise _no_key(name)
    if session.as_json:
        (key,) = _named(session, name)
        sys.stdout.write(f"{json.dumps(_document(key, session.now))}\n")
    sys.stderr.write(f"{name} opens nothing any more; every gateway knows within 3 seconds\n")
    return 0


def _hand_over(session: Session, key: Key, key_text: str, what: str) -> None:
    """Print the key alone on standard output, so that a shell can take it from there."""
    document = {**_document(key, session.now), "key": key_text}
    sys.stdout.write(f"{json.dumps(document) if session.as_json else key_text}\n")
    sys.stderr.write(f"{what}; the key is not shown again\n")


def _written(session: Session, write: Callable[[Ledger], Coroutine[Any, Any, bool]]) -> bool:
    with closing(Ledger(session.ledger)) as ledger:
        return asyncio.run(write(ledger))


def _live(session: Session, name: str) -> Key:
    for key in _named(session, name):
        if key.revoked_at is None:
            return key
    raise _no_key(name)


def _named(session: Session, name: str) -> list[Key]:
    with inspected(session.ledger) as books:
        return [key for key in books.every_key() if key.id == name]


def _no_key(name: str) -> ConfigError:
    return ConfigError(
        f"there is no key {name[:100]!r}, or it is revoked; `tercet keys list` shows them"
    )


def _require(named: Sequence[str] | None, known: Sequence[str], what: str) -> None:
    for name in named or ():
        if name not in known:
            raise ConfigError(f"there is no {what} {name[:100]!r}; there are {', '.join(known)}")


def _set(names: Sequence[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _document(key: Key, now: float) -> Mapping[str, object]:
    return {
        "name": key.id,
        "handle": key.handle,
        "state": _state(key, now),
        "created_at": _utc(key.created_at),
        "revoked_at": None if key.revoked_at is None else _utc(key.revoked_at),
        "old_secret_until": None if key.old_until is None else _utc(key.old_until),
        "month_cap_nano_usd": key.month_cap_nano_usd,
        "requests_per_minute": key.requests_per_minute,
        "concurrent": key.concurrent,
        "tiers": None if key.tiers is None else sorted(key.tiers),
        "models": None if key.models is None else sorted(key.models),
    }


def _line(key: Key, now: float) -> tuple[str, ...]:
    cap = key.month_cap_nano_usd
    return (
        key.id,
        key.handle,
        _state(key, now),
        _utc(key.created_at),
        "-" if cap is None else usd(cap),
        _shown(key.requests_per_minute),
        _shown(key.concurrent),
        "all" if key.tiers is None else ",".join(sorted(key.tiers)),
        "all" if key.models is None else ",".join(sorted(key.models)),
    )


def _shown(limit: int | None) -> str:
    return "-" if limit is None else str(limit)


def _state(key: Key, now: float) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "rotating" if key.old_until is not None and now < key.old_until else "active"


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
