"""`tercet run` with the local model of the profile for a CPU, and a VPS_1 for it to run on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from fakes.running import Running, descendants, wait_until

from cluster import loopback
from router.run_local import BESIDE
from tercet.config import PROJECT, settings

IDLE_S = 15
DRAIN_S = 120
"""`make run` gives a replica that goes 10 s, which a slow machine needs for less."""
JOINED_S = 120
"""How long a starved machine may take to start a node."""
READY_S = 600
"""A first start of the engine on a starved machine."""
MODEL = "tiny-llama"


@dataclass(frozen=True, kw_only=True)
class Site:
    """A running system with a local model, and what is behind it."""

    system: Running
    dashboard: str
    token: str
    address: str

    def ask(self, content: str, model: str = "local", **options):
        """Return the answer with its headers."""
        return self.system.client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": content}], **options
        )

    def receipt(self, raw) -> dict:
        return self.system.receipt(raw.headers["x-tercet-request-id"])

    def local(self) -> dict:
        with self.system.http() as http:
            return http.get("/v1/local").json()

    def wake(self) -> dict:
        with self.system.http() as http:
            reply = http.post("/v1/local/wake")
        assert reply.status_code == 202, reply.text
        return reply.json()

    def is_ready(self) -> bool:
        return self.local()["readiness"] == "ready"

    def awake(self) -> None:
        """Have it ready, whatever happened before."""
        self.wake()
        assert wait_until(self.is_ready, READY_S), self.local()

    def replicas(self) -> list[dict]:
        applications = self.serve("GET").json()["applications"]
        engine = applications.get("local", {"deployments": {}})["deployments"].get("Engine", {})
        return engine.get("replicas", [])

    def deploy(self, local: dict | None) -> None:
        """Do what `serve deploy` does, with or without the application of the local model."""
        port = int(self.system.url.rsplit(":", 1)[1])
        config = loopback.overlay(PROJECT / "serve_config.yaml", port, 1, local or {})
        if local is None:
            del config["applications"][1]
        for application in config["applications"][1:]:
            application["deployments"][0]["graceful_shutdown_timeout_s"] = DRAIN_S
        self.serve("PUT", config)

    def serve(self, method: str, body: Any = None) -> requests.Response:
        url = f"{self.dashboard}/api/serve/applications/"
        token = {"Authorization": f"Bearer {self.token}"}
        reply = requests.request(method, url, json=body, headers=token, timeout=60)
        assert reply.ok, reply.text
        return reply

    def raylet(self) -> tuple[list[str], dict[str, str]]:
        """Return the command line and the environment of the head's raylet."""
        for pid in descendants(self.system.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if words[0].endswith("raylet/raylet"):
                pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
                return words, dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        raise AssertionError("the system has no raylet")

    @contextmanager
    def node(self) -> Iterator[subprocess.Popen]:
        """Have VPS_1 join, with the settings of the head; once more if a starved machine fails."""
        process = self._joining() or self._joining()
        assert process is not None, (self.system.home / "node.log").read_text()[-4000:]
        try:
            yield process
        finally:
            end(process)

    def _joining(self) -> subprocess.Popen | None:
        _, head = self.raylet()
        command = [settings().vps_1 / "bin" / "python", PROJECT / "cluster/vps_1/join.py"]
        log = self.system.home / "node.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, self.address],
                env={**head, **BESIDE},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: process.poll() is not None or "joined" in log.read_text(), JOINED_S)
        if process.poll() is None:
            return process
        end(process)
        return None


def end(process: subprocess.Popen, number: int = signal.SIGTERM) -> None:
    """End a process and all below it, by id; `ray stop` would end every Ray there is."""
    family = descendants(process.pid) - {process.pid}
    process.send_signal(number)
    if number != signal.SIGKILL:
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
    for pid in family | {process.pid}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(20)


@contextmanager
def unfinished(site: Site) -> Iterator[Path]:
    """Yield a file with a line for each look at the engine: Unix seconds, unfinished requests."""
    _, head = site.raylet()
    file = site.system.home / "unfinished.jsonl"
    file.unlink(missing_ok=True)
    command = [sys.executable, PROJECT / "tests" / "vllm" / "observer.py", site.address, file]
    process = subprocess.Popen(command, env={**head, "PYTHONPATH": str(PROJECT)})
    try:
        assert wait_until(lambda: file.exists() and file.read_text() != "", 120)
        yield file
    finally:
        process.kill()
        process.wait(20)


def looks(file: Path) -> list[tuple[float, int]]:
    lines = file.read_text().splitlines(keepends=True)
    return [tuple(json.loads(line)) for line in lines if line.endswith("\n")]


def count_now(file: Path) -> int:
    """Return what the newest look saw, which is younger than this call."""
    asked_at = time.time()
    assert wait_until(lambda: looks(file)[-1][0] > asked_at)
    return looks(file)[-1][1]
