"""The picture for a terminal."""

from collections.abc import Iterator

from router.plan.curves import ALWAYS_ON, API_ALONE, Curves
from router.plan.figures import rate
from router.plan.planning import WHILE_IT_PAYS

_COLUMNS, _ROWS = 64, 12
_HALF = 0.5 + 1e-6  # a level line between two rows stays on one of them
_MARKS = {API_ALONE: "/", ALWAYS_ON: "-", WHILE_IT_PAYS: "o"}
"""In the order in which they are drawn, the later over the earlier."""


def chart(curves: Curves) -> str:
    """Return lines of text, each with its newline."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(curves))


def _lines(curves: Curves) -> Iterator[str]:
    rates = [curves.most * column / (_COLUMNS - 1) for column in range(_COLUMNS)]
    costs = {name: [curves.by_name[name](at) for at in rates] for name in _MARKS}
    most = max(max(line) for line in costs.values())
    grid = [[" "] * _COLUMNS for _ in range(_ROWS + 1)]
    for name, mark in _MARKS.items():
        for column, cost in enumerate(costs[name]):
            grid[_ROWS - int(_ROWS * cost / most + _HALF)][column] = mark
    yield "USD a month for the requests that the local model may answer, by requests an hour"
    for number, row in enumerate(grid):
        amount = f"{most * (_ROWS - number) / _ROWS:8.0f}" if number % 4 == 0 else " " * 8
        yield f"{amount} |{''.join(row)}"
    yield f"{' ' * 9}+{'-' * _COLUMNS}"
    yield _marked(curves)
    yield f"{' ' * 10}0{f'{rate(curves.most)}/h'.rjust(_COLUMNS - 1)}"
    yield f"{' ' * 10}{'   '.join(f'{mark} {name}' for name, mark in _MARKS.items())}"


def _marked(curves: Curves) -> str:
    reach = "" if curves.is_reachable else f"; the card ends at {rate(curves.capacity)}/h"
    said = f"break-even {rate(curves.break_even)}/h{reach}"
    column = round((_COLUMNS - 1) * curves.break_even / curves.most)
    if column >= len(said) + 1:
        return f"{' ' * 10}{f'{said} ^'.rjust(column + 1)}"
    return f"{' ' * (10 + column)}^ {said}"
