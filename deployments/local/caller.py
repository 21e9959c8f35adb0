# Serve's own parts are partly unknown to checkers.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""The application `local` as the gateway reaches it: calls to its replica, and what is seen of it.

A call that waits at a handle wakes the model. So only `wake` may wait there, and the others go out
if a replica runs at this moment.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.context import _get_global_client  # pyright: ignore[reportPrivateUsage]
from ray.serve.exceptions import BackPressureError, RayServeException

from deployments.local.definition import APPLICATION, DEPLOYMENT
from deployments.local.sight import NotReadyError, Replica, Sight

NAMESPACE = "serve"
LOST = (RayError, RayServeException, NotReadyError, TimeoutError, ValueError)
"""What a call to a replica may raise; `ValueError` is Ray's for an actor that is gone."""
FULL: Mapping[str, Any] = {
    "error": {"code": 429, "type": "BackPressure", "message": "too many requests wait for it"}
}


class Caller:
    """Calls of one process. Nothing here waits for longer than it is told to."""

    def __init__(self) -> None:
        """Take a handle, whether or not the application is deployed yet; needs an event loop."""
        handle: Any = serve.get_deployment_handle(DEPLOYMENT, APPLICATION, _check_exists=False)
        handle._init()  # noqa: SLF001  so that it hears of replicas before the first call
        self._handle = handle
        self._stream = handle.options(stream=True)

    async def chat(
        self, request: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Ask the replica; see `deployments.local.engine.Engine.chat`. Closing it frees the engine.

        Where too many wait already, the answer is an error 429.

        Raises:
            NotReadyError: no replica runs.
            RayError: it died; or whatever else Serve raises.
        """
        self._insist()
        replies = self._stream.chat.remote(dict(request), dict(headers))
        ended = False
        try:
            async for chunk in replies:
                yield chunk
            ended = True
        except BackPressureError:
            yield dict(FULL)
        finally:
            if not ended:
                replies.cancel()

    async def state(self, within_s: float) -> Mapping[str, Any]:
        """Ask the replica what it runs; see `Engine.state`. It counts as a request."""
        self._insist()
        async with asyncio.timeout(within_s):
            return cast("Mapping[str, Any]", await self._handle.state.remote())

    async def check(self, replica: Replica, within_s: float) -> None:
        """Raise unless the replica and its engine answer; keeps nobody awake, being no request."""
        async with asyncio.timeout(within_s):
            actor = await asyncio.to_thread(_actor, replica.actor)
            await actor.check_health.remote()

    async def wake(self, for_s: float) -> None:
        """Wait for a replica for so long: one is started, and goes on starting afterwards."""
        try:
            async with asyncio.timeout(for_s):
                await self._handle.state.remote()
        except LOST:
            return

    async def sight(self, within_s: float) -> Sight | None:
        """Return what Serve's controller knows of the application; `None`: there is none."""
        async with asyncio.timeout(within_s):
            client: Any = _get_global_client()
            told = await client._controller.get_serve_instance_details.remote()  # noqa: SLF001
        application = told["applications"].get(APPLICATION)
        return None if application is None else _sight(application)

    def _insist(self) -> None:
        if not self._running():
            raise NotReadyError

    def _running(self) -> int:
        """Return how many replicas a call could go to now, without asking anybody.

        Serve pushes them to each handle, and has no public name for them (2.60).
        """
        router = self._handle._router  # noqa: SLF001
        known = getattr(router, "_asyncio_router", router).request_router
        return 0 if known is None else len(known.curr_replicas)


def _actor(name: str) -> Any:  # noqa: ANN401  Ray's, untyped
    return ray.get_actor(name, NAMESPACE)


def _sight(application: Mapping[str, Any]) -> Sight:
    deployment = application["deployments"].get(DEPLOYMENT)
    if deployment is None:
        return Sight(status=str(application["status"]), message=application["message"])
    replicas = tuple(
        Replica(
            id=row["replica_id"],
            state=_word(row["state"]),
            started_at=row["start_time_s"],
            node=row.get("node_ip"),  # left out until it is placed
            actor=row.get("actor_name", ""),
        )
        for row in deployment["replicas"]
    )
    return Sight(
        status=_word(deployment["status"]), message=deployment["message"], replicas=replicas
    )


def _word(value: Any) -> str:  # noqa: ANN401  one of Serve's enumerations, or its text
    return str(getattr(value, "value", value))
