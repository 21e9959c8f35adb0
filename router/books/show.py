"""What has been spent, on what, and how sure that is."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path

from deployments.ledger.inspection import AttemptRow, inspected
from router.books import machine_tally
from router.books.machine_tally import MachineTally, summed, tallies
from router.books.machines import parts_of
from router.books.table import table
from tercet.budget import Balance, Caps
from tercet.keys import capped
from tercet.ledger import month_of
from tercet.usage import usd

BY: Mapping[str, Callable[[AttemptRow], str]] = {
    "tier": lambda row: row.tier,
    "model": lambda row: row.model,
    "provider": lambda row: row.provider,
    "key": lambda row: row.key_id,
    "day": lambda row: _utc(row.reserved_at_ns)[:10],
    "role": lambda row: row.role,
    "state": lambda row: row.state,
}
"""What attempts can be told apart by."""

_HEADINGS = ("attempts", "spent USD", "held USD", "input", "output", "estimated", "orphans")


@dataclass(slots=True, kw_only=True)
class Tally:
    """What some attempts come to."""

    attempts: int = 0
    spent_nano_usd: int = 0
    held_nano_usd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated_nano_usd: int = 0
    """The part of what was spent that no provider has counted."""
    orphans: int = 0

    def add(self, row: AttemptRow) -> None:
        """Count one attempt."""
        self.attempts += 1
        self.spent_nano_usd += row.spent
        self.held_nano_usd += row.held
        read = (row.fresh_input, row.cache_read, row.cache_write_5m, row.cache_write_1h)
        self.input_tokens += sum(tokens or 0 for tokens in read)
        self.output_tokens += row.output or 0
        self.estimated_nano_usd += row.spent if row.state == "estimated" else 0
        self.orphans += row.flag == "orphan"

    def cells(self) -> tuple[str, ...]:
        """Return it under `_HEADINGS`."""
        share = 100 * self.estimated_nano_usd / (self.spent_nano_usd or 1)
        return (
            f"{self.attempts:,}",
            usd(self.spent_nano_usd),
            usd(self.held_nano_usd),
            f"{self.input_tokens:,}",
            f"{self.output_tokens:,}",
            f"{share:.1f} %",
            f"{self.orphans:,}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is to be seen of one month."""

    month: str
    total: Tally
    groups: Mapping[str, Tally]
    balances: Mapping[str, Balance]
    """By scope."""
    open: tuple[AttemptRow, ...]
    machines: Mapping[str, MachineTally]
    """By lease; empty where none is or was rented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an operator asks to see."""

    month: str | None = None
    """As `2026-11`; the ledger's latest if left out."""
    by: str | None = None
    lists_open: bool = False
    as_json: bool = False


def show(ledger: Path | str, wanted: Wanted, caps: Caps, now: float) -> int:
    """Print a month of the ledger; return 0.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with inspected(ledger) as books:
        month = wanted.month or books.latest_month() or month_of(now)
        kept = {scope: kept for (of, scope), kept in books.balances().items() if of == month}
        leases = books.leases()
        machines = tallies(leases, parts_of(books, leases), month)
        shown = _shown(month, books.attempts(month), kept, wanted)
        shown = replace(shown, machines=machines)
        caps = reduce(capped, books.every_key(), caps)
    said = _json(shown, wanted, caps) if wanted.as_json else _text(shown, wanted, caps, now)
    sys.stdout.write(said)
    return 0


def _shown(
    month: str, rows: Iterable[AttemptRow], kept: Mapping[str, Balance], wanted: Wanted
) -> Shown:
    total, groups = Tally(), defaultdict[str, Tally](Tally)
    under_way: list[AttemptRow] = []
    for row in rows:
        total.add(row)
        if wanted.by is not None:
            groups[BY[wanted.by](row)].add(row)
        if wanted.lists_open and row.is_open:
            under_way.append(row)
    return Shown(
        month=month, total=total, groups=groups, balances=kept, open=tuple(under_way), machines={}
    )


def _text(shown: Shown, wanted: Wanted, caps: Caps, now: float) -> str:
    groups = sorted(shown.groups.items())
    heading = shown.month if wanted.by is None else f"{shown.month} by {wanted.by}"
    parts = [
        table(
            (heading, *_HEADINGS),
            [*((name, *tally.cells()) for name, tally in groups), ("total", *shown.total.cells())],
        ),
        table(
            ("scope", "spent USD", "held USD", "cap USD", "left USD"),
            [_scope(scope, shown.balances, caps) for scope in _scopes(shown, caps)],
        ),
    ]
    if shown.machines:
        rented = {**shown.machines, "total": summed(shown.machines.values())}
        lines = [(name, *tally.cells()) for name, tally in rented.items()]
        parts.append(table(("rented", *machine_tally.HEADINGS), lines))
    if wanted.lists_open:
        lines = [
            (row.attempt_id, row.model, row.state, usd(row.reserved_nano_usd), _left(row, now))
            for row in shown.open
        ]
        parts.append(table(("open", "model", "state", "held USD", "deadline"), lines))
    return "\n".join(parts)


def _scopes(shown: Shown, caps: Caps) -> list[str]:
    return sorted(shown.balances.keys() | caps.keys())


def _scope(scope: str, kept: Mapping[str, Balance], caps: Caps) -> tuple[str, ...]:
    balance, cap = kept.get(scope, Balance()), caps.get(scope)
    left = None if cap is None else cap - balance.spent - balance.held
    return (
        scope,
        usd(balance.spent),
        usd(balance.held),
        "-" if cap is None else usd(cap),
        "-" if left is None else usd(left),
    )


def _left(row: AttemptRow, now: float) -> str:
    seconds = row.deadline_at_ns / 1e9 - now
    return f"in {seconds:.0f} s" if seconds >= 0 else f"{-seconds:.0f} s ago"


def _json(shown: Shown, wanted: Wanted, caps: Caps) -> str:
    document: dict[str, object] = {
        "month": shown.month,
        "total": asdict(shown.total),
        "scopes": {
            scope: {
                "spent_nano_usd": shown.balances.get(scope, Balance()).spent,
                "held_nano_usd": shown.balances.get(scope, Balance()).held,
                "cap_nano_usd": caps.get(scope),
            }
            for scope in _scopes(shown, caps)
        },
    }
    if wanted.by is not None:
        document["by"] = wanted.by
        document["groups"] = {name: asdict(tally) for name, tally in sorted(shown.groups.items())}
    if shown.machines:
        document["rented"] = {name: asdict(tally) for name, tally in shown.machines.items()}
    if wanted.lists_open:
        document["open"] = [row._asdict() for row in shown.open]
    return json.dumps(document, indent=2) + "\n"


def _utc(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).isoformat()
