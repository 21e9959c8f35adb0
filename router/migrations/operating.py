"""An operator's moves of kinds, whatever the evidence says."""

import asyncio
import json
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from deployments.ledger import Ledger
from router.migrations.deciding import Move
from router.migrations.gathering import Known
from router.migrations.looking import Desk, find_out, place, transition
from router.migrations.runs import Verb
from tercet.config import load
from tercet.errors import ConfigError
from tercet.migration import Migration, Transition
from tercet.task import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an operator wants of a kind, and how they are answered."""

    kind: TaskKind
    verb: Verb
    share: float | None = None
    """To promote it on no more than these conversations; `None`: on all."""
    why: str
    as_json: bool = False


def move(ledger: str, folder: Path | None, order: Order, now: float) -> int:
    """Move a kind and say so; return 0.

    Raises:
        ConfigError: there is no such kind, it is where it should go, or it moved meanwhile.
        LedgerError: the ledger cannot be read or written.
    """
    desk = Desk(ledger=ledger, config=load(folder), now=now)
    found = known_of(desk, order.kind)
    done = ordered(found.run.migration, order)
    with closing(Ledger(ledger)) as books:
        asyncio.run(carry_out(books, transition(found, done, "operator", now)))
    said = f"{order.kind} is {place(done.to, done.share)}; {_follows(found, done, desk)}"
    sys.stdout.write(f"{json.dumps({'done': said}) if order.as_json else said}\n")
    return 0


def _follows(found: Known, done: Move, desk: Desk) -> str:
    """Say what comes of a move; one to the local model comes to nothing where there is none."""
    said = "every gateway knows within ten seconds"
    phase = desk.config.migrations.phase
    if done.share and not found.evidence.has_local:
        return f"{said}, and the API answers until there is a local model: TERCET_LOCAL"
    if done.share and phase != "migrate":
        return f"{said}, and it counts once migrations.yaml says `phase: migrate`, not `{phase}`"
    return said


async def carry_out(books: Ledger, row: Transition) -> None:
    """Store a move with the evidence of its moment.

    Raises:
        ConfigError: the kind is not where it comes from any more.
        LedgerError: the ledger cannot be written.
    """
    if not await books.move_migration(row):
        raise ConfigError(
            f"{row.kind} was moved by another process meanwhile; see `tercet migration list`"
        )


def known_of(desk: Desk, kind: TaskKind) -> Known:
    """Return what is known of one kind.

    Raises:
        ConfigError: it neither may move nor has moved.
        LedgerError: the ledger cannot be read.
    """
    found = find_out(desk)
    if kind not in found:
        raise ConfigError(
            f"{kind[:100]!r} is no kind that may move; those are {', '.join(found) or 'none'}: "
            "`kinds` of migrations.yaml"
        )
    return found[kind]


def ordered(migration: Migration, order: Order) -> Move:
    """Return the move that an order comes to.

    Raises:
        ConfigError: it is where it should go, or cannot go there from where it is.
    """
    kind, state = migration.kind, migration.state
    match order.verb:
        case "promote":
            share = order.share or 1.0
            done = Move(to="canary" if share < 1 else "promoted", share=share, why=order.why)
        case "rollback":
            done = Move(to="rolled_back", share=0.0, why=order.why)
        case "resume" if state != "rolled_back":
            raise ConfigError(
                f"{kind} is {state}: only what was rolled back is resumed; `tercet migration "
                f"shadow {kind}` begins anew"
            )
        case "shadow" if state == "rolled_back":
            raise ConfigError(
                f"{kind} was rolled back; `tercet migration resume {kind}` resumes it"
            )
        case "resume" | "shadow":
            # One that is in `shadow` begins anew: the local model may be another one.
            return Move(to="shadow", share=0.0, why=order.why)
    if (done.to, done.share) == (state, migration.share):
        raise ConfigError(f"{kind} is {place(state, migration.share)} already")
    return done
