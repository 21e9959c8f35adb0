"""The HTTP routes of one replica, whatever ledger and proxies are behind it."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from deployments.ledger import LedgerError
from router import feedback
from router.choices import AUTO
from router.counting import CountRoute, CountTokens
from router.endpoint import Endpoint, Memories
from router.exchange import Office
from router.guard import KeyGuard, Stamp, key_id_of, key_of, read_body, refused
from router.idempotency import Claims
from router.keyring import Keyring
from router.local_feed import LocalFeed
from router.local_page import local_document
from router.openapi import document
from router.pressure import Counted, Pressure
from router.receipts import receipt
from router.statement import budget_document, budget_header
from router.surfaces import anthropic_messages, openai_chat, openai_responses
from router.surfaces.refusal import LEDGER_UNAVAILABLE, Refusal
from router.surfaces.surface import Surface
from router.watch import Watch
from tercet.catalog import LOCAL
from tercet.config import Config
from tercet.keys import DEFAULT_KEY, capped

logger = logging.getLogger(__name__)


class Books(Claims, Memories, feedback.Books, Protocol):
    """The part of the ledger that routes use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The routes, and what they work with."""

    config: Config
    office: Office
    books: Books
    watch: Watch
    keyring: Keyring
    is_ready: Callable[[], Awaitable[bool]]
    count: CountTokens
    started_at: int
    """Unix seconds."""
    pressure: Pressure | None = None
    """`None`: requests are not counted."""
    local: LocalFeed | None = None
    """`None`: there is no local model."""

    def app(self) -> Starlette:
        """Return the ASGI application."""
        messages = self._endpoint(anthropic_messages.SURFACE)
        counting = CountRoute(
            endpoint=messages, read=anthropic_messages.count_request, count=self.count
        )
        return Starlette(
            routes=[
                Path("/healthz", self._healthz),
                Path("/readyz", self._readyz),
                Path("/openapi.json", self._openapi),
                Path("/v1/models", self._models),
                Path("/v1/models/{name}", self._model),
                Path("/v1/requests/{id}", self._request),
                Path("/v1/feedback", self._feedback, methods=["POST"]),
                Path("/v1/budget", self._budget),
                Path("/v1/local", self._local),
                Path("/v1/local/wake", self._wake, methods=["POST"]),
                Path(
                    "/v1/chat/completions",
                    self._endpoint(openai_chat.SURFACE).respond,
                    methods=["POST"],
                ),
                Path(
                    "/v1/responses",
                    self._endpoint(openai_responses.SURFACE).respond,
                    methods=["POST"],
                ),
                Path("/v1/responses/{id}", self._response, methods=["GET", "DELETE"]),
                Path("/v1/messages", messages.respond, methods=["POST"]),
                Path("/v1/messages/count_tokens", counting.respond, methods=["POST"]),
            ],
            middleware=[
                *([] if self.pressure is None else [Middleware(Counted, pressure=self.pressure)]),
                Middleware(KeyGuard, keyring=self.keyring, error_body=envelope),
                Middleware(Stamp, headers=self._stamp),
            ],
            exception_handlers={
                HTTPException: _http_error,
                LedgerError: _ledger_error,
                Exception: _bug,
            },
        )

    async def _healthz(self, _: Request) -> Response:
        return _json({"status": "ok"})

    async def _readyz(self, _: Request) -> Response:
        ready = await self.is_ready()
        return _json({"status": "ready" if ready else "starting"}, 200 if ready else 503)

    def _endpoint(self, surface: Surface) -> Endpoint:
        return Endpoint(
            surface=surface,
            resolve=self._resolve,
            deadline_s=self.config.rules.limits.deadline_s,
            office=self.office,
            claims=self.books,
            memories=self.books,
            kinds=self.config.taxonomy.names,
        )

    def _resolve(self, name: str) -> str | None:
        return name if name in owners(self.config) else self.config.catalog.alias_of(name)

    async def _openapi(self, _: Request) -> Response:
        return _json(document(tuple(owners(self.config))))

    async def _models(self, request: Request) -> Response:
        write = anthropic_messages if _is_anthropics(request) else openai_chat
        return _bytes(write.models_body(owners(self.config), self.started_at))

    async def _model(self, request: Request) -> Response:
        name, known = request.path_params["name"], owners(self.config)
        if name in known:
            write = anthropic_messages if _is_anthropics(request) else openai_chat
            return _bytes(write.model_body(name, known[name], self.started_at))
        refusal = _not_found(f"there is no model {name[:100]!r}; GET /v1/models lists them")
        return _refused(request, refusal)

    async def _response(self, request: Request) -> Response:
        """Show or delete an answer that was stored to be continued."""
        answer_id = openai_responses.task_of(request.path_params["id"])
        key_id = key_id_of(request)
        if request.method == "DELETE":
            if await self.books.forget(answer_id, key_id):
                return _bytes(openai_responses.deleted_body(request.path_params["id"]))
        elif (kept := await self.books.recall(answer_id, key_id)) is not None:
            return _bytes(openai_responses.kept_body(kept))
        return _refused(request, _not_found("there is no stored response of yours with this id"))

    async def _request(self, request: Request) -> Response:
        found = await self.books.task(request.path_params["id"])
        if found is None or found[0]["key_id"] != key_id_of(request):
            return _refused(request, _not_found("there is no request of yours with this id"))
        return _json(receipt(*found))

    async def _feedback(self, request: Request) -> Response:
        """Keep what a caller says of an answer."""
        raw = await read_body(request)
        if isinstance(raw, Refusal):
            return _refused(request, raw)
        told = await feedback.note(raw, key_id_of(request), self.books, self.office.clock())
        return _refused(request, told) if isinstance(told, Refusal) else _json(told)

    async def _budget(self, request: Request) -> Response:
        seen = self.watch.seen
        if seen is None:
            return _refused(request, LEDGER_UNAVAILABLE)
        caps = capped(self.config.budget.caps, key_of(request))
        return _json(budget_document(seen.outlook, seen.spending, caps, key_id_of(request)))

    async def _local(self, _: Request) -> Response:
        return self._local_page()

    async def _wake(self, request: Request) -> Response:
        """Wake the local model: it is the operator's money, so it takes the operator's key."""
        if key_id_of(request) != DEFAULT_KEY:
            return _refused(request, _NOT_YOURS_TO_WAKE)
        if self.local is None:
            return _refused(request, _not_found("there is no local model; set TERCET_LOCAL"))
        try:
            await self.local.wake()
        except Exception:
            logger.exception("the local model could not be woken")
            return _refused(request, _UNHEARD)
        return self._local_page(202)

    def _local_page(self, status: int = 200) -> Response:
        report = None if self.local is None else self.local.report()
        return _json(local_document(self.config.local, report, self.office.clock()), status)

    def _stamp(self) -> Mapping[str, str]:
        seen = self.watch.seen
        return {} if seen is None else {"x-tercet-budget": budget_header(seen.outlook)}


def owners(config: Config) -> Mapping[str, str]:
    """Return every name callers may ask for, and who answers to it."""
    ours = dict.fromkeys((AUTO, *config.catalog.tiers, LOCAL), "tercet")
    return ours | {name: model.provider for name, model in config.catalog.models.items()}


_NOT_YOURS_TO_WAKE = Refusal(
    status=403,
    type="permission_error",
    code="key_not_allowed",
    message=f"only the key {DEFAULT_KEY} may wake the local model",
)
_UNHEARD = Refusal(
    status=503,
    type="server_error",
    code="local_unavailable",
    message="The local model's proxy does not answer; retry later.",
    retry_after_s=5.0,
)


def _not_found(message: str) -> Refusal:
    return Refusal(status=404, type="not_found_error", code="not_found", message=message)


def _json(value: Mapping[str, object], status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def _bytes(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def _is_anthropics(request: Request) -> bool:
    """Say whether the caller speaks Anthropic's dialect; every one of their clients says so."""
    return "anthropic-version" in request.headers


def envelope(path: str, refusal: Refusal) -> bytes:
    """Return a refusal as clients of `path` expect it."""
    is_anthropics = path.startswith("/v1/messages")
    surface = anthropic_messages.SURFACE if is_anthropics else openai_chat.SURFACE
    return surface.error_body(refusal)


def _refused(
    request: Request, refusal: Refusal, headers: Mapping[str, str] | None = None
) -> Response:
    is_anthropics = request.url.path.startswith("/v1/models") and _is_anthropics(request)
    path = "/v1/messages" if is_anthropics else request.url.path
    return refused(envelope(path, refusal), refusal, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    """Spell the framework's own refusals (no such path, no such method) in the envelope."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = {
        404: f"there is no {request.url.path[:100]!r} here; see the README for the paths",
        405: f"{request.method} is not a method of {request.url.path[:100]!r}",
    }.get(status, "the request could not be served")
    headers = error.headers if isinstance(error, HTTPException) else None
    kind = "not_found_error" if status == 404 else "invalid_request_error"
    code = "not_found" if status == 404 else "method_not_allowed"
    refusal = Refusal(status=status, type=kind, code=code, message=message)
    return _refused(request, refusal, headers)


async def _ledger_error(request: Request, _: Exception) -> Response:
    return _refused(request, LEDGER_UNAVAILABLE)


async def _bug(request: Request, _: Exception) -> Response:
    message = "internal error; the gateway's log has the trace"
    refusal = Refusal(status=500, type="server_error", code="internal", message=message)
    return _refused(request, refusal)
