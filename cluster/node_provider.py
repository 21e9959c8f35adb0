# Ray's own parts are untyped.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Rented machines as Ray's autoscaler sees them: an external node provider for autoscaler v2.

It runs in the monitor process of the head. Ray asks for a node when a replica waits for one, and
lets it go when it is idle; what that means at a provider is `cluster.rentals`'. Ray spells this
interface v1 and calls it internal: `tests/rented` is what holds it to 2.60.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ray.autoscaler.node_provider import NodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_HEAD,
    NODE_KIND_WORKER,
    STATUS_UP_TO_DATE,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)

from cluster import tunnel
from cluster.autoscaling import HEAD_ID, HEAD_TYPE, SETTINGS, TOKEN
from cluster.doorstep import NodeFile
from cluster.loopback import shared_settings
from cluster.rentals.opening import opened, rules_in_force
from cluster.rentals.rentals import AsNode, Machine, Rentals, Rented
from tercet.config import environment
from tercet.renting import RentFailure

logger = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 200_000_000
"""Prompts and answers cross nodes; weights never do."""
LAUNCH_WITHIN_S = 600.0
NAMED = ("CPU", "GPU", "memory", "object_store_memory")
Result = TypeVar("Result")


class LaunchError(Exception):
    """No machine was rented; Ray asks again, and logs this."""


class RentedNodes(NodeProvider):
    """Named in the cluster's file as `provider.module`; see `cluster.autoscaling`."""

    def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None:
        """Open the ledger and begin to look after what is rented."""
        super().__init__(provider_config, cluster_name)
        config = provider_config.get("tercet_config")
        self._config = None if config is None else Path(config)
        self._watch_s = rules_in_force(self._config).times.watch_s
        self._machines: Mapping[str, Machine] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="rentals", daemon=True).start()
        self._rentals = self._wait(self._open())
        self._watching = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)

    @staticmethod
    def bootstrap_config(cluster_config: dict[str, Any]) -> dict[str, Any]:
        """Nothing has to be made before there are nodes."""
        return cluster_config

    def non_terminated_nodes(self, tag_filters: Mapping[str, str]) -> list[str]:
        """Return the head and the machines that are wanted, as they were last seen."""
        return [
            node_id
            for node_id in (HEAD_ID, *self._machines)
            if tag_filters.items() <= self.node_tags(node_id).items()
        ]

    def is_running(self, node_id: str) -> bool:
        """Say whether the provider says so."""
        machine = self._machines.get(node_id)
        return node_id == HEAD_ID or (machine is not None and machine.lease.state == "running")

    def is_terminated(self, node_id: str) -> bool:
        """Say whether it is none of ours any more."""
        return node_id != HEAD_ID and node_id not in self._machines

    def node_tags(self, node_id: str) -> dict[str, str]:
        """Return what Ray gave it when it was created."""
        if node_id == HEAD_ID:
            return {
                TAG_RAY_NODE_KIND: NODE_KIND_HEAD,
                TAG_RAY_USER_NODE_TYPE: HEAD_TYPE,
                TAG_RAY_NODE_NAME: HEAD_ID,
                TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE,
            }
        machine = self._machines.get(node_id)
        return {} if machine is None else dict(machine.node["tags"])

    def set_node_tags(self, node_id: str, tags: Mapping[str, str]) -> None:
        """Ray's updaters are off, which alone would say more of a node."""

    def external_ip(self, node_id: str) -> str:
        """Return where the head reaches it."""
        return self.internal_ip(node_id)

    def internal_ip(self, node_id: str) -> str:
        """Return where the head reaches it."""
        return tunnel.HEAD if node_id == HEAD_ID else tunnel.NODE

    def create_node_with_resources_and_labels(
        self,
        node_config: Mapping[str, Any],
        tags: Mapping[str, str],
        count: int,
        resources: Mapping[str, float],
        labels: Mapping[str, str],
    ) -> None:
        """Rent one machine, whatever `count` is: there is one address and one tunnel.

        Raises:
            LaunchError: none could be had, or none may be.
        """
        kept = {**tags, TAG_RAY_NODE_KIND: NODE_KIND_WORKER, TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE}

        def as_node(_lease_id: str, node_id: str) -> NodeFile:
            return ray_node(node_id, kept, resources, labels)

        rented = self._wait(self._rent(as_node))
        if isinstance(rented, RentFailure):
            logger.warning("no machine for Ray: %s", rented.message)
            raise LaunchError(rented.message)
        logger.info("rented %s as Ray's node %s", rented.lease_id, rented.node_id)

    def terminate_nodes(self, node_ids: Sequence[str]) -> None:
        """Let machines go."""
        for node_id in node_ids:
            self.terminate_node(node_id)

    def terminate_node(self, node_id: str) -> None:
        """Let a machine go; whatever fails is tried again until it is gone."""
        machine = self._machines.get(node_id)
        if machine is not None:
            self._wait(self._release(machine.lease.lease_id))

    async def _open(self) -> Rentals:
        self._held = opened(self._config)
        rentals, _ledger = await self._held.__aenter__()
        await self._refresh(rentals)
        return rentals

    async def _rent(self, as_node: AsNode) -> Rented | RentFailure:
        try:
            return await self._rentals.rent(as_node)
        finally:
            await self._refresh(self._rentals)

    async def _release(self, lease_id: str) -> None:
        try:
            await self._rentals.release(lease_id)
        finally:
            await self._refresh(self._rentals)

    async def _refresh(self, rentals: Rentals) -> None:
        # One without tags was not rented for Ray, which would end a node that it does not know.
        machines = [one for one in await rentals.machines() if one.node["tags"]]
        self._machines = {one.node["node_id"]: one for one in machines}

    async def _watch(self) -> None:
        while True:
            try:
                await self._rentals.look()
                await self._refresh(self._rentals)
            except Exception:  # the ledger may be away; what is rented is looked at again
                logger.exception("rented machines could not be looked after")
            await asyncio.sleep(self._watch_s)

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LAUNCH_WITHIN_S)


def ray_node(
    node_id: str, tags: Mapping[str, str], resources: Mapping[str, float], labels: Mapping[str, str]
) -> NodeFile:
    """Return what a machine that joins the cluster is told."""
    ours = environment()
    told = {name: ours[name] for name in (*shared_settings(SETTINGS), TOKEN) if name in ours}
    return NodeFile(
        node_id=node_id,
        tags=dict(tags),
        forwards=list(tunnel.ray_forwards()),
        reach=[tunnel.HEAD, tunnel.GCS_PORT],
        command=["ray", "start", *tunnel.node_options(), *_offers(resources, labels), "--block"],
        environment={
            **told,
            # By these the autoscaler knows that the node and the machine are one.
            "RAY_CLOUD_INSTANCE_ID": node_id,
            "RAY_NODE_TYPE_NAME": tags[TAG_RAY_USER_NODE_TYPE],
        },
    )


def _offers(resources: Mapping[str, float], labels: Mapping[str, str]) -> Sequence[str]:
    custom = {name: value for name, value in resources.items() if name not in NAMED}
    options = [
        f"--num-cpus={int(resources.get('CPU', 1))}",
        f"--num-gpus={int(resources.get('GPU', 0))}",
        f"--resources={json.dumps(custom)}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        "--disable-usage-stats",
    ]
    if labels:
        options.append("--labels=" + ",".join(f"{name}={value}" for name, value in labels.items()))
    return options
