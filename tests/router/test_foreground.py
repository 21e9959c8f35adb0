import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHILD = "import sys; print('up', flush=True); sys.stdin.read(); print('ended in order', flush=True)"
STUBBORN = "import sys, time; print('up', flush=True); time.sleep(600)"
PARENT = "import sys; from router.foreground import in_foreground as f; sys.exit(f(sys.argv[1:]))"


def start(child: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, sys.executable, "-c", child],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_the_process_end_in_order(number) -> None:
    with start(CHILD) as process:
        process.send_signal(number)

        assert process.stdout.read() == "ended in order\n"
        assert process.wait(30) == 0


def test_killing_the_foreground_lets_the_process_end_in_order() -> None:
    with start(CHILD) as process:
        process.kill()

        assert process.stdout.read() == "ended in order\n"


def test_a_later_signal_kills_a_process_that_does_not_end() -> None:
    with start(STUBBORN) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGTERM)
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)

        assert process.returncode != 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_the_exit_status_is_the_processs_own() -> None:
    with start("print('up', flush=True); raise SystemExit(3)") as process:
        assert process.wait(30) == 3
