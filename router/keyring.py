"""The keys callers may present: those last read, and a look at the ledger for one more."""

import asyncio
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from router.surfaces.refusal import LEDGER_UNAVAILABLE, Refusal
from router.turnstile import Turnstile, Window
from tercet.keys import DEFAULT_KEY, Key, handle_of, sha256

LOOK_UPS_A_SECOND = 5
"""Guessing must not load the database; whoever is turned away is known after the next look."""

_NO_HASH = "0" * 64
"""No bytes are known that have it."""
_NOBODY = Key(id="", sha256=_NO_HASH)
_WRONG_KEY = Refusal(
    status=401,
    type="authentication_error",
    code="invalid_api_key",
    message="missing or wrong API key; send it as `Authorization: Bearer KEY` or `x-api-key`",
)


class KeyBooks(Protocol):
    """The part of the ledger that keeps a single key."""

    async def key(self, handle: str, /) -> Key | None:
        """Return the key, unless it is revoked."""
        ...


class Keyring:
    """The keys callers may present, known by their hashes alone."""

    def __init__(
        self,
        default: str | None,
        books: KeyBooks,
        turnstile: Turnstile,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with the key of the environment alone.

        Args:
            default: its hash; `None`: there is none.
            books: where a key is looked up that is not known yet.
            turnstile: what counts each key's requests.
            clock: Unix seconds.
        """
        self.turnstile = turnstile
        self._keys: dict[str, Key] = {}
        self._default = default or _NO_HASH
        self._books = books
        self._clock = clock
        self._by_handle: dict[str, Key] = {}
        self._is_read = False
        self._look_ups = Window(1.0)
        self._looking: dict[str, asyncio.Task[None]] = {}

    @property
    def keys(self) -> Mapping[str, Key]:
        """The keys by id, but for the default one; always the same object, whatever is in it."""
        return self._keys

    def replace(self, keys: Iterable[Key]) -> None:
        """Know these keys and no others."""
        self._by_handle = {key.handle: key for key in keys}
        self._is_read = True
        self._index()

    async def find(self, presented: bytes) -> Key | Refusal:
        """Return whose key it is.

        Raises:
            LedgerError: it is not known, and the ledger cannot be asked.
        """
        found = self._owner(presented)
        if found is not None:
            return found
        handle = handle_of(presented)
        if handle is None:
            return _WRONG_KEY
        if not await self._look_up(handle):
            return _WRONG_KEY if self._is_read else LEDGER_UNAVAILABLE
        return self._owner(presented) or _WRONG_KEY

    def _owner(self, presented: bytes) -> Key | None:
        """Compare with as many hashes whoever it is, so that the time tells nothing."""
        given = sha256(presented)
        key = self._by_handle.get(handle_of(presented) or "", _NOBODY)
        is_default = hmac.compare_digest(given, self._default)
        is_new = hmac.compare_digest(given, key.sha256)
        is_old = hmac.compare_digest(given, key.old_sha256 or _NO_HASH)
        if is_default:
            return Key(id=DEFAULT_KEY, sha256=self._default)
        if is_new or (is_old and self._clock() < (key.old_until or 0.0)):
            return key
        return None

    async def _look_up(self, handle: str) -> bool:
        """Read one key from the ledger; False: there were too many look-ups this second."""
        job = self._looking.get(handle)
        if job is None:
            now = self._clock()
            if self._look_ups.wait_s(LOOK_UPS_A_SECOND, now) > 0:
                return False
            self._look_ups.note(now)
            job = self._looking[handle] = asyncio.create_task(self._read(handle))
        # Others may wait for it when this caller has gone.
        await asyncio.shield(job)
        return True

    async def _read(self, handle: str) -> None:
        try:
            key = await self._books.key(handle)
        finally:
            del self._looking[handle]
        if key is None:
            self._by_handle.pop(handle, None)
        else:
            self._by_handle[handle] = key
        self._index()

    def _index(self) -> None:
        self._keys.clear()
        self._keys.update({key.id: key for key in self._by_handle.values()})
