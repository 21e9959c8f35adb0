"""The local model from asleep to asleep, with the times: `make local-demo`.

Starts a system of its own beside whatever runs, with the profile `cpu`: real vLLM on a tiny random
model. Asks a routine task while the model sleeps, wakes it, asks again, and waits until it sleeps.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROUTINE = "Rename the variable `x` to `count` in this function:\ndef f(x):\n    return x + 1"
KEY = "local-timeline"
STARTED_S = 600.0
READY_S = 900.0
LOOK_EVERY_S = 0.25


@dataclass(frozen=True, kw_only=True)
class System:
    """A running system, and when it was first looked at."""

    url: str
    began: float = field(default_factory=time.monotonic)

    def tell(self, line: str) -> None:
        """Print a line of the timeline."""
        sys.stdout.write(f"{time.monotonic() - self.began:7.1f} s  {line}\n")
        sys.stdout.flush()

    def request(self, method: str, path: str, body: object = None) -> requests.Response:
        """Make a request with the key."""
        headers = {"authorization": f"Bearer {KEY}"}
        reply = requests.request(method, self.url + path, json=body, headers=headers, timeout=120)
        reply.raise_for_status()
        return reply

    def local(self) -> Mapping[str, Any]:
        """Return what is known of the local model."""
        return self.request("GET", "/v1/local").json()

    def ask(self) -> None:
        """Ask a routine task, and tell who answered and why."""
        asked_at = time.monotonic()
        messages = [{"role": "user", "content": ROUTINE}]
        body = {"model": "auto", "messages": messages, "max_tokens": 40}
        reply = self.request("POST", "/v1/chat/completions", body)
        took_s = time.monotonic() - asked_at
        receipt = self.request("GET", f"/v1/requests/{reply.headers['x-tercet-request-id']}").json()
        self.tell(
            f"answered in {took_s:.2f} s by {reply.headers['x-tercet-models']} "
            f"for {receipt['cost_usd']} USD"
        )
        self.tell(f"  the receipt says: {receipt['route']['reason']}")

    def follow(self, until: str, within_s: float) -> None:
        """Tell every change until the model is there."""
        last = None
        give_up_at = time.monotonic() + within_s
        while time.monotonic() < give_up_at:
            told = self.local()
            if (now := (told["readiness"], told["why"])) != last:
                self.tell(f"the model is {now[0]}: {now[1]}")
                last = now
            if told["readiness"] == until:
                return
            time.sleep(LOOK_EVERY_S)
        raise SystemExit(f"the model is not {until} after {within_s:.0f} s: {self.local()}")


def main() -> None:
    """Play the timeline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--idle-s", type=int, default=20, help="seconds without a request until it sleeps (20)"
    )
    idle_s = parser.parse_args().idle_s
    with running(idle_s) as system:
        system.tell("the system is ready")
        system.follow("asleep", 60)
        system.ask()
        system.tell("waking it: POST /v1/local/wake")
        system.request("POST", "/v1/local/wake")
        system.ask()
        system.follow("ready", READY_S)
        start = system.local()["starts"][0]
        phases = ", ".join(f"{name} {seconds} s" for name, seconds in start["phases_s"].items())
        system.tell(f"  the start took {start['total_s']} s: {phases}")
        system.ask()
        system.tell(f"no more requests; it sleeps after {idle_s} s without one")
        system.follow("asleep", idle_s + 60)
        system.ask()
        system.tell("stopping")


@contextmanager
def running(idle_s: int) -> Generator[System]:
    """Run a system with the local model until the timeline is over."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="tercet-") as folder:
        settings = {
            "PORT": str(port),
            "TERCET_API_KEY": KEY,
            "TERCET_LEDGER": str(Path(folder) / "ledger.sqlite3"),
            "TERCET_LOCAL": "cpu",
            "TERCET_PHASE": "ungated",  # routine work goes there at once
            "TERCET_LOCAL_IDLE_S": str(idle_s),
        }
        process = subprocess.Popen(  # noqa: S603  our own command
            [Path(sys.executable).parent / "tercet", "run"],
            env=os.environ | settings,  # noqa: TID251  the settings of the one that is started
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            wait_for_banner(process)
            yield System(url=f"http://127.0.0.1:{port}")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wait_for_banner(process: subprocess.Popen[str]) -> None:
    """Wait until the system says that it is ready."""
    assert process.stdout is not None  # noqa: S101  PIPE was asked for
    with deadline(STARTED_S, process.kill):
        if not any(line.startswith("Ctrl-C") for line in process.stdout):
            raise SystemExit("the system did not start; its error is above")


@contextmanager
def deadline(seconds: float, act: Callable[[], None]) -> Generator[None]:
    """Do something about it if what is inside takes longer."""
    timer = threading.Timer(seconds, act)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
