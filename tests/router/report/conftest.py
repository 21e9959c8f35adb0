from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fakes.reported import NOVEMBER, Books, month_1, month_2, month_3

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.report.making import Wanted, read
from router.report.report import Report, report
from tercet.config import load

END = NOVEMBER + 29 * 86_400.0


@pytest.fixture
def books(tmp_path: Path) -> Books:
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path)):
        pass
    return Books(path)


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three months, read only."""
    filled = Books(tmp_path_factory.mktemp("quarter") / "ledger.sqlite3")
    for month in (month_1, month_2, month_3):
        month(filled)
    filled.write()
    return filled.file


@pytest.fixture(scope="module")
def reported(quarter: Path) -> Callable[..., Report]:
    """Return the report of a month of the quarter."""

    def of(month: str, now: float = END) -> Report:
        return reporting(quarter, now, month=month)

    return of


@pytest.fixture
def made(books: Books) -> Callable[..., Report]:
    """Return the report of a month of what was noted."""

    def of(month: str, now: float = END) -> Report:
        books.write()
        return reporting(books.file, now, month=month)

    return of


def reporting(ledger: Path, now: float, **wanted: object) -> Report:
    with inspected(ledger) as books:
        return report(read(books, load(), Wanted(ledger=ledger, **wanted), now))
