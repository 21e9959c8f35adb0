"""An operator's commands that write versions and their states."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from deployments.ledger import Ledger
from router.refit import steering
from router.refit.books import Desk
from tercet.config import load

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an operator says to a move, when, and how they are answered."""

    why: str | None
    now: float
    """Unix seconds."""
    as_json: bool = False

    def say(self, text: str) -> None:
        """Say what was done."""
        sys.stdout.write(f"{json.dumps({'done': text}) if self.as_json else text}\n")


def fit(ledger: str, folder: Path | None, now: float, *, as_json: bool) -> int:
    """Fit a candidate and print its summary; return 0.

    Raises:
        ConfigError: there is nothing to fit.
        LedgerError: the ledger cannot be read or written.
    """
    desk = Desk(ledger=ledger, config=load(folder), folder=folder, now=now)
    row = _done(ledger, lambda books: steering.fit(books, desk, _progress))
    summary = json.loads(row.summary)
    if as_json:
        sys.stdout.write(f"{json.dumps({'version': row.version, **summary})}\n")
    else:
        sys.stdout.write(f"{row.version} is a candidate; `tercet policy show {row.version}`\n")
    return 0


def promote(ledger: str, version: str, share: float | None, told: Told) -> int:
    """Put a version in force, or on a share; return 0.

    Raises:
        ConfigError: there is no such version.
        LedgerError: the ledger cannot be written.
    """
    why = told.why or ""
    _done(ledger, lambda books: steering.promote(books, version, share, why, told.now))
    where = "is in force" if share is None else f"routes {share:.0%} of the conversations"
    told.say(f"{version} {where}; every gateway knows within ten seconds")
    return 0


def roll_back(ledger: str, told: Told) -> int:
    """End the canary or the version in force; return 0.

    Raises:
        ConfigError: no version routes anything.
        LedgerError: the ledger cannot be written.
    """
    why = told.why or ""
    told.say(_done(ledger, lambda books: steering.roll_back(books, why, told.now)))
    return 0


def freeze(ledger: str, told: Told) -> int:
    """Begin a freeze, or end it where no reason is given; return 0.

    Raises:
        LedgerError: the ledger cannot be written.
    """
    if told.why is not None:
        why = told.why
        _done(ledger, lambda books: steering.freeze(books, why, told.now))
        told.say("frozen: nothing is fitted or promoted until `tercet policy freeze --off`")
    elif _done(ledger, steering.thaw):
        told.say("the nights go on")
    else:
        told.say("it was not frozen; nothing was done")
    return 0


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _done(ledger: str, do: Callable[[Ledger], Coroutine[Any, Any, Found]]) -> Found:
    with closing(Ledger(ledger)) as books:
        return asyncio.run(do(books))
