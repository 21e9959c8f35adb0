"""The evidence's own key, lent to a command: a gateway books what is asked with it as evidence.

Nobody knows a secret of it. Each command is given one, which opens nothing once the command ends.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from secrets import token_bytes

from deployments.ledger import Ledger
from tercet.errors import ConfigError
from tercet.keys import Key, Random, new_handle, new_text, sha256
from tercet.migration import EVIDENCE_KEY


@asynccontextmanager
async def lent(
    ledger: Ledger, clock: Callable[[], float], random: Random = token_bytes
) -> AsyncGenerator[str]:
    """Yield the key's text; of two commands at once the later one has it.

    Raises:
        ConfigError: the key was revoked.
        LedgerError: the ledger cannot be written.
    """
    text = await _opened(ledger, clock(), random)
    try:
        yield text
    finally:
        await ledger.rotate_key(EVIDENCE_KEY, sha256(random(32)), clock())


async def _opened(ledger: Ledger, now: float, random: Random) -> str:
    """Give the key a new secret; make it where there is none.

    It has no limits of its own, which would be those of shadow runs too.
    """
    handles = {key.id: key.handle for key in await ledger.keys()}
    handle = handles.get(EVIDENCE_KEY) or new_handle(random)
    text = new_text(handle, random)
    digest = sha256(text.encode())
    key = Key(id=EVIDENCE_KEY, handle=handle, sha256=digest, created_at=now)
    if await ledger.create_key(key) or await ledger.rotate_key(EVIDENCE_KEY, digest, now):
        return text
    raise ConfigError(
        f"the key {EVIDENCE_KEY!r}, which pays for judges, was revoked, and that is for good: "
        "audit through a gateway with another ledger (--url and --ledger)"
    )
