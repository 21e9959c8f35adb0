"""Claims: a request with an Idempotency-Key is done by one, and the others are told."""

from functools import partial

from sqlalchemy import bindparam, delete, select, text, update

from deployments.ledger.operations import Operation, execute, ns
from deployments.ledger.page import Page
from deployments.ledger.schema import claims
from tercet.ledger import Claim, Claimed, InProgress, Kept, Mismatch

KEPT_S = 24 * 3600.0
"""How long a key stands for its first request."""

# One statement, so that of any number of processes exactly one is told that the row is its own.
_TAKE = text("""
INSERT INTO claims (key_id, idempotency_key, fingerprint, task_id, document, lease_until_ns,
  expires_at_ns)
VALUES (:key_id, :idempotency_key, :fingerprint, :task_id, NULL, :lease_until_ns, :expires_at_ns)
ON CONFLICT (key_id, idempotency_key) DO UPDATE
SET fingerprint = excluded.fingerprint, task_id = excluded.task_id, document = NULL,
  lease_until_ns = excluded.lease_until_ns, expires_at_ns = excluded.expires_at_ns
WHERE claims.expires_at_ns <= :at_ns
  OR (claims.document IS NULL AND claims.lease_until_ns <= :at_ns
      AND claims.fingerprint = excluded.fingerprint)
RETURNING task_id
""")
_MINE = (
    claims.c.key_id == bindparam("key"),
    claims.c.idempotency_key == bindparam("idempotency"),
)
_READ = select(claims.c.fingerprint, claims.c.task_id, claims.c.document).where(*_MINE)
# A claim that was taken over belongs to its new task alone.
_HELD = (*_MINE, claims.c.task_id == bindparam("task"), claims.c.document.is_(None))
_KEEP = update(claims).where(*_HELD).values(document=bindparam("kept"))
_RELEASE = delete(claims).where(*_HELD)


def take(row: Claim) -> Operation[Claimed | InProgress | Mismatch | Kept]:
    """Take the claim if it is free, expired, or left by a process that died."""
    return Operation(apply=partial(_take, row))


def keep(row: Claim, document: str) -> Operation[None]:
    """Keep what a claim's request was answered with."""
    return execute(_KEEP, _held(row) | {"kept": document})


def release(row: Claim) -> Operation[None]:
    """Let somebody else try."""
    return execute(_RELEASE, _held(row))


def _held(row: Claim) -> dict[str, str]:
    return {"key": row.key_id, "idempotency": row.idempotency_key, "task": row.task_id}


def _take(row: Claim, page: Page) -> Claimed | InProgress | Mismatch | Kept:
    values = {
        "key_id": row.key_id,
        "idempotency_key": row.idempotency_key,
        "fingerprint": row.fingerprint,
        "task_id": row.task_id,
        "lease_until_ns": ns(row.lease_until),
        "expires_at_ns": ns(row.at + KEPT_S),
        "at_ns": ns(row.at),
    }
    if page.connection.execute(_TAKE, values).scalar() is not None:
        return Claimed()
    names = {"key": row.key_id, "idempotency": row.idempotency_key}
    fingerprint, task_id, document = page.connection.execute(_READ, names).one()
    if fingerprint != row.fingerprint:
        return Mismatch()
    return InProgress() if document is None else Kept(task_id=task_id, document=document)
