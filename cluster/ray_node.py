# Ray's own parts are untyped.
# pyright: reportUnknownMemberType=false
"""A Ray node on loopback, as a child of this process.

Made as `ray start` makes it, which refuses to let a node join under the setting that keeps every
port on 127.0.0.1 (ADR 5). Nobody reads Ray's log monitor, which brings workers' output to a driver:
45 MB, and an open file for every worker that ever ended. The autoscaler's monitor stays, though
nothing is scaled: `ray_cluster_active_nodes` is its metric.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

from ray._private.node import Node
from ray._private.parameter import RayParams

from cluster.loopback import HOST

OBJECT_STORE_BYTES = 100_000_000


class RayNode(Protocol):
    """What is used of Ray's `Node`."""

    gcs_address: str

    def dead_processes(self) -> list[Any]:
        """Return those of its processes that have ended."""
        ...

    def kill_all_processes(self, check_alive: bool, allow_graceful: bool) -> None:  # noqa: FBT001  Ray's own
        """End them all."""
        ...


@contextmanager
def head(temp: Path, dashboard_port: int, labels: Mapping[str, str]) -> Generator[RayNode]:
    """Run the head of a cluster; it ends with this process, however that ends.

    Args:
        temp: a folder for sockets and logs, of a short path.
        dashboard_port: of Ray's dashboard.
        labels: of the node.
    """
    parameters = cast("Any", RayParams)(
        labels=dict(labels),
        dashboard_host=HOST,
        dashboard_port=dashboard_port,
        include_dashboard=True,
        include_log_monitor=False,
        node_ip_address=HOST,
        object_store_memory=OBJECT_STORE_BYTES,
        temp_dir=str(temp),
    )
    node = cast("Any", Node)(parameters, head=True, shutdown_at_exit=False, spawn_reaper=True)
    try:
        yield node
    finally:
        node.kill_all_processes(check_alive=False, allow_graceful=True)


def worker(
    address: str, name: str, offers: Mapping[str, float], labels: Mapping[str, str]
) -> RayNode:
    """Join the cluster whose head is at `address`; the node ends with this process.

    Args:
        address: such as 127.0.0.1:6379.
        name: of the node.
        offers: its resources: `CPU`, `GPU`, and others by their names.
        labels: of the node.
    """
    resources = dict(offers)
    parameters = cast("Any", RayParams)(
        gcs_address=address,
        node_ip_address=HOST,
        node_name=name,
        num_cpus=resources.pop("CPU", 0),
        num_gpus=resources.pop("GPU", 0),
        resources=resources,
        labels=dict(labels),
        include_log_monitor=False,
        object_store_memory=OBJECT_STORE_BYTES,
        # The head has the usual ports.
        node_manager_port=0,
        min_worker_port=0,
        max_worker_port=0,
        dashboard_agent_listen_port=None,
    )
    return cast("Any", Node)(parameters, head=False, shutdown_at_exit=True, spawn_reaper=True)
