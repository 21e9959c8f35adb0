"""The HTTP routes: parse, hand over, render; nothing else."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ray.serve.handle import DeploymentHandle
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Path

from deployments.ledger import Ledger
from deployments.serve import all_ready, call_through
from router import prompts
from router.answering import Answering
from router.compositions.stage import Event, Stage
from router.exchange import Exchange, Office
from router.guard import KEY_ID, KeyGuard, read_body, refuse
from router.policies import AUTO, LOCAL, POLICIES, Choices
from router.receipts import receipt
from router.surfaces.body import parse
from router.surfaces.openai_chat_reply import (
    ChatStream,
    ReplyFrame,
    comment,
    completion_body,
    error_event,
    model_body,
    models_body,
)
from router.surfaces.openai_chat_request import ChatRequest, Identity, read_request
from router.surfaces.refusal import Refusal, failure_refusal
from tercet.answer import Answer, NoAnswer, Progress, Speaking, completions
from tercet.call import Delta
from tercet.config import Config, fleet, settings
from tercet.errors import ConfigError
from tercet.route import Route
from tercet.usage import usd

PARSE_IN_THREAD_BYTES = 1_000_000
"""Bodies above this are parsed off the event loop, which they would hold for tens of ms."""
READY_WITHIN_S = 5.0
POLICY = "route_by_complexity"

Proxies = Mapping[str, DeploymentHandle[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a stream may be silent, in seconds."""

    after_progress_s: float
    """How long the headers wait for content after a note of progress; until they leave, a failure
    has a status of its own."""
    silent_s: float
    """How long the headers wait for a first word, and a stream for its next."""


PATIENCE = Patience(after_progress_s=1.0, silent_s=10.0)


class Ingress:
    """One replica of the gateway. It holds no state that matters."""

    def __init__(self, config: Config, *handles: DeploymentHandle[Any]) -> None:
        """Take the handles of the tiers' proxies, in the order of the catalog.

        Raises:
            ConfigError: no key for callers, or no provider's key, is set.
        """
        chosen = settings()
        if chosen.api_key is None:
            raise ConfigError("TERCET_API_KEY is not set; set it to the key callers will present")
        self._config = config
        self._key = chosen.api_key
        self._proxies: Proxies = dict(zip(config.catalog.tiers, handles, strict=True))
        self._ledger = Ledger(chosen.ledger)
        choices = Choices(catalog=config.catalog, rules=config.rules, fleet=fleet(config, chosen))
        stage = Stage(
            call=call_through(self._proxies),
            texts=prompts.load(),
            output=config.rules.output,
            now=time.time,
        )
        self._simulated = choices.fleet.simulated
        self._office = Office(
            answering=Answering(policy=POLICIES[POLICY], choices=choices, stage=stage),
            records=self._ledger,
            clock=time.time,
            jobs=set(),
        )
        self._owners = _owners(config)
        self._started_at = int(time.time())

    def __serve_build_asgi_app__(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Path("/healthz", self._healthz),
                Path("/readyz", self._readyz),
                Path("/v1/models", self._models),
                Path("/v1/models/{name}", self._model),
                Path("/v1/requests/{id}", self._request),
                Path("/v1/chat/completions", self._chat, methods=["POST"]),
            ],
            middleware=[Middleware(KeyGuard, key=self._key)],
            exception_handlers={HTTPException: _http_error, Exception: _bug},
        )

    async def close(self) -> None:
        """Let exchanges end, then close the ledger."""
        if self._office.jobs:
            await asyncio.wait(self._office.jobs)
        self._ledger.close()

    async def _healthz(self, _: Request) -> Response:
        return _json({"status": "ok"})

    async def _readyz(self, _: Request) -> Response:
        ready = await all_ready(self._proxies, READY_WITHIN_S)
        return _json({"status": "ready" if ready else "starting"}, 200 if ready else 503)

    async def _models(self, _: Request) -> Response:
        return _bytes(models_body(self._owners, self._started_at))

    async def _model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._owners:
            return refuse(
                _not_found(f"there is no model {name[:100]!r}; GET /v1/models lists them")
            )
        return _bytes(model_body(name, self._owners[name], self._started_at))

    async def _request(self, request: Request) -> Response:
        found = await self._ledger.task(request.path_params["id"])
        if found is None or found[0]["key_id"] != KEY_ID:
            return refuse(_not_found("there is no request of yours with this id"))
        return _json(receipt(*found))

    async def _chat(self, request: Request) -> Response:
        asked = await self._read_chat(request)
        if isinstance(asked, Refusal):
            return refuse(asked)
        decision = self._office.answering.decide(asked.task)
        frame = ReplyFrame(
            task_id=asked.task.id,
            route=decision.route.name,
            created=int(time.time()),
            include_usage=asked.include_usage,
        )
        exchange = Exchange(asked.task, decision, self._office)
        headers = self._headers(asked, decision.route)
        if asked.stream:
            return await _streamed(exchange, frame, headers)
        return await _whole(exchange, frame, headers)

    async def _read_chat(self, request: Request) -> ChatRequest | Refusal:
        raw = await read_body(request)
        if isinstance(raw, Refusal):
            return raw
        if len(raw) > PARSE_IN_THREAD_BYTES:
            body = await asyncio.to_thread(parse, raw)
        else:
            body = parse(raw)
        if isinstance(body, Refusal):
            return body
        identity = Identity(
            task_id=f"req_{uuid.uuid4().hex}",
            key_id=KEY_ID,
            deadline_at=time.time() + self._config.rules.limits.deadline_s,
        )
        return read_request(body, self._owners, identity)

    def _headers(self, asked: ChatRequest, route: Route) -> dict[str, str]:
        headers = {"x-tercet-request-id": asked.task.id, "x-tercet-route": route.name}
        if asked.ignored:
            headers["x-tercet-ignored"] = ", ".join(asked.ignored)
        if self._simulated:
            headers["x-tercet-simulated"] = "true"
        return headers


async def _whole(exchange: Exchange, frame: ReplyFrame, headers: dict[str, str]) -> Response:
    """Answer in one piece."""
    try:
        ending = await exchange.ending()
    finally:
        exchange.abandon()
    if isinstance(ending, NoAnswer):
        return _failed(ending, headers)
    headers |= _spoken(tuple(said.model for said in completions(ending.steps)), ending.degraded)
    headers["x-tercet-cost-usd"] = usd(ending.cost_nano_usd)
    return _bytes(completion_body(frame, ending), headers=headers)


async def _streamed(exchange: Exchange, frame: ReplyFrame, headers: dict[str, str]) -> Response:
    """Answer as server-sent events, once there is content or the hold is over."""
    held = await _held(exchange)
    last = held[-1] if held else None
    if isinstance(last, NoAnswer):
        return _failed(last, headers)
    route = exchange.decision.route
    match last:
        case Speaking() | Answer():
            headers |= _spoken((last.model,), last.degraded)
        case _:
            headers |= _spoken(tuple(seat.model for seat in route.seats), route.degraded)
    headers |= {"cache-control": "no-cache", "x-accel-buffering": "no"}
    body = _events(exchange, frame, held)
    return StreamingResponse(body, headers=headers, media_type="text/event-stream")


async def _held(exchange: Exchange, patience: Patience = PATIENCE) -> list[Event]:
    """Collect events until something was said, or nothing more came in time."""
    held: list[Event] = []
    patience_s = patience.silent_s
    try:
        while not held or isinstance(held[-1], Progress):
            async with asyncio.timeout(patience_s):
                held.append(await exchange.next())
            patience_s = patience.after_progress_s
    except TimeoutError:
        return held
    except BaseException:
        exchange.abandon()
        raise
    return held


async def _events(
    exchange: Exchange, frame: ReplyFrame, held: list[Event], patience: Patience = PATIENCE
) -> AsyncGenerator[bytes, None]:
    """Render the events, with a comment whenever nothing else was said for a while."""
    stream: ChatStream | None = None
    try:
        async with aclosing(_following(exchange, held, patience)) as events:
            async for event in events:
                # An answer without a word has no `Speaking` before it.
                if stream is None and isinstance(event, Speaking | Answer):
                    stream = ChatStream(frame, event.model)
                    yield stream.opening()
                match event:
                    case None:
                        yield comment("working")
                    case Progress():
                        yield comment(event.note)
                    case Delta() if stream is not None:
                        yield stream.text_chunk(event.text)
                    case Answer() if stream is not None:
                        yield stream.closing(event)
                    case NoAnswer():
                        yield error_event(failure_refusal(event.failures))
                    case _:
                        pass
    finally:
        exchange.abandon()


async def _following(
    exchange: Exchange, held: list[Event], patience: Patience
) -> AsyncGenerator[Event | None, None]:
    """Yield the held events, then the others as they come; `None` when a while has passed."""
    for event in held:
        yield event
    last = held[-1] if held else None
    while not isinstance(last, Answer | NoAnswer):
        try:
            async with asyncio.timeout(patience.silent_s):
                last = await exchange.next()
        except TimeoutError:
            last = None
        yield last


def _owners(config: Config) -> Mapping[str, str]:
    """Return every name callers may ask for, and who answers to it."""
    ours = dict.fromkeys((AUTO, *config.catalog.tiers, LOCAL), "tercet")
    return ours | {name: model.provider for name, model in config.catalog.models.items()}


def _spoken(models: tuple[str, ...], degraded: tuple[str, ...]) -> dict[str, str]:
    headers = {"x-tercet-models": ", ".join(dict.fromkeys(models))}
    if degraded:
        headers["x-tercet-degraded"] = ", ".join(degraded)
    return headers


def _failed(ending: NoAnswer, headers: dict[str, str]) -> Response:
    # Our attempts are spent: a client that retried would multiply them.
    return refuse(failure_refusal(ending.failures), headers | {"x-should-retry": "false"})


def _not_found(message: str) -> Refusal:
    return Refusal(status=404, type="not_found_error", code="not_found", message=message)


def _json(value: Mapping[str, object], status: int = 200) -> Response:
    return Response(json.dumps(value), status, media_type="application/json")


def _bytes(body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, headers=headers, media_type="application/json")


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


async def _bug(_: Request, __: Exception) -> Response:
    message = "internal error; the gateway's log has the trace"
    return refuse(Refusal(status=500, type="server_error", code="internal", message=message))
