"""One chat request over HTTP: read, claimed if it must not be done twice, answered, rendered."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from router.answering import Decision
from router.exchange import Exchange, Office
from router.guard import key_id_of, read_body, refuse
from router.idempotency import (
    LEASE_S,
    Claims,
    Promise,
    claimed,
    fingerprint,
    key_given,
    released,
)
from router.reply import Letterhead, Reply, told_again
from router.streaming import PATIENCE, STREAM_HEADERS, Pace, held, rendered, stream_headers
from router.surfaces.body import parse
from router.surfaces.openai_chat_reply import ReplyFrame, stream_again
from router.surfaces.openai_chat_request import ChatRequest, Identity, read_request
from router.surfaces.refusal import Refusal, policy_refusal
from tercet.answer import NoAnswer
from tercet.ledger import Claim, Kept
from tercet.route import Refused, Route
from tercet.task import Task

READ_IN_THREAD_BYTES = 1_000_000
"""Bodies above this are read off the event loop, which they would hold for tens of ms."""

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A request that can be answered, and the claim to make first."""

    chat: ChatRequest
    claim: Claim | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A request that is being answered."""

    exchange: Exchange
    route: Route
    letterhead: Letterhead


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRoute:
    """`POST /v1/chat/completions`."""

    names: frozenset[str]
    """Every model a caller may name."""
    deadline_s: float
    office: Office
    claims: Claims

    async def respond(self, request: Request) -> Response:
        """Answer the request."""
        order = await self._order(request)
        if isinstance(order, Refusal):
            return refuse(order)
        begun = await self._begin(order)
        if isinstance(begun, Refusal):
            return refuse(begun)
        if isinstance(begun, Kept):
            return _again(told_again(begun.document), order.chat)
        if order.chat.stream:
            return await self._streamed(begun)
        return await self._whole(begun)

    async def _order(self, request: Request) -> _Order | Refusal:
        key = key_given(request.headers.getlist("idempotency-key"))
        if isinstance(key, Refusal):
            return key
        raw = await read_body(request)
        if isinstance(raw, Refusal):
            return raw
        body = await _read(parse, raw)
        if isinstance(body, Refusal):
            return body
        identity = Identity(
            task_id=f"req_{uuid.uuid4().hex}",
            key_id=key_id_of(request),
            deadline_at=self.office.clock() + self.deadline_s,
        )
        chat = read_request(body, self.names, identity)
        if isinstance(chat, Refusal):
            return chat
        if key is None:
            return _Order(chat=chat, claim=None)
        path = request.url.path
        asked = await _read(lambda given: fingerprint(path, given), raw)
        return _Order(chat=chat, claim=self._claim(chat.task, key, asked))

    def _claim(self, task: Task, key: str, asked: str) -> Claim:
        return Claim(
            key_id=task.key_id,
            idempotency_key=key,
            fingerprint=asked,
            task_id=task.id,
            at=self.office.clock(),
            lease_until=task.deadline_at + LEASE_S,
        )

    async def _begin(self, order: _Order) -> _Begun | Kept | Refusal:
        """Begin the exchange; a caller who leaves meanwhile must not leave a claim behind."""
        decision = self.office.answering.decide(order.chat.task)
        if order.claim is None:
            return self._started(order.chat, decision, None)
        job = asyncio.create_task(self._begin_once(order.chat, order.claim, decision))
        self.office.keep(job)
        return await asyncio.shield(job)

    async def _begin_once(
        self, chat: ChatRequest, claim: Claim, decision: Decision | Refused
    ) -> _Begun | Kept | Refusal:
        instead = await claimed(self.claims, claim)
        if instead is not None:
            return instead
        if isinstance(decision, Refused):
            await released(self.claims, claim)
        return self._started(chat, decision, claim)

    def _started(
        self, chat: ChatRequest, decision: Decision | Refused, claim: Claim | None
    ) -> _Begun | Refusal:
        clock = self.office.clock
        if isinstance(decision, Refused):
            return policy_refusal(decision, clock())
        letterhead = self._letterhead(chat, decision.route)
        promise = None
        if claim is not None:
            promise = Promise(claims=self.claims, claim=claim, letterhead=letterhead, clock=clock)
        exchange = Exchange(chat.task, decision, self.office, promise)
        return _Begun(exchange=exchange, route=decision.route, letterhead=letterhead)

    def _letterhead(self, chat: ChatRequest, route: Route) -> Letterhead:
        frame = ReplyFrame(
            task_id=chat.task.id,
            route=route.name,
            created=int(self.office.clock()),
            include_usage=chat.include_usage,
        )
        headers = {"x-tercet-request-id": chat.task.id, "x-tercet-route": route.name}
        if chat.ignored:
            headers["x-tercet-ignored"] = ", ".join(chat.ignored)
        if self.office.answering.choices.fleet.simulated:
            headers["x-tercet-simulated"] = "true"
        return Letterhead(frame=frame, headers=headers)

    async def _whole(self, begun: _Begun) -> Response:
        """Answer in one piece."""
        try:
            ending = await begun.exchange.ending()
        finally:
            begun.exchange.abandon()
        return _sent(begun.letterhead.reply(ending, self.office.clock()))

    async def _streamed(self, begun: _Begun) -> Response:
        """Answer as server-sent events, once there is content or the hold is over."""
        before = await held(begun.exchange, PATIENCE)
        last = before[-1] if before else None
        if isinstance(last, NoAnswer):
            return _sent(begun.letterhead.reply(last, self.office.clock()))
        headers = stream_headers(begun.letterhead, begun.route, last)
        pace = Pace(clock=self.office.clock)
        body = rendered(begun.exchange, begun.letterhead.frame, before, pace)
        return StreamingResponse(body, headers=headers, media_type="text/event-stream")


async def _read(reader: Callable[[bytes], _Read], raw: bytes) -> _Read:
    if len(raw) > READ_IN_THREAD_BYTES:
        return await asyncio.to_thread(reader, raw)
    return reader(raw)


def _again(reply: Reply, chat: ChatRequest) -> Response:
    """Tell what was told before, in the form that was asked for."""
    replayed = {**reply.headers, "idempotent-replayed": "true"}
    if not (chat.stream and reply.is_answer):
        return _sent(replace(reply, headers=replayed))
    body = stream_again(reply.body.encode(), include_usage=chat.include_usage)
    return Response(body, headers=replayed | STREAM_HEADERS, media_type="text/event-stream")


def _sent(reply: Reply) -> Response:
    headers: Mapping[str, str] = reply.headers
    return Response(reply.body, reply.status, headers=headers, media_type="application/json")
