"""What a rented machine runs at every boot: the tunnel, then Ray or vLLM, for as long as it lives.

It is given a private key that opens one tunnel and one command on the head, and learns the rest
there. Needs the standard library, `ssh`, and the environment that `install.sh` makes.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

TRY_AGAIN_S = (1.0, 2.0, 5.0, 10.0)
TUNNEL_WITHIN_S = 60.0
HERE = Path(__file__).parent
FIRST_LINE = "-----BEGIN OPENSSH PRIVATE KEY-----"
LAST_LINE = "-----END OPENSSH PRIVATE KEY-----"


class Welcome(TypedDict):
    """What the head tells: see `cluster.doorstep`."""

    forwards: list[str]
    reach: list[object]
    """Address and port that answer once the tunnel stands."""
    command: list[str]
    """Of this environment's `bin/`, its first word; it runs as long as the machine is a node."""
    environment: dict[str, str]


@dataclass(frozen=True)
class Head:
    """How the head is reached, from the environment the machine was created with."""

    host: str
    port: str
    user: str
    known_hosts: Path
    key: Path

    def ssh(self, *options: str) -> list[str]:
        """Return the command line of `ssh` with these options before the host."""
        return [
            "ssh",
            "-i", str(self.key),
            "-p", self.port,
            "-o", "BatchMode=yes",
            "-o", "IdentitiesOnly=yes",
            "-o", "StrictHostKeyChecking=yes",
            "-o", f"UserKnownHostsFile={self.known_hosts}",
            "-o", "ConnectTimeout=15",
            "-o", "ServerAliveInterval=5",
            "-o", "ServerAliveCountMax=3",
            *options,
            f"{self.user}@{self.host}",
        ]  # fmt: skip


def head_of(environment: Mapping[str, str], folder: Path) -> Head:
    """Write the key and the head's fingerprint where nobody else reads them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    head = Head(
        host=environment["TERCET_HEAD_HOST"],
        port=environment["TERCET_HEAD_PORT"],
        user=environment["TERCET_HEAD_USER"],
        known_hosts=folder / "known_hosts",
        key=folder / "key",
    )
    head.key.touch(mode=0o600)
    head.key.write_text(f"{FIRST_LINE}\n{key_of(environment)}\n{LAST_LINE}\n", encoding="utf-8")
    head.known_hosts.write_text(
        f"[{head.host}]:{head.port} {environment['TERCET_HEAD_HOST_KEY']}\n", encoding="utf-8"
    )
    return head


def key_of(environment: Mapping[str, str]) -> str:
    """Put the key together: a variable at a provider holds a piece of it."""
    names = (f"TERCET_NODE_KEY_{number}" for number in range(1, 10))
    return "".join(environment.get(name, "") for name in names)


def say(head: Head, word: str) -> Welcome | None:
    """Say a word to the head; `None`: it does not answer.

    Raises:
        SystemExit: the machine is not wanted any more.
    """
    command = [*head.ssh(), word]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        answer = json.loads(told.stdout) if told.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        return None
    if answer == {}:
        note("the head does not want this machine any more")
        raise SystemExit(0)
    if answer is None:
        note(f"the head does not answer: {told.stderr.strip()[-200:]}")
    return cast("Welcome | None", answer)


def note(line: str) -> None:
    """Write to the machine's log."""
    sys.stderr.write(f"tercet boot: {line}\n")
    sys.stderr.flush()


def live(head: Head, bin_folder: Path) -> None:
    """Be a node: again and again, until the head does not want it."""
    failures = 0
    while True:
        welcome = say(head, "join")
        if welcome is not None and be_a_node(head, welcome, bin_folder):
            failures = 0
        else:
            failures = min(failures + 1, len(TRY_AGAIN_S))
        time.sleep(TRY_AGAIN_S[max(failures - 1, 0)])


def be_a_node(head: Head, welcome: Welcome, bin_folder: Path) -> bool:
    """Hold the tunnel and run the node until it ends; whether the tunnel stood at all."""
    tunnel = Tunnel(head, welcome["forwards"])
    try:
        if not tunnel.stands(welcome["reach"]):
            return False
        name, *arguments = welcome["command"]
        ours = {"PYTHONPATH": str(HERE.parents[1])}  # VPS_1's environment has no package of ours
        environment = {**os.environ, **ours, **welcome["environment"]}  # noqa: TID251
        note(f"tunnel stands; running {name}")
        with subprocess.Popen([str(bin_folder / name), *arguments], env=environment) as node:  # noqa: S603
            while node.poll() is None:
                tunnel.mend()
                time.sleep(1)
        note(f"{name} ended with {node.returncode}")
    finally:
        tunnel.close()
    return True


class Tunnel:
    """One `ssh`, begun anew when it breaks."""

    def __init__(self, head: Head, forwards: Sequence[str]) -> None:
        """Open it."""
        self._command = head.ssh("-N", "-o", "ExitOnForwardFailure=yes", *forwards)
        self._ssh = subprocess.Popen(self._command)  # noqa: S603
        self._opened_at = time.monotonic()

    def mend(self) -> None:
        """Open it anew if it broke; every few seconds at most."""
        if self._ssh.poll() is not None and time.monotonic() - self._opened_at > TRY_AGAIN_S[1]:
            note("the tunnel broke; opening it anew")
            self._ssh = subprocess.Popen(self._command)  # noqa: S603
            self._opened_at = time.monotonic()

    def stands(self, reach: Sequence[object]) -> bool:
        """Wait until this address answers through it."""
        give_up_at = time.monotonic() + TUNNEL_WITHIN_S
        while time.monotonic() < give_up_at:
            self.mend()
            if self._ssh.poll() is None and (
                not reach or answers(str(reach[0]), int(str(reach[1])))
            ):
                return True
            time.sleep(0.5)
        return False

    def close(self) -> None:
        """End it."""
        self._ssh.terminate()
        self._ssh.wait()


def answers(host: str, port: int) -> bool:
    """Say whether something takes a connection there."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def main() -> None:
    """Start the watchdog, which outlives everything here, and live."""
    environment = os.environ  # noqa: TID251
    folder = Path(environment.get("TERCET_NODE_FOLDER", "/tmp/tercet-node"))  # noqa: S108
    head = head_of(environment, folder)
    watchdog = [sys.executable, str(HERE / "watchdog.py"), *head.ssh(), "beat"]
    subprocess.Popen(watchdog, start_new_session=True)  # noqa: S603
    live(head, Path(sys.executable).parent)


if __name__ == "__main__":
    main()
