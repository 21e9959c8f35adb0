"""The HTTP routes of one replica, whatever ledger and proxies are behind it."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from deployments.ledger import LedgerError
from router.chat import ChatRoute
from router.exchange import Office
from router.guard import KeyGuard, Keyring, Stamp, key_id_of, refuse
from router.idempotency import Claims
from router.policies import AUTO, LOCAL
from router.receipts import Row, receipt
from router.statement import budget_document, budget_header
from router.surfaces.openai_chat_reply import model_body, models_body
from router.surfaces.refusal import LEDGER_UNAVAILABLE, Refusal
from router.watch import Watch
from tercet.config import Config


class Books(Claims, Protocol):
    """The part of the ledger that routes use."""

    async def task(self, task_id: str, /) -> tuple[Row, Sequence[Row]] | None:
        """Return a task's row and its attempts, or `None`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The routes, and what they work with."""

    config: Config
    office: Office
    books: Books
    watch: Watch
    keyring: Keyring
    is_ready: Callable[[], Awaitable[bool]]
    started_at: int
    """Unix seconds."""

    def app(self) -> Starlette:
        """Return the ASGI application."""
        chat = ChatRoute(
            names=frozenset(owners(self.config)),
            deadline_s=self.config.rules.limits.deadline_s,
            office=self.office,
            claims=self.books,
        )
        return Starlette(
            routes=[
                Path("/healthz", self._healthz),
                Path("/readyz", self._readyz),
                Path("/v1/models", self._models),
                Path("/v1/models/{name}", self._model),
                Path("/v1/requests/{id}", self._request),
                Path("/v1/budget", self._budget),
                Path("/v1/chat/completions", chat.respond, methods=["POST"]),
            ],
            middleware=[
                Middleware(KeyGuard, keyring=self.keyring),
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

    async def _models(self, _: Request) -> Response:
        return _bytes(models_body(owners(self.config), self.started_at))

    async def _model(self, request: Request) -> Response:
        name, known = request.path_params["name"], owners(self.config)
        if name not in known:
            return refuse(
                _not_found(f"there is no model {name[:100]!r}; GET /v1/models lists them")
            )
        return _bytes(model_body(name, known[name], self.started_at))

    async def _request(self, request: Request) -> Response:
        found = await self.books.task(request.path_params["id"])
        if found is None or found[0]["key_id"] != key_id_of(request):
            return refuse(_not_found("there is no request of yours with this id"))
        return _json(receipt(*found))

    async def _budget(self, request: Request) -> Response:
        seen = self.watch.seen
        if seen is None:
            return refuse(LEDGER_UNAVAILABLE)
        caps = self.config.budget.caps
        return _json(budget_document(seen.outlook, seen.spending, caps, key_id_of(request)))

    def _stamp(self) -> Mapping[str, str]:
        seen = self.watch.seen
        return {} if seen is None else {"x-tercet-budget": budget_header(seen.outlook)}


def owners(config: Config) -> Mapping[str, str]:
    """Return every name callers may ask for, and who answers to it."""
    ours = dict.fromkeys((AUTO, *config.catalog.tiers, LOCAL), "tercet")
    return ours | {name: model.provider for name, model in config.catalog.models.items()}


def _not_found(message: str) -> Refusal:
    return Refusal(status=404, type="not_found_error", code="not_found", message=message)


def _json(value: Mapping[str, object], status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def _bytes(body: bytes) -> Response:
    return Response(body, media_type="application/json")


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
    return refuse(Refusal(status=status, type=kind, code=code, message=message), headers)


async def _ledger_error(_: Request, __: Exception) -> Response:
    return refuse(LEDGER_UNAVAILABLE)


async def _bug(_: Request, __: Exception) -> Response:
    message = "internal error; the gateway's log has the trace"
    return refuse(Refusal(status=500, type="server_error", code="internal", message=message))
