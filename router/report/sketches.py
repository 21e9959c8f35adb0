"""Pictures for a terminal: lines of text without newlines."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from router.report.blocks import Band, Bars, Shape, Timeline, Whiskers
from router.report.measures import decimal

WIDTH = 48
_LEVELS = "▁▂▃▄▅▆▇█"
_FILLS = "█▓▒░▚"
_STATES: Mapping[str, str] = {
    "baseline": "·", "shadow": "s", "canary": "c", "promoted": "P", "rolled_back": "x",
}  # fmt: skip


def sketch(shape: Shape) -> list[str]:
    """Return the lines of a picture; of an empty one there are none."""
    match shape:
        case Bars():
            return list(_bars(shape))
        case Band():
            return list(_band(shape))
        case Whiskers():
            return list(_whiskers(shape))
        case Timeline():
            return list(_timeline(shape))


def _bars(shape: Bars) -> Iterator[str]:
    if not shape.bars:
        return
    there = {name for bar in shape.bars for name, _ in bar.parts}
    fills = {name: _FILLS[at % len(_FILLS)] for at, name in enumerate(shape.names) if name in there}
    most = max(bar.whole for bar in shape.bars) or 1.0
    wide = max(len(bar.label) for bar in shape.bars)
    for bar in shape.bars:
        drawn = "".join(fills[name] * round(WIDTH * value / most) for name, value in bar.parts)
        yield f"{bar.label.ljust(wide)} {drawn or '▏'} {decimal(bar.whole)} {shape.unit}"
    yield "  ".join(f"{fill} {name}" for name, fill in fills.items())


def _band(shape: Band) -> Iterator[str]:
    if not shape.points:
        return
    values = [point.value for point in shape.points]
    least, most = min(0.0, *values), max(0.0, *values)
    first, last = shape.points[0], shape.points[-1]
    drawn = "".join(_level(value, least, most) for value in values)
    yield f"{_day(first.at - 1)} {drawn} {_day(last.at - 1)}"
    ahead = "forecast " if shape.ahead_from is not None else ""
    ends = f"{decimal(last.low)} to {decimal(last.high)}"
    yield f"{ahead}{decimal(last.value)} {shape.unit} at the end ({ends})"
    for name, level in shape.lines:
        yield f"{name}: {level:,.2f} {shape.unit}"


def _level(value: float, least: float, most: float) -> str:
    share = (value - least) / (most - least) if most > least else 0.0
    return _LEVELS[min(len(_LEVELS) - 1, int(share * len(_LEVELS)))]


def _whiskers(shape: Whiskers) -> Iterator[str]:
    if not shape.whiskers:
        return
    ends = [end for one in shape.whiskers for end in (one.low, one.high, one.least, 0.0)]
    least, most = min(ends), max(ends)
    wide = max(len(one.label) for one in shape.whiskers)

    def place(value: float) -> int:
        return round((WIDTH - 1) * (value - least) / ((most - least) or 1.0))

    for one in shape.whiskers:
        line = [" "] * WIDTH
        line[place(0.0)] = "|"
        line[place(one.low) : place(one.high) + 1] = "-" * (place(one.high) - place(one.low) + 1)
        line[place(one.least)] = "!"
        line[place(one.value)] = "o"
        yield f"{one.label.ljust(wide)} {''.join(line)}".rstrip()
    left, right = f"{least:+.3f}", f"{most:+.3f} {shape.unit}"
    yield f"{' ' * wide} {left}{right.rjust(WIDTH - len(left))}"
    yield "o value  - interval  ! margin  | no difference"


def _timeline(shape: Timeline) -> Iterator[str]:
    if not shape.rows or shape.until <= shape.since:
        return
    wide = max(len(name) for name, _ in shape.rows)
    for name, stays in shape.rows:
        line = [" "] * WIDTH
        for stay in stays:
            begin, end = (
                round(WIDTH * (at - shape.since) / (shape.until - shape.since))
                for at in (stay.since, stay.until)
            )
            for at in range(max(0, begin), min(WIDTH, max(end, begin + 1))):
                line[at] = _STATES.get(stay.state, "?")
        yield f"{name.ljust(wide)} {''.join(line)}"
    left, right = _day(shape.since), _day(shape.until - 1)
    yield f"{' ' * wide} {left}{right.rjust(WIDTH - len(left))}"
    yield "  ".join(f"{mark} {state.replace('_', ' ')}" for state, mark in _STATES.items())


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%m-%d}"
