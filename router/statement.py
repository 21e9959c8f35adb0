"""The budget as a caller sees it: a header on every answer, and one JSON document."""

from collections.abc import Mapping
from decimal import Decimal

from router.surfaces.refusal import utc
from tercet.budget import MONTH, Balance, Caps
from tercet.forecast import Forecast
from tercet.ledger import Spending
from tercet.outlook import Outlook
from tercet.usage import NANO_USD_PER_USD, usd


def budget_header(outlook: Outlook) -> str:
    """Return the month in one line, in dollars; what is not known is left out."""
    cap, forecast = outlook.cap_nano_usd, outlook.forecast
    parts = [f"step={outlook.step}", f"spent={_cents(outlook.spent_nano_usd)}"]
    if cap is not None:
        parts.append(f"cap={_cents(cap)}")
    if forecast is not None:
        parts.append(f"forecast={_cents(forecast.low)}..{_cents(forecast.high)}")
    return "; ".join([*parts, f"resets={utc(outlook.resets_at)}"])


def budget_document(
    outlook: Outlook, spending: Spending, caps: Caps, key_id: str
) -> dict[str, object]:
    """Return the month, and what is spent of it by everybody and by one key."""
    return {
        "object": "tercet.budget",
        "month": outlook.month,
        "resets_at": utc(outlook.resets_at),
        "step": outlook.step,
        "why": outlook.why,
        "cost_weight": outlook.cost_weight,
        "forecast": None if outlook.forecast is None else _forecast(outlook.forecast),
        "scopes": {
            scope: _scope(spending.balances.get(scope, Balance()), caps.get(scope))
            for scope in (MONTH, f"key:{key_id}")
        },
    }


def _forecast(forecast: Forecast) -> Mapping[str, object]:
    return {
        "low_usd": usd(forecast.low),
        "middle_usd": usd(forecast.middle),
        "high_usd": usd(forecast.high),
        "days": forecast.days,
        "method": forecast.method,
    }


def _scope(balance: Balance, cap: int | None) -> Mapping[str, object]:
    return {
        "spent_usd": usd(balance.spent),
        "held_usd": usd(balance.held),
        "cap_usd": None if cap is None else usd(cap),
    }


def _cents(nano_usd: int) -> str:
    return f"{Decimal(nano_usd) / NANO_USD_PER_USD:.2f}"
