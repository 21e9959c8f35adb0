"""One running system with a month of traffic behind it, and a browser in front of it."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from browser.seen import View, apart, viewing
from browser.traffic import fill
from fakes.running import Running, running
from playwright.sync_api import Browser, sync_playwright

from deployments.ledger import Ledger
from tercet.config import PROJECT, environment

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A system of its own, because its ledger is full before it starts."""
    home = tmp_path_factory.mktemp("console")
    apart(lambda: _filled(home / "ledger.sqlite3"))
    with running(home, TERCET_LOCAL="gpu", TERCET_VPS_1="none") as started:
        yield started


def _filled(file: Path) -> None:
    with closing(Ledger(file)) as ledger:
        asyncio.run(fill(ledger, time.time()))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for a module alone: while it is there, nothing else may run an event loop."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for screenshots; with TERCET_PICTURES set, those of the documents are renewed."""
    folder = tmp_path_factory.mktemp("pictures")
    yield folder
    if environment().get("TERCET_PICTURES"):
        for file in (PROJECT / "docs" / "pictures").glob("*.png"):
            if (folder / file.name).exists():
                shutil.copy(folder / file.name, file)


@pytest.fixture
def view(browser: Browser, site: Running) -> Iterator[View]:
    """Open pages of the running console; at the end nothing may have gone wrong on them."""
    with viewing(site.url, browser) as opened:
        yield opened
