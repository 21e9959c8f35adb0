"""The console's pages where there is nothing to show yet, and where callers wrote scripts."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from browser.seen import NARROW, apart, viewing
from browser.test_console import PATHS
from fakes.console import NOW, fill, site
from fakes.running import KEY, free_port, wait_until
from playwright.sync_api import Browser, expect

from deployments.ledger import Ledger
from router.console.sessions import Sessions

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

# What each page tells a newcomer to do, or that there is nothing yet.
SAYS = {
    "overview": "Nothing was asked yet",
    "requests": "Nothing was asked yet",
    "migrations": "TERCET_LOCAL",
    "gpu": "TERCET_LOCAL",
    "quality": "No answers were compared yet",
    "providers": "nothing ended",
    "keys": "keys create",
    "playground": "Question",
}


@contextmanager
def served(ledger: Path) -> Iterator[str]:
    """Serve a console over a ledger from a thread; yield its address."""
    console = site(ledger, sessions=Sessions(KEY, lambda: NOW))
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(console.app(), port=port, log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("empty") / "ledger.sqlite3"
    Ledger(file).close()
    with served(file) as url:
        yield url


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("scripted") / "ledger.sqlite3"
    apart(lambda: fill(file))
    with served(file) as url:
        yield url


@pytest.mark.parametrize("name", PATHS)
def test_an_empty_page_says_what_to_do(empty: str, browser: Browser, name: str) -> None:
    with viewing(empty, browser) as view:
        seen = view(PATHS[name], width=NARROW)

        expect(seen.page.locator("main")).to_contain_text(SAYS[name])
        assert not seen.is_overflowing()
        assert seen.flaws() == []


def test_what_callers_wrote_is_never_run(scripted: str, browser: Browser) -> None:
    with viewing(scripted, browser) as view:
        seen = view()
        for path in PATHS.values():
            seen.go(path)
        seen.go("/requests")
        row = seen.page.locator("tbody tr", has_text="<script>alert(1)</script>").first
        row.get_by_role("link", name=re.compile("Receipt of")).click()

        expect(seen.page.locator("main")).to_contain_text("<script>alert(1)</script>")
        time.sleep(0.2)  # for a script that would have run
    # `viewing` has found no dialog, no error and no violation of the content's policy.
