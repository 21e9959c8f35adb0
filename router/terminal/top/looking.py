"""The ledger -> a frame. What was read of today is kept, so that a frame reads what is new."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from deployments.ledger import LedgerError
from deployments.ledger.inspection import Inspection, TaskRow, inspected
from router.terminal.top.frame import MINUTE_S, RECENT_S, Frame, Seen, Trouble, health, spent
from tercet.config import Config
from tercet.ledger import Spending
from tercet.outlook import Outlook, outlook

DAY_S = 86_400.0
HOURS_HOLD_S = 60.0
"""How old the spending of hours may be: it is a sum over weeks of rows."""
NEWEST = 12
UNDER_WAY = "under_way"


class Eyes:
    """Looks at a ledger again and again."""

    def __init__(self, ledger: Path | str, config: Config) -> None:
        """Begin with nothing seen."""
        self._ledger = ledger
        self._rules = config.budget
        self._providers = {one.name: one.provider for one in config.catalog.models.values()}
        self._seen: dict[str, Seen] = {}
        self._looked_at = 0.0
        self._spending: Spending | None = None
        self._summed_at = 0.0
        self._before: Outlook | None = None

    def look(self, now: float) -> Frame | Trouble:
        """Return what there is at `now` (Unix seconds)."""
        try:
            with inspected(self._ledger) as books:
                self._read_tasks(books, now)
                self._before = outlook(self._spent(books, now), self._rules, now, self._before)
                leases = tuple(one for one in books.leases() if one.ended_at is None)
        except LedgerError as error:
            return Trouble(str(error))
        assert self._spending is not None  # noqa: S101  just read
        return Frame(
            **self._requests(now),
            at=now,
            outlook=self._before,
            scopes=self._spending.balances,
            caps=self._rules.caps,
            machines=leases,
        )

    def _requests(self, now: float) -> Mapping[str, Any]:
        seen = list(self._seen.values())
        lately = [one for one in seen if one.at >= now - RECENT_S]
        return {
            "last_minute": sum(one.at >= now - MINUTE_S for one in lately),
            "a_minute": len(lately) * MINUTE_S / RECENT_S,
            "under_way": sum(one.outcome == UNDER_WAY for one in lately),
            "today": spent(one for one in seen if one.at >= _midnight(now)),
            "newest": tuple(reversed(seen[-NEWEST:])),
            "health": health(lately, self._providers),
        }

    def _read_tasks(self, books: Inspection, now: float) -> None:
        """Read what is new; a task may change for as long as one can be under way."""
        since = min(_midnight(now), now - RECENT_S)
        self._seen = {one.task_id: one for one in self._seen.values() if one.at >= since}
        for row in books.tasks(round(max(since, self._looked_at - RECENT_S) * 1e9)):
            self._seen[row.task_id] = seen_of(row)
        self._looked_at = now

    def _spent(self, books: Inspection, now: float) -> Spending:
        spending = self._spending
        if spending is None or not 0 <= now - self._summed_at < HOURS_HOLD_S:
            spending, self._summed_at = books.spending(now), now
        kept = {
            scope: sum_ for (of, scope), sum_ in books.balances().items() if of == spending.month
        }
        self._spending = replace(spending, balances=kept)
        return self._spending


def seen_of(row: TaskRow) -> Seen:
    """Read a task's documents."""
    profile, route = json.loads(row.profile), json.loads(row.route)
    answer: dict[str, Any] = json.loads(row.answer or "{}")
    seats = {str(seat["role"]): str(seat["model"]) for seat in route.get("seats", ())}
    missing = (voice.partition(":") for voice in answer.get("degraded", ()))
    failed = {seats[role]: why for role, _, why in missing if role in seats}
    failed |= {str(one["model"]): str(one["kind"]) for one in answer.get("failures", ())}
    ended = row.closed_at_ns
    return Seen(
        task_id=row.task_id,
        at=row.opened_at_ns / 1e9,
        key=row.key_id,
        kind=str(profile.get("kind", "-")),
        route=str(route.get("name", "-")),
        reason=str(route.get("reason", "")),
        asked=tuple(seats.values()),
        failed=failed,
        model=answer.get("model"),
        outcome=row.outcome or UNDER_WAY,
        nano_usd=row.nano_usd,
        seconds=None if ended is None else (ended - row.opened_at_ns) / 1e9,
    )


def _midnight(now: float) -> float:
    return now // DAY_S * DAY_S
