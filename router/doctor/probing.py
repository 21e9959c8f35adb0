"""One connection at a time to a system that runs: what answers there, and what it says."""

import http.client
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tercet.errors import ConfigError

CONNECT_S = 3.0
ANSWER_S = 10.0
READ_BYTES = 64_000
DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where requests go; whoever answers, nothing secret is sent."""

    host: str
    port: int
    is_tls: bool = False

    def __str__(self) -> str:
        """Return it as the beginning of a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.is_tls else ''}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that does no harm where it is let in."""

    method: str
    path: str
    headers: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    body: bytes = b""

    def __str__(self) -> str:
        """Return what it is called in a report."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request, its body cut short."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Greeting:
    """A TLS handshake that succeeded."""

    version: str
    days: float
    """Until the certificate expires."""


def origin_of(url: str) -> Origin:
    """Return where a gateway's address leads.

    Raises:
        ConfigError: it is no address.
    """
    with suppress(ValueError):
        split = urlsplit(url)
        is_tls = split.scheme == "https"
        if split.hostname and split.scheme in {"http", "https"}:
            port = split.port or (443 if is_tls else 80)
            return Origin(host=split.hostname, port=port, is_tls=is_tls)
    raise ConfigError(f"{url[:200]!r} is no address; write one as https://tercet.example")


def answers(host: str, port: int) -> bool:
    """Say whether a connection can be made."""
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError:
        return False
    return True


def ask(origin: Origin, request: Request) -> Reply | None:
    """Send a request; `None`: no HTTP came back. Redirects and proxies are not followed."""
    connection = _connection(origin)
    try:
        connection.putrequest(request.method, request.path)
        sent = {"content-length": str(len(request.body)).encode(), **request.headers}
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.endheaders(request.body)
        response = connection.getresponse()
        return Reply(response.status, response.read(READ_BYTES).decode(errors="replace"))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def greet(origin: Origin, now: float, trust: ssl.SSLContext | None = None) -> Greeting | str:
    """Shake hands as a careful client does; a string says why it would not go on.

    Args:
        origin: where.
        now: Unix seconds.
        trust: whose certificates count; the system's authorities if left out.
    """
    context = trust or ssl.create_default_context()
    try:
        with (
            socket.create_connection((origin.host, origin.port), CONNECT_S) as plain,
            context.wrap_socket(plain, server_hostname=origin.host) as shaken,
        ):
            ends = str((shaken.getpeercert() or {})["notAfter"])
            days = (ssl.cert_time_to_seconds(ends) - now) / DAY_S
            return Greeting(shaken.version() or "", days)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return str(error)


def _connection(origin: Origin) -> http.client.HTTPConnection:
    if not origin.is_tls:
        return http.client.HTTPConnection(origin.host, origin.port, timeout=ANSWER_S)
    # Whose certificate it is, `greet` judges; whoever it is, what is open there is open.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(origin.host, origin.port, timeout=ANSWER_S, context=context)
