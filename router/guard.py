"""What stands before every route: the key, and the size of a body."""

import hmac
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from router.surfaces.openai_chat_reply import error_body
from router.surfaces.refusal import Refusal

KEY_ID = "default"
"""Public id of the one key of this release."""
OPEN_PATHS = frozenset({"/healthz"})
MAX_BODY_BYTES = 8_000_000
DISCARDED_BYTES = 64_000_000
"""How much of a body over the limit is read and dropped, so that its sender reads the refusal."""


class KeyGuard:
    """ASGI middleware that refuses every request without the key, before its body is read."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it may pass."""
        if scope["type"] != "http" or self._may_pass(scope):
            await self._app(scope, receive, send)
            return
        message = "missing or wrong API key; send it as `Authorization: Bearer KEY` or `x-api-key`"
        refusal = Refusal(
            status=401, type="authentication_error", code="invalid_api_key", message=message
        )
        await refuse(refusal, {"www-authenticate": "Bearer"})(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if scope["path"] in OPEN_PATHS:
            return True
        headers = Headers(scope=scope)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        return hmac.compare_digest(given.encode("latin-1"), self._key)


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
    extra = dict(headers or {})
    if refusal.retry_after_s is not None:
        extra["retry-after"] = str(max(1, round(refusal.retry_after_s)))
    return Response(
        error_body(refusal), refusal.status, headers=extra, media_type="application/json"
    )
