"""Numbers on their way out: counted in plain dictionaries, handed over now and then.

To count is a few tenths of a microsecond; what exports them takes several for each.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from tercet.metrics import METRICS, Reading

Gauges = Callable[[], Iterable[Reading]]
"""What is so at this moment; asked from another thread."""
GONE = float("nan")
"""The value of a gauge that is not known any more: exporters leave it out."""
MOST_OBSERVED = 100_000
"""Observations kept while nobody takes them."""

Series = tuple[str, tuple[str, ...]]


class Sink(Protocol):
    """Where numbers go."""

    def write(self, reading: Reading) -> None:
        """Add to a counter, observe in a histogram, or set a gauge."""
        ...


class Meters:
    """What one process has counted.

    Without a lock, though one thread notes and another flushes: of each series one thread notes,
    totals only grow, and what was handed over is remembered here and subtracted.
    """

    def __init__(self, gauges: Gauges = tuple) -> None:
        """Begin at nothing."""
        self._gauges = gauges
        self._totals: dict[Series, float] = {}
        self._told: dict[Series, float] = {}
        self._shown: set[Series] = set()
        self._observed: deque[Reading] = deque(maxlen=MOST_OBSERVED)

    def note(self, readings: Iterable[Reading]) -> None:
        """Take numbers of counters and histograms."""
        totals = self._totals
        for reading in readings:
            name, labels, value = reading
            if METRICS[name].kind == "histogram":
                self._observed.append(reading)
            else:
                series = (name, labels)
                totals[series] = totals.get(series, 0) + value

    def flush(self, sink: Sink) -> None:
        """Hand over what came since the last time, and what gauges say now."""
        for series, total in list(self._totals.items()):
            more = total - self._told.get(series, 0)
            if more > 0:
                self._told[series] = total
                sink.write(Reading(*series, more))
        for _ in range(len(self._observed)):
            sink.write(self._observed.popleft())
        now = {(name, labels): value for name, labels, value in self._gauges()}
        for series in self._shown - now.keys():
            sink.write(Reading(*series, GONE))
        for series, value in now.items():
            sink.write(Reading(*series, value))
        self._shown = set(now)
