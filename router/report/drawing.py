"""Pictures as SVG inside a page: colours are the page's, so they are light or dark with it.

They are 480 wide at most, so that their words can be read on a phone.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from router.report.blocks import Band, Bars, Picture, Point, Shape, Timeline, Whisker, Whiskers
from router.report.measures import decimal

WIDTH = 480
_LEFT, _RIGHT = 8.0, 472.0
_AXIS = 64.0  # where the plot of a band begins, right of its figures
_TOP, _BOTTOM = 16.0, 196.0
_ROW, _BAR = 40.0, 14.0
_LETTER = 7.4  # the width of one, generously
_COLOURS = 6
_STATES: Mapping[str, int] = {
    "baseline": 5, "shadow": 0, "canary": 2, "promoted": 1, "rolled_back": 3,
}  # fmt: skip
_TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """From values to places."""

    least: float
    most: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        share = (value - self.least) / ((self.most - self.least) or 1.0)
        return self.first + (self.last - self.first) * min(1.0, max(0.0, share))


def drawing(picture: Picture) -> str:
    """Return an `svg` element with its title and description; of an empty picture nothing."""
    drawn, height = _DRAWN[type(picture.shape)](picture.shape)
    if not drawn:
        return ""
    name = picture.name
    return "\n".join(
        (
            f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            f'aria-labelledby="{name}-title {name}-says">',
            f'<title id="{name}-title">{escape(picture.title)}</title>',
            f'<desc id="{name}-says">{escape(picture.says)}</desc>',
            *drawn,
            "</svg>",
        )
    )


def _bars(shape: Bars) -> tuple[list[str], float]:
    if not shape.bars:
        return [], 0.0
    there = {name for bar in shape.bars for name, _ in bar.parts}
    colours = {name: at % _COLOURS for at, name in enumerate(shape.names) if name in there}
    scale = _scaled([0.0, *(bar.whole for bar in shape.bars)], _LEFT, _RIGHT)
    drawn: list[str] = []
    for row, bar in enumerate(shape.bars):
        y = _ROW * row + 18
        drawn.append(_words(_LEFT, y, bar.label))
        drawn.append(_words(_RIGHT, y, f"{decimal(bar.whole)} {shape.unit}", "end"))
        begun = 0.0
        for name, value in bar.parts:
            x, end = scale(begun), scale(begun + value)
            drawn.append(_box(x, y + 6, end - x, _BAR, f"c{colours[name]}"))
            begun += value
    legend, end = _legend(colours, _ROW * len(shape.bars) + 16)
    return [*drawn, *legend], end


def _band(shape: Band) -> tuple[list[str], float]:
    if not shape.points:
        return [], 0.0
    values = [value for point in shape.points for value in (point.low, point.value, point.high)]
    y = _scaled([0.0, *values, *(level for _, level in shape.lines)], _BOTTOM, _TOP)
    x = _Scale(least=shape.points[0].at, most=shape.points[-1].at, first=_AXIS, last=_RIGHT)
    drawn = [*_levels(y), *_band_of(shape.points, x, y), *_line_of(shape, x, y)]
    for name, level in shape.lines:
        drawn.append(_stroke(f"M{_AXIS:.1f} {y(level):.1f}H{_RIGHT:.1f}", "least"))
        drawn.append(_words(_AXIS + 4, y(level) - 4, name, css="faint"))
    first, last = shape.points[0], shape.points[-1]
    drawn.append(_words(_AXIS, _BOTTOM + 20, _day(first.at - 1)))
    drawn.append(_words(_RIGHT, _BOTTOM + 20, _day(last.at - 1), "end"))
    drawn.append(_words((_AXIS + _RIGHT) / 2, _BOTTOM + 20, shape.unit, "middle"))
    return drawn, _BOTTOM + 32


def _band_of(points: Sequence[Point], x: _Scale, y: _Scale) -> Iterator[str]:
    there = [(f"{x(one.at):.1f} {y(one.high):.1f}") for one in points]
    back = [(f"{x(one.at):.1f} {y(one.low):.1f}") for one in reversed(points)]
    yield f'<path class="band" d="M{"L".join((*there, *back))}Z"/>'


def _line_of(shape: Band, x: _Scale, y: _Scale) -> Iterator[str]:
    ahead = math.inf if shape.ahead_from is None else shape.ahead_from
    seen = [one for one in shape.points if one.at <= ahead]
    coming = [*seen[-1:], *(one for one in shape.points if one.at > ahead)]
    for points, css in ((seen, "line"), (coming, "line ahead")):
        if len(points) > 1:
            places = "L".join(f"{x(one.at):.1f} {y(one.value):.1f}" for one in points)
            yield _stroke(f"M{places}", css)


def _levels(y: _Scale) -> Iterator[str]:
    for value in ticks(y.least, y.most):
        yield _stroke(f"M{_AXIS:.1f} {y(value):.1f}H{_RIGHT:.1f}", "grid")
        yield _words(_AXIS - 6, y(value) + 4, f"{value:,.6g}", "end", css="faint")


def _whiskers(shape: Whiskers) -> tuple[list[str], float]:
    if not shape.whiskers:
        return [], 0.0
    ends = [end for one in shape.whiskers for end in (one.low, one.high, one.least, 0.0)]
    x = _scaled(ends, _LEFT + 24, _RIGHT - 24)
    bottom = _ROW * len(shape.whiskers) + 8
    drawn = [_stroke(f"M{x(0):.1f} 24V{bottom:.1f}", "grid")]
    for row, one in enumerate(shape.whiskers):
        drawn.extend(_whisker(one, x, _ROW * row + 18))
    drawn += [
        _words(x(value), bottom + 16, f"{value:+.3g}" if value else "0", "middle", css="faint")
        for value in ticks(x.least, x.most)
    ]
    said = f"{shape.unit}; line: 95 % interval; red: margin"
    drawn.append(_words(WIDTH / 2, bottom + 36, said, "middle"))
    return drawn, bottom + 46


def _whisker(one: Whisker, x: Callable[[float], float], y: float) -> Iterator[str]:
    yield _words(_LEFT, y, one.label)
    yield _words(_RIGHT, y, f"{one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})", "end")
    y += 14
    yield _stroke(f"M{x(one.low):.1f} {y:.1f}H{x(one.high):.1f}", "line")
    yield _stroke(f"M{x(one.least):.1f} {y - 7:.1f}v14", "least")
    yield f'<circle class="dot" cx="{x(one.value):.1f}" cy="{y:.1f}" r="5"/>'


def _timeline(shape: Timeline) -> tuple[list[str], float]:
    if not shape.rows or shape.until <= shape.since:
        return [], 0.0
    x = _Scale(least=shape.since, most=shape.until, first=_LEFT, last=_RIGHT)
    drawn: list[str] = []
    for row, (name, stays) in enumerate(shape.rows):
        y = _ROW * row + 18
        drawn.append(_words(_LEFT, y, name))
        for stay in stays:
            begin, end = x(stay.since), x(stay.until)
            css = f"c{_STATES.get(stay.state, _COLOURS - 1)}"
            drawn.append(_box(begin, y + 6, max(1.0, end - begin), _BAR, css))
    bottom = _ROW * len(shape.rows) + 16
    drawn.append(_words(_LEFT, bottom, _day(shape.since), css="faint"))
    drawn.append(_words(_RIGHT, bottom, _day(shape.until - 1), "end", css="faint"))
    states = dict.fromkeys(stay.state for _, stays in shape.rows for stay in stays)
    named = {one.replace("_", " "): _STATES.get(one, _COLOURS - 1) for one in states}
    legend, end = _legend(named, bottom + 24)
    return [*drawn, *legend], end


def _legend(colours: Mapping[str, int], y: float) -> tuple[list[str], float]:
    """Return a square and a name each, in as many lines as they take, and where they end."""
    drawn: list[str] = []
    x = _LEFT
    for name, colour in colours.items():
        wide = 18 + _LETTER * len(name) + 14
        if x > _LEFT and x + wide > _RIGHT:
            x, y = _LEFT, y + 20
        drawn += [_box(x, y - 10, 12, 12, f"c{colour}"), _words(x + 18, y, name)]
        x += wide
    return drawn, y + 12


def ticks(least: float, most: float) -> Iterator[float]:
    """Yield round values from least to most, about five of them."""
    span = most - least
    if not span > 0:
        return
    power = 10.0 ** math.floor(math.log10(span / _TICKS))
    step = next(power * times for times in (1, 2, 5, 10) if power * times * _TICKS >= span)
    for number in range(math.ceil(least / step), math.floor(most / step) + 1):
        yield number * step


def _scaled(values: Sequence[float], first: float, last: float) -> _Scale:
    least, most = min(values), max(values)
    return _Scale(least=least, most=most if most > least else least + 1, first=first, last=last)


def _box(x: float, y: float, width: float, height: float, css: str) -> str:
    return (
        f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" '
        f'height="{height:.1f}"/>'
    )


def _stroke(path: str, css: str) -> str:
    return f'<path class="{css}" d="{path}"/>'


def _words(x: float, y: float, said: str, anchor: str = "start", *, css: str = "words") -> str:
    return (
        f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'
    )


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


_DRAWN: Mapping[type[Shape], Callable[..., tuple[list[str], float]]] = {
    Bars: _bars, Band: _band, Whiskers: _whiskers, Timeline: _timeline,
}  # fmt: skip
"""Each returns the elements of a shape and how high they are; of an empty one none."""
