import math

from tercet.meters import MOST_OBSERVED, Meters
from tercet.metrics import Reading

REQUESTS = ("tercet_hold_or_spill_total", ("go",))
SECONDS = ("tercet_request_seconds", ("tier3",))
OPEN = ("tercet_breaker_open", ("claude-opus-5-5",))


class Kept:
    """A sink that keeps what it is handed, or refuses it."""

    def __init__(self) -> None:
        self.told: list[Reading] = []
        self.is_broken = False

    def write(self, reading: Reading) -> None:
        if self.is_broken:
            raise RuntimeError("scripted")
        self.told.append(reading)

    def taken(self) -> list[Reading]:
        told, self.told = self.told, []
        return told


def test_a_counter_is_told_once_for_what_came_since_the_last_time() -> None:
    meters, sink = Meters(), Kept()
    for _ in range(3):
        meters.note([Reading(*REQUESTS, 1)])
    meters.flush(sink)
    assert sink.taken() == [Reading(*REQUESTS, 3)]
    meters.flush(sink)
    assert sink.taken() == []
    meters.note([Reading(*REQUESTS, 2)])
    meters.flush(sink)
    assert sink.taken() == [Reading(*REQUESTS, 2)]


def test_what_is_observed_is_told_one_by_one() -> None:
    meters, sink = Meters(), Kept()
    meters.note([Reading(*SECONDS, 0.5), Reading(*SECONDS, 0.7)])
    meters.flush(sink)
    meters.flush(sink)
    assert sink.taken() == [Reading(*SECONDS, 0.5), Reading(*SECONDS, 0.7)]


def test_observations_that_nobody_takes_do_not_grow_without_end() -> None:
    meters, sink = Meters(), Kept()
    meters.note(Reading(*SECONDS, 0.5) for _ in range(MOST_OBSERVED + 10))
    meters.flush(sink)
    assert len(sink.taken()) == MOST_OBSERVED


def test_a_gauge_is_told_every_time_and_once_more_as_gone() -> None:
    now = [Reading(*OPEN, 1.0)]
    meters, sink = Meters(lambda: now), Kept()
    meters.flush(sink)
    meters.flush(sink)
    assert sink.taken() == [Reading(*OPEN, 1.0)] * 2
    now.clear()
    meters.flush(sink)
    (gone,) = sink.taken()
    assert gone[:2] == OPEN
    assert math.isnan(gone.value)
    meters.flush(sink)
    assert sink.taken() == []
