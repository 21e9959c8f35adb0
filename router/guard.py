"""What stands before every route: the keys, the size of a body, and a header on every answer."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.surfaces.openai_chat_reply import error_body
from router.surfaces.refusal import Refusal, refusal_headers

OPEN_PATHS = frozenset({"/healthz"})
MAX_BODY_BYTES = 8_000_000
DISCARDED_BYTES = 64_000_000
"""How much of a body over the limit is read and dropped, so that its sender reads the refusal."""
_KEY_ID = "tercet.key_id"


class Keyring:
    """The keys callers may present, known by their hashes alone."""

    def __init__(self, hashes: Iterable[tuple[str, str]]) -> None:
        """Take the public id of each key and its SHA-256 in hex."""
        self._hashes = tuple((key_id, sha256.lower()) for key_id, sha256 in hashes)

    def owner(self, presented: bytes) -> str | None:
        """Return the public id of the key, or `None`; it takes as long whichever it is."""
        given = sha256(presented)
        found: str | None = None
        for key_id, expected in self._hashes:
            if hmac.compare_digest(given, expected):
                found = key_id
        return found


def sha256(key: bytes) -> str:
    """Return the hash a key is known by. Keys are random, so it needs no salt and no stretching."""
    return hashlib.sha256(key).hexdigest()


class KeyGuard:
    """ASGI middleware that refuses every request without a key, before its body is read."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it may pass, with the id of its key."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        key_id = self._keyring.owner(_presented(scope))
        if key_id is not None:
            await self._app({**scope, _KEY_ID: key_id}, receive, send)
            return
        message = "missing or wrong API key; send it as `Authorization: Bearer KEY` or `x-api-key`"
        refusal = Refusal(
            status=401, type="authentication_error", code="invalid_api_key", message=message
        )
        await refuse(refusal, {"www-authenticate": "Bearer"})(scope, receive, send)


class Stamp:
    """ASGI middleware that puts headers on every answer to a caller with a key."""

    def __init__(self, app: ASGIApp, headers: Callable[[], Mapping[str, str]]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer back with the headers of that moment."""
        if _KEY_ID not in scope:
            await self._app(scope, receive, send)
            return

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers())
            await send(message)

        await self._app(scope, receive, stamped)


def key_id_of(request: Request) -> str:
    """Return the public id of the key that the request came with."""
    key_id: str = request.scope[_KEY_ID]
    return key_id


def _presented(scope: Scope) -> bytes:
    headers = Headers(scope=scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    return given.encode("latin-1")


async def read_body(request: Request) -> bytes | Refusal:
    """Read the body, counting as it comes: a declared length is not to be trusted."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        elif size > DISCARDED_BYTES:
            break
    if size <= MAX_BODY_BYTES:
        return b"".join(chunks)
    return Refusal(
        status=413,
        type="invalid_request_error",
        code="request_too_large",
        message=f"the body is over {MAX_BODY_BYTES} bytes; send a shorter conversation",
    )


def refuse(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """Spell a refusal as an HTTP response."""
    extra = {**(headers or {}), **refusal_headers(refusal)}
    return Response(
        error_body(refusal), refusal.status, headers=extra, media_type="application/json"
    )
