"""What is known of rented machines at one moment, from the ledger and the doorstep."""

from collections.abc import Iterable, Sequence

from cluster.doorstep import Destroyed
from cluster.rentals.opening import RentalSite
from router.gpu.alerts import HOUR_S, Orphan, Purse, Seen, UnknownCharge, has_card
from tercet.budget import GPU, MONTH, Balance
from tercet.leases import Lease

CAPPED = (GPU, MONTH)


async def look(site: RentalSite, now: float, unknown: Sequence[UnknownCharge] = ()) -> Seen:
    """Read it; the provider is not asked.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    leases = await site.ledger.leases(open_only=False)
    running = [lease.since for lease in leases if has_card(lease)]
    spending = await site.ledger.spending(now)
    return Seen(
        now=now,
        leases=leases,
        served_at=await site.ledger.last_served(min(running, default=now)),
        untold_s=site.doorstep.untold_s(),
        orphans=orphans(site.doorstep.destroyed(), leases),
        unknown=unknown,
        hours_today=await site.ledger.gpu_seconds(now) / HOUR_S,
        purses=[
            Purse(
                scope=scope,
                balance=spending.balances.get(scope, Balance()),
                cap_nano_usd=site.caps.get(scope),
            )
            for scope in CAPPED
        ],
    )


def orphans(destroyed: Iterable[Destroyed], leases: Iterable[Lease]) -> Sequence[Orphan]:
    """Return those destroyed that were no lease's own instance."""
    own = {lease.instance_id for lease in leases}
    return [
        Orphan(instance_id=one["instance_id"], lease_id=one["lease_id"], at=one["at"])
        for one in destroyed
        if one["instance_id"] not in own
    ]
