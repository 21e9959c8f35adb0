"""A system whose local model sleeps, and VPS_1, which joins when a test wants it."""

import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fakes.local_site import IDLE_S, Site
from fakes.running import running

from tercet.config import PROJECT, settings


@pytest.fixture(scope="session")
def vps_1_environment() -> Path:
    folder = settings().vps_1
    if folder is None or not (folder / "bin" / "python").exists():
        pytest.skip(f"{folder} has no vLLM; `make vps_1` makes it")
    return folder


@pytest.fixture(scope="session")
def tiny_model(vps_1_environment) -> Path:
    folder = PROJECT / "var" / "tiny-llama"
    if not (folder / "config.json").exists():
        python = vps_1_environment / "bin" / "python"
        subprocess.run([python, PROJECT / "cluster/vps_1/tiny_model.py", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def asleep(tiny_model, tmp_path_factory) -> Iterator[Site]:
    """A system whose local model sleeps, and has no node."""
    home = tmp_path_factory.mktemp("local")
    steering = {
        "TERCET_LOCAL": "cpu",
        "TERCET_PHASE": "ungated",
        "TERCET_VPS_1": "none",
        "TERCET_LOCAL_IDLE_S": str(IDLE_S),
    }
    with running(home, **steering) as system:
        dashboard, token = re.search(r"dashboard +(\S+) \(token (\w+)\)", system.banner).groups()
        address = re.search(r"ray +(\S+) ", system.banner)[1]
        yield Site(system=system, dashboard=dashboard, token=token, address=address)


@pytest.fixture(scope="session")
def vps_1(asleep) -> Iterator[Site]:
    """VPS_1 has joined."""
    with asleep.node():
        yield asleep


@pytest.fixture
def site(vps_1) -> Site:
    """The local model is ready."""
    vps_1.awake()
    return vps_1


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A configuration whose engine sends its spans here, and what has come."""

    config: Path
    received: list[bytes] = field(default_factory=list)

    def spans(self) -> bytes:
        """Return all that came, as OTLP's protobuf spells it."""
        return b"".join(self.received)


@pytest.fixture(scope="session")
def traced(tmp_path_factory) -> Iterator[Traced]:
    """A collector of spans, and a configuration that names it."""
    made = Traced(config=tmp_path_factory.mktemp("traced"))

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        shipped = (PROJECT / "config" / "local.yaml").read_text()
        engine, environment = "enforce_eager: true", 'HF_HUB_OFFLINE: "1"'
        told = shipped.replace(engine, f"otlp_traces_endpoint: {url}\n      {engine}").replace(
            environment, f"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: http/protobuf\n      {environment}"
        )
        assert told.count("http/protobuf") == told.count(url) == 1
        (made.config / "local.yaml").write_text(told)
        yield made
        server.shutdown()
