"""Idempotency-Key: a request that is sent again is told what was told before, and paid for once."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from router.reply import Letterhead, Reply, kept
from router.surfaces.refusal import LEDGER_UNAVAILABLE, Refusal
from tercet.answer import Answer, NoAnswer
from tercet.ledger import Claim, Claimed, InProgress, Kept, Mismatch

MOST_KEY_CHARS = 255
LEASE_S = 30.0
"""How long past its deadline a request holds its claim: by then it or its process has ended."""
IN_PROGRESS_RETRY_S = 2.0

logger = logging.getLogger(__name__)


class Claims(Protocol):
    """The part of the ledger that keeps a request from being done twice."""

    async def claim(self, claim: Claim, /) -> Claimed | InProgress | Mismatch | Kept:
        """Claim the key for a request, or say what it was used for."""
        ...

    async def keep(self, claim: Claim, document: str, /) -> None:
        """End the claim with what its caller was told."""
        ...

    async def release(self, claim: Claim, /) -> None:
        """End the claim as if it had never been made."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A claim that is held, and how it ends."""

    claims: Claims
    claim: Claim
    letterhead: Letterhead
    clock: Callable[[], float]
    """Unix seconds."""

    async def settle(self, ending: Answer | NoAnswer | None) -> None:
        """Keep what the caller is told, or release the key to be used again."""
        reply = None if ending is None else self.letterhead.reply(ending, self.clock())
        if ending is None or reply is None or not _stands(ending, reply):
            await released(self.claims, self.claim)
            return
        try:
            await self.claims.keep(self.claim, kept(reply))
        except Exception:
            # The caller is told nevertheless; the claim ends with its lease.
            logger.exception("answer not kept", extra={"task": self.claim.task_id})


async def claimed(claims: Claims, claim: Claim) -> Kept | Refusal | None:
    """Claim the key; return what to tell the caller instead, or `None` when it is ours to do."""
    try:
        found = await claims.claim(claim)
    except Exception:
        logger.exception("not claimed", extra={"task": claim.task_id})
        return LEDGER_UNAVAILABLE
    match found:
        case InProgress():
            return _refused(
                409,
                "idempotency_key_in_use",
                "the first request with this key is still being answered; retry later",
                retry_after_s=IN_PROGRESS_RETRY_S,
            )
        case Mismatch():
            message = "this key was used with another body; send a new key with a new request"
            return _refused(422, "idempotency_key_reused", message)
        case Kept():
            return found
        case Claimed():
            return None


async def released(claims: Claims, claim: Claim) -> None:
    """End the claim of a request that cost nothing."""
    try:
        await claims.release(claim)
    except Exception:
        logger.exception("claim not released", extra={"task": claim.task_id})


def key_given(values: Sequence[str]) -> str | Refusal | None:
    """Return the key among the values of the header, `None` when there is none."""
    if not values:
        return None
    key, *others = values
    is_fit = key.isascii() and key.isprintable() and 0 < len(key) <= MOST_KEY_CHARS
    if is_fit and not others:
        return key
    message = f"must be given once, as 1 to {MOST_KEY_CHARS} printable ASCII characters"
    return _refused(400, "invalid_idempotency_key", message)


def fingerprint(path: str, raw: bytes) -> str:
    """Return what two requests have in common exactly when they ask the same."""
    return hashlib.sha256(path.encode() + b"\0" + raw).hexdigest()


def _stands(ending: Answer | NoAnswer, reply: Reply) -> bool:
    """Say whether nothing may be paid again; a caller who is invited to retry may pay again."""
    if isinstance(ending, Answer):
        return True
    cost = sum(step.outcome.cost_nano_usd for step in ending.steps)
    return cost > 0 and "x-should-retry" in reply.headers


def _refused(status: int, code: str, message: str, retry_after_s: float | None = None) -> Refusal:
    return Refusal(
        status=status,
        type="invalid_request_error",
        code=code,
        message=f"Idempotency-Key: {message}",
        retry_after_s=retry_after_s,
    )
