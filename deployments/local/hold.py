"""A machine outside the cluster, wanted for as long as the process that holds it lives.

Whoever holds it may be killed, so the wish is one that runs out unless it is renewed.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cluster import tunnel
from cluster.doorstep import Doorstep, NodeFile
from cluster.rentals.duties import Destroy, Stop
from cluster.rentals.opening import doorstep_of, opened, rules_in_force
from cluster.rentals.rentals import Machine, Rentals
from deployments.local.flags import flags
from tercet.renting import RentFailure

logger = logging.getLogger(__name__)

KEY = "VLLM_API_KEY"
"""The server's own variable: a key among its arguments would be seen in a list of processes."""
# `vllm serve` asks for a package called vllm, which the build for CPUs is not.
SERVER = ["python", "-m", "vllm.entrypoints.openai.api_server"]
QUIETLY = ["--disable-uvicorn-access-log", "--disable-fastapi-docs"]
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "VLLM_HOST_IP": "127.0.0.1"}
RENEWALS = 4
"""In the time that a wish lasts."""


class Hold:
    """One machine at a time."""

    def __init__(
        self, rentals: Rentals, doorstep: Doorstep, definition: Mapping[str, Any], lasts_s: float
    ) -> None:
        """Want nothing yet."""
        self._rentals = rentals
        self._doorstep = doorstep
        self._lasts_s = lasts_s
        self._holder = secrets.token_hex(8)
        self._lease_id: str | None = None
        self.key = ""
        """Of the machine's server."""
        self._command = server_command(definition)
        self._environment = {**ENVIRONMENT, **definition["environment"]}

    async def take(self) -> RentFailure | None:
        """Take over the machine that a holder before has left, or rent one."""
        for machine in await self._rentals.machines():
            if not self._is_such(machine.node):
                return RentFailure(kind="no_offer", message="another machine is still wanted")
            self._take_over(machine)
            return None
        if any(isinstance(duty, Stop | Destroy) for duty in await self._rentals.look()):
            return RentFailure(kind="no_offer", message="a machine of before is let go first")
        rented = await self._rentals.rent(self._as_node)
        return rented if isinstance(rented, RentFailure) else None

    @property
    def is_heard(self) -> bool:
        """Whether the machine has said its first word."""
        return self._lease_id is not None and self._doorstep.silent_s(self._lease_id) is not None

    def renew(self) -> bool:
        """Want the machine on; `False`: it is wanted no more, or another process holds it."""
        lease_id = self._lease_id
        return lease_id is not None and self._doorstep.renew(lease_id, self._holder)

    async def let_go(self) -> None:
        """Give the machine back, unless another process holds it."""
        lease_id, is_ours, self._lease_id = self._lease_id, self.renew(), None
        if lease_id is not None and is_ours:
            await self._rentals.release(lease_id)

    async def keep(self) -> None:
        """Renew the wish, until cancelled."""
        while True:
            self.renew()
            await asyncio.sleep(self._lasts_s / RENEWALS)

    async def watch(self, every_s: float) -> None:
        """Put right what is not as wanted, until cancelled."""
        while True:
            try:
                await self._rentals.look()
            except Exception:  # the ledger may be away; what is rented is looked at again
                logger.exception("the rented machine could not be looked after")
            await asyncio.sleep(every_s)

    def _is_such(self, node: NodeFile) -> bool:
        environment = {name: value for name, value in node["environment"].items() if name != KEY}
        return (node["command"], environment) == (self._command, self._environment)

    def _as_node(self, lease_id: str, node_id: str) -> NodeFile:
        # Remembered before there is a machine: whoever is stopped in between lets it go too.
        self._lease_id = lease_id
        self.key = secrets.token_urlsafe(32)
        return NodeFile(
            node_id=node_id,
            tags={},
            forwards=list(tunnel.http_forwards()),
            reach=[],
            command=self._command,
            environment={**self._environment, KEY: self.key},
            holder=self._holder,
            lasts_s=self._lasts_s,
        )

    def _take_over(self, machine: Machine) -> None:
        node = machine.node.copy()
        node["holder"] = self._holder
        self._lease_id, self.key = machine.lease.lease_id, node["environment"][KEY]
        self._doorstep.expect(self._lease_id, node)


def server_command(definition: Mapping[str, Any]) -> list[str]:
    """Return the command line of vLLM's server, with the engine's arguments as in the cluster."""
    place = ["--host", tunnel.NODE, "--port", str(tunnel.HTTP_PORT)]
    return [*SERVER, *flags(definition), *place, *QUIETLY]


@asynccontextmanager
async def holding(
    definition: Mapping[str, Any], config: Path | None, lasts_s: float
) -> AsyncGenerator[Hold]:
    """Open what a machine is rented with; at the end let the machine go.

    Raises:
        ConfigError: something is not set.
        LedgerError: the ledger cannot be opened.
    """
    rules = rules_in_force(config)
    async with opened(config) as (rentals, _):
        hold = Hold(rentals, doorstep_of(rules), definition, lasts_s)
        tasks = [
            asyncio.create_task(hold.keep()),
            asyncio.create_task(hold.watch(rules.times.watch_s)),
        ]
        try:
            yield hold
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await hold.let_go()
