"""What is measured: each as a process tree with a mark, a port, and the requests it is asked."""

import json
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from bench.gateway.client import Ask, ask
from bench.gateway.processes import MARK
from cluster.loopback import free_ports
from tercet.environment import environment as parent

PROJECT = Path(__file__).parents[2]
RUN = secrets.token_hex(4)
KEY = "tercet-bench"
CAP_USD = "1000000"
READY_WITHIN_S = 240
SONNET, FLASH = "claude-sonnet-5-5", "gemini-3.8-flash"
CODE = "Write a python function that merges two sorted lists and explain its complexity. "
MESSAGES, CHAT, RESPONSES = "/v1/messages", "/v1/chat/completions", "/v1/responses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One row of the table: who is asked, where, and how."""

    name: str
    mark: str
    port: int
    path: str
    headers: Mapping[str, str]
    model: str
    content: bytes = b"word"

    def ask(self, chunks: str = "1 chunks", *, stream: bool = False, pad: int = 0) -> Ask:
        """Return the request for an answer of so many chunks, `pad` bytes longer."""
        text = f"{CODE}[[{chunks}]]{' pad' * (pad // 4)}"
        body: dict[str, object] = {"model": self.model, "stream": stream}
        if self.path.endswith(RESPONSES):
            body |= {"input": text, "max_output_tokens": 1000, "store": False}
        else:
            body |= {"messages": [{"role": "user", "content": text}], "max_tokens": 1000}
        data = json.dumps(body).encode()
        return ask(self.port, self.path, data, self.headers, self.content if stream else b"")


def mark_of(system: str) -> str:
    """Return the mark of a system of this run; another run's may still be up."""
    return f"{system}-{RUN}"


def environment(mark: str, **more: str) -> dict[str, str]:
    """Return this process's environment with a mark, and without what would reach a provider."""
    kept = {k: v for k, v in parent().items() if not k.startswith(("RAY_", "TERCET_", "OTEL_"))}
    return kept | {MARK: mark_of(mark), "PYTHONPATH": str(PROJECT)} | more


@contextmanager
def process(
    command: list[str], env: Mapping[str, str], log: Path
) -> Generator[subprocess.Popen[bytes]]:
    """Run a command until the block is left."""
    with log.open("ab") as output:
        running = subprocess.Popen(
            command,
            env=env,
            stdout=output,
            stderr=output,
            stdin=subprocess.PIPE,
            cwd=PROJECT,
            start_new_session=True,
        )
    try:
        yield running
    finally:
        if running.stdin is not None:
            running.stdin.close()
        running.terminate()
        running.wait(60)


def await_url(
    url: str, running: subprocess.Popen[bytes], key: str = "", status: int = 200
) -> float:
    """Wait until a URL answers with this status; return the seconds."""
    began = time.monotonic()
    while time.monotonic() < began + READY_WITHIN_S:
        if running.poll() is not None:
            raise RuntimeError(f"{running.args} ended with {running.returncode}")
        with suppress(requests.RequestException):
            headers = {"authorization": f"Bearer {key}"}
            if requests.get(url, headers=headers, timeout=5).status_code == status:
                return time.monotonic() - began
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer within {READY_WITHIN_S} s")


@contextmanager
def upstream(log: Path) -> Generator[int]:
    """Run the instant upstream; yield its port."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.gateway.upstream", str(port)]
    with process(command, environment("upstream"), log) as running:
        await_url(f"http://127.0.0.1:{port}/", running)
        yield port


@contextmanager
def relay(behind: int, log: Path) -> Generator[list[Target]]:
    """Run the plain relay."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.gateway.relay", str(port), str(behind)]
    with process(command, environment("relay"), log) as running:
        await_url(f"http://127.0.0.1:{port}/", running, status=405)
        yield [
            Target(
                name="relay",
                mark=mark_of("relay"),
                port=port,
                path=MESSAGES,
                headers={},
                model=SONNET,
            )
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A Tercet that runs, and what was deployed beside it."""

    port: int
    ledger: Path
    log: Path
    ready_s: float
    """From the command to the first 200 of `/readyz`."""


@contextmanager
def tercet(behind: int, folder: Path, log: Path, **more: str) -> Generator[Running]:
    """Run Tercet as `make run` does, its providers' SDKs led to the upstream."""
    (port,) = free_ports(1)
    ledger = folder / "ledger.sqlite3"
    url = f"http://127.0.0.1:{behind}"
    env = environment(
        "tercet",
        PORT=str(port),
        TERCET_API_KEY=KEY,
        TERCET_LEDGER=str(ledger),
        TERCET_STATE=str(folder),
        ANTHROPIC_BASE_URL=url,
        ANTHROPIC_API_KEY="bench",
        GOOGLE_GEMINI_BASE_URL=url,
        GEMINI_API_KEY="bench",
        **more,
    )
    command = [str(Path(sys.executable).parent / "tercet"), "run"]
    with process(command, env, log) as running:
        ready_s = await_url(f"http://127.0.0.1:{port}/readyz", running, KEY)
        await_word("Ctrl-C stops it", log, running)
        yield Running(port=port, ledger=ledger, log=log, ready_s=ready_s)


@contextmanager
def alone(folder: Path, replicas: int) -> Generator[Running]:
    """Run the upstream and a Tercet in front of it, with a cap that is not reached."""
    env = {"TERCET_REPLICAS": str(replicas), "TERCET_MONTH_CAP_USD": CAP_USD}
    with (
        upstream(folder / "upstream.log") as behind,
        tercet(behind, folder, folder / "tercet.log", **env) as running,
    ):
        yield running


def stop_on_term() -> None:
    """Have a SIGTERM end this process as an exception does, so that what it started is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def await_word(word: str, log: Path, running: subprocess.Popen[bytes]) -> None:
    """Wait until a process has said something."""
    give_up_at = time.monotonic() + READY_WITHIN_S
    while word not in log.read_text(errors="replace"):
        if running.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(log.read_text(errors="replace")[-2000:])
        time.sleep(0.1)


def targets(port: int) -> list[Target]:
    """Return what the running Tercet, and the bare Serve beside it, are asked."""
    bearer = {"authorization": f"Bearer {KEY}"}
    anthropic = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    rows = [
        ("bare Serve", f"/bare{MESSAGES}", {}, SONNET),
        ("Messages, Claude", MESSAGES, anthropic, SONNET),
        ("chat, Claude", CHAT, bearer, SONNET),
        ("chat, Gemini", CHAT, bearer, FLASH),
        ("Responses, Claude", RESPONSES, bearer, SONNET),
        ("chat, auto", CHAT, bearer, "auto"),
        ("consensus", CHAT, bearer, "tier3"),
        ("memory + brain", CHAT, bearer, "tier1"),
    ]
    return [
        Target(
            name=name, mark=mark_of("tercet"), port=port, path=path, headers=headers, model=model
        )
        for name, path, headers, model in rows
    ]


def scratch() -> Path:
    """Return a new folder for logs and the ledger."""
    return Path(tempfile.mkdtemp(prefix="tercet-bench-"))
