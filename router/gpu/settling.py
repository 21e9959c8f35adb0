"""Leases settled with the provider's own bill: what is booked becomes what was charged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cluster.rentals.opening import RentalSite
from router.books.lease_bill import LeaseDifference, lease_months
from router.gpu.alerts import UnknownCharge
from tercet.leases import Lease, LeaseCharged
from tercet.ledger import month_end, month_of
from tercet.renting import Charge, RentFailure

EVERY_S = 3600.0
AFTER_END_S = 60.0
SLACK_S = 120.0
"""How much later than the provider we see an end."""
PATIENCE_S = 48 * 3600.0
"""After which a bill is taken to be whole."""

Fate = Literal["agrees", "corrected", "under_way", "not_whole", "unknown"]
"""`under_way`: the lease goes on, and is settled once it or the month has ended. `not_whole`: less
is charged than booked, and the bill may not have all of it yet. `unknown`: no lease was of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A month of a lease, and what became of it."""

    row: LeaseDifference
    """As it was before."""
    fate: Fate


def is_due(now: float, settled_at: float, leases: Iterable[Lease]) -> bool:
    """Say whether it is time to settle: every hour, and a minute after a lease ended."""
    ends = (lease.ended_at + AFTER_END_S for lease in leases if lease.ended_at is not None)
    return now - settled_at >= EVERY_S or any(settled_at < end <= now for end in ends)


def unknown_of(settled: Iterable[Settled]) -> Sequence[UnknownCharge]:
    """Return what could not be attributed."""
    return [
        UnknownCharge(
            instance_id=one.row.instance_id or "",
            month=one.row.month,
            nano_usd=one.row.charged_nano_usd,
        )
        for one in settled
        if one.fate == "unknown"
    ]


async def settle(site: RentalSite, now: float) -> Sequence[Settled] | RentFailure:
    """Ask for the bills of this month and the last one, and book what differs."""
    since = _month_start(_month_start(now) - 1)
    charges = await site.provider.charges(since, now + AFTER_END_S)  # they may cut off seconds
    if isinstance(charges, RentFailure):
        return charges
    leases = await site.ledger.leases(open_only=False)
    spans = [span for lease in leases for span in await site.ledger.spans(lease.lease_id)]
    late = {one["instance_id"]: one["lease_id"] for one in site.doorstep.destroyed()}
    rows = lease_months(leases, spans, charges, late)
    asked = {month_of(since), month_of(now)}
    settled = fates([row for row in rows if row.month in asked], leases, charges, now)
    for one in settled:
        if one.fate == "corrected" and one.row.lease_id is not None:
            await site.ledger.correct_lease(
                LeaseCharged(
                    lease_id=one.row.lease_id,
                    month=one.row.month,
                    charged_nano_usd=one.row.charged_nano_usd,
                    reason=f"{site.provider.name}'s bill",
                    at=now,
                )
            )
    return settled


def fates(
    rows: Iterable[LeaseDifference],
    leases: Iterable[Lease],
    charges: Iterable[Charge],
    now: float,
) -> Sequence[Settled]:
    """Decide which months can be settled now."""
    by_id = {lease.lease_id: lease for lease in leases}
    billed_until: dict[str, float] = {}
    for charge in charges:
        known = billed_until.get(charge.instance_id, 0.0)
        billed_until[charge.instance_id] = max(charge.until, known)
    return [
        Settled(row=row, fate=_fate(row, by_id.get(row.lease_id or ""), billed_until, now))
        for row in rows
    ]


def _fate(
    row: LeaseDifference, lease: Lease | None, billed_until: dict[str, float], now: float
) -> Fate:
    if lease is None:
        return "unknown" if row.nano_usd else "agrees"
    end = _month_end(row.month)
    if lease.ended_at is not None:
        end = min(end, lease.ended_at)
    if now < end:
        return "under_way"
    if row.nano_usd == 0:
        return "agrees"
    is_whole = billed_until.get(lease.instance_id or "", 0.0) >= end - SLACK_S
    if row.nano_usd < 0 and not is_whole and now < end + PATIENCE_S:
        return "not_whole"
    return "corrected"


def _month_start(at: float) -> float:
    day = datetime.fromtimestamp(at, UTC)
    return datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()


def _month_end(month: str) -> float:
    begun = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC).timestamp()
    return month_end(begun)
