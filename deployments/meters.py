# Ray's own signatures are partly unknown to checkers.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""Ray's metrics: where the numbers of a replica go. Only this file spells them."""

import logging
import sys
import threading
from typing import Any

from tercet.meters import Meters, Sink
from tercet.metrics import METRICS, Metric, Reading

EVERY_S = 5.0
"""How often numbers are handed over; Ray exports every 10 s."""

logger = logging.getLogger(__name__)


class RayMetrics:
    """Metrics of the replica this process is: each is made when there is a first number for it."""

    def __init__(self) -> None:
        """Make none yet."""
        self._made: dict[str, Any] = {}

    def write(self, reading: Reading) -> None:
        """Hand a number to Ray; see `Sink`."""
        metric = METRICS[reading.metric]
        made = self._made.get(reading.metric)
        if made is None:
            made = self._made[reading.metric] = _made(reading.metric, metric)
        tags = dict(zip(metric.labels, reading.labels, strict=True))
        match metric.kind:
            case "counter":
                made.inc(reading.value, tags)
            case "histogram":
                made.observe(reading.value, tags)
            case "gauge":
                made.set(reading.value, tags)


class Reporter:
    """A thread that hands over what was counted, until it is closed."""

    def __init__(self, meters: Meters, sink: Sink, every_s: float = EVERY_S) -> None:
        """Begin."""
        self._meters = meters
        self._sink = sink
        self._every_s = every_s
        self._is_over = threading.Event()
        self._is_blind = False
        self._thread = threading.Thread(target=self._run, name="meters", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hand over the rest and end."""
        self._is_over.set()
        self._thread.join(self._every_s)

    def _run(self) -> None:
        while not self._is_over.wait(self._every_s):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        try:
            self._meters.flush(self._sink)
            self._is_blind = False
        except Exception:
            # Told once: whatever it is, requests go on.
            if not self._is_blind:
                logger.exception("metrics could not be handed to Ray")
            self._is_blind = True


def reported(meters: Meters) -> Reporter | None:
    """Have a replica's numbers exported; `None`: this process is no replica of Ray's."""
    ray: Any = sys.modules.get("ray")
    return Reporter(meters, RayMetrics()) if ray is not None and ray.is_initialized() else None


def _made(name: str, metric: Metric) -> Any:  # noqa: ANN401  Ray's, untyped
    from ray.serve import metrics as serve_metrics  # not where no replica is: it takes a second

    metrics: Any = serve_metrics
    if metric.kind == "histogram":
        bounds = list(metric.bounds)
        return metrics.Histogram(name, metric.says, bounds, metric.labels)
    kinds = {"counter": metrics.Counter, "gauge": metrics.Gauge}
    return kinds[metric.kind](name, metric.says, metric.labels)
