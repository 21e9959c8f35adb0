"""Times in words, and long tables made short."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from router.report.measures import Window

_ROWS: Final = 12
_REASONS: Final[Mapping[str, str]] = {
    "asleep": "the local model was not ready in time",
    "budget": "the evidence's budget is spent",
    "full": "too many waited",
    "unfit": "tools, images, too long, or barred by the key",
    "tested_failed": "the model that was tried gave no answer",
    "base_failed": "the model it is compared with gave no answer",
    "judge_failed": "no judge gave a verdict",
    "ended": "the gateway ended",
    "lost": "went with its process",
}
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


def reason_words(reason: str) -> str:
    """Say why an answer was not judged."""
    return _REASONS.get(reason, reason)


def left_words(left: Mapping[str, int]) -> str:
    """Say how many answers were not judged, by the reason."""
    return "; ".join(f"{count:,} because {reason_words(reason)}" for reason, count in left.items())
