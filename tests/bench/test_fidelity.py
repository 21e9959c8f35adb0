"""Fidelity is judged against what the instant upstream says, whoever answers."""

import subprocess
import sys

import pytest

from bench.gateway.fidelity import faithful
from bench.gateway.systems import PROJECT, SONNET, await_url
from cluster.loopback import free_ports


@pytest.fixture
def url():
    """Return where the instant upstream listens, with no gateway before it."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "bench.gateway.upstream", str(port)]
    with subprocess.Popen(command, cwd=PROJECT) as running:
        await_url(f"http://127.0.0.1:{port}/", running, {})
        yield f"http://127.0.0.1:{port}"
        running.terminate()


def test_the_upstream_itself_reads_as_messages_and_not_as_chat(url) -> None:
    score = faithful(url, "key", SONNET)
    assert score.passed == (
        "message", "message streamed", "message tool", "message tool streamed",
    )  # fmt: skip
    assert [*score.failed] == [
        "chat usage", "chat stream text", "chat stream usage", "chat stream end",
        "chat tool", "chat tool streamed",
    ]  # fmt: skip
    assert str(score).startswith("4/10; chat usage: ")
