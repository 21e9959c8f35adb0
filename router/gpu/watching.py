"""`tercet gpu watch`: the safety net as a process that needs neither Ray nor the gateway."""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from cluster.rentals.duties import Destroy, Duty, End, See, Stop
from cluster.rentals.opening import RentalSite, opened_site
from deployments.ledger import LedgerError
from router.gpu.alerts import Alert, UnknownCharge, alerts
from router.gpu.looking import look
from router.gpu.settling import Settled, is_due, settle, unknown_of
from router.terminal.output import tell
from tercet.leases import Lease, hourly
from tercet.renting import RentFailure
from tercet.usage import usd

logger = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Watch:
    """Looks again and again, settles money, and tells each alert once."""

    def __init__(self, site: RentalSite, clock: Callable[[], float] = time.time) -> None:
        """Begin with nothing settled and nothing told."""
        self._site = site
        self._clock = clock
        self._settled_at = 0.0
        self._unknown: Sequence[UnknownCharge] = ()
        self._told: dict[tuple[str, str], Alert] = {}

    async def round(self) -> Sequence[Alert]:
        """Put right what is not as wanted, and return the alerts there are.

        Raises:
            LedgerError: the ledger is away.
        """
        for duty in await self._site.rentals.look():
            _tell_duty(duty)
        await self._settle(await self._site.ledger.leases(open_only=False))
        seen = await look(self._site, self._clock(), self._unknown)
        found = alerts(seen, self._site.rules)
        self._tell(found)
        return found

    async def _settle(self, leases: Sequence[Lease]) -> None:
        now = self._clock()
        if not is_due(now, self._settled_at, leases):
            return
        self._settled_at = now
        settled = await settle(self._site, now)
        if isinstance(settled, RentFailure):
            logger.warning("the bill could not be had, and is asked for again: %s", settled.message)
            return
        self._unknown = unknown_of(settled)
        for one in settled:
            _tell_settled(one)

    def _tell(self, found: Sequence[Alert]) -> None:
        now = {(alert.kind, alert.about): alert for alert in found}
        for which, alert in now.items():
            if which not in self._told:
                logger.warning("ALERT %s: %s", alert.kind, alert.text)
        for which, alert in self._told.items():
            if which not in now:
                logger.info("over: %s %s", alert.kind, alert.about)
        self._told = now


async def watch(config: Path | None, *, once: bool, as_json: bool = False) -> int:
    """Watch until a signal comes; with `once` do one round, and return 1 if there is an alert.

    As JSON the alerts of each round are a line of standard output.

    Raises:
        ConfigError: something is not set.
        LedgerError: the ledger cannot be opened; with `once`, or read.
    """
    async with opened_site(config) as site:
        watching = Watch(site)
        if once:
            return 1 if await _round(watching, as_json=as_json) else 0
        stopped = asyncio.Event()
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        logger.info("watching %s every %g s", site.rules.provider, site.rules.times.watch_s)
        while not stopped.is_set():
            try:
                await _round(watching, as_json=as_json)
            except LedgerError as error:  # looked at again, and the ledger may be back
                logger.warning("rented machines could not be looked after: %s", error)
            await _pause(stopped, site.rules.times.watch_s)
    logger.info("stopped")
    return 0


async def _round(watching: Watch, *, as_json: bool) -> Sequence[Alert]:
    found = await watching.round()
    if as_json:
        tell("", [asdict(alert) for alert in found], as_json=True)
        sys.stdout.flush()
    return found


async def _pause(stopped: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopped.wait()
    except TimeoutError:
        return


def _tell_duty(duty: Duty) -> None:
    match duty:
        case See(lease_id=lease_id, instance=one):
            price = usd(hourly(one))
            told = (lease_id, one.instance_id, one.state, price)
            logger.info("%s: instance %s is %s at %s USD/h", *told)
        case Stop() | Destroy():
            return  # said where it is done
        case End(lease_id=lease_id, end=end, why=why):
            logger.info("%s: ended, %s: %s", lease_id, end, why)


def _tell_settled(one: Settled) -> None:
    if one.fate == "corrected":
        row = one.row
        booked, charged = usd(row.booked_nano_usd), usd(row.charged_nano_usd)
        logger.info(
            "%s %s: booked %s USD, charged %s: corrected", row.lease_id, row.month, booked, charged
        )
