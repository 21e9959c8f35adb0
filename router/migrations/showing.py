"""Kinds and their moves as an operator reads them; nothing is written."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from deployments.ledger.inspection import inspected
from router.books.table import table
from router.migrations.deciding import Bounds, decide, why_it_stays
from router.migrations.gathering import Known
from router.migrations.looking import Desk, find_out, place
from router.migrations.operating import known_of
from router.statistics.interval import Interval
from tercet.config import load
from tercet.migration import LeftReason, MigrationRules, Transition, Verdict
from tercet.task import TaskKind
from tercet.usage import NANO_USD_PER_USD

Word = TypeVar("Word", Verdict, LeftReason)

_BOARD = (
    "kind", "state", "since", "quality", "pairs", "saving USD/month", "p95 s", "API p95 s",
)  # fmt: skip


def board(ledger: str, folder: Path | None, now: float, *, as_json: bool) -> int:
    """Print where each kind is, what is known of it, and what it waits for; return 0.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    desk = Desk(ledger=ledger, config=load(folder), now=now)
    found, rules = find_out(desk), desk.config.migrations
    if as_json:
        kinds = [
            {"kind": kind, "next": next_words(one, rules), **one.document}
            for kind, one in found.items()
        ]
        sys.stdout.write(f"{json.dumps({'phase': rules.phase, 'kinds': kinds})}\n")
        return 0
    if not found:
        sys.stdout.write("migrations.yaml names no kind that may move\n")
        return 0
    sys.stdout.write(table(_BOARD, [_cells(one) for one in found.values()]))
    for kind, one in found.items():
        sys.stdout.write(f"\n{kind}: {next_words(one, rules)}\n{_basis(one)}\n")
    if rules.phase != "migrate":
        sys.stdout.write(f"\nmigrations.yaml says `phase: {rules.phase}`: no kind moves\n")
    return 0


def history(ledger: str, kind: TaskKind, folder: Path | None, now: float, *, as_json: bool) -> int:
    """Print every move of a kind with what it stood on; return 0.

    Raises:
        ConfigError: there is no such kind.
        LedgerError: the ledger cannot be read.
    """
    desk = Desk(ledger=ledger, config=load(folder), now=now)
    one = known_of(desk, kind)
    with inspected(ledger) as books:
        moves = [row for row in books.transitions() if row.kind == kind]
    words = next_words(one, desk.config.migrations)
    if as_json:
        told = {
            "kind": kind,
            "next": words,
            "now": one.document,
            "moves": [_document(row) for row in moves],
        }
        sys.stdout.write(f"{json.dumps(told)}\n")
        return 0
    migration = one.run.migration
    sys.stdout.write(f"{kind} is {place(migration.state, migration.share)}: {words}\n")
    for row in moves:
        sys.stdout.write(
            f"\n{row.seq}. {_utc(row.at)} from {row.come_from} to {place(row.to, row.share)}, by "
            f"the {row.by}: {row.why}\n{json.dumps(json.loads(row.evidence), indent=2)}\n"
        )
    return 0


def next_words(one: Known, rules: MigrationRules) -> str:
    """Say what a kind does next, and what for it waits until then."""
    move = decide(one.evidence, rules)
    if move is not None:
        return f"goes to {place(move.to, move.share)} at the next look: {move.why}"
    more = f"; {one.more_pairs:,} more pairs, as things stand" if one.more_pairs else ""
    return f"stays: {why_it_stays(one.evidence, rules)}{more}"


def _cells(one: Known) -> tuple[str, ...]:
    evidence = one.evidence
    return (
        evidence.kind,
        place(evidence.state, evidence.share),
        _utc(evidence.since) if evidence.since else "-",
        _interval(evidence.quality, 1.0, 3),
        f"{evidence.pairs:,}",
        "-" if evidence.saving is None else _interval(evidence.saving, NANO_USD_PER_USD, 2),
        _bounds(evidence.treated_p95_s),
        _bounds(evidence.base_p95_s),
    )


def _basis(one: Known) -> str:
    """Say what the figures stand on, and what they do not cover."""
    by = _counts(one.by) or "none"
    left = f"; not compared: {_counts(one.left)}" if one.left else ""
    judged = ""
    if one.by.get("judge"):
        judged = (
            f"; what judges say is corrected by {one.bias:+.3f} from {one.audits} audits"
            if one.is_corrected
            else f"; judges are taken at their word ({one.audits} audits)"
        )
    machine = (one.machine_nano_usd or 0) / NANO_USD_PER_USD
    return (
        f"  {one.tasks_a_month:,.0f} eligible tasks a month; answers compared by {by}{left}{judged}"
        f"; part of the machines' bill {machine:.2f} USD a month"
    )


def _counts(counts: Mapping[Word, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _interval(found: Interval, unit: float, places: int) -> str:
    if not found.is_bounded:
        return "too early"
    value, low, high = (
        f"{number / unit:+.{places}f}" for number in (found.value, found.low, found.high)
    )
    return f"{value} [{low}, {high}]"


def _bounds(bounds: Bounds | None) -> str:
    return "-" if bounds is None else f"{bounds[0]:.1f} to {bounds[1]:.1f}"


def _document(row: Transition) -> Mapping[str, object]:
    return {**asdict(row), "evidence": json.loads(row.evidence)}


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
