# Ray's own parts are untyped.
# pyright: reportUnknownMemberType=false
"""Be a node of a cluster on loopback until the cluster ends: run by VPS_1's interpreter.

Where VPS_1 is a machine of its own, `ray start` does this. It refuses to under the setting that
keeps every port on 127.0.0.1 (ADR 5), so the node is made as `ray start` makes it.
"""

import argparse
import json
import sys
import time
from typing import Any, cast

from ray._private.node import Node
from ray._private.parameter import RayParams

HOST = "127.0.0.1"


def main() -> None:
    """Join, say so on a line, and stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="of the head, such as 127.0.0.1:6379")
    parser.add_argument("--resources", type=json.loads, default={"VPS_1": 1}, help="as JSON")
    parser.add_argument("--labels", type=json.loads, default={}, help="as JSON")
    parser.add_argument("--cpus", type=float, default=2)
    parser.add_argument("--gpus", type=float, default=0)
    node = _node(parser.parse_args())
    sys.stdout.write("joined\n")
    sys.stdout.flush()
    while not node.dead_processes():
        time.sleep(1)


def _node(args: argparse.Namespace) -> Any:  # noqa: ANN401  Ray's, untyped
    parameters = RayParams(
        gcs_address=args.address,
        node_ip_address=HOST,
        node_name="VPS_1",
        num_cpus=args.cpus,
        num_gpus=args.gpus,
        resources=args.resources,
        labels=args.labels,
        object_store_memory=100_000_000,
        # The head has the usual ports.
        node_manager_port=0,
        min_worker_port=0,
        max_worker_port=0,
        dashboard_agent_listen_port=None,
    )
    return cast("Any", Node)(parameters, head=False, shutdown_at_exit=True, spawn_reaper=True)


if __name__ == "__main__":
    main()
