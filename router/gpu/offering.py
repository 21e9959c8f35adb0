"""`tercet gpu offers`: the machines that the provider has now."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from cluster.rentals.opening import provider_in_force, rules_in_force
from router.books.table import table
from router.plan.offers import as_yaml, quoted
from tercet.errors import ConfigError
from tercet.rental_rules import RentalRules
from tercet.renting import Offer, RentFailure
from tercet.usage import usd


def offers(config: Path | None, save: Path | None, *, as_json: bool) -> int:
    """Print what fits `want` of rental.yaml, the cheapest first; return 1 if nothing does.

    Args:
        config: folder of the configuration; `None`: the project's own.
        save: a file that `tercet plan --offers` reads.
        as_json: for programs.

    Raises:
        ConfigError: something is not set, or the provider does not tell.
    """
    rules = rules_in_force(config)
    found = asyncio.run(_found(rules))
    if as_json:
        sys.stdout.write(json.dumps([asdict(offer) for offer in found], indent=2) + "\n")
    else:
        sys.stdout.write(_text(found))
    if save is not None and found:
        read_on = datetime.fromtimestamp(time.time(), UTC).date()
        quotes = quoted(found, f"the API of {rules.provider}", read_on)
        save.write_text(as_yaml(quotes), encoding="utf-8")
        sys.stderr.write(f"{len(found)} offers are in {save}\n")
    return 0 if found else 1


async def _found(rules: RentalRules) -> Sequence[Offer]:
    provider = provider_in_force(rules)
    try:
        found = await provider.search(rules.want)
    finally:
        await provider.close()
    if isinstance(found, RentFailure):
        raise ConfigError(f"{rules.provider} does not say what it offers: {found.message}")
    return found


def _text(found: Sequence[Offer]) -> str:
    if not found:
        return "no machine is offered as rental.yaml wants one (want)\n"
    rows = [
        (
            offer.offer_id,
            offer.gpu,
            usd(offer.hourly_nano_usd),
            usd(offer.stopped_hourly_nano_usd),
            "bid" if offer.interruptible else "on demand",
            "trusted" if offer.trusted else "",
            offer.region or "-",
            "-" if offer.reliability is None else f"{offer.reliability:.3f}",
        )
        for offer in found
    ]
    return table(
        ("offer", "card", "USD/h", "stopped USD/h", "kind", "", "region", "reliability"), rows
    )
