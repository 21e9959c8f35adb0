import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from cluster.loopback import (
    free_block,
    free_ports,
    is_free,
    overlay,
    settings,
    shared_settings,
)
from tercet.config import PROJECT

STATE = Path("/run/tercet/x")

# What Serve writes, cut down to the sections the script is about.
CONFIGURATION = """\
global
    stats socket /tmp/admin.sock
frontend prometheus
    bind :9101
    mode http
frontend http_frontend
    bind 127.0.0.1:8000
    use_backend app
frontend grpc_frontend
    bind 127.0.0.1:9000 proto h2
listen stats
  bind *:8404
  stats enable
"""
MENDED = """\
global
    stats socket /tmp/admin.sock
frontend prometheus
    bind 127.0.0.1:9101
    mode http
frontend http_frontend
    timeout http-request 30s
    http-request del-header x-request-timeout-seconds
    http-request del-header x-request-disconnect-disabled
    http-request del-header x-session-id
    http-request del-header x-request-id
    bind 127.0.0.1:8000
    use_backend app
frontend grpc_frontend
    bind 127.0.0.1:9000 proto h2
listen stats
  bind 127.0.0.1:8404
  stats enable
"""


@contextmanager
def listener(port: int = 0) -> Generator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        yield server.getsockname()[1]


def start_haproxy(binary: str, *arguments: str) -> str:
    """Start the script as Serve would, and return what its HAProxy printed."""
    done = subprocess.run(
        [str(PROJECT / "cluster" / "haproxy"), *arguments],
        env={"TERCET_HAPROXY": binary, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_settings_are_names_and_values_without_comments(tmp_path: Path) -> None:
    file = tmp_path / "ray.env"
    file.write_text("# why\n\nA=1\n  B=two words  \n#C=3\nD=x=y\nE=\n")
    assert shared_settings(file) == {"A": "1", "B": "two words", "D": "x=y", "E": ""}


def test_the_shipped_settings_ask_for_a_token_and_the_fast_modes() -> None:
    shipped = shared_settings(PROJECT / "cluster" / "ray.env")
    expected = {
        "RAY_AUTH_MODE": "token",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_worker_niceness": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    assert {name: shipped[name] for name in expected} == expected


def test_every_socket_and_file_of_a_run_is_in_its_own_folder() -> None:
    chosen = settings(STATE, Path("/opt/haproxy"), Path("/srv/cluster/haproxy"))
    inside = {name for name, value in chosen.items() if value.startswith("/run/tercet/x")}
    assert inside == {
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC",
        "RAY_SERVE_HAPROXY_SOCKET_PATH",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE",
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE",
        "RAY_SERVE_HAPROXY_LOG_TARGET",
    }
    assert chosen["RAY_SERVE_HAPROXY_BINARY_PATH"] == "/srv/cluster/haproxy"
    assert chosen["TERCET_HAPROXY"] == "/opt/haproxy"


def test_the_ports_of_a_run_are_its_own_and_free() -> None:
    chosen = settings(STATE, Path("/opt/haproxy"), Path("/srv/cluster/haproxy"))
    first = int(chosen["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"])
    assert int(chosen["RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT"]) == first + 31
    ports = [
        int(chosen["RAY_SERVE_HAPROXY_METRICS_PORT"]),
        int(chosen["RAY_SERVE_HAPROXY_STATS_PORT"]),
        int(chosen["RAY_SERVE_FALLBACK_PROXY_HTTP_PORT"]),
        int(chosen["DASHBOARD_METRIC_PORT"]),
        int(chosen["AUTOSCALER_METRIC_PORT"]),
        *range(first, first + 32),
    ]
    assert len(set(ports)) == 37
    assert all(is_free(port) for port in ports)


def test_the_overlay_changes_address_replicas_and_patience_and_nothing_else() -> None:
    file = PROJECT / "serve_config.yaml"
    expected = yaml.safe_load(file.read_text(encoding="utf-8"))
    expected["http_options"]["host"] = "127.0.0.1"
    expected["http_options"]["port"] = 8123
    application, local, console = expected["applications"]
    for deployment in application["deployments"]:
        deployment["graceful_shutdown_timeout_s"] = 10
        deployment["num_replicas"] = 1
    with_local = application["deployments"]
    without = [deployment for deployment in with_local if deployment["name"] != "Local"]
    expected["applications"] = [
        application | {"args": {"local": False}, "deployments": without},
        console,
    ]
    console["args"] = {"gateway": "http://127.0.0.1:8123", "dashboard": None}
    console["deployments"][0]["graceful_shutdown_timeout_s"] = 10
    assert overlay(file, 8123) == expected
    for deployment in application["deployments"]:
        deployment["num_replicas"] = 2
    assert overlay(file, 8123, replicas=2) == expected
    local["args"] = {"profile": "cpu"}
    local["deployments"] = [{"name": "Engine", "graceful_shutdown_timeout_s": 10}]
    expected["applications"] = [application, local, console]
    assert overlay(file, 8123, replicas=2, local={"profile": "cpu"}) == expected


def test_a_port_is_free_until_somebody_listens_on_it() -> None:
    with listener() as port:
        assert not is_free(port)
    assert is_free(port)


def test_free_ports_are_all_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_free_block_lies_below_the_ephemeral_ports_and_is_free() -> None:
    first = free_block(8)
    assert first >= 20_000
    assert first + 8 <= 32_000
    assert all(is_free(port) for port in range(first, first + 8))


def test_a_block_with_a_taken_port_is_no_free_block() -> None:
    with (
        listener(free_block(1)),
        pytest.raises(OSError, match=r"^no 12000 neighbouring free ports between 20000 and 32000$"),
    ):
        free_block(12_000)


def test_haproxy_listens_on_loopback_alone_and_drops_what_steers_serve(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIGURATION)
    start_haproxy("/bin/true", "-db", "-f", str(file), "-sf", "1")
    assert file.read_text() == MENDED


def test_haproxy_gets_the_arguments_serve_gave(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIGURATION)
    assert start_haproxy("/bin/echo", "-db", "-f", str(file)) == f"-db -f {file}\n"


def test_files_haproxy_is_not_configured_from_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIGURATION)
    start_haproxy("/bin/true", "-x", str(file))
    assert file.read_text() == CONFIGURATION
