"""What attempts cost in the columns of FOCUS 1.2: a row a day, model, kind of token and tier."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from deployments.ledger.inspection import AttemptRow
from router.books.pricing import Pricing, tokens_of
from tercet.ledger import month_end
from tercet.usage import usd

UNKNOWN = "unknown"
"""The kind of tokens of an attempt that nobody has counted: an orphan, booked at its bound."""

# The 21 mandatory columns by their ids, then our own.
COLUMNS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory",
    "ServiceName", "x_Model", "x_TokenKind", "x_Tier", "x_UsageSource", "x_State", "x_Simulated",
    "x_Machine", "x_UtilizationState",
)  # fmt: skip
Cells = Sequence[str | int | None]

_NAMES = {"anthropic": ("Anthropic", "Claude API"), "google": ("Google", "Gemini API")}
"""A provider and its service, as invoices name them."""


class Charge(NamedTuple):
    """What is added up in one row, in the order of the rows."""

    provider: str
    model: str
    kind: str
    tier: str
    usage_source: str
    state: str
    simulated: int


@dataclass(slots=True)
class _Sum:
    nano_usd: int = 0
    tokens: int = 0


def charges(rows: Iterable[AttemptRow], pricing: Pricing) -> Iterator[Cells]:
    """Yield rows under `COLUMNS`; their costs add up to what the ledger has booked.

    `rows` come in the order of their months and times: a day is held in memory, no more.
    """
    for (month, day), of_day in groupby(rows, key=lambda row: (row.month, _day(row))):
        sums: defaultdict[Charge, _Sum] = defaultdict(_Sum)
        for row in of_day:
            _add(row, pricing, sums)
        for charge in sorted(sums):
            yield _cells(charge, sums[charge], month, day)


def split(nano_usd: int, weights: Mapping[str, int]) -> Mapping[str, int]:
    """Divide an amount by weights, not all of them 0; the largest takes what rounding leaves."""
    whole = sum(weights.values())
    parts = {name: nano_usd * weight // whole for name, weight in weights.items()}
    largest = max(weights, key=lambda name: weights[name])
    parts[largest] += nano_usd - sum(parts.values())
    return parts


def _add(row: AttemptRow, pricing: Pricing, sums: defaultdict[Charge, _Sum]) -> None:
    tokens = {} if row.flag == "orphan" else tokens_of(row)
    if row.is_open or not (tokens or row.spent):
        return
    weights = pricing.weights(row) if tokens else {UNKNOWN: 1}
    for kind, nano_usd in split(row.spent, weights).items():
        of_kind = sums[_charge(row, kind)]
        of_kind.nano_usd += nano_usd
        of_kind.tokens += tokens.get(kind, 0)


def _charge(row: AttemptRow, kind: str) -> Charge:
    return Charge(
        provider=row.provider,
        model=row.model,
        kind=kind,
        tier=row.tier,
        usage_source=row.usage_source or "none",
        state=row.state,
        simulated=row.simulated,
    )


def cells(
    nano_usd: int, month: str, day: datetime, others: Mapping[str, str | int | None]
) -> Cells:
    """Return a row of a day's cost under `COLUMNS`; a column that is not named is null."""
    begun = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    cost = usd(nano_usd)
    named: dict[str, str | int | None] = {
        "BilledCost": cost,
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _utc(datetime.fromtimestamp(month_end(begun.timestamp()), UTC)),
        "BillingPeriodStart": _utc(begun),
        "ChargeClass": None,  # null is no correction of an earlier period
        "ChargePeriodEnd": _utc(day + timedelta(days=1)),
        "ChargePeriodStart": _utc(day),
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        **others,
    }
    return [named.get(name) for name in COLUMNS]


def _cells(charge: Charge, of: _Sum, month: str, day: datetime) -> Cells:
    issuer, service = _NAMES.get(charge.provider, (charge.provider, charge.provider))
    return cells(
        of.nano_usd,
        month,
        day,
        {
            "BillingAccountId": charge.provider,
            "BillingAccountName": issuer,
            "ChargeCategory": "Usage",
            "ChargeDescription": f"{charge.model} {charge.kind} tokens",
            "InvoiceIssuerName": issuer,
            "PricingQuantity": of.tokens,
            "PricingUnit": "Tokens",
            "ProviderName": issuer,
            "PublisherName": issuer,
            "ServiceCategory": "AI and Machine Learning",
            "ServiceName": service,
            "x_Model": charge.model,
            "x_TokenKind": charge.kind,
            "x_Tier": charge.tier,
            "x_UsageSource": charge.usage_source,
            "x_State": charge.state,
            "x_Simulated": charge.simulated,
        },
    )


def _day(row: AttemptRow) -> datetime:
    at = datetime.fromtimestamp(row.reserved_at_ns // 10**9, UTC)
    return at.replace(hour=0, minute=0, second=0)


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
