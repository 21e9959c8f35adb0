import time

from deployments.meters import Reporter, reported
from tercet.meters import Meters
from tercet.metrics import Reading

ONE = Reading("tercet_hold_or_spill_total", ("go",), 1)


class Sink:
    """Takes numbers after so many refusals."""

    def __init__(self, refusals: int = 0) -> None:
        self.told: list[Reading] = []
        self._refusals = refusals

    def write(self, reading: Reading) -> None:
        if self._refusals:
            self._refusals -= 1
            raise RuntimeError("scripted")
        self.told.append(reading)


def told_within(sink: Sink, seconds: float) -> bool:
    give_up_at = time.monotonic() + seconds
    while not sink.told and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return bool(sink.told)


def test_a_reporter_hands_over_now_and_then_and_the_rest_at_its_end() -> None:
    meters, sink = Meters(), Sink()
    reporter = Reporter(meters, sink, every_s=0.02)
    meters.note([ONE])
    assert told_within(sink, 5.0)
    quick = Reporter(meters, sink, every_s=60.0)
    meters.note([ONE])
    reporter.close()
    quick.close()
    assert sum(reading.value for reading in sink.told) == 2


def test_a_reporter_outlives_a_sink_that_fails() -> None:
    sink = Sink(refusals=1)
    meters = Meters(lambda: [Reading("tercet_requests_in_flight", (), 3)])
    reporter = Reporter(meters, sink, every_s=0.02)
    assert told_within(sink, 5.0)
    reporter.close()


def test_outside_ray_nothing_is_exported() -> None:
    assert reported(Meters()) is None
