"""`tercet report`: what is read for it, and what is written."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TypeVar

from deployments.ledger.inspection import Inspection, TaskRow, inspected
from router.books.machines import parts_of
from router.golden.reporting import terms_of
from router.learning.cold import arms_of_catalog
from router.migrations.levels import prices_of
from router.refit.tasks import Came, came
from router.report.composed import Arms
from router.report.html import as_html
from router.report.markdown import as_markdown
from router.report.measures import DAY_S, Window
from router.report.quality import Judged
from router.report.report import Given, Report, report
from router.report.seen import seen
from router.report.spending import MonthOf
from router.report.telling.document import document_of
from router.report.text import as_text
from tercet.budget import MONTH, Balance
from tercet.catalog import LOCAL
from tercet.config import Config, load
from tercet.errors import ConfigError
from tercet.ledger import month_end, month_of
from tercet.local_file import load_local
from tercet.outlook import outlook
from tercet.prior_file import load_priors

_TOLD_EVERY = 50_000
"""Rows after which it is said how far the reading is."""
_TIER = "tier3"
_NO_TEXT = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an operator asks for; `None`: the default."""

    ledger: Path | str
    month: str | None = None
    since: date | None = None
    until: date | None = None
    """The last day, included."""
    format: str = "text"
    out: Path | None = None
    config: Path | None = None


def make(wanted: Wanted, now: float) -> int:
    """Write a report and return 0.

    Raises:
        ConfigError: what is asked for cannot be so, or cannot be written.
        LedgerError: the ledger cannot be read.
    """
    config = load(wanted.config)
    with inspected(wanted.ledger) as books:
        made = report(read(books, config, wanted, now))
    # Reasons are operators' words: what is no text would break a page, or a terminal.
    said = _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", WRITERS[wanted.format](made))
    if wanted.out is None:
        sys.stdout.write(said)
        return 0
    try:
        wanted.out.write_text(said, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--out {wanted.out}: {error.strerror}; name a file that can be written"
        ) from error
    return 0


def read(books: Inspection, config: Config, wanted: Wanted, now: float) -> Given:
    """Read all that a report is made from, as it stands at one moment.

    Raises:
        ConfigError: the period that is wanted cannot be.
        LedgerError: the ledger cannot be read.
    """
    rows = _Rows(books.tasks(0))
    tasks = list(came(_told(rows, "tasks")))
    # A ledger of a rehearsal may be ahead of this machine's clock.
    now = max([now, *(task.at + 1 for task in tasks[-1:])])
    name, window = period(wanted, tasks, now)
    tasks = [task for task in tasks if task.at < window.until]
    attempts = (
        row
        for row in _told(books.attempts(), "attempts")
        if row.reserved_at_ns < window.until * 1e9
    )
    leases = [lease for lease in books.leases() if lease.opened_at < window.until]
    priors = load_priors(config.taxonomy, wanted.config)
    local = config.local or load_local(wanted.config).profiles["gpu"]
    return Given(
        period=name,
        window=window,
        now=now,
        tasks=tasks,
        rows=rows.before(window.until),
        seen=seen(attempts, {task.task_id: task.kind for task in tasks}),
        parts=[part for part in parts_of(books, leases) if part.span.since_ns < window.until * 1e9],
        leases=leases,
        transitions=books.transitions(),
        judged=_judged(books, window.until),
        arms=Arms(
            specs=arms_of_catalog(config.catalog, config.rules),
            terms=terms_of(config),
            catalog=config.catalog,
        ),
        versions=[one for one in books.policies() if one.made_at < window.until],
        month=_month(books, config, window, now),
        rules=config.migrations,
        taxonomy=config.taxonomy,
        tier_models=frozenset(
            {_TIER, *(one for one in config.catalog.models if _is_of_tier(one, config))}
        ),
        belief=lambda kind: priors.belief(local.name, kind, LOCAL).quality,
        price=prices_of(config),
    )


def period(wanted: Wanted, tasks: Sequence[Came], now: float) -> tuple[str, Window]:
    """Return the name and the window of what is wanted.

    Without a wish it is the month of now, or that of the last task if nothing came in this one.

    Raises:
        ConfigError: two wishes exclude each other, or the time has not come.
    """
    if wanted.month is not None and (wanted.since or wanted.until):
        raise ConfigError("--month and --since or --until exclude each other: leave one out")
    if wanted.since or wanted.until:
        first = (tasks[0].at if tasks else now) // DAY_S * DAY_S
        since = first if wanted.since is None else _midnight(wanted.since)
        until = now if wanted.until is None else _midnight(wanted.until) + DAY_S
        name = f"{_date(since)} to {_date(min(until, now) - 1)}"
    else:
        name = wanted.month or month_of(tasks[-1].at if tasks else now)
        since = _midnight(date.fromisoformat(f"{name}-01"))
        until = month_end(since)
    if since >= now:
        raise ConfigError(f"{_date(since)} has not come yet: name an earlier time")
    if since >= until:
        raise ConfigError(f"{_date(until - 1)} is before {_date(since)}: name a later --until")
    return name, Window(since=since, until=min(until, now))


class _Rows:
    """Rows of tasks, counted as they are read."""

    def __init__(self, rows: Iterator[TaskRow]) -> None:
        self._rows = rows
        self._times: list[int] = []

    def __iter__(self) -> Iterator[TaskRow]:
        for row in self._rows:
            self._times.append(row.opened_at_ns)
            yield row

    def before(self, until: float) -> int:
        """Return how many came before a time."""
        return sum(at < until * 1e9 for at in self._times)


def _told(rows: Iterable[_Row], what: str) -> Iterator[_Row]:
    """Yield rows and say on standard error how many there were, if they are many."""
    for number, row in enumerate(rows, 1):
        if number % _TOLD_EVERY == 0:
            sys.stderr.write(f"read {number:,} {what}\n")
        yield row


def _judged(books: Inspection, until: float) -> Judged:
    return Judged(
        samples=[one for one in books.samples(0) if one.at < until],
        audits=[one for one in books.audits(0) if one.at < until],
        labels=[one for one in books.labels(0) if one.at < until],
    )


def _month(books: Inspection, config: Config, window: Window, now: float) -> MonthOf:
    """Return the calendar month in which a window ends."""
    month = month_of(window.until - 1)
    since = _midnight(date.fromisoformat(f"{month}-01"))
    ends = month_end(since)
    is_over = now >= ends
    seen_ahead = outlook(books.spending(now), config.budget, now).forecast
    return MonthOf(
        month=month,
        window=Window(since=since, until=min(ends, now)),
        ends=ends,
        spent_nano_usd=books.balances().get((month, MONTH), Balance()).spent,
        cap_nano_usd=config.budget.caps.get(MONTH),
        forecast=None if is_over else seen_ahead,
    )


def _is_of_tier(model: str, config: Config) -> bool:
    return set(config.catalog.hosts_of(model)) == {_TIER}


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()


def _date(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _as_json(made: Report) -> str:
    document = {"object": "tercet.report", **asdict(made)}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


WRITERS: Mapping[str, Callable[[Report], str]] = {
    "text": lambda made: as_text(document_of(made)),
    "markdown": lambda made: as_markdown(document_of(made)),
    "html": lambda made: as_html(document_of(made)),
    "json": _as_json,
}
