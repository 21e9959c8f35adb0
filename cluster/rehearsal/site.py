"""A whole site rehearsed: the fake cloud, whose machines boot on VPS_1, and Ray's head on VPS_2."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from cluster import autoscaling
from cluster.rehearsal.place import HERE_IP, LINK, Place, place
from tercet.config import PROJECT, environment
from tercet.local_model import Resources

CLOUD_PORT = 7901
CLOUD_OUTSIDE = 7902
"""Where machines reach the cloud they are in."""
KEY = "fake-account-key"
BOOT = PROJECT / "cluster" / "vps_1" / "boot.py"
START_WITHIN_S = 180.0
STOP_WITHIN_S = 30.0

World = Mapping[str, object]
"""The fake cloud's offers and delays: see `cluster.providers.fake`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a rehearsal is made of."""

    world: World
    rental: Mapping[str, object]
    """Overrides of `config/rental.yaml`, by its keys."""
    wants: Resources
    node_python: Path
    """Of the environment that VPS_1 has."""
    delay_s: float = 0.02
    idle_s: float = 5.0
    head_environment: Mapping[str, str] = field(default_factory=dict[str, str])
    node_environment: Mapping[str, str] = field(default_factory=dict[str, str])


class Site:
    """The processes of a rehearsal, each of which may be ended and begun again."""

    def __init__(self, folder: Path, where: Place, setting: Setting) -> None:
        """Write what they read."""
        self.folder = folder
        self.place = where
        self.url = f"http://127.0.0.1:{CLOUD_PORT}"
        self.config = folder / "config"
        self._setting = setting
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **environment(),
            **autoscaling.head_environment(),
            "RAY_AUTH_TOKEN": secrets.token_hex(24),
            "TERCET_LEDGER": str(folder / "ledger.sqlite3"),
            "TERCET_STATE": str(folder),
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            **setting.head_environment,
            "HOME": str(folder),
        }
        (folder / "world.json").write_text(json.dumps(setting.world), encoding="utf-8")
        (folder / "key").write_text(KEY, encoding="utf-8")
        _write_config(self.config, folder / "key", where, self.url, setting.rental)

    def start_cloud(self) -> None:
        """Start the cloud; its state, and its machines, outlive it."""
        command = [sys.executable, "-m", "cluster.providers.fake", "--port", str(CLOUD_PORT)]
        files = [
            "--config",
            self.folder / "world.json",
            "--state",
            self.folder / "cloud/state.json",
        ]
        boot = ["--boot", _boot_script(self.place, self._setting)]
        self.start("cloud", [*command, *map(str, files), *boot])
        outside = [sys.executable, str(LINK), HERE_IP, str(CLOUD_OUTSIDE)]
        self.start("outside", [*outside, "127.0.0.1", str(CLOUD_PORT), "0"])
        self._wait_for(self.folder / "cloud.log", "fake cloud http")

    def stop_cloud(self) -> None:
        """Kill the cloud's process."""
        for name in ("outside", "cloud"):
            self._kill(name)

    def start_head(self) -> None:
        """Start Ray's head, with the autoscaler and the dashboard."""
        file = self.folder / "cluster.json"
        cluster = autoscaling.cluster_file(self._setting.wants, self.config, self._setting.idle_s)
        file.write_text(cluster, encoding="utf-8")
        more = [
            "--num-cpus=2",
            "--object-store-memory=100000000",
            "--dashboard-host=127.0.0.1",
            f"--temp-dir={self.folder / 'ray'}",
            "--block",
        ]
        ray = str(Path(sys.executable).parent / "ray")
        self.start("head", autoscaling.head_command(ray, file, more))
        self._wait_for(self.folder / "head.log", "Ray runtime started")

    def stop_head(self) -> None:
        """Kill every process of the head at once, as a power cut does."""
        self._kill("head")
        _kill_all(
            lambda line: f"--temp-dir={self.folder}/ray" in line or f"{self.folder}/ray/" in line
        )

    def close(self) -> None:
        """End everything that was started, machines included."""
        for name in list(self._processes):
            self._kill(name)
        _kill_all(lambda line: str(self.folder) in line)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process of the site, with a log of its name."""
        log = self.folder / f"{name}.log"
        log.unlink(missing_ok=True)
        with log.open("wb") as out:
            self._processes[name] = subprocess.Popen(  # noqa: S603  our own
                command, stdout=out, stderr=out, env=self.environment, start_new_session=True
            )

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_WITHIN_S)

    def _wait_for(self, log: Path, text: str) -> None:
        give_up_at = time.monotonic() + START_WITHIN_S
        while text not in log.read_text(encoding="utf-8", errors="replace"):
            if time.monotonic() > give_up_at:
                told = log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise TimeoutError(f"{log.name} does not say {text!r}:\n{told}")
            time.sleep(0.1)


@contextmanager
def rehearsed(folder: Path, setting: Setting) -> Generator[Site]:
    """Make a site with its cloud and its head, and take it away; the thread is on VPS_2 meanwhile.

    Args:
        folder: empty, with a short path: Unix sockets are made in it.
        setting: what it is made of.

    Raises:
        ConfigError: it cannot be done here.
    """
    with ExitStack() as stack:
        where = stack.enter_context(place(folder / "rental", setting.delay_s))
        site = Site(folder, where, setting)
        stack.callback(site.close)
        site.start_cloud()
        site.start_head()
        yield site


def _write_config(
    config: Path, key: Path, where: Place, url: str, overrides: Mapping[str, object]
) -> None:
    shutil.copytree(PROJECT / "config", config)
    file = config / "rental.yaml"
    told = yaml.safe_load(file.read_text(encoding="utf-8"))
    head = {"host": where.head.host, "port": where.head.port, "user": where.head.user}
    told |= {"provider": "fake", "url": url, "key_file": str(key), "head": head}
    for name, value in overrides.items():
        told[name] = {**told[name], **value} if isinstance(value, Mapping) else value
    file.write_text(yaml.safe_dump(told), encoding="utf-8")


def _boot_script(where: Place, setting: Setting) -> str:
    """Return what the cloud runs for a machine that boots: the lease's command, on VPS_1."""
    ours = {
        "TERCET_BOOT": f"'{setting.node_python} {BOOT}'",
        "TERCET_NODE_FOLDER": "$FAKE_DISK/node",
        "TERCET_PROVIDER_URL": f"http://{HERE_IP}:{CLOUD_OUTSIDE}",
        "HOME": "$FAKE_DISK",
        **setting.node_environment,
    }
    given = " ".join(f"{name}={value}" for name, value in ours.items())
    return f"exec {' '.join(where.inside(['env']))} {given} sh $FAKE_COMMAND_FILE"


def _kill_all(matches: Callable[[str], bool]) -> None:
    """Kill the processes whose command line matches; ours, by the folder in it."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if int(folder.name) != os.getpid() and matches(line):
                os.kill(int(folder.name), signal.SIGKILL)
