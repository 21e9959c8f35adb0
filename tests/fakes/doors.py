"""Small servers on loopback with doors that are open, for those who look for them."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answers = Mapping[str, tuple[int, str]]
"""By `METHOD /path`; `*` is any other."""

RAY_MODE = '{"authentication_mode": "%s"}'
OPEN_DASHBOARD: Answers = {
    "GET /": (200, "<title>Ray Dashboard</title>"),
    "GET /api/authentication_mode": (200, RAY_MODE % "disabled"),
    "GET /api/serve/applications/": (200, '{"applications": {}}'),
    "POST /api/jobs/": (400, "TypeError: missing 1 required argument: 'entrypoint'"),
    "*": (404, "404: Not Found"),
}
SHUT_DASHBOARD: Answers = {
    "GET /": (200, "<title>Ray Dashboard</title>"),
    "GET /api/authentication_mode": (200, RAY_MODE % "token"),
    "*": (401, "Unauthorized: Missing authentication token"),
}
GATEWAY: Answers = {
    "GET /healthz": (200, '{"status": "ok"}'),
    "GET /console": (303, ""),
    "*": (401, '{"error": {"code": "invalid_api_key"}}'),
}


@dataclass(frozen=True)
class Served:
    """A server, and what it was asked."""

    port: int
    asked: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    @property
    def requests(self) -> list[str]:
        return [request for request, _, _ in self.asked]


@contextmanager
def serving(
    answers: Answers,
    *,
    fails_on: Callable[[Mapping[str, str]], bool] = lambda _: False,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Served]:
    """Answer on a port of loopback; with 500 where `fails_on` these headers."""
    asked: list[tuple[str, Mapping[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            request = f"{self.command} {self.path}"
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            asked.append((request, dict(self.headers), body))
            status, text = answers.get(request, answers["*"])
            self.send_response(500 if fails_on(self.headers) else status)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_DELETE = do_GET  # noqa: N815  as http.server calls them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Let a handshake that was broken off be."""

    with Quiet(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Served(server.server_address[1], asked)
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def speechless() -> Iterator[int]:
    """Take connections and close them, as a server of another protocol; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close() -> None:
            with server:
                while True:
                    try:
                        taken, _ = server.accept()
                    except OSError:
                        return
                    taken.close()

        thread = threading.Thread(target=close)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
