"""The ingress deployment: a replica of the gateway that reaches the proxies through Serve."""

from collections.abc import Mapping
from typing import Any

from ray.serve.handle import DeploymentHandle
from starlette.applications import Starlette

from deployments.meters import reported
from deployments.serve import (
    all_ready,
    call_through,
    count_through,
    replicas,
    report_through,
    tell_haproxy,
    wake_through,
)
from router.pressure import Pressure
from router.replica import Reach, Replica
from tercet.catalog import LOCAL
from tercet.config import Config, settings

READY_WITHIN_S = 5.0

Proxies = Mapping[str, DeploymentHandle[Any]]


class Ingress:
    """One replica of the gateway. It holds no state that matters."""

    def __init__(self, config: Config, proxies: Proxies, *_beside: DeploymentHandle[Any]) -> None:
        """Take the handles of the proxies, by tier; needs an event loop.

        Serve runs what is handed to it here: others beside it need not be known.

        Raises:
            ConfigError: no provider's key is set, or the callers' cannot be read from its file.
            LedgerError: the ledger cannot be opened.
        """
        self._replica = Replica(config, settings(), _reach(proxies))
        self._replica.watch()
        self._reporter = reported(self._replica.meters)

    def __serve_build_asgi_app__(self) -> Starlette:
        """Return the ASGI application."""
        return self._replica.gateway.app()

    async def close(self) -> None:
        """Let exchanges end, then close the ledger."""
        await self._replica.close()
        if self._reporter is not None:
            self._reporter.close()


def _reach(proxies: Proxies) -> Reach:
    async def is_ready() -> bool:
        return await all_ready(proxies, READY_WITHIN_S)

    tell = tell_haproxy()
    pressure = None if tell is None else Pressure(tell)
    local = proxies.get(LOCAL)
    return Reach(
        call=call_through(proxies, None if pressure is None else pressure.note),
        count=count_through(proxies),
        is_ready=is_ready,
        replicas=replicas,
        pressure=pressure,
        report=None if local is None else report_through(local),
        wake=None if local is None else wake_through(local),
    )
