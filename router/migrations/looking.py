"""A look at every kind that may move: what is known of it, and the step that follows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.migrations.deciding import Move, decide, is_suspected, why_it_stays
from router.migrations.gathering import Given, Known, known, read
from router.migrations.levels import prices_of
from tercet.config import Config
from tercet.migration import Look, MigrationRules, MovedBy, Transition
from tercet.task import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where it is looked, and when."""

    ledger: Path | str
    config: Config
    now: float
    """Unix seconds."""


def find_out(desk: Desk) -> Mapping[TaskKind, Known]:
    """Return what is known of each kind that may move or has moved, as it stood at one moment.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    given = Given(
        rules=desk.config.migrations,
        has_local=desk.config.local is not None,
        price=prices_of(desk.config),
        now=desk.now,
    )
    with inspected(desk.ledger) as books:
        rows = read(books, given)
    return known(rows, given)


async def look(ledger: Ledger, desk: Desk) -> Sequence[str]:
    """Move each kind that is to move, and note what is known of each; return what was done.

    Of two looks at once one moves a kind, and the other finds it moved.

    Raises:
        LedgerError: the ledger cannot be read or written.
    """
    rules = desk.config.migrations
    if rules.phase != "migrate":
        return ()
    said: list[str] = []
    for kind, found in find_out(desk).items():
        move = decide(found.evidence, rules) if kind in rules.kinds else None
        if move is not None:
            is_moved = await ledger.move_migration(transition(found, move, "gate", desk.now))
            said.append(_words(found, move) if is_moved else f"{kind} was moved by another process")
        await ledger.note_look(_noted(found, move, rules, desk.now))
    return said


def _noted(found: Known, move: Move | None, rules: MigrationRules, at: float) -> Look:
    """Return what a look found of a kind, before its move."""
    why = why_it_stays(found.evidence, rules) if move is None else move.why
    if found.evidence.kind not in rules.kinds:
        why = "`kinds` of migrations.yaml does not name it: nothing moves it"
    return Look(
        kind=found.evidence.kind,
        is_suspected=is_suspected(found.evidence, rules),
        document=json.dumps({"why": why, **found.document}),
        at=at,
    )


def transition(found: Known, move: Move, by: MovedBy, at: float) -> Transition:
    """Return a kind's move with all that was known when it was made."""
    migration = found.run.migration
    return Transition(
        kind=migration.kind,
        seq=migration.seq + 1,
        come_from=migration.state,
        to=move.to,
        share=move.share,
        why=move.why,
        by=by,
        evidence=json.dumps(found.document),
        at=at,
    )


def place(state: str, share: float) -> str:
    """Return where a kind is, in words."""
    return f"{state} of {share:.0%}" if state == "canary" else state


def _words(found: Known, move: Move) -> str:
    migration = found.run.migration
    return (
        f"{migration.kind} goes from {place(migration.state, migration.share)} to "
        f"{place(move.to, move.share)}: {move.why}"
    )
