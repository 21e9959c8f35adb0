"""Keeps the read model: reads the ledger once in the background, and then what is new of it."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from deployments.ledger import LedgerError
from deployments.ledger.reading import Hours
from deployments.ledger.viewing import ArrivedRow, Found, View, Viewer
from router.console.tally import DAY_NS, Tally
from tercet.budget import MONTH, Balance
from tercet.learning import LabelCount
from tercet.ledger import Spending, month_begin, month_of
from tercet.outlook import Outlook, outlook
from tercet.rules import BudgetRules
from tercet.usage import usd

CHUNK = 10_000
"""Rows that are read at a time: a tenth of a second."""
OVERLAP_NS = 60 * 10**9
"""How late a row may be written after the time it bears, and still be found at once."""
EVERY_S = 2.0
"""How old what a page shows may be."""
UNWATCHED_EVERY_S = 30.0
"""The same while nobody looks: reading is work on a machine that has other work."""
WATCHED_FOR_S = 60.0
"""How long after a page somebody is taken to look still."""
BREATH_S = 0.005
"""Between two chunks, so that pages are answered meanwhile."""
AGAIN_S = 5.0
"""After the ledger could not be read."""
REREAD_AFTER_S = 300.0
SLOW_EVERY_S = 60.0
QUALITY_DAYS = 30
_DAY_S = 24 * 3600.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFacts:
    """What is summed over many rows of evidence, once a minute."""

    counts: Sequence[Found] = ()
    audits: Sequence[Found] = ()
    labels: Sequence[LabelCount] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What pages are made of that is in memory."""

    tally: Tally
    read_share: float = 0.0
    """How much of it there is: 1 when it is complete."""
    spending: Spending = field(default_factory=lambda: Spending(month=""))
    outlook: Outlook | None = None
    """`None`: nothing was read yet."""
    rented: Sequence[tuple[str, int, int]] = ()
    """Month, day since 1970 and nano-USD of rented machines."""
    quality: QualityFacts = QualityFacts()
    warning: str = ""
    """Why the sums may be wrong; empty: they are the ledger's."""
    trouble: str = ""
    """Why the ledger could not be read the last time."""

    def rented_in(self, month: str) -> int:
        """Return nano-USD of rented machines in a month."""
        return sum(spent for of, _, spent in self.rented if of == month)


@dataclass(slots=True)
class _Load:
    """How far a tally has come."""

    tally: Tally
    since_ns: int
    settled_ns: int
    arrived_ns: int
    has_settled: bool = False
    has_arrived: bool = False

    @property
    def is_done(self) -> bool:
        return self.has_settled and self.has_arrived

    def share(self, now_ns: int) -> float:
        """Return how much of the time there is has been read."""
        if self.is_done:
            return 1.0
        whole = max(now_ns - self.since_ns, 1)
        read = (self.settled_ns - self.since_ns) / whole
        arrived = (self.arrived_ns - self.since_ns) / whole if self.has_settled else 0.0
        return min(0.99, 0.8 * min(read, 1.0) + 0.2 * min(arrived, 1.0))


class Reader:
    """One thread's work, step by step; pages read `books`."""

    def __init__(
        self,
        viewer: Viewer,
        rules: BudgetRules,
        clock: Callable[[], float] = time.time,
        *,
        chunk: int = CHUNK,
    ) -> None:
        """Read nothing yet; `clock` is Unix seconds."""
        self._chunk = chunk
        self._viewer = viewer
        self._rules = rules
        self._clock = clock
        self._hours = Hours()
        self._load = self._begin()
        self._fresh: _Load | None = None
        """A tally that is read anew beside the one that pages show."""
        self._read_at = 0.0
        self._slow_at = 0.0
        self._looked_at = clock()
        self._wanted = threading.Event()
        self.books = Books(tally=self._load.tally)

    def run(self, stopped: threading.Event) -> None:
        """Read until that is set, and `wake` was called."""
        while not stopped.is_set():
            self._wanted.wait(self.step())
            self._wanted.clear()

    def wake(self) -> None:
        """Read now."""
        self._wanted.set()

    def looked_at(self) -> Books:
        """Return the books for a page; what they say may be old the first time after a while."""
        now = self._clock()
        if not self._is_watched(now):
            self.wake()
        self._looked_at = now
        return self.books

    def _is_watched(self, now: float) -> bool:
        return now - self._looked_at < WATCHED_FOR_S

    def step(self) -> float:
        """Read one chunk, or what is new; return in how many seconds to do so again."""
        try:
            with self._viewer.look() as view:
                delay = self._step(view)
        except LedgerError as error:
            if not self.books.trouble:
                logger.warning("the console cannot read the ledger: %s", error)
            self.books = replace(self.books, trouble=str(error))
            return AGAIN_S
        except Exception:
            logger.exception("the console's reading of the ledger failed")
            self.books = replace(self.books, trouble="reading failed; the log says how")
            return AGAIN_S
        return delay

    def catch_up(self) -> None:
        """Read all there is.

        Raises:
            LedgerError: it cannot be read.
        """
        with self._viewer.look() as view:
            while self._step(view) < EVERY_S:
                pass

    def _step(self, view: View) -> float:
        now = self._clock()
        spending = view.spending(now, self._hours)
        self._turn_to(spending.month)
        load = self._fresh or self._load
        if not load.is_done:
            _read_chunk(view, load, self._chunk, round(now * 1e9))
            self._say(view, spending, now)
            if self._fresh is not None and load.is_done:
                self._load, self._fresh, self._read_at = load, None, now
            return BREATH_S if not load.is_done else 0.0
        _read_new(view, load, round(now * 1e9))
        self._say(view, spending, now)
        return EVERY_S if self._is_watched(now) else UNWATCHED_EVERY_S

    def _say(self, view: View, spending: Spending, now: float) -> None:
        """Put the books where pages find them."""
        before = self.books.outlook
        rented = view.rented()
        books = replace(
            self.books,
            tally=self._load.tally,
            read_share=self._load.share(round(now * 1e9)),
            spending=spending,
            outlook=outlook(spending, self._rules, now, before),
            rented=rented,
            trouble="",
        )
        if now - self._slow_at >= SLOW_EVERY_S:
            self._slow_at = now
            books = replace(books, quality=_quality(view, now))
        self.books = replace(books, warning=self._warning(books, now))

    def _warning(self, books: Books, now: float) -> str:
        """Compare the month with the ledger's own balance; where they differ, read it anew."""
        if not self._load.is_done or self._fresh is not None:
            return self.books.warning
        month = books.spending.month
        kept = books.spending.balances.get(MONTH, Balance()).spent
        off = books.tally.total(month) + books.rented_in(month) - kept
        if off == 0:
            return ""
        if now - self._read_at < REREAD_AFTER_S and self.books.warning:
            return self.books.warning
        self._fresh = self._begin()
        return (
            f"the rows of {month} come to {usd(off)} USD more than its balance (negative: less); "
            "they are being read again. If this stays, run `tercet ledger verify`"
        )

    def _turn_to(self, month: str) -> None:
        """Keep the month of the ledger's clock and the one before, and forget those before them."""
        months = frozenset((month, before(month)))
        for load in (self._load, self._fresh):
            if load is not None and load.tally.months != months:
                load.tally.keep(months)

    def _begin(self) -> _Load:
        month = month_of(self._clock())
        since_ns = _begin_ns(before(month))
        tally = Tally(frozenset((month, before(month))))
        return _Load(tally=tally, since_ns=since_ns, settled_ns=since_ns, arrived_ns=since_ns)


def _read_chunk(view: View, load: _Load, chunk: int, now_ns: int) -> None:
    """Read the next chunk of attempts or, when there are no more, of tasks."""
    if not load.has_settled:
        until_ns = _beyond(view.settled_until(load.settled_ns, chunk), load.settled_ns)
        rows = view.settled(load.settled_ns, until_ns)
        newest = rows[-1].settled_at_ns if rows else load.settled_ns
        load.tally.add(rows, newest - OVERLAP_NS, now_ns)
        load.settled_ns, load.has_settled = until_ns or newest, until_ns is None
        return
    until_ns = _beyond(view.arrived_until(load.arrived_ns, chunk), load.arrived_ns)
    load.arrived_ns = _arrive(view, load, load.arrived_ns, until_ns)
    load.has_arrived = until_ns is None


def _read_new(view: View, load: _Load, now_ns: int) -> None:
    """Read what has ended and come since the last time, and of before that what was written late.

    A clock that was wrong may have left rows of a time to come: they do not hide others.
    """
    since_ns = min(load.settled_ns, now_ns) - OVERLAP_NS
    rows = view.settled(since_ns, None)
    load.tally.add(rows, since_ns, now_ns)
    load.settled_ns = rows[-1].settled_at_ns if rows else load.settled_ns
    load.arrived_ns = _arrive(view, load, min(load.arrived_ns, now_ns) - OVERLAP_NS, None)
    load.tally.forget(min(since_ns, load.arrived_ns - OVERLAP_NS), now_ns)


def _arrive(view: View, load: _Load, since_ns: int, until_ns: int | None) -> int:
    """Count the tasks of a time by the months they came in; return how far that is."""
    rows = view.arrived(since_ns, until_ns)
    newest = rows[-1].opened_at_ns if rows else since_ns
    by_day: dict[int, list[ArrivedRow]] = {}
    for row in rows:
        by_day.setdefault(row.opened_at_ns // DAY_NS, []).append(row)
    for day, came in by_day.items():
        load.tally.arrive(came, month_of(day * _DAY_S), newest - OVERLAP_NS)
    return newest if until_ns is None else until_ns


def _beyond(until_ns: int | None, since_ns: int) -> int | None:
    """Return the end of a chunk, past its beginning also where many rows bear one time."""
    return None if until_ns is None else max(until_ns, since_ns + 1)


def _quality(view: View, now: float) -> QualityFacts:
    since = now - QUALITY_DAYS * _DAY_S
    since_ns = round(since * 1e9)
    return QualityFacts(
        counts=view.sample_counts(since_ns),
        audits=view.audits(since_ns),
        labels=view.label_counts(0.0),
    )


def before(month: str) -> str:
    """Return the month before one, as `2026-10`."""
    return month_of(month_begin(month) - _DAY_S)


def _begin_ns(month: str) -> int:
    return round(month_begin(month)) * 10**9
