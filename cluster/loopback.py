"""A whole cluster on one machine that nobody else can reach: what `make run` lays over the files.

Ray offers no such mode on Linux. It comes from its setting for desktops, under which a node's
address is 127.0.0.1 and the servers written in C++ bind to it; from HAProxy's binary path, which
leads to a script that mends its configuration; and from `deployments.serve`, which binds replicas.
"""

import random
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

HOST = "127.0.0.1"
STOP_S = 10
"""How long a stopped `make run` lets attempts settle."""
REPLICA_PORTS = 32
"""Ports set aside for the HTTP servers of ingress replicas."""


def shared_settings(file: Path) -> dict[str, str]:
    """Read `cluster/ray.env`."""
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def settings(state: Path, haproxy: Path, script: Path) -> dict[str, str]:
    """Return the environment that keeps everything on loopback, on ports of this run's own.

    Args:
        state: a folder of this run's own, readable by nobody else, with a short path: Unix sockets
            are made in it.
        haproxy: HAProxy's binary.
        script: `cluster/haproxy`.
    """
    single = free_ports(5)
    replicas = free_block(REPLICA_PORTS)
    return {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(script),
        "TERCET_HAPROXY": str(haproxy),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(state / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(state / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(state / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(state),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(state / "server-state"),
        # A socket nobody reads: the default sends every request's line to a UDP port.
        "RAY_SERVE_HAPROXY_LOG_TARGET": str(state / "log.sock"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(single[0]),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(single[1]),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(single[2]),
        "DASHBOARD_METRIC_PORT": str(single[3]),
        "AUTOSCALER_METRIC_PORT": str(single[4]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(replicas),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(replicas + REPLICA_PORTS - 1),
        # For load balancers on other hosts to notice; here it only delays the stop.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
    }


def overlay(
    serve_config: Path,
    port: int,
    replicas: int = 1,
    local: Mapping[str, Any] | None = None,
    dashboard: str | None = None,
) -> Mapping[str, Any]:
    """Return `serve_config.yaml` for one machine: this port, so many replicas, quick to stop.

    `local` are the `args` of the application of that name; `None` leaves it out, and with it the
    gateway's `Local`. `dashboard` is the address of Ray's, which the console links to.
    """
    config = cast("dict[str, Any]", yaml.safe_load(serve_config.read_text(encoding="utf-8")))
    config["http_options"] |= {"host": HOST, "port": port}
    gateway, model, console = config["applications"]
    for deployment in (*gateway["deployments"], *console["deployments"]):
        deployment["graceful_shutdown_timeout_s"] = STOP_S
    for deployment in gateway["deployments"]:
        deployment["num_replicas"] = replicas
    console["args"] = {"gateway": f"http://{HOST}:{port}", "dashboard": dashboard}
    if local is None:
        config["applications"] = [gateway, console]
        gateway["args"] = {"local": False}
        gateway["deployments"] = [d for d in gateway["deployments"] if d["name"] != "Local"]
    else:
        model["args"] = dict(local)
        model["deployments"] = [{"name": "Engine", "graceful_shutdown_timeout_s": STOP_S}]
    return config


def is_free(port: int) -> bool:
    """Say whether nobody listens on `port` of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return ports nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def free_block(size: int) -> int:
    """Return the first of `size` neighbouring ports nobody listens on, below the ephemeral ones.

    Raises:
        OSError: there is no such block.
    """
    blocks = list(range(20_000, 32_000, size))
    random.shuffle(blocks)  # two runs started together must not choose the same one
    for first in blocks:
        if all(is_free(port) for port in range(first, first + size)):
            return first
    raise OSError(f"no {size} neighbouring free ports between 20000 and 32000")
