"""What the simulated providers charge: their own price table and their own durable log.

Independent of the gateway's pricing on purpose: tests reconcile the ledger against this log.
"""

import json
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from tercet.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Nano-USD per token of each bucket, which is USD per million tokens times a thousand."""

    fresh_input: int
    output: int
    cache_read: int
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    since: date = date.min
    from_input: int = 0
    """Input tokens, cached ones included, from which this is the price of the whole request."""

    def of(self, usage: Usage) -> int:
        """Return the cost of `usage` in nano-USD."""
        return (
            usage.fresh_input * self.fresh_input
            + usage.output * self.output
            + usage.cache_read * self.cache_read
            + usage.cache_write_5m * self.cache_write_5m
            + usage.cache_write_1h * self.cache_write_1h
        )


_FRONTIER = (
    Price(fresh_input=2_000, output=10_000, cache_read=100),
    Price(fresh_input=4_000, output=20_000, cache_read=200, since=date(2026, 12, 1)),
)

# Public list prices, read 2026-11-23; the last row that applies is the price.
PRICES: Mapping[str, tuple[Price, ...]] = {
    "claude-opus-5-5": (
        Price(
            fresh_input=4_000,
            output=20_000,
            cache_read=200,
            cache_write_5m=5_000,
            cache_write_1h=8_000,
        ),
    ),
    "claude-sonnet-5-5": (
        Price(
            fresh_input=2_000,
            output=10_000,
            cache_read=100,
            cache_write_5m=2_500,
            cache_write_1h=4_000,
        ),
    ),
    "claude-haiku-5-5": (
        Price(fresh_input=100, output=500, cache_read=10, cache_write_5m=125, cache_write_1h=200),
        Price(
            fresh_input=500,
            output=2_500,
            cache_read=50,
            cache_write_5m=625,
            cache_write_1h=1_000,
            from_input=100_001,
        ),
    ),
    "gemini-4-carbon": _FRONTIER,
    "gemini-4-argon": _FRONTIER,
    "gemini-4-hydrogen": (Price(fresh_input=1_500, output=7_500, cache_read=75),),
    "gemini-3.8-flash": (
        Price(fresh_input=750, output=3_750, cache_read=75),
        Price(fresh_input=1_500, output=7_500, cache_read=150, since=date(2027, 1, 1)),
    ),
}


def cost_nano_usd(model: str, usage: Usage, at: datetime) -> int:
    """Return what `usage` costs at the price in force at `at`, a time in UTC.

    Raises:
        KeyError: tokens are to be billed for a model that has no price.
    """
    if usage == Usage():
        return 0
    in_force = [
        price
        for price in PRICES[model]
        if price.since <= at.date() and price.from_input <= usage.input
    ]
    return in_force[-1].of(usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One billable POST, as it stands; `aborted` until something better is known."""

    at: float
    """Unix seconds when the POST arrived: also decides which price is in force."""
    provider: str
    request_id: str
    client_request_id: str | None = None
    """What the caller names the POST, if it does."""
    model: str = ""
    stream: bool = False
    outcome: str = "aborted"
    usage: Usage = field(default_factory=Usage)

    def line(self) -> bytes:
        """Return the line of the billing log."""
        at = datetime.fromtimestamp(self.at, UTC)
        record = {
            "at": at.isoformat(),
            "provider": self.provider,
            "model": self.model,
            "request_id": self.request_id,
            "client_request_id": self.client_request_id,
            "stream": self.stream,
            "outcome": self.outcome,
            "fresh_input": self.usage.fresh_input,
            "cache_read": self.usage.cache_read,
            "cache_write_5m": self.usage.cache_write_5m,
            "cache_write_1h": self.usage.cache_write_1h,
            "output": self.usage.output,
            "cost_nano_usd": cost_nano_usd(self.model, self.usage, at),
        }
        return json.dumps(record).encode() + b"\n"


class BillingLog:
    """A file of JSON lines, one thread behind it; lines that arrive together share one fsync."""

    def __init__(self, path: Path) -> None:
        """Open for appending.

        Raises:
            OSError: the file cannot be written.
        """
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="billing")
        self._guard = threading.Lock()
        self._waiting: list[bytes] = []

    def append(self, bill: Bill) -> Future[None]:
        """Hand a line over at once; the future is done when the line is durable."""
        line = bill.line()
        with self._guard:
            self._waiting.append(line)
        return self._writer.submit(self._flush)

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._writer.shutdown(wait=True)
        os.close(self._file)

    def _flush(self) -> None:
        with self._guard:
            lines, self._waiting = self._waiting, []
        if not lines:
            return
        data = b"".join(lines)
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
