"""What a running Tercet holds, by kind of process; and how one of its replicas is killed."""

import os
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.gateway.processes import name_of, pids, sizes
from bench.gateway.systems import mark_of

REPLICA = "ray::ServeReplica:"
KINDS = (
    "gcs_server", "raylet", "haproxy", "forkserver", "resource_tracker", "monitor.py",
    "dashboard", "router.foreground", "router.cli",
)  # fmt: skip
"""Words of a command line, by which a process that has no title is told from others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the system holds at one moment, by kind of process."""

    at_s: float
    """Since the load began."""
    pss: Mapping[str, int]
    files: Mapping[str, int]
    replicas: int


def kind_of(pid: int) -> str:
    """Return what kind of process it is: a replica's deployment, or a part of Ray."""
    name = name_of(pid)
    if name.startswith(REPLICA):
        return name.split(":")[4].split(".")[0]
    if name.startswith(("ray::", "ray-dashboard-")):
        return name.removeprefix("ray::").split(" ")[0].split(".")[0]
    with suppress(OSError):
        whole = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        return next((kind for kind in KINDS if kind in whole), Path(name.split(" ")[0]).name)
    return "?"


def sampled(at_s: float) -> Sample:
    """Read memory and open files of every process."""
    found, pss, files = pids(mark_of("tercet")), Counter[str](), Counter[str]()
    memory = sizes(found)
    kinds = {pid: kind_of(pid) for pid in memory}
    for pid, kind in kinds.items():
        pss[kind] += memory[pid]
        with suppress(OSError):
            files[kind] += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Sample(at_s=at_s, pss=pss, files=files, replicas=len(replicas(found)))


def replicas(processes: list[int]) -> list[int]:
    """Return those that are replicas of a deployment."""
    return [pid for pid in processes if name_of(pid).startswith(REPLICA)]


def kill(deployment: str) -> bool:
    """Kill a replica of a deployment, if one lives."""
    for pid in replicas(pids(mark_of("tercet"))):
        if kind_of(pid) == deployment:
            os.kill(pid, signal.SIGKILL)
            return True
    return False
