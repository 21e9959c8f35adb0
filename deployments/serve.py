# Serve's own signatures are partly unknown to checkers; every other file stays strict.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""A typed shim over Ray Serve, so that every other class is a plain one.

Serve's handles and decorators are loosely typed; the looseness ends in this file.
"""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol, cast

import ray
from ray import serve
from ray.exceptions import RayActorError, RayError
from ray.serve import Application
from ray.serve._private import replica as serve_replica
from ray.serve._private.constants import RAY_SERVE_HAPROXY_SOCKET_PATH
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from cluster import tunnel
from deployments.haproxy import told_at
from tercet.call import Call, CallModel, Completion, Failure, Item, Retry
from tercet.readiness import LocalReport

GRACE_S = 2.0
"""How long past a call's deadline its proxy may take to say so."""
COUNT_WITHIN_S = 10.0
REPORT_WITHIN_S = 3.0
SENDS = 2
"""How often a call is sent at most: a replica that dies takes its calls with it."""


class _Closable(Protocol):
    async def close(self) -> None: ...


def deploy(hosted: type[_Closable], name: str, *arguments: object) -> Application:
    """Bind a plain class as the deployment `name`; options come from `serve_config.yaml`."""
    deployment: Any = serve.deployment(_replica_class(hosted), name=name)
    return cast("Application", deployment.bind(*arguments))


def deploy_http(hosted: type[_Closable], name: str, *arguments: object) -> Application:
    """Bind a plain class that serves HTTP: `__serve_build_asgi_app__` returns its ASGI app."""
    wrap: Any = serve.ingress()
    deployment: Any = serve.deployment(wrap(_replica_class(hosted)), name=name)
    return cast("Application", deployment.bind(*arguments))


def call_through(
    proxies: Mapping[str, DeploymentHandle[Any]],
    note_late: Callable[[float], None] | None = None,
) -> CallModel:
    """Make the one effect of compositions out of the handles of the tiers' proxies.

    Of an answer in one message `note_late` hears how many seconds it took beyond its model's.
    """
    streams = {tier: handle.options(stream=True) for tier, handle in proxies.items()}

    def send(call: Call) -> _Replies:
        if _is_heard_whole(call):
            return _Together(proxies[call.tier].whole.remote(call))
        return cast("_Replies", streams[call.tier].call.remote(call))

    async def call(call: Call, /) -> AsyncGenerator[Item, None]:
        began, is_first = time.monotonic(), True
        async with aclosing(_told(send, call, SENDS)) as items:
            async for item in items:
                if note_late is not None and is_first and isinstance(item, Completion):
                    note_late(time.monotonic() - began - item.latency_s)
                is_first = False
                yield item

    return call


def _is_heard_whole(call: Call) -> bool:
    """Say whether nobody hears the answer in pieces: a reply in one message costs a hop less."""
    verbatim = call.prompt.verbatim
    return not call.wants_deltas or (verbatim is not None and not verbatim.stream)


class _Replies(Protocol):
    """What a proxy says: Serve's own generator, untyped, or `_Together`."""

    async def __anext__(self) -> Item: ...

    def cancel(self) -> None: ...


class _Together:
    """Items that come in one message, told one by one."""

    def __init__(self, response: Any) -> None:  # noqa: ANN401  Serve's own, loosely typed
        self._response = response
        self._items: Iterator[Item] | None = None

    def __aiter__(self) -> "_Together":
        return self

    async def __anext__(self) -> Item:
        if self._items is None:
            self._items = iter(cast("Sequence[Item]", await self._response))
        for item in self._items:
            return item
        raise StopAsyncIteration

    def cancel(self) -> None:
        self._response.cancel()


async def _told(
    send: Callable[[Call], "_Replies"], call: Call, sends: int
) -> AsyncGenerator[Item, None]:
    """Send the call; once more if its replica died before it said anything.

    The second is a new attempt, with a row of its own: what the first one cost is settled apart.
    """
    has_spoken = False
    lost: Exception | None = None
    async with aclosing(_heard(send(call), call)) as items:
        async for item in items:
            if isinstance(item, Exception):
                lost = item
            else:
                has_spoken |= not isinstance(item, Retry | Completion | Failure)
                yield item
    if lost is None:
        return
    if has_spoken or sends == 1 or not isinstance(lost, RayActorError):
        yield _lost(call, lost)
        return
    async with aclosing(_told(send, call, sends - 1)) as items:
        async for item in items:
            yield item


async def _heard(replies: _Replies, call: Call) -> AsyncGenerator[Item | Exception, None]:
    """Yield what a proxy says; an exception as the last word of one that was lost."""
    last: Completion | Failure | Exception | None = None
    ended = False
    try:
        # To the end of the stream before the last word: whoever hears that stops listening.
        while (item := await _next(replies, call.deadline_at)) is not None:
            if isinstance(item, Completion | Failure):
                last = item
            else:
                yield item
        ended = True
    except (TimeoutError, RayError, RayServeException) as error:
        last = last or error
    finally:
        if not ended:
            replies.cancel()
    yield last if last is not None else RayServeException("it had no last word")


def _lost(call: Call, error: Exception) -> Failure:
    """Say why a proxy had no last word; what it had sent upstream is settled by its own row."""
    if isinstance(error, TimeoutError):
        return Failure(model=call.model, kind="timeout", message=f"{call.tier} did not answer")
    message = f"{call.tier} is not reachable: {type(error).__name__}"
    return Failure(model=call.model, kind="unreachable", message=message)


def count_through(
    proxies: Mapping[str, DeploymentHandle[Any]],
) -> Callable[[Call], Awaitable[int | Failure]]:
    """Return what counts the tokens of a call by asking its tier's proxy."""

    async def count(call: Call) -> int | Failure:
        try:
            async with asyncio.timeout(COUNT_WITHIN_S):
                return cast("int | Failure", await proxies[call.tier].count.remote(call))
        except (TimeoutError, RayError, RayServeException) as error:
            return _lost(call, error)

    return count


def tell_haproxy() -> Callable[[int], Awaitable[bool]] | None:
    """Return what tells HAProxy how many requests at a time this replica takes.

    `None` outside Serve, where there is no HAProxy.
    """
    try:
        replica = serve.get_replica_context().replica_id.unique_id
    except RayServeException:
        return None
    given = Path(RAY_SERVE_HAPROXY_SOCKET_PATH)
    node = ray.get_runtime_context().get_node_id()
    return told_at(given.parent / node / given.name, replica)


def replicas() -> int:
    """Return of how many replicas this one is; 1 outside Serve."""
    try:
        return max(1, serve.get_replica_context().world_size)
    except RayServeException:
        return 1


def report_through(proxy: DeploymentHandle[Any]) -> Callable[[], Awaitable[LocalReport]]:
    """Return what asks the local model's proxy how ready that is."""

    async def report() -> LocalReport:
        async with asyncio.timeout(REPORT_WITHIN_S):
            return cast("LocalReport", await proxy.report.remote())

    return report


def wake_through(proxy: DeploymentHandle[Any]) -> Callable[[], Awaitable[LocalReport]]:
    """Return what has the local model woken."""

    async def wake() -> LocalReport:
        async with asyncio.timeout(REPORT_WITHIN_S):
            return cast("LocalReport", await proxy.wake.remote())

    return wake


async def all_ready(proxies: Mapping[str, DeploymentHandle[Any]], within_s: float) -> bool:
    """Say whether every proxy answers within `within_s` seconds."""
    try:
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as together:
            for handle in proxies.values():
                together.create_task(_ready(handle))
    except (TimeoutError, ExceptionGroup):
        return False
    return True


async def _ready(handle: DeploymentHandle[Any]) -> None:
    await handle.ready.remote()


async def _next(replies: _Replies, deadline_at: float) -> Item | None:
    """Wait for the next item, `None` at the end.

    Without the time-out a call to a deployment without a live replica would wait for ever.
    """
    async with asyncio.timeout(deadline_at + GRACE_S - time.time()):
        return await anext(cast("AsyncIterator[Item]", replies), None)


def _replica_class(hosted: type[_Closable]) -> type:
    """Return `hosted` as Serve wants it: shut to other hosts, closed before its replica stops."""

    class Hosted(hosted):
        def __init__(self, *arguments: object) -> None:
            listen_on_own_address()
            super().__init__(*arguments)
            # Serve awaits the `__del__` it finds on the instance; Python's own collector looks only
            # at the class, and could not await it.
            self.__del__ = self.close

    Hosted.__name__ = Hosted.__qualname__ = hosted.__name__
    return Hosted


def listen_on_own_address() -> None:
    """Bind this replica's gRPC server, not started yet, to its node's address.

    Ray 2.60 binds it to every interface (`replica.py`, `_on_initialized`), and whoever reaches it
    can run code, since it unpickles. The node's address is what other replicas are told to dial;
    where that is at the end of a tunnel, the port is one that the tunnel carries.
    """
    original = cast("Any", serve_replica).add_port_to_grpc_server

    def add_port(server: object, address: str) -> int:
        node = cast("str", ray.util.get_node_ip_address())
        port = tunnel.free_replica_port() if node == tunnel.NODE else 0
        return cast("int", original(server, address.replace("[::]:0", f"{node}:{port}")))

    if ray.is_initialized():
        cast("Any", serve_replica).add_port_to_grpc_server = add_port
