"""A real Postgres server of Debian's, thrown away at the end."""

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

BIN = Path("/usr/lib/postgresql/15/bin")
START_WITHIN_S = 30.0
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "log_min_messages": "panic",
}


class Postgres:
    """A server in a folder of its own, on a Unix socket there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._server: subprocess.Popen[bytes] | None = None
        self._run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--pgdata")

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    def start(self) -> None:
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command = [*_as_postgres(), str(BIN / "postgres"), "-D", str(self._data)]
        self._server = subprocess.Popen([*command, "-k", str(self._folder), *settings])
        give_up_at = time.monotonic() + START_WITHIN_S
        while not self._is_ready():
            assert time.monotonic() < give_up_at, "Postgres did not start"
            assert self._server.poll() is None, "Postgres ended at once"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as a crash would; what was committed is there after the next start."""
        if self._server is not None:
            self._server.send_signal(3)  # SIGQUIT: immediate shutdown
            self._server.wait()
            self._server = None

    def new_database(self) -> str:
        """Return the URL of an empty database."""
        name = f"ledger_{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._url(name)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def _is_ready(self) -> bool:
        command = [str(BIN / "pg_isready"), "--quiet", "-U", "postgres", "-h", str(self._folder)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [*_as_postgres(), str(BIN / program), *arguments, str(self._data)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder)


def why_not() -> str | None:
    """Return why no server can be started here."""
    if not (BIN / "postgres").is_file():
        return f"no Postgres in {BIN}; apt-get install postgresql-15"
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        return "Postgres does not run as root, and there is no setpriv to become somebody else"
    return None


@contextmanager
def running() -> Generator[Postgres]:
    """Start a server; it ends with the block, or with this process however that ends."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Share one server; every test takes a database of its own."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with running() as server:
        yield server


def _as_postgres() -> list[str]:
    if os.getuid() != 0:
        return []
    return [
        "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=QUIT",
    ]  # fmt: skip
