"""VPS_1 and VPS_2 as network namespaces, and the way from the one to the other."""

import ctypes
import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.doorstep import Doorstep
from tercet.errors import ConfigError
from tercet.rental_rules import HeadAddress

SSHD_PORT = 2222
LINK_PORT = 2223
HERE_IP = "10.77.0.1"
THERE_IP = "10.77.0.2"
LINK = Path(__file__).parent / "link.py"
CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a rented machine is rehearsed; whoever made it is on VPS_2."""

    namespace: str
    """Of VPS_1."""
    head: HeadAddress
    """VPS_2 as VPS_1 sees it: the near end of the link."""
    cut: Path
    """While this file exists, nothing passes the link."""

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return a command line that runs on VPS_1."""
        return ["ip", "netns", "exec", self.namespace, *command]


def why_not() -> str | None:
    """Return why it cannot be rehearsed here, or `None`."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    missing = [name for name in ("ip", "ssh", "ssh-keygen", "sshd") if _which(name) is None]
    if missing:
        return f"{missing} are missing: apt-get install iproute2 openssh-client openssh-server"
    name = f"tercet-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)  # noqa: S603, S607
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)  # noqa: S603, S607
    return None if made.returncode == 0 else f"no network namespace: {made.stderr.decode().strip()}"


@contextmanager
def place(folder: Path, delay_s: float) -> Generator[Place]:
    """Make VPS_1, the link to it with `delay_s` each way and the sshd, and take them away.

    The calling thread, and whatever it starts, is on VPS_2 meanwhile: a namespace of its own too,
    so that nobody outside reaches what listens there.

    Raises:
        ConfigError: it cannot be done here.
    """
    if (why := why_not()) is not None:
        raise ConfigError(why)
    head = HeadAddress(host=HERE_IP, port=LINK_PORT, user=getpass.getuser())
    cut = folder / "cut"
    with ExitStack() as stack:
        here, there = stack.enter_context(_namespaces())
        stack.enter_context(entered(here))
        config = _sshd_config(Doorstep(folder, head))
        stack.enter_context(_process([str(_which("sshd")), "-D", "-e", "-f", str(config)], folder))
        ends = [HERE_IP, str(LINK_PORT), HERE_IP, str(SSHD_PORT)]
        link = [sys.executable, str(LINK), *ends, str(delay_s), str(cut)]
        stack.enter_context(_process(link, folder))
        yield Place(namespace=there, head=head, cut=cut)


@contextmanager
def entered(namespace: str) -> Generator[None]:
    """Be in a network namespace: this thread, and every process and thread it starts."""
    with Path("/proc/thread-self/ns/net").open("rb") as before:
        with Path(f"/var/run/netns/{namespace}").open("rb") as target:
            _set_namespace(target.fileno())
        try:
            yield
        finally:
            _set_namespace(before.fileno())


def _set_namespace(descriptor: int) -> None:
    # Python has this from 3.12 on, as os.setns.
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _which(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


@contextmanager
def _namespaces() -> Generator[tuple[str, str]]:
    """Yield VPS_2's and VPS_1's: two that reach each other and nobody else."""
    mark = os.getpid()
    here, there = f"tercet-{mark}-2", f"tercet-{mark}-1"
    near, far = f"t{mark}n", f"t{mark}f"
    commands = [
        f"ip netns add {here}",
        f"ip netns add {there}",
        f"ip -n {here} link add {near} type veth peer name {far}",
        f"ip -n {here} link set {far} netns {there}",
        f"ip -n {here} addr add {HERE_IP}/30 dev {near}",
        f"ip -n {there} addr add {THERE_IP}/30 dev {far}",
        f"ip -n {here} link set {near} up",
        f"ip -n {there} link set {far} up",
        f"ip -n {here} link set lo up",
        f"ip -n {there} link set lo up",
    ]
    try:
        for command in commands:
            subprocess.run(command.split(), check=True, capture_output=True)  # noqa: S603
        yield here, there
    finally:
        for name in (here, there):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)  # noqa: S603, S607


def _sshd_config(doorstep: Doorstep) -> Path:
    Path("/run/sshd").mkdir(exist_ok=True)  # sshd will not start without it
    config = doorstep.write_sshd_config(HERE_IP)
    text = config.read_text(encoding="utf-8").replace(f"Port {LINK_PORT}\n", f"Port {SSHD_PORT}\n")
    config.write_text(text + "StrictModes no\nPermitRootLogin yes\n", encoding="utf-8")
    return config


@contextmanager
def _process(command: Sequence[str], folder: Path) -> Generator[subprocess.Popen[bytes]]:
    with (
        (folder / f"{Path(command[0]).name}.log").open("ab") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,  # noqa: S603
    ):
        try:
            yield process
        finally:
            process.terminate()
