"""What stands before every route: the keys, the size of what comes, a header on every answer."""

from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ledger import LedgerError
from router.keyring import Keyring
from router.surfaces.refusal import LEDGER_UNAVAILABLE, Refusal, refusal_headers
from tercet.keys import Key

OPEN_PATHS = frozenset({"/healthz"})
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32_768
"""Of all names and values together."""
MAX_BODY_BYTES = 8_000_000
DISCARDED_BYTES = 64_000_000
"""How much of a body over the limit is read and dropped, so that its sender reads the refusal."""
_KEY = "tercet.key"

ErrorBody = Callable[[str, Refusal], bytes]
"""Spells a refusal as the clients of a path expect it."""


class KeyGuard:
    """ASGI middleware that refuses every request without a key, before its body is read."""

    def __init__(self, app: ASGIApp, keyring: Keyring, error_body: ErrorBody) -> None:
        self._app = app
        self._keyring = keyring
        self._error_body = error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it may pass, with its key; count it until its answer has ended."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})  # policy violation
            return
        refusal = _too_long(scope)
        if refusal is None and scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        key = refusal or await self._admitted(scope)
        if isinstance(key, Refusal):
            await self._refuse(key, scope, receive, send)
            return
        try:
            await self._app({**scope, _KEY: key}, receive, send)
        finally:
            self._keyring.turnstile.leave(key)

    async def _admitted(self, scope: Scope) -> Key | Refusal:
        try:
            key = await self._keyring.find(_presented(scope))
        except LedgerError:
            return LEDGER_UNAVAILABLE
        if isinstance(key, Refusal):
            return key
        return self._keyring.turnstile.enter(key) or key

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        extra = {"www-authenticate": "Bearer"} if refusal.status == 401 else {}
        body = self._error_body(scope["path"], refusal)
        await refused(body, refusal, extra)(scope, receive, send)


class Stamp:
    """ASGI middleware that puts headers on every answer to a caller with a key."""

    def __init__(self, app: ASGIApp, headers: Callable[[], Mapping[str, str]]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its answer back with the headers of that moment."""
        if _KEY not in scope:
            await self._app(scope, receive, send)
            return

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers())
            await send(message)

        await self._app(scope, receive, stamped)


def key_of(request: Request) -> Key:
    """Return the key that the request came with."""
    key: Key = request.scope[_KEY]
    return key


def key_id_of(request: Request) -> str:
    """Return the id of the key that the request came with."""
    return key_of(request).id


def _presented(scope: Scope) -> bytes:
    """Return the key as it was sent; where both headers hold one, `Authorization` counts."""
    headers = Headers(scope=scope)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return (bearer or headers.get("x-api-key", "")).encode("latin-1")


def _too_long(scope: Scope) -> Refusal | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) <= MAX_HEADERS and size <= MAX_HEADER_BYTES:
        return None
    return Refusal(
        status=431,
        type="invalid_request_error",
        code="headers_too_large",
        message=f"send at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together",
    )


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


def refused(body: bytes, refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a refusal that is spelt already."""
    extra = {**(headers or {}), **refusal_headers(refusal)}
    return Response(body, refusal.status, headers=extra, media_type="application/json")
