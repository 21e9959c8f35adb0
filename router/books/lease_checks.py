"""What must hold of every lease: its spans follow each other, each at the cost of its price."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from tercet.accrual import SECOND_NS, day_end, price
from tercet.leases import Lease, Span
from tercet.ledger import month_of

_PRECISE_NS = 1_000
"""How far a time in seconds may be from the same in nanoseconds."""


def wrong_leases(leases: Iterable[Lease], spans: Iterable[Span]) -> Iterator[str]:
    """Yield a sentence for everything that is wrong with a lease."""
    by_lease: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_lease[span.lease_id].append(span)
    for lease in leases:
        its_spans = by_lease.pop(lease.lease_id, [])
        timed = [span for span in its_spans if span.state != "correction"]
        said = [_lease(lease, timed), *map(_span, timed), *map(_gap, pairwise(timed))]
        yield from (f"{lease.lease_id} {one}" for one in said if one is not None)
    yield from (f"{lease_id} has spans and no row" for lease_id in by_lease)


def _lease(lease: Lease, spans: Sequence[Span]) -> str | None:
    open_spans = [span for span in spans if span.until_ns is None]
    if not spans or not _is_same(lease.opened_at, spans[0].since_ns):
        return "has no span from its beginning on"
    if lease.ended_at is None:
        is_right = open_spans == spans[-1:] and open_spans[0].state == lease.state
        return None if is_right else f"is {lease.state}, and its last span is not, or has an end"
    if open_spans:
        return "has ended, and a span has no end"
    if lease.end is None or lease.held_nano_usd:
        return "has ended without a word how, or holds money"
    return None if _is_same(lease.ended_at, spans[-1].accrued_ns) else "did not end with its spans"


def _span(span: Span) -> str | None:
    said = f"has a span {span.seq} that"
    if span.until_ns is not None and span.until_ns != span.accrued_ns:
        return f"{said} is not booked to its end"
    if not span.since_ns <= span.accrued_ns <= day_end(span.since_ns):
        return f"{said} ends before it begins or after its day"
    if span.month != month_of(span.since_ns // SECOND_NS):
        return f"{said} is booked in {span.month}"
    due = price(span.hourly_nano_usd, span.accrued_ns - span.since_ns)
    return None if due == span.nano_usd else f"{said} is booked at {span.nano_usd:,}, not {due:,}"


def _gap(pair: tuple[Span, Span]) -> str | None:
    before, after = pair
    if before.until_ns == after.since_ns:
        return None
    return f"has a gap between the spans {before.seq} and {after.seq}"


def _is_same(seconds: float, ns: int) -> bool:
    return abs(seconds * SECOND_NS - ns) < _PRECISE_NS
