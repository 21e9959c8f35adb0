"""What rented machines cost in the columns of FOCUS 1.2: a row a day, machine and use."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from router.books.focus import Cells, cells
from router.books.machines import Part, Use
from tercet.accrual import DAY_NS, HOUR_NS, SECOND_NS
from tercet.catalog import LOCAL
from tercet.ledger import month_end

_NAMES = {"vast": "Vast.ai", "runpod": "RunPod"}


class _Line(NamedTuple):
    """What is added up in one row, in the order of the rows."""

    month: str
    day: datetime
    provider: str
    lease_id: str
    use: Use
    gpu: str


def machine_charges(parts: Iterable[Part], month: str | None) -> Iterator[Cells]:
    """Yield rows under `focus.COLUMNS` of a month or all; they add up to what is booked."""
    costs: Counter[_Line] = Counter()
    times: Counter[_Line] = Counter()
    for part in parts:
        if month in (None, part.span.month):
            line = _line(part)
            costs[line] += part.nano_usd
            times[line] += part.ns
    for line in sorted(costs):
        yield _cells(line, costs[line], times[line])


def _line(part: Part) -> _Line:
    day_ns = part.span.since_ns // DAY_NS * DAY_NS
    return _Line(
        month=part.span.month,
        day=_within(part.span.month, datetime.fromtimestamp(day_ns // SECOND_NS, UTC)),
        provider=part.lease.provider,
        lease_id=part.lease.lease_id,
        use=part.use,
        gpu=part.lease.gpu,
    )


def _within(month: str, day: datetime) -> datetime:
    """Return the day, or the last of the month: a correction is written when its bill comes."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    last = datetime.fromtimestamp(month_end(first.timestamp()), UTC) - timedelta(days=1)
    return min(max(day, first), last)


def _cells(line: _Line, nano_usd: int, ns: int) -> Cells:
    is_correction = line.use == "correction"
    name = _NAMES.get(line.provider, line.provider)
    return cells(
        nano_usd,
        line.month,
        line.day,
        {
            "BillingAccountId": line.provider,
            "BillingAccountName": name,
            "ChargeCategory": "Adjustment" if is_correction else "Usage",
            "ChargeDescription": f"{line.gpu} {line.use}",
            "InvoiceIssuerName": name,
            "PricingQuantity": None if is_correction else f"{Decimal(ns) / HOUR_NS:.9f}",
            "PricingUnit": None if is_correction else "Hours",
            "ProviderName": name,
            "PublisherName": name,
            "ServiceCategory": "Storage" if line.use == "storage" else "Compute",
            "ServiceName": name,
            "x_Tier": LOCAL,
            "x_UsageSource": "provider" if is_correction else "estimated",
            "x_Simulated": int(line.provider == "fake"),
            "x_Machine": line.lease_id,
            "x_UtilizationState": line.use,
        },
    )
