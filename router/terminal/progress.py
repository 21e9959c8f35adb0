"""How far a long command is: a bar on a terminal, else a line now and then, or nothing."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeVar

Advance = Callable[[int], None]
"""Told how many more are done."""
Each = TypeVar("Each")

EVERY_S = 10.0
"""Between two lines where the screen is no terminal."""
BATCH = 1_000
"""Rows after which it is said how many there are."""


@contextmanager
def progress(
    what: str, screen: TextIO | None, total: int | None = None, every_s: float = EVERY_S
) -> Generator[Advance]:
    """Say how far something is for as long as the block runs.

    Args:
        what: what is done, as `reading the ledger`.
        screen: where it is said; `None`: nowhere.
        total: how many there will be, where that is known.
        every_s: between two lines, if the screen is no terminal.
    """
    if screen is None:
        yield lambda _: None
        return
    with (
        _bar(what, screen, total)
        if screen.isatty()
        else _lines(what, screen, total, every_s) as advance
    ):
        yield advance


def watched(rows: Iterable[Each], advance: Advance) -> Iterator[Each]:
    """Pass rows on and count them."""
    count = 0
    for count, row in enumerate(rows, start=1):
        yield row
        if count % BATCH == 0:
            advance(BATCH)
    advance(count % BATCH)


@contextmanager
def _bar(what: str, screen: TextIO, total: int | None) -> Generator[Advance]:
    # Imported here: it takes a tenth of a second, and few commands draw.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    count = "{task.completed:,.0f}" + ("" if total is None else " of {task.total:,.0f}")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(file=screen, force_terminal=True)
    with Progress(*columns, TextColumn(count), console=console, transient=True) as drawn:
        task = drawn.add_task(what, total=total)
        yield lambda more: drawn.advance(task, more)


@contextmanager
def _lines(what: str, screen: TextIO, total: int | None, every_s: float) -> Generator[Advance]:
    begun, ended = time.monotonic(), threading.Event()
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more

    def tell() -> None:
        while not ended.wait(every_s):
            count = f" {done:,}" if total is None else f" {done:,} of {total:,}"
            far = count if done or total else ""
            screen.write(f"tercet: {what}:{far} after {time.monotonic() - begun:.0f} s\n")
            screen.flush()

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield advance
    finally:
        ended.set()
        teller.join()
