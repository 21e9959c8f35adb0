"""The rentals of this site as a process of its own opens them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cluster.doorstep import Doorstep
from cluster.providers.choosing import provider_of
from cluster.rentals.rentals import Rentals
from deployments.ledger import Ledger
from tercet.budget import Caps
from tercet.config import load, settings
from tercet.errors import ConfigError
from tercet.rental_file import load_rental
from tercet.rental_rules import RentalRules
from tercet.renting import GpuProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class RentalSite:
    """Everything that rented machines are looked after with."""

    rules: RentalRules
    caps: Caps
    provider: GpuProvider
    ledger: Ledger
    doorstep: Doorstep
    rentals: Rentals


def rules_in_force(config: Path | None = None) -> RentalRules:
    """Read them.

    Raises:
        ConfigError: no machine is rented here.
    """
    rules = load_rental(config)
    if rules is None:
        raise ConfigError("no machine is rented: config/rental.yaml names no provider")
    return rules


def doorstep_of(rules: RentalRules, state: Path | None = None) -> Doorstep:
    """Open the folder of the machines that are wanted, in that of what a run keeps."""
    # sshd takes a path that is not absolute for one in a user's home.
    return Doorstep((state or settings().state).absolute() / "rental", rules.head)


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
    async with opened_site(config) as site:
        yield site.rentals, site.ledger


@asynccontextmanager
async def opened_site(config: Path | None = None) -> AsyncGenerator[RentalSite]:
    """Open everything, and close it.

    Raises:
        ConfigError: something is not set.
        LedgerError: the ledger cannot be opened.
    """
    rules, caps = rules_in_force(config), load(config).budget.caps
    provider = provider_in_force(rules)
    doorstep = doorstep_of(rules)
    ledger = Ledger(settings().ledger, caps)
    try:
        yield RentalSite(
            rules=rules,
            caps=caps,
            provider=provider,
            ledger=ledger,
            doorstep=doorstep,
            rentals=Rentals(provider, ledger, doorstep, rules),
        )
    finally:
        await provider.close()
        ledger.close()
