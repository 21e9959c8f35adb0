"""The fake cloud's bill, to the nano-USD, out of the stretches of its instances."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from cluster.providers.fake.world import Rented, Stretch

Kind = Literal["gpu", "disk"]
_US = 1_000_000
_US_AN_HOUR = 3600 * _US


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a stretch cost, or as much of it as was asked about."""

    instance_id: str
    label: str
    kind: Kind
    phase: str
    since: float
    until: float
    hourly: int
    nano_usd: int


def lines(rented: Sequence[Rented], since: float, until: float) -> list[Line]:
    """Return the bill of a time; bills of times that follow each other add up exactly."""
    return [line for one in rented for line in _lines(one, since, until)]


def cost(hourly: int, start: float, since: float, until: float) -> int:
    """Return the part of a stretch's cost that falls between two times; parts add up exactly."""
    return _up_to(hourly, start, until) - _up_to(hourly, start, since)


def _lines(one: Rented, since: float, until: float) -> Iterator[Line]:
    for stretch, end in _stretches(one, until):
        start = max(stretch.since, since)
        if start >= end:
            continue
        parts: tuple[tuple[Kind, int], ...] = (("gpu", stretch.gpu), ("disk", stretch.disk))
        for kind, hourly in parts:
            if hourly:
                yield Line(
                    instance_id=one.instance_id,
                    label=one.label,
                    kind=kind,
                    phase=stretch.phase,
                    since=start,
                    until=end,
                    hourly=hourly,
                    nano_usd=cost(hourly, stretch.since, start, end),
                )


def _stretches(one: Rented, until: float) -> Iterator[tuple[Stretch, float]]:
    for stretch, following in pairwise(one.history):
        yield stretch, min(following.since, until)
    yield one.history[-1], until


def _up_to(hourly: int, start: float, at: float) -> int:
    return hourly * (round(at * _US) - round(start * _US)) // _US_AN_HOUR
