"""What every bench does with its figures: print them as a table, store them with the day."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
Figure = str | int | float
Line = Mapping[str, Figure]


def table(lines: Sequence[Line]) -> str:
    """Return lines of the same keys as a table with a heading."""
    rows = [list(lines[0]), *([_told(value) for value in line.values()] for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def store(name: str, figures: object) -> Path:
    """Write `bench/results/<day>-<name>.json`; a later run of a day replaces an earlier one."""
    today = datetime.fromtimestamp(time.time(), UTC).date().isoformat()
    file = RESULTS / f"{today}-{name}.json"
    file.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return file


def _told(value: Figure) -> str:
    return (
        f"{value:,.2f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else value
    )
