"""The report for a terminal."""

import textwrap
from collections.abc import Iterator, Mapping

from router.report.blocks import Block, Document, Lines, Listing, Picture, Sentence, Table, Tone
from router.report.sketches import sketch

_WIDTH = 100
_SIGNS: Mapping[Tone, str] = {"plain": "", "note": "Note: ", "verdict": "=> ", "warning": "!!! "}


def as_text(document: Document) -> str:
    """Return lines of text."""
    return "\n".join(line.rstrip() for line in _lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield document.title
    yield document.subtitle
    for number, section in enumerate(document.sections, 1):
        title = f"{number}. {section.title}"
        yield from ("", title, "=" * len(title))
        for block in section.blocks:
            yield ""
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Sentence(text=said, tone=tone):
            said = said.upper() if tone == "warning" else said
            yield from _wrapped(said, _SIGNS[tone])
        case Listing(points=points):
            for point in points:
                yield from _wrapped(point, "- ", "  ")
        case Lines(lines=lines):
            yield from (f"    {line}" for line in lines)
        case Table():
            yield block.title
            yield from table_lines(block)
        case Picture():
            yield block.title
            yield from (sketch(block.shape) or list(_wrapped(block.says, "")))
            yield ""
            yield from table_lines(block.table)


def _wrapped(said: str, sign: str, later: str | None = None) -> list[str]:
    indent = sign if later is None else later
    return textwrap.wrap(
        said,
        _WIDTH,
        initial_indent=sign,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def table_lines(table: Table) -> Iterator[str]:
    """Yield the lines of a table; columns are as wide as they need to be."""
    if not table.rows:
        yield "(nothing)"
        return
    lines = [table.headings, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.headings))]
    for line in lines:
        cells = [
            cell.ljust(width) if at == 0 or at in table.words else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        yield "  ".join(cells)
