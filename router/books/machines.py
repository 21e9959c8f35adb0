"""What rented machines were used for: every span split into what it was good for, and its cost."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from deployments.ledger.inspection import Inspection
from tercet.leases import Lease, Span

Use = Literal["warming", "busy", "idle", "storage", "correction"]
"""`warming`: the card is paid for and the model does not answer yet. `busy`: a request is under
way. `idle`: none is. `storage`: the disk alone is paid for. `correction`: the bill was another."""
Interval = tuple[int, int]
"""Unix nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What part of a span was good for one thing."""

    lease: Lease
    span: Span
    use: Use
    ns: int
    nano_usd: int


class Activity:
    """When the local model was there, and when it was asked."""

    def __init__(self, served: Iterable[Interval], readied: Sequence[int]) -> None:
        """Take requests in the order they began, and the ends of starts in theirs."""
        self._busy: list[Interval] = []
        for since, until in served:
            if self._busy and since <= self._busy[-1][1]:
                self._busy[-1] = (self._busy[-1][0], max(until, self._busy[-1][1]))
            else:
                self._busy.append((since, until))
        self._begins = [since for since, _ in self._busy]
        self._readied = readied

    def ready_at(self, since: int, until: int) -> int:
        """Return when a machine that ran in this time was ready: `until`, if it never was."""
        first = [
            ordered[at]
            for ordered in (self._readied, self._begins)
            if (at := bisect_right(ordered, since)) < len(ordered)
        ]
        return min([until, *first])

    def busy_ns(self, since: int, until: int) -> int:
        """Return how much of a time requests were under way."""
        total = 0
        for begin, end in self._busy[max(0, bisect_right(self._begins, since) - 1) :]:
            if begin >= until:
                break
            total += max(0, min(end, until) - max(begin, since))
        return total


def parts_of(books: Inspection, leases: Sequence[Lease]) -> Sequence[Part]:
    """Return what these machines of a ledger were used for; nothing is read if there are none."""
    if not leases:
        return ()
    return list(parts(leases, books.spans(), Activity(books.served(), books.readied())))


def parts(leases: Iterable[Lease], spans: Iterable[Span], activity: Activity) -> Iterator[Part]:
    """Yield the parts of every span; they add up to its time and to its cost.

    `spans` come by lease, in the order they were written.
    """
    by_id = {lease.lease_id: lease for lease in leases}
    for lease_id, found in groupby(spans, key=lambda span: span.lease_id):
        if lease_id not in by_id:
            continue  # `verify` tells of it
        its_spans = list(found)
        ready = _ready(its_spans, activity)
        for span in its_spans:
            uses = _uses(by_id[lease_id], span, ready.get(span.seq, 0), activity)
            for use, nano_usd in split(span.nano_usd, uses).items():
                yield Part(
                    lease=by_id[lease_id], span=span, use=use, ns=uses[use], nano_usd=nano_usd
                )


def split(nano_usd: int, weights: Mapping[Use, int]) -> Mapping[Use, int]:
    """Divide an amount by weights; the largest takes what rounding leaves."""
    whole = sum(weights.values()) or 1
    parts: dict[Use, int] = {use: nano_usd * weight // whole for use, weight in weights.items()}
    if parts:
        parts[max(weights, key=lambda use: weights[use])] += nano_usd - sum(parts.values())
    return parts


def _ready(spans: Iterable[Span], activity: Activity) -> Mapping[int, int]:
    """Return when the machine was ready by running span; a run goes on across the ends of days."""
    ready: dict[int, int] = {}
    timed = (span for span in spans if span.state != "correction")
    for is_running, run in groupby(timed, key=lambda span: span.state == "running"):
        if is_running:
            of_run = list(run)
            at = activity.ready_at(of_run[0].since_ns, of_run[-1].accrued_ns)
            ready.update((span.seq, at) for span in of_run)
    return ready


def _uses(lease: Lease, span: Span, ready_at: int, activity: Activity) -> Mapping[Use, int]:
    """Return nanoseconds by use, of those there are."""
    since, until = span.since_ns, span.accrued_ns
    match span.state:
        case "correction":
            return {"correction": 0}
        case "requested" if span.nano_usd == 0:
            return {}
        case "requested" | "loading":
            is_card = span.hourly_nano_usd > lease.stopped_hourly_nano_usd
            return {"warming" if is_card else "storage": until - since}
        case "stopped" | "failed":
            return {"storage": until - since}
        case "running":
            warm = min(max(ready_at, since), until)
            busy = activity.busy_ns(warm, until)
            uses: dict[Use, int] = {
                "warming": warm - since, "busy": busy, "idle": until - warm - busy,
            }  # fmt: skip
            return {use: ns for use, ns in uses.items() if ns}
