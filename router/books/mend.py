"""`tercet ledger repair`: a damaged ledger built anew from its journal, or the other way round."""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from deployments.ledger import LedgerError, health, journal
from deployments.ledger.inspection import file_of
from deployments.ledger.repair import Fitness
from router.terminal.output import tell

PATIENCE_S = 30.0
"""How long the processes that have the ledger open may take to let go of it."""


def mend(
    ledger: Path | str,
    clock: Callable[[], float],
    sleep: Callable[[float], None] = time.sleep,
    *,
    as_json: bool = False,
) -> int:
    """Repair what is damaged, and say what was done; return 0.

    Raises:
        LedgerError: it cannot be repaired, is not there, or is in Postgres.
    """
    file = file_of(ledger)
    if file is None:
        raise LedgerError("Postgres keeps its own copies: restore this ledger from one of those")
    if not file.exists() and not journal.folder_of(file).exists():
        raise LedgerError(
            f"{file} does not exist, nor does its journal; name a ledger with --ledger"
        )
    wrong = health.check(file)
    if wrong is None:
        document: dict[str, object] = {"is_repaired": False, "wrong": None, "kept": None}
        tell(f"the ledger {file} is whole; nothing was done\n", document, as_json=as_json)
        return 0
    (sys.stderr if as_json else sys.stdout).write(f"{wrong}\n")
    with closing(Fitness(file, clock)) as fitness:
        fitness.declare_unfit(wrong)
        _repair(fitness, file, clock, sleep)
    kept = f"{file.name}.damaged-*"
    document = {"is_repaired": True, "wrong": wrong, "kept": kept}
    tell(f"repaired; what was damaged is kept beside it as {kept}\n", document, as_json=as_json)
    return 0


def _repair(
    fitness: Fitness, file: Path, clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    give_up_at = clock() + PATIENCE_S
    while not fitness.enter():
        if (why := fitness.why_unfit()) is not None and clock() > give_up_at:
            raise LedgerError(f"not repaired, although waited for {PATIENCE_S:.0f} s: {why}")
        sleep(0.1)
    if (wrong := health.check(file)) is not None:
        raise LedgerError(wrong)
