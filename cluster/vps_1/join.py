"""Be a node of a cluster on loopback until the cluster ends: run by VPS_1's interpreter.

Where VPS_1 is a machine of its own, `ray start` does this.
"""

import argparse
import json
import sys
import time

from cluster.ray_node import worker


def main() -> None:
    """Join, say so on a line, and stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="of the head, such as 127.0.0.1:6379")
    parser.add_argument("--resources", type=json.loads, default={"VPS_1": 1}, help="as JSON")
    parser.add_argument("--labels", type=json.loads, default={}, help="as JSON")
    parser.add_argument("--cpus", type=float, default=2)
    parser.add_argument("--gpus", type=float, default=0)
    given = parser.parse_args()
    offers = {"CPU": given.cpus, "GPU": given.gpus, **given.resources}
    node = worker(given.address, "VPS_1", offers, given.labels)
    sys.stdout.write("joined\n")
    sys.stdout.flush()
    while not node.dead_processes():
        time.sleep(1)


if __name__ == "__main__":
    main()
