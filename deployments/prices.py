"""What an attempt costs: genai-prices first, then the dated overlay. Only this file spells them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from importlib.metadata import version

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from tercet.catalog import Model
from tercet.config import PriceRow
from tercet.usage import NANO_USD_PER_USD, Usage

GENAI_PRICES = f"genai-prices {version('genai-prices')}"
_TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """An amount and where its price was found."""

    nano_usd: int
    source: str


class PriceBook:
    """Prices of the catalog's models."""

    def __init__(self, overlay: Sequence[PriceRow]) -> None:
        """Take the overlay's rows, earliest first."""
        self._overlay = tuple(overlay)

    def cost_of(self, model: Model, usage: Usage, at: datetime) -> Priced | None:
        """Return what `usage` costs at `at`, or `None` when no price is known."""
        total = _genai_usd(model, usage, at)
        if total is not None:
            return Priced(nano_usd=_nano(total), source=GENAI_PRICES)
        row = self._row(model.name, at)
        if row is None:
            return None
        return Priced(nano_usd=_nano(_overlay_usd(row, usage)), source=f"overlay {row.valid_from}")

    def upper_bound(
        self, model: Model, *, input_tokens: int, output_tokens: int, at: datetime
    ) -> Priced | None:
        """Return the most a call of this size can cost: every input token at its dearest bucket."""
        worst = (
            Usage(fresh_input=input_tokens, output=output_tokens),
            Usage(cache_write_5m=input_tokens, output=output_tokens),
            Usage(cache_write_1h=input_tokens, output=output_tokens),
        )
        bounds = [bound for usage in worst if (bound := self.cost_of(model, usage, at)) is not None]
        return max(bounds, key=lambda bound: bound.nano_usd, default=None)

    def _row(self, name: str, at: datetime) -> PriceRow | None:
        today = at.date()
        rows = [row for row in self._overlay if row.model == name and row.valid_from <= today]
        return rows[-1] if rows else None


def _genai_usd(model: Model, usage: Usage, at: datetime) -> Decimal | None:
    # genai-prices counts inclusively: input contains cached tokens, writes contain the 1 h ones.
    priced = PricedUsage(
        input_tokens=usage.input,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
        cache_write_1h_tokens=usage.cache_write_1h,
        output_tokens=usage.output,
    )
    try:
        found = calc_price(
            priced, model.name, provider_id=model.provider, genai_request_timestamp=at
        )
    except LookupError:
        return None
    return found.total_price


def _overlay_usd(row: PriceRow, usage: Usage) -> Decimal:
    write_5m = row.fresh_input if row.cache_write_5m is None else row.cache_write_5m
    write_1h = row.fresh_input if row.cache_write_1h is None else row.cache_write_1h
    per_million = (
        usage.fresh_input * row.fresh_input
        + usage.cache_read * row.cache_read
        + usage.cache_write_5m * write_5m
        + usage.cache_write_1h * write_1h
        + usage.output * row.output
    )
    return per_million / _TOKENS_PER_PRICE


def _nano(usd: Decimal) -> int:
    return int((usd * NANO_USD_PER_USD).quantize(Decimal(1), rounding=ROUND_HALF_UP))
