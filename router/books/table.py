"""Tables for people: the first column to the left, figures to the right."""

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return lines that stand below each other, each with its newline."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "".join(f"{_line(line, widths)}\n" for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    rest = [cell.rjust(width) for cell, width in others]
    return "  ".join([first[0].ljust(first[1]), *rest])
