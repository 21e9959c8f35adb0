"""What a rented machine has come to cost by a time, to the nano-dollar.

A span costs its price by the nanosecond, rounded down; it is booked as it grows, so whoever books
it how often makes no difference. Times are Unix nanoseconds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tercet.leases import Span
from tercet.ledger import month_end, month_of

SECOND_NS = 10**9
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Accrued:
    """An open span brought up to a time."""

    spans: Sequence[Span]
    """The span and those of the days after it, the last of them open."""
    grown_nano_usd: int
    """By how much more than before."""


def price(hourly_nano_usd: int, ns: int) -> int:
    """Return what some time costs, rounded down."""
    return hourly_nano_usd * ns // HOUR_NS


def price_ahead(hourly_nano_usd: int, seconds: float) -> int:
    """Return what is to be held for some time to come, rounded up."""
    return -(hourly_nano_usd * -round(seconds * 1e9) // HOUR_NS) if seconds > 0 else 0


def accrue(span: Span, at_ns: int, next_seq: int) -> Accrued:
    """Bring an open span up to a time; it ends with its day, and goes on as rows from `next_seq`.

    A time before what is booked already changes nothing: clocks may go back.
    """
    at_ns = max(at_ns, span.accrued_ns)
    grown = -span.nano_usd
    spans: list[Span] = []
    while (ends_ns := day_end(span.since_ns)) < at_ns:
        spans.append(closed(_until(span, ends_ns)))
        span = begun(span, next_seq, ends_ns)
        next_seq += 1
    spans.append(_until(span, at_ns))
    return Accrued(spans=spans, grown_nano_usd=grown + sum(one.nano_usd for one in spans))


def closed(span: Span) -> Span:
    """End a span where it is booked to."""
    return replace(span, until_ns=span.accrued_ns)


def begun(span: Span, seq: int, at_ns: int) -> Span:
    """Return the row that goes on with the state of a span from a time on."""
    return replace(
        span,
        seq=seq,
        since_ns=at_ns,
        until_ns=None,
        accrued_ns=at_ns,
        nano_usd=0,
        month=month_of(at_ns // SECOND_NS),
    )


def day_end(at_ns: int) -> int:
    """Return when the UTC day of a time ends."""
    return (at_ns // DAY_NS + 1) * DAY_NS


def months(since_ns: int, until_ns: int) -> Iterator[str]:
    """Yield the months that a time touches, both its ends included."""
    at = since_ns // SECOND_NS
    while at <= max(since_ns, until_ns) // SECOND_NS:
        yield month_of(at)
        at = round(month_end(at))


def running_ns(spans: Iterable[Span], at_ns: int) -> int:
    """Return how long machines have run in the UTC day of a time, by then.

    `spans` are all of that day and the open ones; an open one may not be brought up to the time.
    """
    begun_ns = at_ns // DAY_NS * DAY_NS
    return sum(
        max(0, (at_ns if span.until_ns is None else span.until_ns) - max(span.since_ns, begun_ns))
        for span in spans
        if span.state == "running"
    )


def by_hour(spans: Iterable[Span]) -> dict[int, int]:
    """Return nano-USD by hour (Unix seconds // 3600) of spans, spread over their time."""
    hours: dict[int, int] = {}
    for span in spans:
        at_ns, booked = span.since_ns, 0
        while booked < span.nano_usd:
            hour = at_ns // HOUR_NS
            at_ns = min((hour + 1) * HOUR_NS, span.accrued_ns)
            # What a correction costs is of one moment.
            whole = span.accrued_ns - span.since_ns
            due = span.nano_usd * (at_ns - span.since_ns) // whole if whole else span.nano_usd
            hours[hour] = hours.get(hour, 0) + due - booked
            booked = due
    return hours


def _until(span: Span, at_ns: int) -> Span:
    nano_usd = price(span.hourly_nano_usd, at_ns - span.since_ns)
    return replace(span, accrued_ns=at_ns, nano_usd=nano_usd)
