"""The fake cloud over real HTTP: inside this process, or as a process of its own."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import uvicorn
from pydantic import TypeAdapter

from cluster.providers.fake.app import build
from cluster.providers.fake.world import World
from cluster.providers.runpod import RunPod
from cluster.providers.vast import Vast
from tercet.renting import MachineSpec, Want

KEY = "account-key-0123456789"
MACHINES = (
    {"offer_id": 101, "gpu": "RTX 3090", "hourly": 220_000_000, "least_bid": 120_000_000},
    {"offer_id": 102, "gpu": "RTX 3090", "hourly": 250_000_000, "least_bid": 90_000_000},
    {"offer_id": 103, "gpu": "A40", "hourly": 400_000_000, "least_bid": 200_000_000},
)
WANT = Want(gpus=("RTX 3090",), disk_gb=60, interruptible=False)
BID = Want(gpus=("RTX 3090",), disk_gb=60, interruptible=True)
SPEC = MachineSpec(
    label="lease-1",
    image="registry.example/vllm@sha256:0f",
    disk_gb=60,
    environment={"GREETING": "good day, 'you'"},
    command="echo hello\n",
)


def world(**options) -> dict:
    """Return a configuration in which everything is quick."""
    delays = {"create_s": 0.02, "load_s": 0.02, "start_s": 0.02, "slow_s": 1.0}
    return {"machines": MACHINES, "account_key": KEY, "delays": delays} | options


class Asked:
    """A provider's client, each of whose answers is waited for."""

    def __init__(self, provider) -> None:
        self._provider = provider
        self._runner = asyncio.Runner()

    def __getattr__(self, name):
        return lambda *told: self._runner.run(getattr(self._provider, name)(*told))

    def shut(self) -> None:
        self._runner.run(self._provider.close())
        self._runner.close()


@dataclass(kw_only=True)
class Exchange:
    """A request and its answer."""

    method: str
    path: str
    query: dict[str, str]
    sent: object
    status: int = 0
    answered: bytes = b""

    @property
    def answer(self) -> object:
        return json.loads(self.answered) if self.answered else None


@dataclass(kw_only=True)
class Site:
    """A fake cloud, and what was said to it."""

    url: str
    exchanges: list[Exchange] = field(default_factory=list)

    clients: list[Asked] = field(default_factory=list)
    fate: httpx2.Client = field(default_factory=lambda: httpx2.Client(verify=False))

    def vast(self, key: str = KEY, **options) -> Asked:
        return self.asked(Vast(key, self.url, **({"intervals": {}} | options)))

    def runpod(self, key: str = KEY, **options) -> Asked:
        return self.asked(RunPod(key, self.url, **options))

    def asked(self, provider) -> Asked:
        self.clients.append(Asked(provider))
        return self.clients[-1]

    def shut(self) -> None:
        for client in self.clients:
            client.shut()
        self.fate.close()

    def control(self, order: str, **told) -> None:
        response = self.fate.post(f"{self.url}/control/{order}", json=told)
        assert response.status_code == 200, response.text

    def ever(self) -> list[dict]:
        return self.fate.get(f"{self.url}/control/instances").json()["instances"]

    def bill(self) -> dict:
        return self.fate.get(f"{self.url}/control/bill").json()

    def sent(self, method: str, part: str) -> list[Exchange]:
        return [one for one in self.exchanges if one.method == method and part in one.path]

    def until(self, condition, within_s: float = 10.0) -> None:
        give_up_at = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < give_up_at, self.ever()
            time.sleep(0.02)

    def phase(self, instance_id: str) -> str:
        return next(one["phase"] for one in self.ever() if one["instance_id"] == instance_id)


class _Listening:
    """Writes down what passes."""

    def __init__(self, app, exchanges: list[Exchange]) -> None:
        self._app = app
        self._exchanges = exchanges

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/control"):
            await self._app(scope, receive, send)
            return
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        query = dict(httpx2.QueryParams(scope["query_string"].decode()))
        sent = json.loads(body) if body else None
        said = Exchange(method=scope["method"], path=scope["path"], query=query, sent=sent)
        self._exchanges.append(said)

        async def again() -> dict:
            return {"type": "http.request", "body": body, "more_body": False}

        async def note(message) -> None:
            if message["type"] == "http.response.start":
                said.status = message["status"]
            elif message["type"] == "http.response.body":
                said.answered += message.get("body", b"")
            await send(message)

        await self._app(scope, again, note)


class _Quick(uvicorn.Server):
    """Ends within 10 ms; there is a server a test."""

    async def main_loop(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110  it is set from another thread
            await asyncio.sleep(0.01)


@contextmanager
def inside(folder: Path, **options) -> Generator[Site]:
    """Serve one from a thread of this process."""
    site = Site(url="")
    made = TypeAdapter(World).validate_python(world(**options))
    app = _Listening(build(made, folder / "state.json"), site.exchanges)
    config = uvicorn.Config(app, port=0, lifespan="on", log_level="error", ws="none", workers=1)
    server = _Quick(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    site.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield site
    finally:
        site.shut()
        server.should_exit = True
        thread.join(10)


@contextmanager
def process(folder: Path, boot: str | None = None, **options) -> Generator[Site]:
    """Run one as a process; it is killed at the end, and what it booted is left alive."""
    config = folder / "config.json"
    config.write_text(json.dumps(world(**options)))
    command = [sys.executable, "-m", "cluster.providers.fake"]
    command += ["--config", str(config), "--state", str(folder / "state.json")]
    command += [] if boot is None else ["--boot", boot]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        line = running.stdout.readline()
        assert line.startswith("fake cloud http://127.0.0.1:"), line
        site = Site(url=line.split()[-1])
        try:
            yield site
        finally:
            site.shut()
            running.kill()


@contextmanager
def booting(folder: Path, boot: str) -> Generator[Site]:
    """Run one as a process, and end all that it booted."""
    with process(folder, boot) as site:
        try:
            yield site
        finally:
            site.control("end")
            site.until(lambda: all(one["pid"] is None for one in site.ever()))
