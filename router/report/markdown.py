"""The report as Markdown."""

from collections.abc import Iterator, Mapping

from router.report.blocks import Block, Document, Lines, Listing, Picture, Sentence, Table, Tone
from router.report.sketches import sketch

_WRAPS: Mapping[Tone, str] = {
    "plain": "{}", "note": "*{}*", "verdict": "**{}**", "warning": "> **WARNING: {}**",
}  # fmt: skip
_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\*_|<>`[]#"} | {"\n": " "})


def as_markdown(document: Document) -> str:
    """Return a Markdown document with tables as GitHub has them."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"# {_plain(document.title)}"
    yield f"\n{_plain(document.subtitle)}"
    for number, section in enumerate(document.sections, 1):
        yield f"\n## {number}. {_plain(section.title)}"
        for block in section.blocks:
            yield ""
            yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Sentence(text=said, tone=tone):
            yield _WRAPS[tone].format(_plain(said))
        case Listing(points=points):
            yield from (f"- {_plain(point)}" for point in points)
        case Lines(lines=lines):
            yield from ("```text", *lines, "```")
        case Table():
            yield from _table(block)
        case Picture():
            yield f"**{_plain(block.title)}.** {_plain(block.says)}"
            drawn = sketch(block.shape)
            if drawn:
                yield from ("", "```text", *drawn, "```")
            yield ""
            yield from _table(block.table)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"**{_plain(table.title)}**\n"
    if not table.rows:
        yield "(nothing)"
        return
    yield _row(table.headings)
    is_left = [at == 0 or at in table.words for at in range(len(table.headings))]
    yield f"|{'|'.join(':--' if left else '--:' for left in is_left)}|"
    yield from (_row(row) for row in table.rows)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(said: str) -> str:
    """Return words that Markdown shows as they are."""
    return said.translate(_MARKS)
