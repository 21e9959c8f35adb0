"""When conversations begin and how long their tasks are, by ServeGen's tenants."""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.traffic import WINDOW_MIN, Windows, shipped

LENGTHS = Path(__file__).parents[1] / "data" / "months" / "token_lengths.csv"
DAYS = 30
DAY_S = 86_400.0
WINDOW_S = WINDOW_MIN * 60.0
WINDOWS = round(DAYS * DAY_S / WINDOW_S)
TRACE_WINDOWS = 14 * 144
"""ServeGen's 14 days; a month is the trace again and again."""
OUTPUT_WEIGHT = 5.0
"""An output token costs so many input tokens, at Haiku and at Flash."""
SHARES = np.array([0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
"""Of the quantiles in the file."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tenant:
    """Whose month it is."""

    name: str
    weights: Floats
    """How much of the month begins in each window of ten minutes; the sum is 1."""
    input_tokens: Floats
    """Quantiles at `SHARES`."""
    output_tokens: Floats

    def drawn(self, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
        """Draw input and output tokens of so many tasks; a long text has a longer answer."""
        near = rng.random(count)
        own = np.where(rng.random(count) < 0.5, near, rng.random(count))
        return _at(near, self.input_tokens), _at(own, self.output_tokens)

    @cached_property
    def price(self) -> tuple[float, float]:
        """Mean price of a task, in input tokens, and its coefficient of variation."""
        tokens, output = self.drawn(np.random.default_rng(0), 50_000)
        prices = tokens + OUTPUT_WEIGHT * output
        return float(prices.mean()), float(prices.std() / prices.mean())


def tenants() -> list[Tenant]:
    """Return the tenants of the repository whose token lengths are known."""
    lengths: defaultdict[str, dict[str, Floats]] = defaultdict(dict)
    with LENGTHS.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            quantiles = [float(row[f"q{share * 100:02.0f}"]) for share in SHARES]
            lengths[row["client"]][row["field"]] = np.array(quantiles)
    found = shipped()
    return [
        Tenant(
            name=name,
            weights=_weights(found[name]),
            input_tokens=fields["input"],
            output_tokens=fields["output"],
        )
        for name, fields in lengths.items()
    ]


def _weights(windows: Windows) -> Floats:
    trace = np.zeros(TRACE_WINDOWS)
    for window, (rate, _) in windows.items():
        trace[window] = rate
    month = np.resize(trace, WINDOWS)
    return month / month.sum()


def _at(places: Floats, quantiles: Floats) -> Floats:
    """Return tokens at places of their distribution; between the quantiles the logarithm is linear.

    Below the first and above the last they are the first and the last.
    """
    return np.exp(np.interp(places, SHARES, np.log(np.maximum(quantiles, 1.0))))
