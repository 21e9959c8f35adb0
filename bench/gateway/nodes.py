"""A Tercet that runs, spread over more of Ray's nodes: they are processes of this machine."""

import json
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.gateway.dashboard import Dashboard, Details
from bench.gateway.processes import environment_of, name_of, pids
from bench.gateway.systems import PROJECT, Running, await_word, mark_of, process

JOIN = PROJECT / "cluster" / "vps_1" / "join.py"
ALONE = ("Auditor",)
"""There is one of them however many nodes there are."""


@contextmanager
def spread(running: Running, folder: Path, nodes: int) -> Generator[None]:
    """Join nodes, and give each a replica of every deployment, until the block is left."""
    if nodes == 1:
        yield
        return
    dashboard = Dashboard(running.log)
    with ExitStack() as joined:
        for number in range(1, nodes):
            joined.enter_context(_joined(dashboard.ray_address, folder / f"node-{number}.log"))
        dashboard.change(partial(_one_on_each, nodes))
        dashboard.wait(partial(_is_spread, nodes))
        yield


@contextmanager
def _joined(address: str, log: Path) -> Generator[None]:
    command = [sys.executable, str(JOIN), address, "--resources", "{}"]
    command += ["--labels", json.dumps({"node": "vps_2"})]
    # Ray's token and all that replicas are told is in the head's environment.
    head = next(pid for pid in pids(mark_of("tercet")) if "raylet" in name_of(pid))
    with process(command, environment_of(head), log) as running:
        await_word("joined", log, running)
        yield


def _one_on_each(nodes: int, applications: list[dict[str, Any]]) -> None:
    gateway = next(one for one in applications if one["name"] == "tercet")
    for deployment in gateway["deployments"]:
        if deployment["name"] not in ALONE:
            deployment |= {"num_replicas": nodes, "max_replicas_per_node": 1}


def _is_spread(nodes: int, found: Details) -> bool:
    gateway = found["tercet"]
    places = [
        {one["node_id"] for one in deployment["replicas"] if one["state"] == "RUNNING"}
        for name, deployment in gateway["deployments"].items()
        if name not in ALONE
    ]
    return gateway["status"] == "RUNNING" and all(len(place) == nodes for place in places)
