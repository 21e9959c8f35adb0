"""The report as one page of HTML that needs nothing beside it: no script, no font, no address."""

from collections.abc import Iterator, Sequence
from html import escape

from router.report.blocks import Block, Document, Lines, Listing, Picture, Sentence, Table
from router.report.drawing import drawing

_STYLE = """
:root { color-scheme: light dark; --ink: #1e293b; --faint: #52607a; --paper: #ffffff;
  --grid: #d8dee9; --least: #b91c1c; --line: #1d4ed8; --band: #1d4ed833; --mark: #fef3c7;
  --c0: #1d4ed8; --c1: #15803d; --c2: #b45309; --c3: #b91c1c; --c4: #7c3aed; --c5: #94a3b8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e8f0; --faint: #a3b1c6; --paper: #10151f;
  --grid: #334155; --least: #fb7185; --line: #7aa5ff; --band: #7aa5ff33; --mark: #4a3410;
  --c0: #7aa5ff; --c1: #4ade80; --c2: #fbbf24; --c3: #fb7185; --c4: #c4a5ff; --c5: #64748b; } }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, Helvetica, Arial, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
.note { color: var(--faint); } .verdict { font-weight: 600; }
.warning { background: var(--mark); padding: .75rem; font-size: 1.25rem; font-weight: 700; }
.wide, pre { overflow-x: auto; } figure { margin: 1.5rem 0; } figcaption { font-weight: 600; }
table { border-collapse: collapse; font-size: .875rem; margin: 1rem 0;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--grid);
  vertical-align: top; }
.left { text-align: left; }
svg { display: block; width: 100%; max-width: 45rem; height: auto; font-size: 13px; }
svg .words { fill: var(--ink); } svg .faint { fill: var(--faint); }
svg .grid { stroke: var(--grid); fill: none; }
svg .least { stroke: var(--least); stroke-width: 2; fill: none; stroke-dasharray: 5 3; }
svg .line { stroke: var(--line); stroke-width: 2.5; fill: none; }
svg .ahead { stroke-dasharray: 4 4; } svg .band { fill: var(--band); }
svg .dot { fill: var(--line); }
svg .c0 { fill: var(--c0); } svg .c1 { fill: var(--c1); } svg .c2 { fill: var(--c2); }
svg .c3 { fill: var(--c3); } svg .c4 { fill: var(--c4); } svg .c5 { fill: var(--c5); }
"""


def as_html(document: Document) -> str:
    """Return a whole page; it is well-formed XML too."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8"/>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    yield f"<title>{escape(document.title)}</title><style>{_STYLE}</style></head><body>"
    yield f"<header><h1>{escape(document.title)}</h1><p>{escape(document.subtitle)}</p></header>"
    yield '<nav aria-label="Contents"><ol>'
    for number, section in enumerate(document.sections, 1):
        yield f'<li><a href="#s{number}">{escape(section.title)}</a></li>'
    yield "</ol></nav><main>"
    for number, section in enumerate(document.sections, 1):
        yield f'<section id="s{number}"><h2>{number}. {escape(section.title)}</h2>'
        for block in section.blocks:
            yield from _block(block)
        yield "</section>"
    yield "</main></body></html>"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Sentence(text=said, tone=tone):
            yield f'<p class="{tone}">{escape(said)}</p>'
        case Listing(points=points):
            yield f"<ul>{''.join(f'<li>{escape(point)}</li>' for point in points)}</ul>"
        case Lines(lines=lines):
            yield f"<pre>{escape(chr(10).join(lines))}</pre>"
        case Table():
            yield from _table(block)
        case Picture():
            drawn = drawing(block) or f"<p>{escape(block.says)}</p>"
            yield f"<figure><figcaption>{escape(block.title)}</figcaption>{drawn}"
            yield from _table(block.table)
            yield "</figure>"


def _table(table: Table) -> Iterator[str]:
    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    if not table.rows:
        yield f"<p>{escape(table.title)}: nothing.</p>"
        return
    lefts = [at == 0 or at in table.words for at in range(len(table.headings))]
    # A table may be wider than a phone: it scrolls, and a keyboard can reach it.
    yield f'<div class="wide" tabindex="0" role="group" aria-label="{escape(table.title)}">'
    yield f"<table>{caption}<thead>{_row('th', table.headings, lefts)}</thead><tbody>"
    yield from (_row("td", row, lefts) for row in table.rows)
    yield "</tbody></table></div>"


def _row(tag: str, cells: Sequence[str], lefts: Sequence[bool]) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    sides = ["", ' class="left"']
    said = "".join(
        f"<{tag}{scope}{sides[left]}>{escape(cell)}</{tag}>"
        for cell, left in zip(cells, lefts, strict=True)
    )
    return f"<tr>{said}</tr>"
