import csv
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from fakes.rows import AT, ask, reservation, settlement
from hypothesis import given
from hypothesis import strategies as st

from router.books.export import Export, export
from router.books.focus import split
from tercet.config import load, settings
from tercet.ledger import Reservation, Settlement
from tercet.usage import Usage

Make = Callable[..., Path]
Rows = list[dict[str, str]]

# FOCUS 1.2: its 21 mandatory columns, by id and type. Only ChargeClass and a name may be null.
MANDATORY = {
    "BilledCost": "decimal", "BillingAccountId": "text", "BillingAccountName": "text?",
    "BillingCurrency": "currency", "BillingPeriodEnd": "month", "BillingPeriodStart": "month",
    "ChargeCategory": "category", "ChargeClass": "null", "ChargeDescription": "text",
    "ChargePeriodEnd": "midnight", "ChargePeriodStart": "midnight", "ContractedCost": "decimal",
    "EffectiveCost": "decimal", "InvoiceIssuerName": "text", "ListCost": "decimal",
    "PricingQuantity": "decimal", "PricingUnit": "text", "ProviderName": "text",
    "PublisherName": "text", "ServiceCategory": "service", "ServiceName": "text",
}  # fmt: skip


def check(row: dict[str, str]) -> None:
    """Hold a row against the specification."""
    assert set(MANDATORY) <= set(row)
    assert all(name in MANDATORY or name.startswith("x_") for name in row)
    for name, kind in MANDATORY.items():
        value = row[name]
        if kind == "decimal":
            assert Decimal(value) >= 0
            assert "E" not in value
        elif kind in ("midnight", "month"):
            at = datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            assert (at.hour, at.minute, at.second) == (0, 0, 0)
            assert kind == "midnight" or at.day == 1
        else:
            allowed = {
                "currency": ["USD"], "category": ["Usage"], "null": [""],
                "service": ["AI and Machine Learning"],
            }  # fmt: skip
            assert value in allowed.get(kind, [value])
            assert value or kind in ("null", "text?")
    assert row["BillingPeriodStart"] <= row["ChargePeriodStart"]
    assert row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]


@pytest.fixture
def focus(book: Make, tmp_path: Path) -> Callable[..., Rows]:
    def make(*pairs: tuple[Reservation, Settlement | None], swept_at: float | None = None) -> Rows:
        out = tmp_path / "focus.csv"
        export(
            book(*pairs, swept_at=swept_at),
            Export(out=out, format="focus"),
            load(chosen=settings({})),
        )
        with out.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        for row in rows:
            check(row)
        return rows

    return make


def attempt(
    attempt_id: str, nano_usd: int, usage: Usage, at: float = AT, **changes
) -> tuple[Reservation, Settlement]:
    begun = reservation(attempt_id, ask=ask(nano_usd), at=at, **changes)
    return begun, settlement(attempt_id, usage=usage, settled_nano_usd=nano_usd, at=at + 1)


def picked(rows: Rows, *columns: str) -> list[tuple[str, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def test_a_cost_is_split_over_the_kinds_of_tokens_by_their_prices(focus) -> None:
    # Opus: 4 fresh, 0.20 read, 5 and 8 written, 20 output, in USD a million.
    usage = Usage(fresh_input=10, cache_read=100, cache_write_5m=8, cache_write_1h=5, output=2)
    rows = focus(attempt("att_1", 180_000, usage))
    assert picked(rows, "x_TokenKind", "BilledCost", "PricingQuantity", "PricingUnit") == [
        ("cache_read", "0.000020000", "100", "Tokens"),
        ("cache_write_1h", "0.000040000", "5", "Tokens"),
        ("cache_write_5m", "0.000040000", "8", "Tokens"),
        ("fresh_input", "0.000040000", "10", "Tokens"),
        ("output", "0.000040000", "2", "Tokens"),
    ]
    assert rows[0] | {"x_TokenKind": "-"} == {
        "BilledCost": "0.000020000",
        "BillingAccountId": "anthropic",
        "BillingAccountName": "Anthropic",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": "2026-12-01T00:00:00Z",
        "BillingPeriodStart": "2026-11-01T00:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": "claude-opus-5-5 cache_read tokens",
        "ChargePeriodEnd": "2026-11-24T00:00:00Z",
        "ChargePeriodStart": "2026-11-23T00:00:00Z",
        "ContractedCost": "0.000020000",
        "EffectiveCost": "0.000020000",
        "InvoiceIssuerName": "Anthropic",
        "ListCost": "0.000020000",
        "PricingQuantity": "100",
        "PricingUnit": "Tokens",
        "ProviderName": "Anthropic",
        "PublisherName": "Anthropic",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Claude API",
        "x_Model": "claude-opus-5-5",
        "x_TokenKind": "-",
        "x_Tier": "tier1",
        "x_UsageSource": "provider",
        "x_State": "settled",
        "x_Simulated": "1",
        "x_Machine": "",
        "x_UtilizationState": "",
    }


def test_a_row_is_a_day_a_model_a_kind_and_a_tier(focus) -> None:
    one = Usage(output=1)
    rows = focus(
        attempt("att_1", 5, one),
        attempt("att_2", 7, one, at=AT + 50_000),
        attempt("att_3", 11, one, at=AT + 54_000),
        attempt("att_4", 13, one, tier="tier2"),
        attempt("att_5", 17, one, model="gemini-4-argon", provider="google"),
    )
    assert picked(rows, "ChargePeriodStart", "ProviderName", "x_Tier", "BilledCost") == [
        ("2026-11-23T00:00:00Z", "Anthropic", "tier1", "0.000000012"),
        ("2026-11-23T00:00:00Z", "Anthropic", "tier2", "0.000000013"),
        ("2026-11-23T00:00:00Z", "Google", "tier1", "0.000000017"),
        ("2026-11-24T00:00:00Z", "Anthropic", "tier1", "0.000000011"),
    ]


def test_not_a_nano_dollar_is_lost_or_made(focus) -> None:
    usage = Usage(fresh_input=3, cache_read=7, output=1)
    costs = [1, 2, 999_999_999, 9_007_199_254_740_993, 0]
    rows = focus(*(attempt(f"att_{n}", cost, usage) for n, cost in enumerate(costs)))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("9007200.254740995")


def test_estimates_are_marked_and_what_is_open_or_void_is_not_billed(focus) -> None:
    rows = focus(
        (reservation("att_1"), settlement("att_1", state="estimated", usage_source="estimated",
                                          usage=Usage(output=2), settled_nano_usd=9)),
        (reservation("att_2", deadline_at=AT + 1), None),
        (reservation("att_3", deadline_at=AT + 900), None),
        (reservation("att_4"), settlement("att_4", state="void", usage_source="none",
                                          usage=Usage(), settled_nano_usd=0)),
        swept_at=AT + 40,
    )  # fmt: skip
    columns = ("x_TokenKind", "x_UsageSource", "x_State", "PricingQuantity", "BilledCost")
    assert picked(rows, *columns) == [
        ("output", "estimated", "estimated", "2", "0.000000009"),
        ("unknown", "estimated", "estimated", "0", "0.000000100"),
    ]


def test_a_model_without_a_price_is_split_by_its_tokens(focus) -> None:
    rows = focus(attempt("att_1", 10, Usage(fresh_input=3, output=1), model="nobody-knows"))
    assert picked(rows, "x_TokenKind", "BilledCost") == [
        ("fresh_input", "0.000000008"),
        ("output", "0.000000002"),
    ]


@given(
    st.integers(0, 10**18),
    st.dictionaries(st.text(max_size=2), st.integers(0, 10**12), min_size=1).filter(
        lambda weights: any(weights.values())
    ),
)
def test_parts_add_up_to_the_whole_and_none_is_negative(nano_usd: int, weights) -> None:
    parts = split(nano_usd, weights)
    assert sum(parts.values()) == nano_usd
    assert min(parts.values()) >= 0
