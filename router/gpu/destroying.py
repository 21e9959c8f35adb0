"""`tercet gpu destroy`: the operator's red button."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.rentals.opening import RentalSite, opened_site
from router.terminal.output import tell
from tercet.errors import ConfigError
from tercet.renting import RentFailure

WHY = "the operator wants it so"


async def destroy(
    config: Path | None, lease: str | None, *, is_sure: bool, as_json: bool = False
) -> int:
    """Destroy what is rented under a lease, or all there is; return 1 if something is left.

    Args:
        config: folder of the configuration; `None`: the project's own.
        lease: of the ledger, or the label of an instance that it does not know; `None`: all.
        is_sure: more than one may be destroyed.
        as_json: what became of each is told for programs.

    Raises:
        ConfigError: there is no such lease, or several and nobody is sure.
        LedgerError: the ledger cannot be read or written.
    """
    async with opened_site(config) as site:
        there = await _there(site)
        chosen = there if lease is None else [one for one in there if one == lease]
        if lease is not None and not chosen:
            names = ", ".join(there) or "none"
            raise ConfigError(f"nothing is rented as {lease}; name one of what is: {names}")
        if len(chosen) > 1 and not is_sure:
            raise ConfigError(f"this destroys {', '.join(chosen)}; say --yes if you want that")
        for one in chosen:
            await site.rentals.destroy(one, WHY)
        # What was asked for and never was is ended too.
        await site.rentals.look()
        left = set(await _there(site)) & set(chosen)
    lines = [f"{one}: {'not done yet' if one in left else 'destroyed'}\n" for one in chosen]
    document = [{"lease": one, "is_destroyed": one not in left} for one in chosen]
    tell("".join(lines), document, as_json=as_json)
    if left:
        sys.stderr.write(
            "tercet: what is left is looked after by `tercet gpu watch`; the reasons are above\n"
        )
    return 1 if left else 0


async def _there(site: RentalSite) -> Sequence[str]:
    """Return the open leases, and the labels of instances that have none."""
    instances = await site.provider.instances(site.doorstep.site)
    if isinstance(instances, RentFailure):
        raise ConfigError(f"it is not known what is rented: {instances.message}")
    leases = await site.ledger.leases(open_only=True)
    return sorted({lease.lease_id for lease in leases} | {one.label for one in instances})
