"""`tercet gpu reconcile`: the leases against the provider's own bill, settled now."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from cluster.rentals.opening import opened_site
from router.books.table import table
from router.gpu.settling import Fate, Settled, settle
from router.terminal.output import tell
from tercet.errors import ConfigError
from tercet.renting import RentFailure
from tercet.usage import usd

WORDS: dict[Fate, str] = {
    "agrees": "",
    "corrected": "corrected",
    "under_way": "not ended",
    "not_whole": "bill may not be whole yet",
    "unknown": "of no lease",
}


async def reconcile(config: Path | None, *, as_json: bool = False) -> int:
    """Settle this month and the last one, and print it; return 1 if a charge is of no lease.

    Raises:
        ConfigError: something is not set, or the provider does not tell its bill.
        LedgerError: the ledger cannot be read or written.
    """
    async with opened_site(config) as site:
        settled = await settle(site, time.time())
    if isinstance(settled, RentFailure):
        raise ConfigError(f"the bill could not be had: {settled.message}")
    document = [
        {**asdict(one.row), "difference_nano_usd": one.row.nano_usd, "fate": one.fate}
        for one in settled
    ]
    tell(_text(settled), document, as_json=as_json)
    return 1 if any(one.fate == "unknown" for one in settled) else 0


def _text(settled: Sequence[Settled]) -> str:
    if not settled:
        return "nothing was rented this month or the last one\n"
    rows = [
        (
            one.row.lease_id or f"instance {one.row.instance_id}",
            one.row.month,
            usd(one.row.booked_nano_usd),
            usd(one.row.charged_nano_usd),
            usd(one.row.nano_usd),
            WORDS[one.fate],
        )
        for one in settled
    ]
    booked = sum(one.row.booked_nano_usd for one in settled)
    charged = sum(one.row.charged_nano_usd for one in settled)
    rows.append(("total", "", usd(booked), usd(charged), usd(charged - booked), ""))
    return table(("lease", "month", "booked USD", "charged USD", "difference", ""), rows)
