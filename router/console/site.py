"""The console's routes. No page is made on the request path: this process answers no tasks."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from mimetypes import guess_type
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route
from starlette.types import ASGIApp

from deployments.ledger import LedgerError
from deployments.ledger.viewing import Viewer
from router.console import rendering
from router.console.door import BASE, HEALTH, Door, local_path, wants_json
from router.console.making.gpu import days_of, gpu
from router.console.making.keys import keys
from router.console.making.migrations import migrations
from router.console.making.overview import overview
from router.console.making.providers import providers
from router.console.making.quality import quality
from router.console.making.request import request as request_page
from router.console.making.requests import asked_of, requests
from router.console.making.scene import Scene
from router.console.pages import PAGES, Page
from router.console.playground import Playground
from router.console.reader import Books, Reader
from router.console.rendering import Renderer, TemplateNotFound
from router.console.sessions import COOKIE, HOURS, Refused, Sessions
from router.console.spelling import document
from router.console.views import LoginView, NavItem, PlaygroundView, Shell, TroubleView
from tercet.config import Config

MOST_FORM_BYTES = 10_000
FOREVER = "public, max-age=31536000, immutable"

logger = logging.getLogger(__name__)

Query = Mapping[str, str]
Make = Callable[[Scene, Query], object]


class NotFoundError(Exception):
    """There is no such thing; the message says what was looked for."""


class NotReadyError(Exception):
    """The ledger has not been read yet."""


def _overview(scene: Scene, _: Query) -> object:
    outlook = scene.books.outlook
    if outlook is None:
        raise NotReadyError(scene.books.trouble)
    return overview(scene, outlook)


MAKERS: Mapping[str, Make] = {
    "overview": _overview,
    "requests": lambda scene, query: requests(scene, asked_of(query)),
    "migrations": lambda scene, _: migrations(scene),
    "gpu": lambda scene, query: gpu(scene, days_of(query.get("days", ""))),
    "quality": lambda scene, _: quality(scene),
    "providers": lambda scene, _: providers(scene),
    "keys": lambda scene, _: keys(scene),
}
"""The pages that are made of the ledger, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The pages, and what they are made with."""

    config: Config
    viewer: Viewer
    reader: Reader
    sessions: Sessions
    playground: Playground
    renderer: Renderer
    local: Callable[[], Mapping[str, object] | None]
    """What the gateway last said of the local model."""
    clock: Callable[[], float]
    """Unix seconds."""
    dashboard: str | None
    """Ray's dashboard."""
    is_simulated: bool
    playground_problem: str
    """Why the gateway cannot be asked; empty where it can."""

    def app(self) -> ASGIApp:
        """Return the ASGI application."""
        pages = [Route(PAGES[name].href, self._page(name)) for name in MAKERS]
        starlette = Starlette(
            routes=[
                *pages,
                Route(PAGES["request"].href, self._request),
                Route(PAGES["playground"].href, self._playground),
                Route(f"{PAGES['playground'].href}/ask", self.playground.ask, methods=["POST"]),
                Route(PAGES["login"].href, self._login, methods=["GET", "POST"]),
                Route(f"{BASE}/logout", self._logout, methods=["POST"]),
                Route(f"{BASE}/static/{{path:path}}", _static),
                Route(HEALTH, self._health),
            ],
            exception_handlers={
                HTTPException: self._http_error,
                NotFoundError: self._not_found,
                NotReadyError: self._not_ready,
                LedgerError: self._ledger_error,
                Exception: self._bug,
            },
        )
        # Around all of it, so that the page of a bug has the headers too.
        return Door(starlette, self.sessions)

    def _page(self, name: str) -> Callable[[Request], Any]:
        async def page(request: Request) -> Response:
            make = MAKERS[name]
            query = dict(request.query_params)
            view = await asyncio.to_thread(lambda: self._made(make, query))
            return self._told(request, PAGES[name], view)

        return page

    def _made(self, make: Make, query: Query) -> object:
        with self.viewer.look() as view:
            scene = Scene(
                config=self.config,
                books=self.reader.looked_at(),
                view=view,
                now=self.clock(),
                local=self.local(),
            )
            return make(scene, query)

    async def _request(self, request: Request) -> Response:
        view = await asyncio.to_thread(self._receipt, request.path_params["id"])
        return self._told(request, PAGES["request"], view)

    def _receipt(self, task_id: str) -> object:
        found = self.viewer.task(task_id)
        if found is None:
            raise NotFoundError(f"there is no request {task_id[:100]!r} in the ledger")
        with self.viewer.look() as view:
            return request_page(*found, view.samples_of(task_id))

    async def _playground(self, request: Request) -> Response:
        catalog = self.config.catalog
        view = PlaygroundView(
            choices=tuple(dict.fromkeys(("auto", *catalog.tiers, *catalog.models))),
            has_local=self.config.local is not None,
            problem=self.playground_problem,
        )
        return self._told(request, PAGES["playground"], view)

    async def _login(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._sign_in(request)
        view = LoginView(next=local_path(request.query_params.get("next", "")), problem="")
        return self._told(request, PAGES["login"], view)

    async def _sign_in(self, request: Request) -> Response:
        form = await _form(request)
        onwards = local_path(form.get("next", ""))
        cookie = self.sessions.sign_in(form.get("key", ""))
        if isinstance(cookie, Refused):
            view = LoginView(next=onwards, problem=cookie.why)
            told = self._told(request, PAGES["login"], view, 429 if cookie.wait_s else 401)
            if cookie.wait_s:
                told.headers["retry-after"] = str(cookie.wait_s)
            return told
        response = RedirectResponse(onwards, status_code=303)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=HOURS * 3600,
            path=BASE,
            secure=_is_https(request),
            httponly=True,
            samesite="strict",
        )
        return response

    async def _logout(self, request: Request) -> Response:
        response = RedirectResponse(PAGES["login"].href, status_code=303)
        response.delete_cookie(
            COOKIE, path=BASE, secure=_is_https(request), httponly=True, samesite="strict"
        )
        return response

    async def _health(self, _: Request) -> Response:
        books = self.reader.books
        ledger = "cannot be read" if books.trouble else "ok"
        return JSONResponse({"status": "ok", "ledger": ledger, "read": books.read_share})

    def _told(self, request: Request, page: Page, view: object, status: int = 200) -> Response:
        """Return a view as what was asked for: the page, a part of it, or JSON."""
        shell = self._shell(page, self.sessions.is_open(request.cookies.get(COOKIE)))
        if wants_json(request):
            told = {
                "page": page.name,
                "at": shell.at,
                "warnings": shell.warnings,
                "view": document(view),
            }
            return JSONResponse(told, status)
        folder = "parts/" if "part" in request.query_params and status == 200 else ""
        try:
            html = self.renderer.page(f"{folder}{page.name}.html", view, shell)
        except TemplateNotFound:
            if not folder:
                raise
            raise HTTPException(404, f"the page {page.name} has no part of its own") from None
        return HTMLResponse(html, status)

    def _shell(self, page: Page, is_signed_in: bool) -> Shell:  # noqa: FBT001
        books, current = self.reader.books, "requests" if page.name == "request" else page.name
        return Shell(
            title=page.title,
            nav=tuple(
                NavItem(
                    name=one.name, title=one.title, href=one.href, is_current=one.name == current
                )
                for one in PAGES.values()
                if one.is_in_nav
            ),
            at=self.clock(),
            is_signed_in=is_signed_in,
            is_simulated=self.is_simulated,
            dashboard=self.dashboard,
            read_share=books.read_share,
            warnings=_warnings(books),
        )

    def _trouble(
        self, request: Request, status: int, view: TroubleView, **headers: str
    ) -> Response:
        told = self._told(request, PAGES["trouble"], view, status)
        told.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return told

    def _http_error(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        why = error.detail if isinstance(error, HTTPException) else ""
        remedy = "see the address, or go back to the overview"
        view = TroubleView(title="There is no such page", why=why, remedy=remedy)
        return self._trouble(request, status, view)

    def _not_found(self, request: Request, error: Exception) -> Response:
        remedy = "a request is written when it comes; see the list of requests"
        view = TroubleView(title="There is no such request", why=str(error), remedy=remedy)
        return self._trouble(request, 404, view)

    def _not_ready(self, request: Request, error: Exception) -> Response:
        why = str(error) or "the ledger is read for the first time"
        view = TroubleView(
            title="Not ready yet", why=why, remedy="this page comes by itself in a moment"
        )
        return self._trouble(request, 503, view, refresh="2", retry_after="2")

    def _ledger_error(self, request: Request, error: Exception) -> Response:
        why, _, remedy = str(error).rpartition("; ")
        view = TroubleView(
            title="The ledger cannot be read",
            why=why or remedy,
            remedy=remedy if why else "see that the gateway runs, and ask again",
        )
        return self._trouble(request, 503, view, retry_after="5")

    def _bug(self, request: Request, error: Exception) -> Response:
        logger.error("the console failed", exc_info=error)
        view = TroubleView(
            title="This page failed",
            why=type(error).__name__,
            remedy="the console's log has the details; the gateway is not touched by it",
        )
        return self._trouble(request, 500, view)


def _warnings(books: Books) -> tuple[str, ...]:
    found = [books.warning, books.trouble]
    if books.read_share < 1 and not books.trouble:
        found.append(f"reading the ledger: {books.read_share:.0%}; sums are not whole yet")
    return tuple(one for one in found if one)


async def _static(request: Request) -> Response:
    path = request.path_params["path"]
    file = rendering.static_file(path)
    if file is None:
        raise HTTPException(404, "there is no such file")
    is_named = request.query_params.get("v") == rendering.digest(path)
    response = FileResponse(file, media_type=guess_type(file.name)[0])
    response.headers["cache-control"] = FOREVER if is_named else "no-cache"
    return response


async def _form(request: Request) -> Mapping[str, str]:
    """Read a posted form; of a field that comes twice the first counts."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_FORM_BYTES:
            raise HTTPException(413, "that is no sign-in")
    fields = parse_qs(raw.decode(errors="replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def _is_https(request: Request) -> bool:
    """Say whether the browser speaks TLS, to a proxy in front of this or to this."""
    return request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
