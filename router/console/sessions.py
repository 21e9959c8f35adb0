"""Who is signed in: a signed cookie, made for the admin key and void with another one.

Nothing is kept but when sign-ins failed of late, so that guessing is slow.
"""

import hashlib
import hmac
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from itsdangerous import BadSignature, Signer

from tercet.keys import handle_of

COOKIE = "tercet_console"
HOURS = 12
FAILURES = 5
WITHIN_S = 60.0

NO_KEY = "nobody can sign in: set TERCET_ADMIN_KEY (or TERCET_API_KEY) where the console runs"
NOT_AN_ADMINS = (
    "that is a key of `tercet keys`, which asks the gateway and does not sign in here; use the "
    "admin key (TERCET_ADMIN_KEY, or else TERCET_API_KEY; `make run` prints it)"
)
WRONG = "that is not the admin key (TERCET_ADMIN_KEY, or else TERCET_API_KEY; `make run` prints it)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A sign-in that failed."""

    why: str
    wait_s: int = 0
    """Seconds after which to try again; 0: at once."""


class Sessions:
    """Signs in and out."""

    def __init__(self, admin_key: str | None, clock: Callable[[], float]) -> None:
        """Take the admin key, if there is one; `clock` is Unix seconds."""
        self._key = None if admin_key is None else admin_key.encode()
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=FAILURES)
        secret = hashlib.sha256(b"tercet console\0" + (self._key or b"")).digest()
        self._signer = Signer(secret, salt=COOKIE, digest_method=hashlib.sha256)

    def sign_in(self, presented: str) -> str | Refused:
        """Return the cookie's value for the admin key."""
        now = self._clock()
        if self._key is None:
            return Refused(why=NO_KEY)
        if len(self._failures) == FAILURES and now - self._failures[0] < WITHIN_S:
            wait_s = int(WITHIN_S - (now - self._failures[0])) + 1
            return Refused(why=f"too many tries failed; wait {wait_s} s", wait_s=wait_s)
        said = presented.strip().encode()
        if hmac.compare_digest(hashlib.sha256(said).digest(), hashlib.sha256(self._key).digest()):
            self._failures.clear()
            return self._signer.sign(str(int(now) + HOURS * 3600)).decode()
        self._failures.append(now)
        return Refused(why=WRONG if handle_of(said) is None else NOT_AN_ADMINS)

    def is_open(self, cookie: str | None) -> bool:
        """Say whether a cookie was made here for this key, and has not expired."""
        if cookie is None or self._key is None:
            return False
        try:
            expires = self._signer.unsign(cookie).decode()
        except (BadSignature, UnicodeError):
            return False
        return expires.isdecimal() and self._clock() < int(expires)
