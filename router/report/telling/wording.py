"""Times in words, and long tables made short."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from router.report.measures import Window

_ROWS: Final = 12
_Row = TypeVar("_Row")


def thinned(rows: Sequence[_Row]) -> Sequence[_Row]:
    """Return at most so many rows, evenly, with the last."""
    step = -(-len(rows) // _ROWS) or 1
    return rows[(len(rows) - 1) % step :: step]


def date_words(at: float) -> str:
    """Say a UTC day."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def moment_words(at: float) -> str:
    """Say a UTC minute."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def window_words(window: Window) -> str:
    """Say from when to when a window is, with its last day."""
    if window.until <= window.since:
        return "no time at all"
    return (
        f"{date_words(window.since)} to {date_words(window.until - 1)} (UTC, {window.days:.1f} "
        "days)"
    )
