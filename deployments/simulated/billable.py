"""The endpoints that cost money: every POST leaves exactly one line in the billing log."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from deployments.simulated.billing import Bill, BillingLog
from deployments.simulated.control import ELSEWHERE
from deployments.simulated.exchange import Caller, CallerGoneError, Tab, play
from deployments.simulated.script import Incoming, Wire
from deployments.simulated.staging import Memory, Post, staged

CLIENT_REQUEST_ID = "x-client-request-id"
"""The header in which a caller names its POST; the billing log repeats it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Till:
    """What all billable endpoints share."""

    log: BillingLog
    memory: Memory
    clock: Callable[[], float]
    """Unix seconds."""


class Billable:
    """One billable endpoint, as an ASGI application."""

    def __init__(self, wire: Wire, till: Till, *, streams: bool = False) -> None:
        """Take `streams` from a path that alone says so."""
        self._wire = wire
        self._till = till
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one POST and bill it, also when the caller or the process goes away."""
        request = Request(scope)
        bill = Bill(
            at=self._till.clock(),
            provider=self._wire.provider,
            request_id=new_id(),
            client_request_id=request.headers.get(CLIENT_REQUEST_ID),
            stream=self._streams,
        )
        tab = Tab(self._till.log, bill)
        try:
            with suppress(CallerGoneError):
                await self._answer(request, Caller(scope, receive, send), tab)
        finally:
            tab.close()

    async def _answer(self, request: Request, caller: Caller, tab: Tab) -> None:
        incoming = _incoming(request, await caller.body(), streams=self._streams)
        post = Post(
            incoming=incoming,
            request_id=tab.bill.request_id,
            elsewhere=_elsewhere(request),
            at=tab.bill.at,
        )
        decided = staged(self._wire, post, self._till.memory)
        tab.bill = replace(tab.bill, model=decided.model, stream=decided.stream)
        watching = asyncio.create_task(caller.watch())
        try:
            await play(decided.script, caller, tab)
        finally:
            watching.cancel()


async def read(request: Request) -> Incoming:
    """Return a request whose answer costs nothing."""
    return _incoming(request, await request.body(), streams=False)


def new_id() -> str:
    """Return a request id."""
    return f"sim_{uuid4().hex}"


def _incoming(request: Request, body: bytes, *, streams: bool) -> Incoming:
    return Incoming(
        body=body,
        headers=request.headers,
        query=request.query_params,
        model=request.path_params.get("model", ""),
        stream=streams,
    )


def _elsewhere(request: Request) -> str:
    """Return this server under its other loopback name: to a client, another origin."""
    other = "localhost" if request.url.hostname == "127.0.0.1" else "127.0.0.1"
    return str(request.url.replace(hostname=other, path=ELSEWHERE, query=""))
