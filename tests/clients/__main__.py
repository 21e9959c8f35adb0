"""`make clients`: install the clients, run every cell offline, and write docs/clients.md.

    PYTHONPATH=tests .venv/bin/python -m clients [arguments of pytest]

Everything runs in a network namespace with nothing but loopback, where this machine allows one.
"""

import os
import shlex
import subprocess
import sys

from clients.installing import BUNDLES, HERE, install

ALONE = ("unshare", "--map-root-user", "--net", "sh", "-c")


def main() -> None:
    """Replace this process by pytest."""
    for bundle in BUNDLES:
        install(bundle)
    command = [
        sys.executable, "-m", "pytest", "-p", "clients.table", "-m", "serve or clients",
        str(HERE), *sys.argv[1:],
    ]  # fmt: skip
    if can_be_alone():
        command = [*ALONE, f"ip link set lo up && exec {shlex.join(command)}"]
    else:
        print("no network namespace can be made here: clients could reach the network", flush=True)
    os.execvp(command[0], command)  # noqa: S606  nothing is left to do here


def can_be_alone() -> bool:
    """Tell whether this machine lets us make a network namespace."""
    try:
        tried = subprocess.run(
            [*ALONE, "ip link set lo up"], timeout=30, check=False, capture_output=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


if __name__ == "__main__":
    main()
