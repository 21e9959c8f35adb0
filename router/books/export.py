"""The ledger as a file: its attempts as CSV or Parquet, or what they cost as FOCUS 1.2."""

import csv
import json
import re
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO, get_args, get_type_hints

from deployments.ledger.inspection import AttemptRow, inspected
from router.books.focus import COLUMNS, charges
from router.books.machine_charges import machine_charges
from router.books.machines import parts_of
from router.books.pricing import Pricing
from router.terminal.progress import progress, watched
from tercet.config import Config
from tercet.errors import ConfigError
from tercet.usage import usd

BATCH = 10_000
"""Rows written at a time."""

Cell = str | int | None

_NEGATIVE = re.compile(r"-[0-9]+\.[0-9]{9}")
"""An amount as `usd` writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What an operator wants to have."""

    out: Path
    format: str
    month: str | None = None
    """`None`: all of them."""
    as_json: bool = False
    screen: TextIO | None = None
    """Where it is said how far it is."""


def export(ledger: Path | str, wanted: Export, config: Config) -> int:
    """Write a month of the ledger, or all of it, to a file that appears when it is whole.

    Raises:
        ConfigError: the file cannot be written.
        LedgerError: the ledger cannot be read.
    """
    read = 0

    def count(more: int) -> None:
        nonlocal read
        read += more
        advance(more)

    with (
        inspected(ledger) as books,
        _whole(wanted.out) as part,
        progress("reading the ledger", wanted.screen) as advance,
    ):
        rows = watched(books.attempts(wanted.month), count)
        if wanted.format == "parquet":
            _write_parquet(part, rows)
        elif wanted.format == "focus":
            machines = machine_charges(parts_of(books, books.leases()), wanted.month)
            _write_csv(part, COLUMNS, chain(charges(rows, Pricing(config)), machines))
        else:
            _write_csv(part, list(_columns()), map(_cells, rows))
    if wanted.as_json:
        told = {"out": str(wanted.out), "format": wanted.format, "attempts": read}
        sys.stdout.write(f"{json.dumps(told)}\n")
    return 0


@contextmanager
def _whole(out: Path) -> Generator[Path]:
    """Let a file be written under another name, and give it its own when nothing has failed."""
    part = out.with_name(f"{out.name}.part")
    try:
        yield part
        part.replace(out)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error}; name another file with --out") from (
            error
        )
    finally:
        part.unlink(missing_ok=True)


def _columns() -> dict[str, bool]:
    """Return the columns of an attempt and whether each is text; dollars follow nano-dollars."""
    columns: dict[str, bool] = {}
    for name, hint in get_type_hints(AttemptRow).items():
        columns[name] = hint is str or str in get_args(hint)
        if name.endswith("_nano_usd"):
            columns[f"{name.removesuffix('_nano_usd')}_usd"] = True
    return columns


def _cells(row: AttemptRow) -> list[Cell]:
    cells: list[Cell] = []
    for name, value in zip(row._fields, row, strict=True):
        cells.append(value)
        if name.endswith("_nano_usd"):
            cells.append(usd(value) if isinstance(value, int) else None)
    return cells


def _write_csv(part: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([harmless(cell) for cell in row] for row in rows)


def harmless(cell: Cell) -> Cell:
    """Keep a spreadsheet from reading text as a formula (OWASP, "CSV Injection").

    A negative amount is none: corrections have them.
    """
    if not isinstance(cell, str) or _NEGATIVE.fullmatch(cell):
        return cell
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell


def _write_parquet(part: Path, rows: Iterator[AttemptRow]) -> None:
    # Imported here: it takes half a second, and has no types.
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    types = {True: arrow.string(), False: arrow.int64()}
    columns = _columns()
    schema = arrow.schema([(name, types[is_text]) for name, is_text in columns.items()])
    with parquet.ParquetWriter(part, schema) as writer:
        while batch := [_cells(row) for row in islice(rows, BATCH)]:
            arrays = [
                arrow.array(column, field.type)
                for column, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))
