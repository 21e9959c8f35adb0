"""Offers of machines as they are stored, `config/offers.yaml` or a file of its shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import yaml
from pydantic import Field

from tercet.config import PROJECT
from tercet.config_files import Strict, Usd, read
from tercet.errors import ConfigError
from tercet.renting import Offer, ProviderOfMachines
from tercet.usage import NANO_USD_PER_USD

STORED = PROJECT / "config" / "offers.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """An offer, and where it was read."""

    offer: Offer
    source: str
    read_on: date


class _OfferRow(Strict):
    id: str = Field(min_length=1)
    provider: ProviderOfMachines
    card: str
    hourly_usd: Usd
    stopped_hourly_usd: Usd
    interruptible: bool
    trusted: bool = False
    source: str
    read_on: date


class _OffersFile(Strict):
    rows: list[_OfferRow] = Field(min_length=1)


def load_offers(path: Path = STORED) -> tuple[Quote, ...]:
    """Read a file of offers.

    Raises:
        ConfigError: listing every problem with its file and key.
    """
    problems: list[str] = []
    file = read(path, _OffersFile, problems, wrap="rows")
    if file is None:
        raise ConfigError("\n".join(problems))
    ids = [row.id for row in file.rows]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise ConfigError(f"{path}: id: {', '.join(twice)} stands there twice; name each once")
    return tuple(_quote(row) for row in file.rows)


def quoted(offers: Sequence[Offer], source: str, read_on: date) -> tuple[Quote, ...]:
    """Return offers that were all read at once, such as a provider's own answer."""
    return tuple(Quote(offer=offer, source=source, read_on=read_on) for offer in offers)


def as_yaml(quotes: Sequence[Quote]) -> str:
    """Return the file that `load_offers` reads these from."""
    rows = [
        {
            "id": quote.offer.offer_id,
            "provider": quote.offer.provider,
            "card": quote.offer.gpu,
            "hourly_usd": _dollars(quote.offer.hourly_nano_usd),
            "stopped_hourly_usd": _dollars(quote.offer.stopped_hourly_nano_usd),
            "interruptible": quote.offer.interruptible,
            "trusted": quote.offer.trusted,
            "source": quote.source,
            "read_on": quote.read_on,
        }
        for quote in quotes
    ]
    return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True)


def _quote(row: _OfferRow) -> Quote:
    offer = Offer(
        provider=row.provider,
        offer_id=row.id,
        gpu=row.card,
        hourly_nano_usd=int(row.hourly_usd * NANO_USD_PER_USD),
        stopped_hourly_nano_usd=int(row.stopped_hourly_usd * NANO_USD_PER_USD),
        interruptible=row.interruptible,
        trusted=row.trusted,
    )
    return Quote(offer=offer, source=row.source, read_on=row.read_on)


def _dollars(nano_usd: int) -> str:
    return f"{Decimal(nano_usd) / NANO_USD_PER_USD:f}"
