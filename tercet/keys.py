"""API keys: who may ask and for what, how a key is spelt, and what is kept of it."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from tercet.budget import Caps

DEFAULT_KEY = "default"
"""Id of the key that the environment names (`TERCET_API_KEY`); it may use everything."""

Random = Callable[[int], bytes]
"""Returns so many bytes that nobody can guess."""

_HANDLE_BYTES = 5
_SECRET_BYTES = 32
_SPELLING = re.compile(rb"tct_([a-z2-7]{8})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A caller's key. Its secret is known by its hash only."""

    id: str
    """The operator's name for it: in ledger rows and in the names of caps. It never changes."""
    sha256: str
    """Of the key's bytes, in lower-case hex."""
    handle: str = ""
    """The public part of the key's text, which it is looked up by."""
    old_sha256: str | None = None
    """The same of the secret before the last rotation."""
    old_until: float | None = None
    """Unix seconds until which that one still opens."""
    month_cap_nano_usd: int | None = None
    requests_per_minute: int | None = None
    concurrent: int | None = None
    """Requests under way at the same time."""
    tiers: frozenset[str] | None = None
    """The tiers it may use, `local` among them; `None`: every one."""
    models: frozenset[str] | None = None
    """The models it may use; `None`: every one."""
    created_at: float = 0.0
    """Unix seconds."""
    revoked_at: float | None = None


def sha256(key: bytes) -> str:
    """Return the hash a key is known by. Keys are random, so it needs no salt and no stretching."""
    return hashlib.sha256(key).hexdigest()


def new_handle(random: Random) -> str:
    """Return the public part of a new key."""
    return base64.b32encode(random(_HANDLE_BYTES)).decode().lower()


def new_text(handle: str, random: Random) -> str:
    """Return the text of a key with this handle and a new secret: what its caller presents."""
    secret = base64.urlsafe_b64encode(random(_SECRET_BYTES)).rstrip(b"=").decode()
    return f"tct_{handle}_{secret}"


def handle_of(presented: bytes) -> str | None:
    """Return the public part of what is spelt like a key, or `None`."""
    spelt = _SPELLING.fullmatch(presented)
    return None if spelt is None else spelt[1].decode()


def capped(caps: Caps, key: Key) -> Caps:
    """Return the caps with that of the key."""
    if key.month_cap_nano_usd is None:
        return caps
    return {**caps, f"key:{key.id}": key.month_cap_nano_usd}
