"""A process in a session of its own, seen from the foreground: Ctrl-C reaches only us.

A terminal sends Ctrl-C to every process of its foreground group, and Ray's would die of it one by
one, in no order. So the system runs in a session of its own and lives for as long as we hold its
standard input; it also ends when we are killed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 1.0
"""A wrapper may pass on a signal that we got ourselves; a person who insists takes longer."""


def in_foreground(command: Sequence[str]) -> int:
    """Run `command` until it ends; end its input on a signal, kill it on a later one."""
    process = subprocess.Popen(  # noqa: S603  our own command
        command, stdin=subprocess.PIPE, start_new_session=True
    )
    held = process.stdin
    assert held is not None  # noqa: S101  PIPE was asked for

    first_at: list[float] = []

    def stop(_number: int, _frame: object) -> None:
        first_at.append(time.monotonic())
        held.close()
        if first_at[-1] - first_at[0] > AGAIN_S:
            os.killpg(process.pid, signal.SIGKILL)

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    return process.wait()


if __name__ == "__main__":
    sys.exit(in_foreground(sys.argv[1:]))
