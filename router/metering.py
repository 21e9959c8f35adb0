"""Gauges of the whole ledger, kept by one process of all: it looks, and a thread shows them."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import get_args

from deployments.ledger import LedgerError
from deployments.ledger.gauging import Looked, Looking
from tercet.budget import GPU, MONTH, Balance
from tercet.config import Config
from tercet.keys import DEFAULT_KEY
from tercet.metrics import (
    Reading,
    certainty_readings,
    correction_readings,
    lease_readings,
    look_reading,
    migration_readings,
    month_readings,
    outlook_readings,
    price_readings,
)
from tercet.migration import EVIDENCE_KEY
from tercet.outlook import Outlook, outlook
from tercet.renting import ProviderOfMachines

EVERY_S = 10.0

logger = logging.getLogger(__name__)


class Metering:
    """What the gauges say, as the ledger was last read."""

    def __init__(self, url: str, config: Config, clock: Callable[[], float] = time.time) -> None:
        """Read nothing yet.

        Args:
            url: the ledger's.
            config: the caps, and what has a label of its own.
            clock: Unix seconds.
        """
        self._looking = Looking(url)
        self._config = config
        self._clock = clock
        self._outlook: Outlook | None = None
        self._readings: tuple[Reading, ...] = ()
        self._looked_at: float | None = None

    def look(self) -> None:
        """Read the ledger, which blocks; if that fails, what was read last still shows."""
        at = self._clock()
        try:
            found = self._looking.look(at)
        except LedgerError as error:
            # Told by the gauge of the last look too, which goes on growing.
            logger.warning("metrics of the ledger stand still: %s", error)
            return
        self._outlook = outlook(found.spending, self._config.budget, at, self._outlook)
        self._readings = tuple(self._told(found, self._outlook, at))
        self._looked_at = at

    def gauges(self) -> Iterator[Reading]:
        """Yield what was last read, and how old that is."""
        yield from self._readings
        if self._looked_at is not None:
            yield look_reading(max(self._clock() - self._looked_at, 0.0))

    def close(self) -> None:
        """Close the connections."""
        self._looking.close()

    def _told(self, found: Looked, seen: Outlook, at: float) -> Iterator[Reading]:
        config, balances = self._config, found.spending.balances
        yield from month_readings(balances, config.budget.caps, scopes_of(config))
        yield from outlook_readings(seen)
        nothing = Balance()
        booked = balances.get(MONTH, nothing).spent - balances.get(GPU, nothing).spent
        yield from certainty_readings(found.estimated_nano_usd, booked, found.opened)
        yield from lease_readings(found.leases, found.served_at, at)
        yield from correction_readings(found.billed)
        yield from migration_readings(found.migrations, frozenset(config.taxonomy.names))
        yield from price_readings([row.read_on for row in config.prices], at)


def scopes_of(config: Config) -> frozenset[str]:
    """Return the scopes of money that have a label of their own; callers' keys have none."""
    providers = {model.provider for model in config.catalog.models.values()}
    named = {f"tier:{name}" for name in config.catalog.tiers}
    named |= {f"provider:{name}" for name in (*providers, *get_args(ProviderOfMachines))}
    return frozenset({MONTH, GPU, f"key:{DEFAULT_KEY}", f"key:{EVIDENCE_KEY}", *named})
