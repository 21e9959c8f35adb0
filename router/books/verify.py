"""Whether the books hold together: what can be proved of every row, and of all of them."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from deployments.ledger.inspection import AttemptRow, Inspection, inspected
from router.books.lease_checks import wrong_leases
from router.books.pricing import Pricing
from router.terminal.progress import progress, watched
from tercet.budget import Balance, scopes
from tercet.config import Config
from tercet.leases import lease_scopes
from tercet.ledger import month_of

LATE_S = 60.0
"""How long after its deadline an attempt is settled by somebody: see `deployments.ledger`."""
_FIRST = 3
"""Offenders named."""


@dataclass(slots=True, kw_only=True)
class Check:
    """One thing that must hold, and what does not."""

    name: str
    count: int = 0
    first: list[str] = field(default_factory=list[str])
    note: str = ""

    def find(self, offender: str | None) -> None:
        """Count an offender."""
        if offender is None:
            return
        self.count += 1
        if len(self.first) < _FIRST:
            self.first.append(offender)

    def line(self) -> str:
        """Say how it went, in one line."""
        if not self.count:
            return f"{self.name:<12}ok{self.note}\n"
        more = "; ..." if self.count > len(self.first) else ""
        return f"{self.name:<12}{self.count:,} wrong: {'; '.join(self.first)}{more}{self.note}\n"


def verify(
    ledger: Path | str,
    config: Config,
    now: float,
    *,
    as_json: bool = False,
    screen: TextIO | None = None,
) -> int:
    """Print what was checked and how it went; return 1 if anything is wrong, else 0.

    How far it is, it says on `screen`.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with inspected(ledger) as books:
        checks = _checked(books, Pricing(config), now, screen)
    if as_json:
        found = [{"check": c.name, "wrong": c.count, "first": c.first} for c in checks]
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write("".join(check.line() for check in checks))
    return 1 if any(check.count for check in checks) else 0


def _checked(
    books: Inspection, pricing: Pricing, now: float, screen: TextIO | None
) -> Sequence[Check]:
    database = Check(name="database")
    for damage in books.damage():
        database.find(damage)
    if database.count:
        database.note = "; the rows of a damaged database were not checked"
        return [database]
    each = _EachRow(now)
    totals, months, prices = _Totals(), _Months(), _Prices(pricing)
    with progress("checking the rows", screen) as advance:
        for row in watched(books.attempts(), advance):
            each.look(row)
            totals.look(row)
            months.look(row)
            prices.look(row)
    totals.add_rented(books.rented())
    leases = Check(name="leases")
    for said in wrong_leases(books.leases(), books.spans()):
        leases.find(said)
    balances, journal = totals.compared(books.balances()), Check(name="journal")
    journal.find(books.journal_damage())
    judged = (months.judged(), prices.judged(), leases)
    return [database, journal, balances, *each.checks, *judged]


class _EachRow:
    """What must hold of a row by itself."""

    def __init__(self, now: float) -> None:
        self._late_ns = round((now - LATE_S) * 1e9)
        self._looks: Mapping[str, Callable[[AttemptRow], str | None]] = {
            "settlements": _unsettled,
            "usage": _impossible_usage,
            "open": self._overdue,
        }
        self._checks = {name: Check(name=name) for name in self._looks}

    @property
    def checks(self) -> Iterable[Check]:
        return self._checks.values()

    def look(self, row: AttemptRow) -> None:
        for name, look in self._looks.items():
            if (said := look(row)) is not None:
                self._checks[name].find(f"{row.attempt_id} {said}")

    def _overdue(self, row: AttemptRow) -> str | None:
        if not row.is_open or row.deadline_at_ns >= self._late_ns:
            return None
        return f"is {row.state} since its deadline; start the gateway, whose sweep settles it"


def _unsettled(row: AttemptRow) -> str | None:
    booked = row.settled_nano_usd is not None
    if row.is_open:
        return "is open and has an amount" if booked else None
    if not booked or row.settled_at_ns is None or row.usage_source is None:
        return f"is {row.state} without an amount, a time or a source"
    if row.state == "void" and row.settled_nano_usd:
        return "is void and has an amount"
    return None


def _impossible_usage(row: AttemptRow) -> str | None:
    counts = (
        row.fresh_input, row.cache_read, row.cache_write_5m, row.cache_write_1h, row.output,
        row.thinking,
    )  # fmt: skip
    if any(count is not None and count < 0 for count in counts):
        return "has a negative count"
    if (row.thinking or 0) > (row.output or 0):
        return "thought more than it said in all"
    return None


class _Totals:
    """The balances are what the rows come to."""

    def __init__(self) -> None:
        self._spent: Counter[tuple[str, str]] = Counter()
        self._held: Counter[tuple[str, str]] = Counter()

    def look(self, row: AttemptRow) -> None:
        for scope in scopes(key_id=row.key_id, tier=row.tier, provider=row.provider):
            self._spent[row.month, scope] += row.spent
            self._held[row.month, scope] += row.held

    def add_rented(self, sums: Iterable[tuple[str, str, int, int]]) -> None:
        """Add what leases have spent and hold, by month and provider."""
        for month, provider, spent, held in sums:
            for scope in lease_scopes(provider):
                self._spent[month, scope] += spent
                self._held[month, scope] += held

    def compared(self, kept: Mapping[tuple[str, str], Balance]) -> Check:
        check = Check(name="balances")
        for key in sorted(kept.keys() | self._spent.keys()):
            balance, spent, held = kept.get(key, Balance()), self._spent[key], self._held[key]
            if (balance.spent, balance.held) != (spent, held):
                check.find(
                    f"{' '.join(key)} says {balance.spent:,} spent and {balance.held:,} held, its "
                    f"rows {spent:,} and {held:,}"
                )
        return check


class _Months:
    """A row's month is that of its reservation.

    Or a later one, if the clock went back after that month had begun: the ledger's own never does.
    """

    def __init__(self) -> None:
        self._check = Check(name="months")
        self._begun: set[str] = set()
        self._ahead: list[AttemptRow] = []

    def look(self, row: AttemptRow) -> None:
        month = month_of(row.reserved_at_ns // 10**9)
        if row.month == month:
            self._begun.add(month)
        elif row.month > month:
            self._ahead.append(row)
        else:
            self._find(row)

    def judged(self) -> Check:
        for row in self._ahead:
            if row.month not in self._begun:
                self._find(row)
        return self._check

    def _find(self, row: AttemptRow) -> None:
        month = month_of(row.reserved_at_ns // 10**9)
        self._check.find(f"{row.attempt_id} of {month} is booked in {row.month}")


class _Prices:
    """What a provider has counted costs what the price book says."""

    def __init__(self, pricing: Pricing) -> None:
        self._pricing = pricing
        self._check = Check(name="prices")
        self._others = 0

    def look(self, row: AttemptRow) -> None:
        if row.state != "settled" or _impossible_usage(row) is not None:
            return
        priced = self._pricing.cost(row)
        if priced is None or priced.source != row.price_source:
            self._others += 1
        elif priced.nano_usd != row.settled_nano_usd:
            self._check.find(
                f"{row.attempt_id} is booked at {row.spent:,} and costs {priced.nano_usd:,}"
            )

    def judged(self) -> Check:
        if self._others:
            self._check.note = f" ({self._others:,} were priced by a table that is not here now)"
        return self._check
