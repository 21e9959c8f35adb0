"""The picture as an SVG that needs nothing beside it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from router.plan.curves import ALWAYS_ON, API_ALONE, Curve, Curves
from router.plan.figures import rate
from router.plan.planning import WHILE_IT_PAYS

WIDTH, HEIGHT = 880, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 700, 152, 452
_FIRST_ROW, _ROW = 84, 17
_LABEL_GAP = 17
_POINTS = 120
_TICKS = 6

_STYLES: Mapping[str, tuple[str, float, str]] = {
    API_ALONE: ("#c2410c", 2.5, ""),
    "light": ("#64748b", 1.2, "5 4"),
    "medium": ("#64748b", 1.2, "5 4"),
    "heavy": ("#64748b", 1.2, "5 4"),
    ALWAYS_ON: ("#1d4ed8", 2.5, ""),
    WHILE_IT_PAYS: ("#15803d", 10, ""),
}
"""Colour, width and dashes."""
_SAID: Mapping[str, str] = {
    "light": "light, 2 h a day",
    "medium": "medium, 6 h a day",
    "heavy": "heavy, 12 h a day",
    ALWAYS_ON: "rented, always on",
    WHILE_IT_PAYS: "rented while it pays",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """From requests an hour and USD a month to places."""

    rates: float
    dollars: float

    def x(self, at: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * at / self.rates

    def y(self, dollars: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * dollars / self.dollars


def picture(curves: Curves, title: str, subtitle: str) -> str:
    """Return an SVG document."""
    dollars = max(curve(curves.most) for curve in curves.by_name.values())
    scale = _Scale(rates=curves.most, dollars=dollars * 1.05)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" '
        'font-family="system-ui, Helvetica, Arial, sans-serif" font-size="13" fill="#1e293b">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="24" y="34" font-size="19" font-weight="600">{escape(title)}</text>',
        f'<text x="24" y="56" fill="#475569">{escape(subtitle)}</text>',
        *_axes(scale),
        *_markers(curves, scale),
        *_lines(curves, scale),
        _crossing(curves, scale),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axes(scale: _Scale) -> Iterator[str]:
    for dollars in _ticks(scale.dollars):
        y = scale.y(dollars)
        yield f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="#e2e8f0"/>'
        yield _text(_LEFT - 10, y + 4, f"{dollars:,g}", anchor="end", colour="#475569")
    for at in _ticks(scale.rates):
        x = scale.x(at)
        yield f'<path d="M{x:.1f} {_BOTTOM}v5" stroke="#94a3b8"/>'
        yield _text(x, _BOTTOM + 21, f"{at:,g}", anchor="middle", colour="#475569")
    yield f'<path d="M{_LEFT} {_BOTTOM}H{_RIGHT}" stroke="#94a3b8"/>'
    middle = (_LEFT + _RIGHT) / 2
    yield _text(middle, _BOTTOM + 46, "requests an hour, around the clock", anchor="middle")
    yield _text(24, _TOP - 12, "USD a month", colour="#475569")


def _ticks(most: float) -> Iterator[float]:
    """Yield multiples of 1, 2 or 5 times a power of ten, at most about `_TICKS` of them."""
    power = 10 ** math.floor(math.log10(most / _TICKS))
    step = next(power * times for times in (1, 2, 5, 10) if power * times * _TICKS >= most)
    yield from (step * number for number in range(int(most / step) + 1))


def _markers(curves: Curves, scale: _Scale) -> Iterator[str]:
    """Stand a line at each rate that counts, with its name in a row of its own above the curves."""
    reach = "" if curves.is_reachable else ": more than the card can answer"
    marked = (
        (curves.break_even, f"break-even {rate(curves.break_even)} an hour{reach}", "#1e293b"),
        (curves.busiest, f"your busiest hour: {rate(curves.busiest)}", "#7c3aed"),
        (curves.capacity, f"the card's full speed: {rate(curves.capacity)}", "#b91c1c"),
    )
    for row, (at, said, colour) in enumerate(marked):
        if at > scale.rates:
            continue
        x, y = scale.x(at), _FIRST_ROW + _ROW * row
        yield f'<path d="M{x:.1f} {y - 10}V{_BOTTOM}" stroke="{colour}" stroke-dasharray="2 3"/>'
        anchor, off = ("start", 6) if x < (_LEFT + _RIGHT) / 2 else ("end", -6)
        yield _text(x + off, y, said, anchor=anchor, colour=colour)


def _lines(curves: Curves, scale: _Scale) -> Iterator[str]:
    """Draw the curves, the widest below the others, each named at its end."""
    for name in sorted(curves.by_name, key=lambda name: -_STYLES[name][1]):
        colour, width, dashes = _STYLES[name]
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        faint = ' opacity="0.35"' if name == WHILE_IT_PAYS else ""
        yield (
            f'<path d="{_path(curves.by_name[name], scale)}" fill="none" stroke="{colour}" '
            f'stroke-width="{width}"{dashed}{faint} stroke-linejoin="round"/>'
        )
    for name, y in _label_places(curves, scale).items():
        said = _SAID.get(name, name)
        yield _text(_RIGHT + 10, y + 4, said, colour=_STYLES[name][0])


def _path(curve: Curve, scale: _Scale) -> str:
    rates = (scale.rates * number / _POINTS for number in range(_POINTS + 1))
    return "M" + "L".join(f"{scale.x(at):.1f} {scale.y(curve(at)):.1f}" for at in rates)


def _label_places(curves: Curves, scale: _Scale) -> dict[str, float]:
    """Return where each curve's name stands: beside its end, and never over another name."""
    ends = sorted((scale.y(curve(curves.most)), name) for name, curve in curves.by_name.items())
    places: dict[str, float] = {}
    lowest = _TOP - _LABEL_GAP
    for y, name in ends:
        lowest = max(y, lowest + _LABEL_GAP)
        places[name] = lowest
    return places


def _crossing(curves: Curves, scale: _Scale) -> str:
    x, y = scale.x(curves.break_even), scale.y(curves.by_name[API_ALONE](curves.break_even))
    return (
        f'<circle id="break-even" cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#ffffff" '
        'stroke="#1e293b" stroke-width="2"/>'
    )


def _text(x: float, y: float, said: str, *, anchor: str = "start", colour: str = "#1e293b") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(said)}</text>"
    )
