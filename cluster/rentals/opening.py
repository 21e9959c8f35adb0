"""The rentals of this site as a process of its own opens them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from cluster.doorstep import Doorstep
from cluster.providers.choosing import provider_of
from cluster.rentals.rentals import Rentals
from deployments.ledger import Ledger
from tercet.config import load, settings
from tercet.errors import ConfigError
from tercet.rental_file import load_rental
from tercet.rental_rules import RentalRules
from tercet.renting import GpuProvider


def rules_in_force(config: Path | None = None) -> RentalRules:
    """Read them.

    Raises:
        ConfigError: no machine is rented here.
    """
    rules = load_rental(config)
    if rules is None:
        raise ConfigError("no machine is rented: config/rental.yaml names no provider")
    return rules


def doorstep_of(rules: RentalRules) -> Doorstep:
    """Open the folder of the machines that are wanted, beside the ledger."""
    return Doorstep(settings().state / "rental", rules.head)


def provider_in_force(rules: RentalRules) -> GpuProvider:
    """Make the client of the provider.

    Raises:
        ConfigError: its key cannot be read.
    """
    try:
        key = rules.key_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"{rules.key_file} cannot be read ({error.strerror}): put the key of "
            f"{rules.provider} there"
        ) from error
    return provider_of(rules.provider, key, rules.url)


@asynccontextmanager
async def opened(config: Path | None = None) -> AsyncGenerator[tuple[Rentals, Ledger]]:
    """Open them with the ledger, and close both.

    Raises:
        ConfigError: something is not set.
        LedgerError: the ledger cannot be opened.
    """
    rules = rules_in_force(config)
    provider = provider_in_force(rules)
    ledger = Ledger(settings().ledger, load(config).budget.caps)
    try:
        yield Rentals(provider, ledger, doorstep_of(rules), rules), ledger
    finally:
        await provider.close()
        ledger.close()
