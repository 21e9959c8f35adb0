from pathlib import Path

import pytest
from fakes.console import WITH_LOCAL, fill, site

from deployments.ledger import Ledger
from router.console.site import Site


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with a little of everything; nobody writes to it any more."""
    file = tmp_path_factory.mktemp("filled") / "ledger.sqlite3"
    fill(file)
    return file


@pytest.fixture(scope="session")
def console(filled: Path) -> Site:
    """A console over it that has a local model."""
    return site(filled, WITH_LOCAL)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A ledger that nobody has written to."""
    file = tmp_path / "ledger.sqlite3"
    Ledger(file).close()
    return file
