"""The head's side of the tunnel: one file and one SSH key for each rented machine that is wanted.

A machine is wanted as long as its file is there and holds. That is all its watchdog asks for, so
it is so whether or not Ray, the gateway or the ledger runs.
"""

import fcntl
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from cluster import tunnel
from cluster.vps_1.boot import Welcome
from cluster.vps_2.welcome import is_held
from tercet.errors import ConfigError
from tercet.rental_rules import HeadAddress

WELCOME = Path(__file__).parent / "vps_2" / "welcome.py"
KEYGEN_S = 30.0
PIECE = 200


class NodeFile(Welcome):
    """What is kept of a machine that is wanted; the machine is told all of it."""

    node_id: str
    tags: dict[str, str]
    """Ray's, which its autoscaler wants back after a restart; of no node of Ray's, none."""
    holder: NotRequired[str]
    """Whoever renews the wish: one that is left to itself is over after `lasts_s`."""
    lasts_s: NotRequired[float]
    """Since the file was written or renewed; left out: until it is dismissed."""


class Destroyed(TypedDict):
    """An instance that was destroyed."""

    at: float
    """Unix seconds."""
    instance_id: str
    lease_id: str
    """Its label."""


class Doorstep:
    """A folder: `nodes/`, `keys/`, `authorized_keys`, the host key and the sshd's configuration."""

    def __init__(self, folder: Path, head: HeadAddress) -> None:
        """Make what is missing."""
        self._folder = folder
        self._head = head
        for part in (self.nodes, folder / "keys"):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.authorized_keys.touch(mode=0o600)
        with self._alone():
            if not self.host_key.exists():
                _generate(self.host_key)
            if not self._site.exists():
                self._site.write_text(secrets.token_hex(3), encoding="utf-8")

    @property
    def nodes(self) -> Path:
        """The folder of the machines that are wanted."""
        return self._folder / "nodes"

    @property
    def site(self) -> str:
        """What the labels of this site's machines begin with: an account may serve several."""
        return f"tercet-{self._site.read_text(encoding='utf-8').strip()}-"

    @property
    def _site(self) -> Path:
        return self._folder / "site"

    @property
    def authorized_keys(self) -> Path:
        """The keys that sshd knows."""
        return self._folder / "authorized_keys"

    @property
    def host_key(self) -> Path:
        """The head's own key."""
        return self._folder / "host_key"

    def write_sshd_config(self, address: str = "0.0.0.0") -> Path:  # noqa: S104  machines come from outside
        """Write the configuration of the sshd that machines come to, and return its place."""
        file = self._folder / "sshd_config"
        config = tunnel.sshd_config(
            port=self._head.port,
            host_key=str(self.host_key),
            authorized_keys=str(self.authorized_keys),
            address=address,
        )
        file.write_text(config, encoding="utf-8")
        return file

    def admit(self, lease_id: str, *, joins_ray: bool) -> Mapping[str, str]:
        """Make a lease's key; return what its machine needs in its environment to come here."""
        private = self._folder / "keys" / lease_id
        _generate(private)
        command = [sys.executable, "-IS", str(WELCOME), str(self.nodes), lease_id]
        public = private.with_suffix(".pub").read_text(encoding="utf-8")
        line = tunnel.authorized_key(public, command, joins_ray=joins_ray)
        self._rewrite(lambda lines: [*lines, line])
        secret = private.read_text(encoding="utf-8").splitlines()
        private.unlink()  # the machine has it, and nobody else needs it
        host_key = self.host_key.with_suffix(".pub").read_text(encoding="utf-8").split()
        return {
            **pieces("".join(secret[1:-1])),  # without the lines that say what it is
            "TERCET_HEAD_HOST": self._head.host,
            "TERCET_HEAD_PORT": str(self._head.port),
            "TERCET_HEAD_USER": self._head.user,
            "TERCET_HEAD_HOST_KEY": " ".join(host_key[:2]),
        }

    def expect(self, lease_id: str, node: NodeFile) -> None:
        """Say that the machine is wanted, and as which node."""
        file = self.nodes / f"{lease_id}.json"
        if lease_id not in self.wanted():
            # Of a boot that nobody dismissed, because its wish just ran out.
            (self.nodes / f"{lease_id}.beat").unlink(missing_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self.nodes, delete=False, suffix=".new") as new:
            json.dump(node, new)
        Path(new.name).rename(file)

    def renew(self, lease_id: str, holder: str) -> bool:
        """Have the wish last anew; `False`: it is over, or somebody else holds it now."""
        node = self.wanted().get(lease_id)
        if node is None or node.get("holder") != holder:
            return False
        try:
            # Never makes the file: a wish that was dismissed meanwhile does not come back.
            os.utime(self.nodes / f"{lease_id}.json")
        except FileNotFoundError:
            return False
        return True

    def dismiss(self, lease_id: str) -> None:
        """Say that the machine is not wanted now; its key goes on opening the door."""
        (self.nodes / f"{lease_id}.json").unlink(missing_ok=True)
        (self.nodes / f"{lease_id}.beat").unlink(missing_ok=True)

    def forget(self, lease_id: str) -> None:
        """End it for good: its key too."""
        self.dismiss(lease_id)
        public = self._folder / "keys" / f"{lease_id}.pub"
        if public.exists():
            key = public.read_text(encoding="utf-8").split()[1]
            self._rewrite(lambda lines: [line for line in lines if key not in line])
            public.unlink()

    def wanted(self) -> Mapping[str, NodeFile]:
        """Return the machines that are wanted, by their leases."""
        found: dict[str, NodeFile] = {}
        for file in self.nodes.glob("*.json"):
            try:
                node = cast("NodeFile", json.loads(file.read_text(encoding="utf-8")))
                if is_held(file, node):
                    found[file.stem] = node
            except FileNotFoundError:  # dismissed meanwhile
                continue
        return found

    def wished_at(self, lease_id: str) -> float:
        """Return when the wish was made or renewed, Unix seconds; now, if there is none."""
        file = self.nodes / f"{lease_id}.json"
        return file.stat().st_mtime if file.exists() else time.time()

    def silent_s(self, lease_id: str) -> float | None:
        """Return how long ago the machine was heard; `None`: never since it is wanted."""
        beat = self.nodes / f"{lease_id}.beat"
        return time.time() - beat.stat().st_mtime if beat.exists() else None

    def note_destroyed(self, instance_id: str, lease_id: str) -> None:
        """Keep whose an instance was: the ledger never knew one that showed up too late."""
        if any(one["instance_id"] == instance_id for one in self.destroyed()):
            return
        line = json.dumps({"at": time.time(), "instance_id": instance_id, "lease_id": lease_id})
        with self._destroyed.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def destroyed(self) -> Sequence[Destroyed]:
        """Return the instances that are to be gone, in the order they were destroyed."""
        if not self._destroyed.exists():
            return []
        lines = self._destroyed.read_text(encoding="utf-8").splitlines()
        return [cast("Destroyed", json.loads(line)) for line in lines]

    def note_told(self) -> None:
        """Say that the provider has told what there is, now."""
        self._told.touch()

    def untold_s(self) -> float | None:
        """Return for how long it is not known what there is; `None`: it never was."""
        return time.time() - self._told.stat().st_mtime if self._told.exists() else None

    @property
    def _destroyed(self) -> Path:
        return self._folder / "destroyed.jsonl"

    @property
    def _told(self) -> Path:
        return self._folder / "told"

    def _rewrite(self, change: Callable[[Sequence[str]], Sequence[str]]) -> None:
        with self._alone():
            lines = self.authorized_keys.read_text(encoding="utf-8").splitlines(keepends=True)
            new = self.authorized_keys.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text("".join(change(lines)), encoding="utf-8")
            new.rename(self.authorized_keys)

    @contextmanager
    def _alone(self) -> Generator[None]:
        """Wait until no other process changes what all of them share."""
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def pieces(secret: str) -> Mapping[str, str]:
    """Return a key as variables short enough for Vast.ai, which takes 256 characters."""
    parts = [secret[at : at + PIECE] for at in range(0, len(secret), PIECE)]
    return {f"TERCET_NODE_KEY_{number}": part for number, part in enumerate(parts, start=1)}


def _generate(file: Path) -> None:
    file.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", str(file)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=KEYGEN_S)  # noqa: S603
    except FileNotFoundError as error:
        raise ConfigError("there is no ssh-keygen; install OpenSSH (openssh-client)") from error
