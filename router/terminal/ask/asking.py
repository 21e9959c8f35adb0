"""`tercet ask` done: one request, its pieces as they come, and a receipt of one line."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TextIO

import httpx2

from router.terminal.ask.question import Question
from router.terminal.ask.telling import Broken, Note, Receipt, Said, events, refusal
from router.terminal.output import harmless, on_one_line
from tercet.errors import TercetError
from tercet.usage import usd

_SILENT_S = 120.0
"""The gateway says something every ten seconds once it answers."""
_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The gateway that is asked."""

    url: str
    whose_key: str
    """Where the key is from, for who has to change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the answer is told."""

    out: TextIO
    screen: TextIO
    """For what is no part of the answer."""
    clock: Callable[[], float]
    """Seconds, from anywhere."""
    as_json: bool = False
    whole: bool = False
    """Nothing of the answer is printed before its end was seen."""


def http_of(site: Site, key: str) -> httpx2.AsyncClient:
    """Return a client of the gateway.

    Raises:
        TercetError: its address is none.
    """
    try:
        url = httpx2.URL(site.url.rstrip("/").removesuffix("/v1"))
    except httpx2.InvalidURL as error:
        raise _no_address(site) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise _no_address(site)
    return httpx2.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {key}"},
        timeout=httpx2.Timeout(_SILENT_S, connect=_CONNECT_S),
    )


def _no_address(site: Site) -> TercetError:
    return TercetError(f"{site.url[:200]!r} is no address; write it as http://127.0.0.1:8000")


async def ask(question: Question, site: Site, http: httpx2.AsyncClient, manner: Manner) -> None:
    """Ask, and tell the answer and its receipt.

    Raises:
        TercetError: there is no answer, or no whole one; the message says what to do.
    """
    begun = manner.clock()
    try:
        with _waiting(manner) as waiting:
            text, receipt = await _told(question, site, http, _Teller(manner, waiting))
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise TercetError(
            f"no gateway answers at {site.url}; `make run` starts one, --url or TERCET_URL names "
            "another"
        ) from error
    except httpx2.HTTPError as error:
        raise TercetError(
            f"the gateway at {site.url} went away before the answer ended "
            f"({type(error).__name__}); see whether it runs, and ask again"
        ) from error
    seconds = manner.clock() - begun
    if manner.as_json:
        document = {"answer": text, **asdict(receipt), "seconds": round(seconds, 3)}
        manner.out.write(f"{json.dumps(document)}\n")
        return
    if manner.whole:
        manner.out.write(f"{text}\n")
    manner.screen.write(f"tercet: {_line(receipt, seconds)}\n")


class _Teller:
    """Says the pieces as they come."""

    def __init__(self, manner: Manner, waiting: Callable[[str | None], None]) -> None:
        self._manner, self._waiting = manner, waiting
        self._is_silent = manner.as_json or manner.whole
        self._pieces: list[str] = []

    def note(self, text: str) -> None:
        self._waiting(on_one_line(text))

    def say(self, text: str) -> None:
        shown = harmless(text) if self._manner.out.isatty() else text
        self._pieces.append(text if self._manner.as_json else shown)
        if not self._is_silent:
            self._waiting(None)
            self._manner.out.write(shown)
            self._manner.out.flush()

    def end(self) -> str:
        """Return all of it; what was said as it came ends its line."""
        if self._pieces and not self._is_silent:
            self._manner.out.write("\n")
            self._manner.out.flush()
        return "".join(self._pieces)


async def _told(
    question: Question, site: Site, http: httpx2.AsyncClient, teller: _Teller
) -> tuple[str, Receipt]:
    receipt: Receipt | None = None
    async with http.stream("POST", "/v1/chat/completions", json=question) as response:
        if response.status_code != 200:
            content, retry_after = await response.aread(), response.headers.get("retry-after")
            said = refusal(response.status_code, content, retry_after, site.whose_key)
            raise TercetError(f"the gateway at {site.url}: {on_one_line(said)}")
        try:
            async for event in events(response.aiter_lines()):
                match event:
                    case Note(text=text):
                        teller.note(text)
                    case Said(text=text):
                        teller.say(text)
                    case Receipt():
                        receipt = event
                    case Broken(why=why):
                        raise TercetError(f"the answer broke off: {on_one_line(why)}")
        finally:
            whole = teller.end()
    if receipt is None:
        raise TercetError("the answer broke off without a reason; the gateway's log may have one")
    return whole, receipt


@contextmanager
def _waiting(manner: Manner) -> Generator[Callable[[str | None], None]]:
    """Yield what shows a note; `None` takes it away for good."""
    if manner.as_json:
        yield lambda _: None
        return
    if not manner.screen.isatty():
        yield lambda note: None if note is None else _write(manner.screen, f"tercet: {note}\n")
        return
    # Imported here: it takes a tenth of a second.
    from rich.console import Console
    from rich.text import Text

    with Console(file=manner.screen, force_terminal=True).status("asking") as shown:
        yield lambda note: shown.stop() if note is None else shown.update(Text(note))


def _write(screen: TextIO, line: str) -> None:
    screen.write(line)
    screen.flush()


def _line(receipt: Receipt, seconds: float) -> str:
    said = (
        f"{receipt.route}, by {' and '.join(receipt.models)}",
        f"missing: {', '.join(receipt.degraded)}" if receipt.degraded else "",
        f"{usd(receipt.cost_nano_usd)} USD",
        f"{seconds:.1f} s",
        receipt.request_id,
        "simulated" if receipt.simulated else "",
        "" if receipt.finish == "stop" else f"ended by {receipt.finish}",
    )
    return harmless("; ".join(part for part in said if part))
