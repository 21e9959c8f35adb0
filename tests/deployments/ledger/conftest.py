from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fakes.postgres import Postgres
from fakes.postgres import postgres as postgres
from fakes.rows import AT

from deployments.ledger import Ledger, url_of
from tercet.budget import Caps

Opening = Callable[..., Ledger]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return url_of(tmp_path / "var" / "ledger.sqlite3")
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def opening(url: str) -> Iterator[Opening]:
    """Open ledgers over the test's database: processes that share it, but for the process."""
    opened: list[Ledger] = []

    def open_one(caps: Caps | None = None) -> Ledger:
        opened.append(Ledger(url, caps or {}, clock=lambda: AT))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(opening: Opening) -> Ledger:
    return opening()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a ledger that is made by the test, for what only SQLite does."""
    return tmp_path / "var" / "ledger.sqlite3"


@pytest.fixture
def in_file(file: Path) -> Iterator[Ledger]:
    with closing(Ledger(file, clock=lambda: AT)) as opened:
        yield opened
