"""Prometheus and promtool, as Debian has them."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Promtool = Callable[..., subprocess.CompletedProcess[str]]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}; `apt-get install prometheus` brings it")
    return found


@pytest.fixture(scope="session")
def prometheus() -> str:
    return program("prometheus")


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    path = program("promtool")

    def run(*arguments: str, within: Path, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [path, *arguments], cwd=within, input=said, capture_output=True, text=True, check=False
        )

    return run
