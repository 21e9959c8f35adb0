"""What the machine did from when to when: leases' spans cut by starts and by requests; pure.

A machine of one's own leaves no spans: of it only starts and requests are known, and the rest of
the time counts as asleep. Times are Unix nanoseconds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from router.console.machine_views import GpuState, StateTotal, StretchView
from router.console.tally import within
from tercet.leases import Span

Time = tuple[int, int]
"""From when to when."""

_STATES: dict[str, GpuState] = {
    "requested": "loading",
    "loading": "loading",
    "stopped": "asleep",
    "failed": "failed",
}
ORDER: tuple[GpuState, ...] = ("busy", "idle", "loading", "asleep", "failed")


class Piece(NamedTuple):
    """A stretch in one state."""

    since_ns: int
    until_ns: int
    state: GpuState
    nano_usd: int
    reason: str


def pieces(
    spans: Sequence[Span], loading: Sequence[Time], busy: Sequence[Time], window: Time
) -> Sequence[Piece]:
    """Return what was done within a window, without a gap.

    Args:
        spans: of every lease that reaches into it; corrections are of no time, and left out.
        loading: when the local model was started.
        busy: when it answered, in order.
        window: the whole.
    """
    loads, answers = joined(sorted(loading), 0), within(busy, *window)
    found: list[Piece] = []
    for span in spans:
        found += _of_span(span, loads, answers, window)
    if not found:
        found = _cut(window, "asleep", loads, answers)
    return _without_gaps(sorted(found), window)


def _of_span(
    span: Span, loads: Sequence[Time], answers: Sequence[Time], window: Time
) -> Sequence[Piece]:
    time = _clipped(span, window)
    if time is None:
        return []
    if span.state == "running":
        cut = _cut(time, "idle", loads, answers)
    else:
        cut = [Piece(*time, _STATES[span.state], 0, span.reason)]
    whole = max(span.accrued_ns - span.since_ns, 1)
    return [
        one._replace(nano_usd=_part(span.nano_usd, one, span.since_ns, whole), reason=span.reason)
        for one in cut
    ]


def _clipped(span: Span, window: Time) -> Time | None:
    """Return the part of a span that is within a window; `None`: there is none."""
    since_ns = max(span.since_ns, window[0])
    until_ns = min(window[1] if span.until_ns is None else span.until_ns, window[1])
    return None if span.state == "correction" or since_ns >= until_ns else (since_ns, until_ns)


def _part(nano_usd: int, one: Piece, begun_ns: int, whole_ns: int) -> int:
    """Return a piece's part of a span's money: of ends counted from its beginning, to the nano."""
    ends = (min(end - begun_ns, whole_ns) for end in (one.since_ns, one.until_ns))
    since, until = (nano_usd * end // whole_ns for end in ends)
    return until - since


def _cut(time: Time, rest: GpuState, loads: Sequence[Time], answers: Sequence[Time]) -> list[Piece]:
    """Cut a time into what was loaded, what was answered and the rest."""
    marks = [Piece(*one, "busy", 0, "") for one in within(answers, *time)]
    marks += [Piece(*one, "loading", 0, "") for one in within(loads, *time)]
    found: list[Piece] = []
    at = time[0]
    for since_ns, until_ns, state, _, _ in sorted(marks):
        if since_ns > at:
            found.append(Piece(at, since_ns, rest, 0, ""))
        if until_ns > at:
            found.append(Piece(max(since_ns, at), until_ns, state, 0, ""))
            at = until_ns
    if at < time[1]:
        found.append(Piece(at, time[1], rest, 0, ""))
    return found


def _without_gaps(found: Sequence[Piece], window: Time) -> Sequence[Piece]:
    """Fill the gaps with sleep; of two at once (two machines), the later has the time that is left.

    Its money stays whole.
    """
    filled: list[Piece] = []
    at = window[0]
    for one in found:
        if one.since_ns > at:
            filled.append(Piece(at, one.since_ns, "asleep", 0, ""))
        if one.since_ns < at:
            one = one._replace(since_ns=at, until_ns=max(at, one.until_ns))  # noqa: PLW2901
        filled.append(one)
        at = one.until_ns
    if at < window[1]:
        filled.append(Piece(at, window[1], "asleep", 0, ""))
    return filled


def _joined(of: Sequence[Piece]) -> Piece:
    """Return pieces that follow each other as one, in the state that lasted longest in all."""
    lasted: dict[GpuState, int] = dict.fromkeys(ORDER, 0)
    for one in of:
        lasted[one.state] += one.until_ns - one.since_ns
    state = max(lasted, key=lasted.__getitem__)
    reason = next((one.reason for one in of if one.reason), "")
    spent = sum(one.nano_usd for one in of)
    return Piece(of[0].since_ns, of[-1].until_ns, state, spent, reason)


def coarse(found: Sequence[Piece], least_ns: int) -> tuple[StretchView, ...]:
    """Return what a picture shows: what is shorter than `least_ns` joined with what follows."""
    groups: list[list[Piece]] = []
    begun_ns = 0
    for one in found:
        is_long = one.until_ns - one.since_ns >= least_ns
        if groups and not is_long and groups[-1][-1].until_ns - begun_ns < least_ns:
            groups[-1].append(one)
        else:
            groups.append([one])
            begun_ns = one.since_ns
    joined = [_joined(of) for of in groups]
    again = [_joined(list(of)) for _, of in groupby(joined, key=lambda one: one.state)]
    return tuple(
        StretchView(
            state=one.state,
            since=one.since_ns / 1e9,
            until=one.until_ns / 1e9,
            nano_usd=one.nano_usd,
            reason=one.reason,
        )
        for one in again
    )


def totals(
    spans: Sequence[Span], loading: Sequence[Time], busy: Sequence[Time], window: Time
) -> tuple[StateTotal, ...]:
    """Return how long each state lasted within a window and what it cost; exact, unlike a picture.

    The arguments are those of `pieces`.
    """
    loads = joined(sorted(loading), 0)
    lasted: Counter[GpuState] = Counter()
    spent: Counter[GpuState] = Counter()
    for span in spans:
        time = _clipped(span, window)
        if time is None:
            continue
        whole = Piece(*time, "idle", 0, "")
        left = _part(span.nano_usd, whole, span.since_ns, max(span.accrued_ns - span.since_ns, 1))
        parts: dict[GpuState, int] = {_STATES.get(span.state, "idle"): time[1] - time[0]}
        if span.state == "running":
            parts = _parts(time, loads, busy)
        lasted.update(parts)
        spent.update(_shared(left, parts))
    if not lasted:
        lasted.update(_parts(window, loads, busy))
        lasted["asleep"] = lasted.pop("idle", 0)
    lasted["asleep"] += max(0, window[1] - window[0] - lasted.total())
    return tuple(
        StateTotal(
            state=state,
            seconds=lasted[state] / 1e9,
            nano_usd=spent[state],
            share=lasted[state] / lasted.total(),
        )
        for state in ORDER
        if lasted[state] or spent[state]
    )


def _parts(time: Time, loads: Sequence[Time], busy: Sequence[Time]) -> dict[GpuState, int]:
    """Return how much of a time was answered, loaded and neither."""
    whole = time[1] - time[0]
    answered = sum(until - since for since, until in within(busy, *time))
    loaded = sum(until - since for since, until in within(loads, *time))
    loaded = min(loaded, whole - answered)
    return {"busy": answered, "loading": loaded, "idle": whole - answered - loaded}


def _shared(nano_usd: int, parts: Mapping[GpuState, int]) -> dict[GpuState, int]:
    """Share money by time, to the nano."""
    whole, at, ends = sum(parts.values()) or 1, 0, [0]
    for lasted in parts.values():
        at += lasted
        ends.append(nano_usd * at // whole)
    return {
        state: until - since for state, (since, until) in zip(parts, pairwise(ends), strict=True)
    }


def joined(busy: Sequence[Time], gap_ns: int) -> Sequence[Time]:
    """Return ordered stretches with those as one that are at most so far apart."""
    found: list[Time] = []
    for since, until in busy:
        if found and since - found[-1][1] <= gap_ns:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found
