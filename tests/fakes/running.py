"""`tercet run` as a user starts it: a process of its own, with a state of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from openai import OpenAI

START_WITHIN_S = 300
KEY = "test-key-0123456789"


@dataclass(frozen=True, kw_only=True)
class Running:
    """A system under test."""

    url: str
    home: Path
    process: subprocess.Popen
    client: OpenAI
    banner: str
    """What it printed when it was ready; in no file, because it names the key."""

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.sqlite3"

    @property
    def bill(self) -> Path:
        return self.home / "simulated-billing.jsonl"

    def http(self, **options) -> httpx2.Client:
        headers = {"authorization": f"Bearer {KEY}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60, **options)

    def receipt(self, task_id: str) -> dict:
        with self.http() as http:
            return http.get(f"/v1/requests/{task_id}").json()

    def upstream(self) -> str:
        line = (self.home / "stderr").read_text().split("simulated upstreams on ")[1]
        return line.split(",")[0]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(home: Path, **extra: str):
    """Start `tercet run`, wait until it says it is ready, and stop it with SIGTERM."""
    port = free_port()
    process, banner = started(home, port, **extra)
    url = f"http://127.0.0.1:{port}"
    try:
        with OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=60) as client:
            yield Running(url=url, home=home, process=process, client=client, banner=banner)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()


def start(home: Path, port: int, **extra: str) -> subprocess.Popen:
    """Start it."""
    return started(home, port, **extra)[0]


def started(home: Path, port: int, **extra: str) -> tuple[subprocess.Popen, str]:
    """Start it, once more if a starved machine keeps Ray from starting; return its banner too."""
    for attempt in (1, 2):
        process = _launch(home, port, extra)
        banner = _banner(process)
        if banner is not None:
            return process, banner
        process.terminate()
        process.wait(60)
        process.stdout.close()
        if attempt == 2:
            raise AssertionError((home / "stderr").read_text()[-4000:])
    raise AssertionError


def environment(**extra: str) -> dict[str, str]:
    """Return this process's environment without anything that would steer the system."""
    steering = ("ANTHROPIC_", "GEMINI_", "GOOGLE_", "TERCET_", "RAY_", "PORT")
    kept = {n: v for n, v in os.environ.items() if not n.startswith(steering)}  # noqa: TID251
    return kept | extra


def _launch(home: Path, port: int, extra: dict[str, str]) -> subprocess.Popen:
    values = {
        "PORT": str(port),
        "TERCET_API_KEY": KEY,
        "TERCET_LEDGER": str(home / "ledger.sqlite3"),
    }
    with (home / "stderr").open("w") as stderr:
        return subprocess.Popen(
            [Path(sys.executable).parent / "tercet", "run"],
            env=environment(**(values | extra)),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )


def _banner(process: subprocess.Popen) -> str | None:
    """Return its output up to the banner's last line; `None`: it ended before that."""
    deadline = threading.Timer(START_WITHIN_S, process.kill)
    deadline.start()
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                return "".join(lines)
    finally:
        deadline.cancel()
    return None


def descendants(root: int) -> set[int]:
    """Return the process ids below `root`, itself included."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(fields[1])
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def wait_until(condition, within_s: float = 30.0) -> bool:
    """Poll until `condition()` holds; say whether it did in time."""
    give_up_at = time.monotonic() + within_s
    while time.monotonic() < give_up_at:
        if condition():
            return True
        time.sleep(0.1)
    return False


def events_of(lines) -> list[dict | str]:
    """Return the data of server-sent events, comments as they are."""
    found: list[dict | str] = []
    for line in lines:
        if line.startswith(":"):
            found.append(line)
        elif line.startswith("data: ") and line != "data: [DONE]":
            found.append(json.loads(line[6:]))
        elif line.startswith("data: "):
            found.append("[DONE]")
    return found
