"""The leases against what their providers charge, month by month."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tercet.accrual import SECOND_NS
from tercet.leases import Lease, Span
from tercet.ledger import month_end, month_of
from tercet.renting import Charge

NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseDifference:
    """A month of a lease as it is booked and as it was charged, in nano-USD."""

    lease_id: str | None
    """`None`: it was charged, and the ledger has no lease of it."""
    instance_id: str | None
    """`None`: it is booked, and no instance was ever seen."""
    month: str
    booked_nano_usd: int
    charged_nano_usd: int

    @property
    def nano_usd(self) -> int:
        """What the ledger has too little; negative: too much."""
        return self.charged_nano_usd - self.booked_nano_usd


def reconcile_leases(
    leases: Iterable[Lease], spans: Iterable[Span], charges: Iterable[Charge]
) -> Sequence[LeaseDifference]:
    """Return the months in which the two differ; corrections that are booked count as booked."""
    return [one for one in lease_months(leases, spans, charges) if one.nano_usd]


def lease_months(
    leases: Iterable[Lease],
    spans: Iterable[Span],
    charges: Iterable[Charge],
    late: Mapping[str, str] = NOBODY,
) -> Sequence[LeaseDifference]:
    """Return every month of every lease, and then what was charged and nobody knows.

    A month with neither charges nor spans is none; so ask the provider for whole months.

    Args:
        leases: all there are.
        spans: theirs.
        charges: of all instances.
        late: leases by instances that the ledger never saw.
    """
    by_id = {lease.lease_id: lease for lease in leases}
    owners = {instance: lease for instance, lease in late.items() if lease in by_id}
    owners |= {one.instance_id: one.lease_id for one in by_id.values() if one.instance_id}
    booked: Counter[tuple[str, str]] = Counter()
    charged: Counter[tuple[str, str]] = Counter()
    for span in spans:
        booked[span.lease_id, span.month] += span.nano_usd
    lost: Counter[tuple[str, str]] = Counter()
    for charge in charges:
        owner = owners.get(charge.instance_id)
        kept = lost if owner is None else charged
        for month, nano_usd in _by_month(charge):
            kept[owner or charge.instance_id, month] += nano_usd
    ours = [
        LeaseDifference(
            lease_id=lease_id,
            instance_id=by_id[lease_id].instance_id if lease_id in by_id else None,
            month=month,
            booked_nano_usd=booked[lease_id, month],
            charged_nano_usd=charged[lease_id, month],
        )
        for lease_id, month in sorted(booked.keys() | charged.keys())
    ]
    theirs = [
        LeaseDifference(
            lease_id=None,
            instance_id=instance_id,
            month=month,
            booked_nano_usd=0,
            charged_nano_usd=nano_usd,
        )
        for (instance_id, month), nano_usd in sorted(lost.items())
    ]
    return [*ours, *theirs]


def _by_month(charge: Charge) -> Iterator[tuple[str, int]]:
    """Divide a charge over the months it is for, by their time; the last takes what is left."""
    since_ns, until_ns = round(charge.since * SECOND_NS), round(charge.until * SECOND_NS)
    at_ns, told = since_ns, 0
    while (end_ns := round(month_end(at_ns // SECOND_NS)) * SECOND_NS) < until_ns:
        due = charge.nano_usd * (end_ns - since_ns) // (until_ns - since_ns)
        yield month_of(at_ns // SECOND_NS), due - told
        at_ns, told = end_ns, due
    yield month_of(at_ns // SECOND_NS), charge.nano_usd - told
