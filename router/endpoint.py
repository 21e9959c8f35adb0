"""One request over HTTP: read, claimed if it must not be done twice, answered, rendered.

What a request and its answer look like is its surface's; the rest is the same for all of them.
"""

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from router.answering import Decision
from router.exchange import Ending, Exchange, Office
from router.guard import key_id_of, read_body, refused
from router.idempotency import (
    LEASE_S,
    Claims,
    Promise,
    claimed,
    fingerprint,
    key_given,
    released,
)
from router.observing import Observed
from router.reply import Letterhead, Reply, told_again
from router.streaming import PATIENCE, STREAM_HEADERS, Pace, held, rendered, stream_headers
from router.surfaces.body import parse
from router.surfaces.refusal import Refusal, policy_refusal
from router.surfaces.surface import (
    Frame,
    Identity,
    Incoming,
    Order,
    ReadOrder,
    Resolve,
    Surface,
)
from tercet.answer import Answer, NoAnswer
from tercet.content import JsonObject
from tercet.fitting import unmet
from tercet.ledger import Claim, Kept
from tercet.route import Refused, Route
from tercet.task import Task, TaskKind

READ_IN_THREAD_BYTES = 1_000_000
"""Bodies above this are read off the event loop, which they would hold for tens of ms."""

_Read = TypeVar("_Read")

# W3C Trace Context, version 00.
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

logger = logging.getLogger(__name__)


class Memories(Protocol):
    """The part of the ledger that keeps answers which later requests continue."""

    async def remember(self, answer_id: str, key_id: str, document: str, at: float) -> None:
        """Keep a document under the id of a task; `at` is Unix seconds."""
        ...

    async def recall(self, answer_id: str, key_id: str) -> str | None:
        """Return it, if it is that key's."""
        ...

    async def forget(self, answer_id: str, key_id: str) -> bool:
        """Delete it; say whether it was there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    """An order, and the claim to make before it is answered."""

    order: Order
    claim: Claim | None
    seen: Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A request that is being answered."""

    exchange: Exchange
    route: Route
    letterhead: Letterhead


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path that answers, in one surface's words."""

    surface: Surface
    resolve: Resolve
    deadline_s: float
    office: Office
    claims: Claims
    memories: Memories
    kinds: tuple[TaskKind, ...]
    """What a task may be, by the taxonomy."""

    async def respond(self, request: Request) -> Response:
        """Answer the request."""
        seen = self.office.observing.begin(request.url.path, _traceparent(request))
        status: int | None = None
        try:
            response = await self._answered(request, seen)
            status = response.status_code
            return response
        finally:
            seen.replied(status)

    async def _answered(self, request: Request, seen: Observed) -> Response:
        claimed_order = await self._ordered(request, seen)
        if isinstance(claimed_order, Refusal):
            return self.refused(claimed_order)
        order = claimed_order.order
        begun = await self._begin(claimed_order)
        if isinstance(begun, Refusal):
            return self.refused(begun)
        if isinstance(begun, Kept):
            seen.replayed()
            return _again(told_again(begun.document), order)
        if order.stream:
            return await self._streamed(begun)
        return await self._whole(begun)

    async def order(self, request: Request, read: ReadOrder) -> Order | Refusal:
        """Read the request with `read`, which is its surface's."""
        raw = await read_body(request)
        if isinstance(raw, Refusal):
            return raw
        return await self._read_order(request, raw, read)

    async def _read_order(self, request: Request, raw: bytes, read: ReadOrder) -> Order | Refusal:
        body = await _read(parse, raw)
        if isinstance(body, Refusal):
            return body
        key_id = key_id_of(request)
        incoming = Incoming(
            body=body,
            raw=raw,
            headers=dict(request.headers),
            query=dict(request.query_params),
            earlier=await self._earlier(body, key_id),
        )
        identity = Identity(
            task_id=f"req_{uuid.uuid4().hex}",
            key_id=key_id,
            deadline_at=self.office.clock() + self.deadline_s,
            kinds=self.kinds,
        )
        order = await _read(lambda _: read(incoming, self.resolve, identity), raw)
        if isinstance(order, Refusal):
            return order
        task = replace(
            order.task,
            deadline_at=identity.deadline_at - self._hurry_s(order.task),
            traceparent=_traceparent(request),
            is_streamed=order.stream,
        )
        return replace(order, task=task)

    def _hurry_s(self, task: Task) -> float:
        """Return how much sooner than by our own deadline the caller wants the answer."""
        return max(self.deadline_s - (task.hints.deadline_s or self.deadline_s), 0.0)

    async def _earlier(self, body: JsonObject, key_id: str) -> JsonObject | None:
        continued = self.surface.continues(body)
        if continued is None:
            return None
        document = await self.memories.recall(continued, key_id)
        if document is None:
            return None
        earlier: JsonObject = await _read(json.loads, document.encode())
        return earlier

    async def _ordered(self, request: Request, seen: Observed) -> _Claimed | Refusal:
        key = key_given(request.headers.getlist("idempotency-key"))
        if isinstance(key, Refusal):
            return key
        raw = await read_body(request)
        if isinstance(raw, Refusal):
            return raw
        order = await self._read_order(request, raw, self.surface.read)
        if isinstance(order, Refusal):
            return order
        order = replace(order, task=seen.read(order.task))
        if key is None:
            return _Claimed(order=order, claim=None, seen=seen)
        path = request.url.path
        asked = await _read(lambda given: fingerprint(path, given), raw)
        claim = self._claim(order.task, key, asked)
        return _Claimed(order=order, claim=claim, seen=seen)

    def _claim(self, task: Task, key: str, asked: str) -> Claim:
        return Claim(
            key_id=task.key_id,
            idempotency_key=key,
            fingerprint=asked,
            task_id=task.id,
            at=self.office.clock(),
            lease_until=task.deadline_at + LEASE_S,
        )

    async def _begin(self, given: _Claimed) -> _Begun | Kept | Refusal:
        """Begin the exchange; a caller who leaves meanwhile must not leave a claim behind."""
        decision = self.office.answering.decide(given.order.task)
        if given.claim is None:
            return self._started(given, decision)
        job = asyncio.create_task(self._begin_once(given, given.claim, decision))
        self.office.keep(job)
        return await asyncio.shield(job)

    async def _begin_once(
        self, given: _Claimed, claim: Claim, decision: Decision | Refused
    ) -> _Begun | Kept | Refusal:
        instead = await claimed(self.claims, claim)
        if instead is not None:
            return instead
        if isinstance(decision, Refused):
            await released(self.claims, claim)
        return self._started(given, decision)

    def _started(self, given: _Claimed, decision: Decision | Refused) -> _Begun | Refusal:
        clock, order, claim = self.office.clock, given.order, given.claim
        given.seen.decided(order.task, decision)
        if isinstance(decision, Refused):
            return policy_refusal(decision, clock())
        letterhead = self._letterhead(order, decision.route)
        endings: list[Ending] = [given.seen.ended]
        if claim is not None:
            promise = Promise(claims=self.claims, claim=claim, letterhead=letterhead, clock=clock)
            endings.append(promise.settle)
        endings.append(partial(self._remember, order, letterhead.frame))
        exchange = Exchange(
            order.task, decision, self.office, tuple(endings), is_promised=claim is not None
        )
        return _Begun(exchange=exchange, route=decision.route, letterhead=letterhead)

    async def _remember(self, order: Order, frame: Frame, ending: Answer | NoAnswer | None) -> None:
        """Keep what a later request may continue, before the caller can know its id."""
        if not isinstance(ending, Answer):
            return
        document = order.writer.memory(frame, ending)
        if document is None:
            return
        try:
            await self.memories.remember(
                frame.task_id, order.task.key_id, document, self.office.clock()
            )
        except Exception:
            # It was paid for, so its caller is told; who continues it is told of the loss.
            logger.exception("answer not remembered", extra={"task": frame.task_id})

    def _letterhead(self, order: Order, route: Route) -> Letterhead:
        task, choices = order.task, self.office.answering.choices
        frame = Frame(task_id=task.id, route=route.name, created=int(self.office.clock()))
        # `request-id` is where Anthropic's clients look.
        headers = {
            "x-tercet-request-id": task.id,
            "request-id": task.id,
            "x-tercet-route": route.name,
        }
        speaker = choices.catalog.models[route.seats[0].model]
        ignored = (*order.ignored, *unmet(task.controls, task.messages, speaker))
        if ignored:
            headers["x-tercet-ignored"] = ", ".join(dict.fromkeys(ignored))
        if choices.fleet.simulated:
            headers["x-tercet-simulated"] = "true"
        return Letterhead(
            frame=frame,
            writer=order.writer,
            error_body=self.surface.error_body,
            headers=headers,
        )

    async def _whole(self, begun: _Begun) -> Response:
        """Answer in one piece."""
        try:
            ending, raw = await begun.exchange.ending()
        finally:
            begun.exchange.abandon()
        reply = begun.letterhead.reply(ending, self.office.clock())
        return _sent(reply, raw if reply.is_answer and raw else reply.body.encode())

    async def _streamed(self, begun: _Begun) -> Response:
        """Answer as server-sent events, once there is content or the hold is over."""
        before = await held(begun.exchange, PATIENCE)
        last = before[-1] if before else None
        if isinstance(last, NoAnswer):
            reply = begun.letterhead.reply(last, self.office.clock())
            return _sent(reply, reply.body.encode())
        headers = stream_headers(begun.letterhead, begun.route, last)
        pace = Pace(clock=self.office.clock)
        body = rendered(begun.exchange, begun.letterhead, before, pace)
        return StreamingResponse(body, headers=headers, media_type="text/event-stream")

    def refused(self, refusal: Refusal) -> Response:
        """Answer with a refusal, in the surface's words."""
        return refused(self.surface.error_body(refusal), refusal)


def _traceparent(request: Request) -> str | None:
    """Return the caller's trace context, if it is one."""
    told = request.headers.get("traceparent", "")
    return told if _TRACE.fullmatch(told) else None


async def _read(reader: Callable[[bytes], _Read], raw: bytes) -> _Read:
    if len(raw) > READ_IN_THREAD_BYTES:
        return await asyncio.to_thread(reader, raw)
    return reader(raw)


def _again(reply: Reply, order: Order) -> Response:
    """Tell what was told before, in the form that was asked for."""
    replayed = replace(reply, headers={**reply.headers, "idempotent-replayed": "true"})
    if not (order.stream and reply.is_answer):
        return _sent(replayed, reply.body.encode())
    body = order.writer.again(reply.body.encode())
    headers = {**replayed.headers, **STREAM_HEADERS}
    return Response(body, headers=headers, media_type="text/event-stream")


def _sent(reply: Reply, body: bytes) -> Response:
    headers: Mapping[str, str] = reply.headers
    return Response(body, reply.status, headers=headers, media_type="application/json")
