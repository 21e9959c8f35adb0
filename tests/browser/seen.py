"""A page of the console in a browser, and whatever goes wrong on it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from fakes.running import KEY
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect

WIDE = 1280
NARROW = 390


class Seen:
    """A browser's window, signed in unless told otherwise."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        theme: Literal["light", "dark"] = "light",
        width: int = WIDE,
        signed_in: bool = True,
    ) -> None:
        self.url = url
        self.wrongs: list[str] = []
        """Errors of scripts and of the console, dialogs, and requests to anybody else."""
        self._context = browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": 1000}, reduced_motion="reduce"
        )
        self.page: Page = self._context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrongs.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("dialog", self._interrupted)
        if signed_in:
            self.sign_in()

    def sign_in(self, key: str = KEY) -> None:
        if "/console/login" not in self.page.url:
            self.go("/login")
        self.page.get_by_label("Key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()

    def go(self, path: str) -> "Seen":
        self.page.goto(f"{self.url}/console{path}")
        self._drawn()
        return self

    def is_overflowing(self) -> bool:
        """Say whether the page itself scrolls sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")

    def flaws(self) -> list[str]:
        """Return what axe finds that is serious or critical."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]

    def keep(self, file: Path, *, whole: bool = True) -> None:
        """Store a picture of it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=file, full_page=whole)

    def close(self) -> None:
        self._context.close()

    def _drawn(self) -> None:
        expect(self.page.locator("figure[data-chart]:not([data-drawn])")).to_have_count(0)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrongs.append(f"{message.text} {message.location.get('url', '')}")

    def _interrupted(self, dialog: Dialog) -> None:
        self.wrongs.append(f"a dialog says {dialog.message}")
        dialog.dismiss()

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:")):
            self.wrongs.append(f"asked {request.url}")


View = Callable[..., Seen]
"""Opens a page of the console: its path, and options of `Seen`."""


@contextmanager
def viewing(url: str, browser: Browser) -> Iterator[View]:
    """Yield what opens pages of a console; at the end nothing may have gone wrong on them."""
    opened: list[Seen] = []

    def view(path: str = "", **options) -> Seen:
        seen = Seen(browser, url, **options)
        opened.append(seen)
        return seen.go(path)

    yield view
    found = [seen.wrongs for seen in opened]
    for seen in opened:
        seen.close()
    assert found == [[] for _ in opened]


def apart(work: Callable[[], object]) -> None:
    """Do something in a thread of its own: in this one the browser's event loop may run."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(work).result()
