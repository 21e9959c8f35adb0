"""Callers outside the machine, and the tries of somebody who looks for an open Ray."""

import http.client
import json
import socket
import ssl
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from installing.machine import ADDRESS, NAME, Machine

from cluster.rehearsal.place import entered

PUBLISHED = (
    ("POST", "/api/jobs/"),
    ("GET", "/"),
    ("DELETE", "/api/serve/applications/"),
    ("GET", "/api/serve/applications/"),
    ("GET", "/metrics"),
    ("GET", "/-/routes"),
)
"""Requests to which an exposed Ray gives itself away (CVE-2023-48022, CVE-2026-27482)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """How a stream went."""

    is_whole: bool
    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody outside, with a key; every call is a connection of its own."""

    machine: Machine
    key: str
    certificate: Path

    def connect(self) -> ssl.SSLSocket:
        """Open a connection that trusts the machine's certificate for its name, and no other."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        with entered(self.machine.namespace):
            plain = socket.create_connection((ADDRESS, 443), timeout=240)
        return context.wrap_socket(plain, server_hostname=NAME)

    def ask(self, method: str, path: str, body: object = None, key: str | None = None) -> int:
        """Return the status; 0 where nobody answers."""
        with suppress(OSError, http.client.HTTPException), self._open() as connection:
            self._send(connection, method, path, body, self.key if key is None else key)
            reply = connection.getresponse()
            reply.read()
            return reply.status
        return 0

    def chat(self) -> int:
        content = "What is 2 + 3? sim:agree"
        body = {"model": "tier3", "messages": [{"role": "user", "content": content}]}
        return self.ask("POST", "/v1/chat/completions", body)

    def stream(self, words: int, delay_ms: int) -> Stream:
        content = f"Go on. sim:words={words} sim:delay={delay_ms}"
        body = {
            "model": "claude-haiku-5-5",
            "messages": [{"role": "user", "content": content}],
            "stream": True,
        }
        began_at = time.monotonic()
        text = b""
        with suppress(OSError, http.client.HTTPException), self._open() as connection:
            self._send(connection, "POST", "/v1/chat/completions", body, self.key)
            text = connection.getresponse().read()
        is_whole = text.rstrip().endswith(b"data: [DONE]") and text.count(b"data: ") > words
        return Stream(is_whole, began_at, time.monotonic())

    def streams(self, count: int, words: int, delay_ms: int) -> list["Future[Stream]"]:
        """Begin them."""
        pool = ThreadPoolExecutor(count)
        begun = [pool.submit(self.stream, words, delay_ms) for _ in range(count)]
        pool.shutdown(wait=False)
        return begun

    @contextmanager
    def steady(self, every_s: float):
        """Ask all the while; yield the statuses."""
        stopped, found = threading.Event(), []

        def go_on() -> None:
            while not stopped.wait(every_s):
                found.append(self.chat())

        asking = threading.Thread(target=go_on)
        asking.start()
        try:
            yield found
        finally:
            stopped.set()
            asking.join()

    @contextmanager
    def _open(self):
        connection = http.client.HTTPSConnection(NAME)
        connection.sock = self.connect()
        try:
            yield connection
        finally:
            connection.close()

    def _send(self, connection, method, path, body, key) -> None:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, headers)


def open_ports(machine: Machine, ports: range | tuple[int, ...]) -> list[int]:
    """Return those that take a connection from outside."""
    found: list[int] = []
    with entered(machine.namespace):
        for port in ports:
            with socket.socket() as probe:
                probe.settimeout(2)
                if probe.connect_ex((ADDRESS, port)) == 0:
                    found.append(port)
    return found
