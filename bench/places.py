"""New databases for benches; each is gone after its block."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fakes.postgres import running


@contextmanager
def sqlite() -> Generator[str]:
    """Yield the address of a new SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'ledger.sqlite3'}"


@contextmanager
def postgres() -> Generator[str]:
    """Yield the address of a new database of a new Postgres server."""
    with running() as server:
        yield server.new_database()
