"""`tercet gpu sshd` and `tercet gpu head`: the two processes that machines come to."""

import os
import pwd
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cluster import autoscaling
from cluster.autoscaling import TOKEN
from cluster.doorstep import Doorstep
from cluster.rentals.opening import doorstep_of, rules_in_force
from tercet.config import environment, load, settings
from tercet.errors import ConfigError
from tercet.local_file import load_local
from tercet.local_model import Resources

RUN_SSHD = Path("/run/sshd")
MAKE_ONE = "python3 -c 'import secrets; print(secrets.token_hex(24))'"


def sshd(config: Path | None, address: str) -> NoReturn:
    """Become the sshd that machines come to, in the foreground.

    Raises:
        ConfigError: it would not start, or let nobody in.
    """
    rules = rules_in_force(config)
    binary = _sshd_binary()
    _require_user(rules.head.user)
    doorstep = doorstep_of(rules)
    _require_owner(doorstep, rules.head.user)
    file = doorstep.write_sshd_config(address)
    say(
        f"sshd for {rules.head.user} at {rules.head.host}, port {rules.head.port}; "
        f"keys in {doorstep.authorized_keys}; host key {_fingerprint(doorstep)}"
    )
    os.execv(binary, [binary, "-D", "-e", "-f", str(file)])  # noqa: S606  a program of the system


def head(config: Path | None, more: Sequence[str]) -> NoReturn:
    """Become the head of the cluster.

    Raises:
        ConfigError: something is not set.
    """
    command, given = _head_command(config, more), environment()
    if not given.get(TOKEN):
        raise ConfigError(
            f"{TOKEN} is not set, and without it anybody who reaches the head runs code there; "
            f"make one, keep it, and give it to the head and to `serve deploy`: {MAKE_ONE}"
        )
    added = autoscaling.head_environment()
    os.execve(command[0], command, {**given, **added})  # noqa: S606  our own


def print_head(config: Path | None, more: Sequence[str]) -> int:
    """Print its command line, and what it needs in its environment, by name.

    Raises:
        ConfigError: something is not set.
    """
    sys.stdout.write(f"{shlex.join(_head_command(config, more))}\n")
    names = sorted([*autoscaling.head_environment(), TOKEN])
    sys.stdout.writelines(f"{name}\n" for name in names)
    return 0


def _head_command(config: Path | None, more: Sequence[str]) -> list[str]:
    """Write the cluster's file, and return the command line."""
    rules_in_force(config)
    folder = settings().state.absolute() / "rental"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "cluster.json"
    told = None if config is None else config.absolute()
    file.write_text(autoscaling.cluster_file(_wants(config), told), encoding="utf-8")
    ray = str(Path(sys.executable).parent / "ray")
    return autoscaling.head_command(ray, file, [*more, "--block"])


def say(line: str) -> None:
    """Tell whoever watches."""
    sys.stderr.write(f"tercet: {line}\n")
    sys.stderr.flush()


def _wants(config: Path | None) -> Resources:
    """Return what the local model asks of its node: of the profile in force, else of `gpu`."""
    local = load(config).local or load_local(config).profiles["gpu"]
    return local.resources


def _sshd_binary() -> str:
    found = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
    if found is None:
        raise ConfigError("there is no sshd; install OpenSSH's server (openssh-server)")
    return str(Path(found).absolute())  # it starts itself anew by its path


def _require_user(user: str) -> None:
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise ConfigError(
            f"rental.yaml: head.user: there is no user {user}; make one that has no password: "
            f"useradd --create-home --shell /bin/sh {user} && usermod --password '*' {user}"
        ) from error
    if os.geteuid() not in (0, uid):
        raise ConfigError(f"start this as {user} (rental.yaml, head.user), or as root")
    if os.geteuid() == 0 and not RUN_SSHD.is_dir():
        raise ConfigError(f"{RUN_SSHD} is missing, and sshd started by root needs it: mkdir it")


def _require_owner(doorstep: Doorstep, user: str) -> None:
    owner = doorstep.nodes.stat().st_uid
    if owner != pwd.getpwnam(user).pw_uid:
        raise ConfigError(
            f"{doorstep.nodes.parent} is not {user}'s, who is to read it when a machine comes: "
            f"chown -R {user} {doorstep.nodes.parent}, and run Ray's head as {user} too"
        )


def _fingerprint(doorstep: Doorstep) -> str:
    command = ["ssh-keygen", "-l", "-f", str(doorstep.host_key.with_suffix(".pub"))]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    return told.stdout.split()[1]
