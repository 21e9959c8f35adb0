"""Prices of rows that are booked already. The only file here that knows the price book."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from deployments.ledger.inspection import AttemptRow
from deployments.prices import PriceBook, Priced, Tariff
from tercet.catalog import Model, ProviderName
from tercet.config import Config
from tercet.usage import Usage

# How a row's source names the service tiers it was priced at: see `PriceBook.cost_of`.
_SERVED = re.compile(r", (?:unknown tier )?(\S+) x")


class Pricing:
    """What rows cost by the prices of today's configuration, at the time they were reserved."""

    def __init__(self, config: Config) -> None:
        """Take the overlay and the models."""
        self._book = PriceBook(config.prices)
        self._models = config.catalog.models
        self._tariffs: dict[tuple[str, int], Tariff | None] = {}

    def cost(self, row: AttemptRow) -> Priced | None:
        """Return what the row's tokens cost, or `None` when no price is known."""
        served = " ".join(_SERVED.findall(row.price_source))
        return self._book.cost_of(
            self._model(row), Usage(**tokens_of(row)), _reserved_at(row), served
        )

    def weights(self, row: AttemptRow) -> Mapping[str, int]:
        """Return what each bucket's share of the cost is, in any unit: by tokens if unpriced."""
        tokens = tokens_of(row)
        tariff = self._tariff(row)
        if tariff is None:
            return tokens
        rates = tariff.reached(sum(tokens.values()) - tokens.get("output", 0))[-1]
        prices = {
            "fresh_input": rates.fresh_input,
            "cache_read": rates.cache_read,
            "cache_write_5m": rates.cache_write_5m,
            "cache_write_1h": rates.cache_write_1h,
            "output": rates.output,
        }
        shares = {name: int(count * prices[name] * 1_000) for name, count in tokens.items()}
        return shares if any(shares.values()) else tokens

    def _tariff(self, row: AttemptRow) -> Tariff | None:
        day = (row.model, row.reserved_at_ns // (86_400 * 10**9))  # prices change at midnight UTC
        if day not in self._tariffs:
            self._tariffs[day] = self._book.tariff(self._model(row), _reserved_at(row))
        return self._tariffs[day]

    def _model(self, row: AttemptRow) -> Model:
        """Return the model; one that is no longer configured may still have a price."""
        provider = cast("ProviderName", row.provider)
        gone = Model(name=row.model, provider=provider, window_tokens=0, max_output_tokens=0)
        return self._models.get(row.model, gone)


def tokens_of(row: AttemptRow) -> dict[str, int]:
    """Return the buckets of `Usage` that are billed and not empty."""
    counts = {
        "fresh_input": row.fresh_input or 0,
        "cache_read": row.cache_read or 0,
        "cache_write_5m": row.cache_write_5m or 0,
        "cache_write_1h": row.cache_write_1h or 0,
        "output": row.output or 0,
    }
    return {name: count for name, count in counts.items() if count > 0}


def _reserved_at(row: AttemptRow) -> datetime:
    return datetime.fromtimestamp(row.reserved_at_ns // 10**9, UTC)
