"""What an attempt costs: the overlay first, then genai-prices. Only this file spells the latter."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from importlib.metadata import version

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from genai_prices.types import ModelPrice, TieredPrices

from tercet.budget import Ask
from tercet.catalog import Model, ProviderName
from tercet.config import PriceRow
from tercet.errors import ConfigError
from tercet.usage import NANO_USD_PER_USD, Usage

GENAI_PRICES = f"genai-prices {version('genai-prices')}"
_NANO_PER_TOKEN = Decimal(NANO_USD_PER_USD) / 1_000_000
"""USD per million tokens, as nano-USD per token."""

# What a reply says of how it was served, and what that does to every bucket's price.
# Batch: both providers' pricing pages. Gemini's flex and priority: genai-prices' comments on its
# models, and LiteLLM's table. Claude's `us` (inference_geo) and `fast` (speed): LiteLLM's table.
SERVICE_TIERS: Mapping[ProviderName, Mapping[str, Decimal]] = {
    "anthropic": {
        "standard": Decimal(1),
        "batch": Decimal("0.5"),
        "us": Decimal("1.1"),
        "fast": Decimal(2),
    },
    "google": {
        "standard": Decimal(1),
        "unspecified": Decimal(1),
        "batch": Decimal("0.5"),
        "flex": Decimal("0.5"),
        "priority": Decimal("1.8"),
    },
    "local": {"default": Decimal(1)},
}
_UNKNOWN_FACTOR = max(factor for known in SERVICE_TIERS.values() for factor in known.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """An amount and where its price was found."""

    nano_usd: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """USD per million tokens of each bucket of `Usage`."""

    fresh_input: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    output: Decimal

    @property
    def dearest_input(self) -> Decimal:
        """The most an input token can cost."""
        return max(self.fresh_input, self.cache_read, self.cache_write_5m, self.cache_write_1h)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """The prices of a model at one moment."""

    steps: tuple[tuple[int, Rates], ...]
    """A request with more input tokens than a step's number, cached or not, is billed at its rates,
    output and all. The first step's number is 0."""
    source: str

    def reached(self, input_tokens: int) -> tuple[Rates, ...]:
        """Return the rates a request of up to `input_tokens` can meet; at exactly so many: last."""
        return tuple(rates for above, rates in self.steps if above < max(input_tokens, 1))


_NOTHING = Rates(
    fresh_input=Decimal(0),
    cache_read=Decimal(0),
    cache_write_5m=Decimal(0),
    cache_write_1h=Decimal(0),
    output=Decimal(0),
)
RENTED = Tariff(steps=((0, _NOTHING),), source="rented by the hour, not paid by the token")
"""Of the local model: its machine's time is what costs."""


class PriceBook:
    """Prices of models.

    A row of the overlay wins over genai-prices from its day on: it was written by a person who read
    a dated announcement, while the library's table is as old as its release and cannot say what it
    does not know yet.
    """

    def __init__(self, overlay: Sequence[PriceRow]) -> None:
        """Take the overlay's rows, earliest first."""
        self._overlay = tuple(overlay)
        _check(self._overlay)
        self._tariffs: dict[tuple[Model, date], Tariff | None] = {}

    def tariff(self, model: Model, at: datetime) -> Tariff | None:
        """Return the model's prices at `at`, or `None` when none is known."""
        day = at.astimezone(UTC).date()  # prices change at midnight UTC, and at no other time
        key = (model, day)
        if key not in self._tariffs:
            # Kept, because to ask genai-prices takes 150 us, three times an attempt.
            self._tariffs[key] = self._from_overlay(model.name, day) or _elsewhere(model, day)
        return self._tariffs[key]

    def cost_of(
        self, model: Model, usage: Usage, at: datetime, service_tier: str | None = None
    ) -> Priced | None:
        """Return what `usage` costs at `at`, or `None` when no price is known.

        `service_tier` is what the reply says of how it was served, several words apart by spaces
        (`batch us`). A word that is not known costs the most that any known one does.
        """
        tariff = self.tariff(model, at)
        if tariff is None:
            return None
        factor, served = _factor(model.provider, service_tier)
        amount = _amount(tariff.reached(usage.input)[-1], usage) * factor
        nano_usd = int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
        return Priced(nano_usd=nano_usd, source=tariff.source + served)

    def ask(
        self, model: Model, input_tokens: int, output_tokens: int, at: datetime, until: datetime
    ) -> tuple[Ask, str] | None:
        """Return the most a call of this size can cost, and its price's source.

        The bound holds for every choice of buckets, every smaller request, whichever long-context
        step it falls in, and every price between `at` and `until`; not for service tiers dearer
        than standard, which no adapter asks for. `None` when a price is not known.
        """
        tariffs = [self.tariff(model, moment) for moment in _moments(at, until)]
        known = [tariff for tariff in tariffs if tariff is not None]
        if len(known) < len(tariffs):
            return None
        met = [rates for tariff in known for rates in tariff.reached(input_tokens)]
        dearest = Ask(
            fixed_nano_usd=_ceiling(max(rates.dearest_input for rates in met) * input_tokens),
            token_nano_usd=_ceiling(max(rates.output for rates in met)),
            output_tokens=output_tokens,
        )
        return dearest, ", then ".join(dict.fromkeys(tariff.source for tariff in known))

    def _from_overlay(self, name: str, day: date) -> Tariff | None:
        rows = [row for row in self._overlay if row.model == name and row.valid_from <= day]
        if not rows:
            return None
        newest = rows[-1]
        steps = [(row.above, _rates(row)) for row in rows if row.valid_from == newest.valid_from]
        return Tariff(
            steps=tuple(sorted(steps, key=lambda step: step[0])),
            source=f"overlay {newest.valid_from} read {newest.read_on}",
        )


def _check(overlay: Sequence[PriceRow]) -> None:
    steps = [(row.model, row.valid_from, row.above) for row in overlay]
    for model, day, _ in steps:
        if steps.count((model, day, 0)) != 1 or len(set(steps)) < len(steps):
            raise ConfigError(
                f"prices.yaml: {model} of {day}: name one row without `above`, and one for each"
                " other `above`"
            )


def _rates(row: PriceRow) -> Rates:
    return Rates(
        fresh_input=row.fresh_input,
        cache_read=row.cache_read,
        cache_write_5m=row.fresh_input if row.cache_write_5m is None else row.cache_write_5m,
        cache_write_1h=row.fresh_input if row.cache_write_1h is None else row.cache_write_1h,
        output=row.output,
    )


def _elsewhere(model: Model, day: date) -> Tariff | None:
    return RENTED if model.provider == "local" else _from_genai(model, day)


def _from_genai(model: Model, day: date) -> Tariff | None:
    midnight = datetime.combine(day, time(), UTC)
    try:
        found = calc_price(
            PricedUsage(), model.name, provider_id=model.provider, genai_request_timestamp=midnight
        )
    except LookupError:
        return None
    # It also matches by prefix: gemini-3.8-flash-lite, which it does not know, as gemini-3.8-flash.
    if not re.fullmatch(re.escape(found.model.id) + r"(-\d{8})?", model.name):
        return None
    prices = found.model_price
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    tiered = [price for price in vars(prices).values() if isinstance(price, TieredPrices)]
    starts = sorted({0}.union(*({tier.start for tier in price.tiers} for price in tiered)))
    steps = tuple((start, _genai_rates(prices, start)) for start in starts)
    return Tariff(steps=steps, source=GENAI_PRICES)


def _genai_rates(prices: ModelPrice, above: int) -> Rates:
    """Return the rates past `above` input tokens; a bucket without a price costs its parent's."""
    fresh = _at(prices.input_mtok, above, Decimal(0))
    write = _at(prices.cache_write_mtok, above, fresh)
    return Rates(
        fresh_input=fresh,
        cache_read=_at(prices.cache_read_mtok, above, fresh),
        cache_write_5m=write,
        cache_write_1h=_at(prices.cache_write_1h_mtok, above, write),
        output=_at(prices.output_mtok, above, Decimal(0)),
    )


def _at(price: Decimal | TieredPrices | None, above: int, otherwise: Decimal) -> Decimal:
    if isinstance(price, TieredPrices):
        return [price.base, *(tier.price for tier in price.tiers if tier.start <= above)][-1]
    return otherwise if price is None else price


def _factor(provider: ProviderName, service_tier: str | None) -> tuple[Decimal, str]:
    factor, said = Decimal(1), ""
    for word in (service_tier or "").lower().split():
        known = SERVICE_TIERS[provider].get(word)
        if known == 1:
            continue
        factor *= known or _UNKNOWN_FACTOR
        said += f", {word} x{known}" if known else f", unknown tier {word} x{_UNKNOWN_FACTOR}"
    return factor, said


def _amount(rates: Rates, usage: Usage) -> Decimal:
    """Return nano-USD, not rounded."""
    return _NANO_PER_TOKEN * (
        usage.fresh_input * rates.fresh_input
        + usage.cache_read * rates.cache_read
        + usage.cache_write_5m * rates.cache_write_5m
        + usage.cache_write_1h * rates.cache_write_1h
        + usage.output * rates.output
    )


def _moments(at: datetime, until: datetime) -> Iterator[datetime]:
    """Yield `at` and every midnight UTC up to `until`."""
    yield at
    day = at.astimezone(UTC).date()
    while day < until.astimezone(UTC).date():
        day += timedelta(days=1)
        yield datetime.combine(day, time(), UTC)


def _ceiling(usd_per_million: Decimal) -> int:
    return int((usd_per_million * _NANO_PER_TOKEN).to_integral_value(rounding=ROUND_CEILING))
