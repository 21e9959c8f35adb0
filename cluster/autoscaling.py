"""The head of a cluster that rents its second node: what `ray start` is told.

Autoscaler v2 reads a file that was made for `ray up`. It needs keys of that which mean nothing
here, and dies without them (`KeyError: 'setup_commands'`, seen in monitor.err alone).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster import loopback, tunnel
from tercet.local_model import Resources

HEAD_ID = "vps-2"
"""RAY_CLOUD_INSTANCE_ID of the head: Ray terminates nothing unless the provider lists it too."""
HEAD_TYPE = "vps_2"
NODE_TYPE = "vps_1"
TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105  its name
SETTINGS = Path(__file__).parent / "ray.env"
IDLE_S = 60.0
"""How long a node without a replica is kept: a replica that failed is begun anew within it."""
ALLOCATED_S = 900
"""How long a paid machine may take to be a node; Ray's own patience is an hour."""
_MEANINGLESS = (
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
    "initialization_commands",
    "cluster_synced_files",
    "rsync_exclude",
    "rsync_filter",
)


def cluster_file(wants: Resources, config: Path | None, idle_s: float = IDLE_S) -> str:
    """Return the cluster's file, as JSON, which YAML includes.

    Args:
        wants: what the local model's replica asks of its node.
        config: folder of the configuration the provider reads; `None`: the project's own.
        idle_s: seconds.
    """
    node = {"CPU": max(1, round(wants.num_cpus)), "GPU": round(wants.num_gpus), **wants.custom}
    return json.dumps(
        {
            "cluster_name": "tercet",
            "max_workers": 1,
            "idle_timeout_minutes": idle_s / 60,
            "provider": {
                "type": "external",
                "module": "cluster.node_provider.RentedNodes",
                "tercet_config": None if config is None else str(config),
                # A machine boots itself; nobody looks in over SSH.
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
            },
            "auth": {},
            "head_node_type": HEAD_TYPE,
            "available_node_types": {
                HEAD_TYPE: {"resources": {"CPU": 2}, "node_config": {}, "max_workers": 0},
                NODE_TYPE: {
                    "resources": {name: amount for name, amount in node.items() if amount},
                    "node_config": {},
                    "min_workers": 0,
                    "max_workers": 1,
                },
            },
            "file_mounts": {},
            **{key: list[str]() for key in _MEANINGLESS},
        },
        indent=1,
    )


def head_command(ray: str, file: Path, more: Sequence[str] = ()) -> list[str]:
    """Return the command line that starts the head."""
    return [
        ray,
        "start",
        *tunnel.head_options(),
        "--labels=node=vps_2",
        f"--autoscaling-config={file}",
        "--disable-usage-stats",
        *more,
    ]


def head_environment() -> Mapping[str, str]:
    """Return what the head needs in its environment besides the token."""
    return {
        **loopback.shared_settings(SETTINGS),
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
        "RAY_NODE_TYPE_NAME": HEAD_TYPE,
        "RAY_AUTOSCALER_RECONCILE_ALLOCATE_STATUS_TIMEOUT_S": str(ALLOCATED_S),
    }
