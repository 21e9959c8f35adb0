"""Draw the newest stored result: CPU of a request and latency, a bar each.

    .venv/bin/python -m bench.gateway.picture

Writes `docs/pictures/gateway.svg` and prints the table of the README, in Markdown.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.report import RESULTS

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "gateway.svg"
_BARE = "bare Serve"
_HEIGHT, _LEFT, _WIDTH, _GAP = 22, 170, 300, 120
_COLUMNS = (("cpu c8", "CPU ms a request, 8 at once"), ("p50 c8", "p50 ms, 8 at once"))
_COLOURS = {"relay": "#8a8f98", _BARE: "#8a8f98", "litellm": "#c2703d", "switchyard": "#c2703d"}
_OURS = "#2f6f9f"

Line = Mapping[str, Any]


def newest() -> Mapping[str, Any]:
    """Return the last result that was stored."""
    file = max(RESULTS.glob("*-gateway.json"))
    return json.loads(file.read_text(encoding="utf-8"))


def drawn(lines: Sequence[Line]) -> str:
    """Return the bars as SVG; each column has a scale of its own."""
    width = _LEFT + len(_COLUMNS) * (_WIDTH + _GAP)
    height = (len(lines) + 2) * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for row, line in enumerate(lines):
        y = (row + 1) * _HEIGHT + 16
        parts.append(f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end">{line[""]}</text>')
    for place, (name, title) in enumerate(_COLUMNS):
        parts += _column(lines, name, title, _LEFT + place * (_WIDTH + _GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _column(lines: Sequence[Line], name: str, title: str, x: int) -> list[str]:
    most = max(line[name] for line in lines)
    parts = [f'<text x="{x}" y="16" font-weight="bold">{title}</text>']
    for row, line in enumerate(lines):
        y, long = (row + 1) * _HEIGHT, max(1.0, line[name] / most * _WIDTH)
        colour = _COLOURS.get(line[""], _OURS)
        parts.append(
            f'<rect x="{x}" y="{y + 4}" width="{long:.0f}" height="14" fill="{colour}"/>'
            f'<text x="{x + long + 6:.0f}" y="{y + 16}">{line[name]:.1f}</text>'
        )
    return parts


def markdown(lines: Sequence[Line]) -> str:
    """Return the table that the README shows, with ratios to bare Serve."""
    bare = next(line for line in lines if line[""] == _BARE)
    rows = [
        "| | CPU ms | of bare Serve | p50 ms, 1 / 8 / 32 at once | of bare Serve | requests/s | "
        "first content ms | CPU µs a chunk: at once / 5 ms apart |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        p50 = " / ".join(f"{line[f'p50 {at}']:.1f}" for at in ("c1", "c8", "c32"))
        rows.append(
            f"| {line['']} | {line['cpu c8']:.2f} | {line['cpu c8'] / bare['cpu c8']:.2f} | {p50} "
            f"| {line['p50 c8'] / bare['p50 c8']:.2f} | {line['req/s']:.0f} | {line['first']:.1f} "
            f"| {line['us/chunk']:.0f} / {line['us/paced']:.0f} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Draw and print."""
    lines = newest()["lines"]
    PICTURE.write_text(drawn(lines), encoding="utf-8")
    print(markdown(lines))


if __name__ == "__main__":
    main()
