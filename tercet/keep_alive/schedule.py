"""Hours of the week, as `mon-fri 08:00-18:00, sat 10:00-12:00`; UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN
_SPAN = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Times of the week."""

    text: str
    """As it was written."""
    spans: tuple[tuple[int, int], ...]
    """Minutes since Monday 00:00; the second may lie past the week's end, and then goes round."""

    def holds(self, at: float) -> bool:
        """Say whether a moment (Unix seconds) is within it."""
        moment = datetime.fromtimestamp(at, UTC)
        minute = moment.weekday() * _DAY_MIN + moment.hour * 60 + moment.minute
        return any(
            since <= minute < until or since <= minute + _WEEK_MIN < until
            for since, until in self.spans
        )


def parse_schedule(text: str) -> Schedule:
    """Read a schedule. A time that ends before it begins ends on the next day.

    Raises:
        ValueError: It says which part cannot be read, and how one is written.
    """
    parts = [part.strip() for part in text.lower().split(",")]
    return Schedule(text=text, spans=tuple(span for part in parts for span in _spans(part)))


def _spans(part: str) -> list[tuple[int, int]]:
    read = _SPAN.fullmatch(part)
    if read is None or not {read[1], read[2] or read[1]} <= set(DAYS):
        raise ValueError(f"{part!r} is no time of the week: write it as `mon-fri 08:00-18:00`")
    first, last = DAYS.index(read[1]), DAYS.index(read[2] or read[1])
    since, until = int(read[3]) * 60 + int(read[4]), int(read[5]) * 60 + int(read[6])
    if max(since, until) > _DAY_MIN or max(int(read[4]), int(read[6])) > 59:
        raise ValueError(f"{part!r} has a time that no day has")
    length = (until - since) % _DAY_MIN or _DAY_MIN
    days = [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    return [(day * _DAY_MIN + since, day * _DAY_MIN + since + length) for day in days]
