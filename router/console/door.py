"""What stands before every page: sign-in, whose form it was, and the headers of every answer."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.console.pages import BASE, PAGES
from router.console.sessions import COOKIE, Sessions

STATIC = f"{BASE}/static/"
HEALTH = f"{BASE}/healthz"
_OPEN = frozenset({PAGES["login"].href, HEALTH})
HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
NO_STORE = "no-store"


class Door:
    """Lets in who is signed in, and what they sent themselves."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        """Stand before `app`."""
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Serve says of a part of the path that it is the application's prefix; here it is whole.
        scope = {**scope, "root_path": ""}
        request = Request(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", NO_STORE)
            await send(message)

        refusal = self._refusal(request)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        path = request.scope["path"]
        if request.method not in {"GET", "HEAD"} and not is_own(request.headers):
            return _told(403, "a form of this page alone may be posted here")
        if path in _OPEN or path.startswith(STATIC):
            return None
        if self._sessions.is_open(request.cookies.get(COOKIE)):
            return None
        if request.method not in {"GET", "HEAD"} or is_for_machines(request):
            return _told(401, f"not signed in; open {PAGES['login'].href}")
        return RedirectResponse(_login(request), status_code=303)


def is_own(headers: Headers) -> bool:
    """Say whether a request was sent by a page of this site: browsers say where it comes from."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")


def is_for_machines(request: Request) -> bool:
    """Say whether JSON or a part of a page is asked for, and no page."""
    return (
        wants_json(request)
        or "part" in request.query_params
        or request.headers.get("hx-request") == "true"
    )


def wants_json(request: Request) -> bool:
    """Say whether a page is asked for as JSON."""
    accepted = request.headers.get("accept", "")
    asked = request.query_params.get("format")
    return asked == "json" or (
        asked is None and "application/json" in accepted and "text/html" not in accepted
    )


def local_path(asked: str) -> str:
    """Return a path of the console to go on to; of any other address, the first page."""
    is_ours = asked == BASE or asked.startswith((f"{BASE}/", f"{BASE}?"))
    # Browsers read `\` as `/` and leave out control characters.
    is_plain = asked.isprintable() and "\\" not in asked and "//" not in asked.partition("?")[0]
    return asked if is_ours and is_plain and ".." not in asked else BASE


def _login(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{PAGES['login'].href}?next={quote(request.scope['path'] + query, safe='')}"


def _told(status: int, why: str) -> Response:
    # htmx goes to the page it names.
    headers = {"hx-redirect": PAGES["login"].href} if status == 401 else {}
    return JSONResponse({"error": why}, status, headers)
