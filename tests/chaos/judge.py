"""The judge: what the ledger says against what the upstreams say they were asked.

The upstreams' billing log is the truth. It has one line for each POST, with the attempt's id as the
caller sent it, and is kept by a process that nothing here kills.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

OPEN = ("reserved", "sent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One POST, as the upstream wrote it down."""

    attempt_id: str | None
    """`None`: the POST did not say what it was for."""
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attempt, as the ledger has it."""

    attempt_id: str
    task_id: str
    state: str
    flag: str | None
    reserved_nano_usd: int
    settled_nano_usd: int | None

    @property
    def booked_nano_usd(self) -> int:
        """What the row counts for: its upper bound as long as its bill is not known."""
        return self.reserved_nano_usd if self.settled_nano_usd is None else self.settled_nano_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found; everything that is not a total should be empty or zero."""

    posts: int
    rows: int
    billed_nano_usd: int
    booked_nano_usd: int
    orphans: int
    orphans_bound_nano_usd: int
    """How far the ledger may stand above the bill: what its orphans are booked at."""
    lost: tuple[str, ...]
    """POSTs without a row."""
    doubled: tuple[str, ...]
    """Attempts with more than one POST, or with more than one row."""
    wrong: tuple[str, ...]
    """Rows that say another amount than the bill, or less than it where it is not known."""
    open: tuple[str, ...]
    overspent_nano_usd: int
    """What was billed above the cap."""

    @property
    def is_within(self) -> bool:
        """Whether the sum is neither below the bill nor above it by more than the orphans."""
        above = self.booked_nano_usd - self.billed_nano_usd
        return 0 <= above <= self.orphans_bound_nano_usd

    @property
    def is_clean(self) -> bool:
        """Whether every POST is paid for exactly once, within the cap."""
        found = self.lost or self.doubled or self.wrong or self.open or self.overspent_nano_usd
        return not found and self.is_within


def judge(bills: Sequence[Bill], rows: Sequence[Row], cap_nano_usd: int | None = None) -> Verdict:
    """Compare the two, POST by POST."""
    posts = Counter(bill.attempt_id or "(unnamed)" for bill in bills)
    cost: Counter[str] = Counter()
    for bill in bills:
        cost[bill.attempt_id or "(unnamed)"] += bill.nano_usd
    entries = Counter(row.attempt_id for row in rows)
    orphans = [row for row in rows if row.flag == "orphan"]
    billed = cost.total()
    return Verdict(
        posts=len(bills),
        rows=len(rows),
        billed_nano_usd=billed,
        booked_nano_usd=sum(row.booked_nano_usd for row in rows),
        orphans=len(orphans),
        orphans_bound_nano_usd=sum(row.booked_nano_usd for row in orphans),
        lost=tuple(name for name in posts if name not in entries),
        doubled=tuple(name for name, count in (posts | entries).items() if count > 1),
        wrong=tuple(
            _named(row)
            for row in rows
            if _is_wrong(row, cost[row.attempt_id], is_known=row.attempt_id in posts)
        ),
        open=tuple(_named(row) for row in rows if row.state in OPEN),
        overspent_nano_usd=0 if cap_nano_usd is None else max(0, billed - cap_nano_usd),
    )


def _named(row: Row) -> str:
    return f"{row.attempt_id} of {row.task_id}: {row.state} {row.flag or ''}".rstrip()


def _is_wrong(row: Row, bill: int, *, is_known: bool) -> bool:
    match row.state:
        case "settled":
            return not is_known or row.settled_nano_usd != bill
        case "void":
            return bill != 0 or row.settled_nano_usd != 0
        case _:
            return row.booked_nano_usd < bill


def bills_in(log: Path) -> list[Bill]:
    """Read a billing log."""
    entries = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return [
        Bill(attempt_id=entry["client_request_id"], nano_usd=entry["cost_nano_usd"])
        for entry in entries
    ]


def rows_in(ledger: Path) -> list[Row]:
    """Read the attempts of a ledger."""
    query = """
        SELECT attempt_id, task_id, state, flag, reserved_nano_usd, settled_nano_usd FROM attempts
    """
    with closing(sqlite3.connect(ledger)) as connection:
        found = connection.execute(query).fetchall()
    return [
        Row(
            attempt_id=attempt_id,
            task_id=task_id,
            state=state,
            flag=flag,
            reserved_nano_usd=reserved,
            settled_nano_usd=settled,
        )
        for attempt_id, task_id, state, flag, reserved, settled in found
    ]


def open_in(ledger: Path) -> int:
    """Count the attempts whose end is not booked."""
    return sum(row.state in OPEN for row in rows_in(ledger))
