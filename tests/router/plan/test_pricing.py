from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from fakes.rows import AT

from router.plan.pricing import Prices, moment
from router.plan.workload import Calls, Numbers, stated
from tercet.config import Config, load, settings
from tercet.usage import Usage

CONFIG: Config = load(chosen=settings({}))
SIZE = Usage(fresh_input=2000, output=400)


def prices(*day: int) -> Prices:
    return Prices(CONFIG, datetime(*day, tzinfo=UTC))


@pytest.mark.parametrize(
    ("day", "argon", "flash"),
    [
        ((2026, 11, 1), 8_000_000, 3_000_000),
        ((2026, 12, 1), 16_000_000, 3_000_000),
        ((2027, 1, 1), 16_000_000, 6_000_000),
    ],
)
def test_a_month_has_the_prices_of_its_first_day(day, argon: int, flash: int) -> None:
    found = prices(*day)

    assert found.call("gemini-4-argon", SIZE) == argon
    assert found.call("gemini-3.8-flash", SIZE) == flash
    # facts/ops-cost.md A3: 0.0004 and 0.008 USD.
    assert found.call("claude-haiku-5-5", SIZE) == 400_000
    assert found.call("claude-sonnet-5-5", SIZE) == 8_000_000


def test_the_workload_taken_for_granted_costs_the_plans_month_1() -> None:
    found = stated(Numbers(), CONFIG.catalog, CONFIG.rules)
    months = {
        tier.name: (prices(2026, 11, 23).request(tier.calls) or 0) * tier.requests_per_day * 30
        for tier in found.tiers
    }

    # 200 USD as 115 : 80 : 40, the middles of the plan's ranges.
    assert {name: round(nano_usd / 1e9) for name, nano_usd in months.items()} == {
        "tier1": 98, "tier2": 68, "tier3": 34,
    }  # fmt: skip


def test_changes_to_come_are_dated() -> None:
    changes = prices(2026, 11, 23).changes()

    assert [(one.model, one.first_day) for one in changes] == [
        ("gemini-4-argon", date(2026, 12, 1)),
        ("gemini-3.8-flash", date(2027, 1, 1)),
    ]
    assert (changes[0].input_before, changes[0].output_before) == (Decimal(2), Decimal(10))
    assert (changes[0].input_after, changes[0].output_after) == (Decimal(4), Decimal(20))


def test_what_has_no_price_is_unknown_and_so_is_what_it_is_part_of() -> None:
    known = Calls(model="claude-haiku-5-5", per_request=1, usage=SIZE)
    unknown = Calls(model="gpt-9", per_request=1, usage=SIZE)
    found = prices(2026, 11, 23)

    assert found.call("gpt-9", SIZE) is None
    assert found.request([known, unknown]) is None
    assert found.request([]) is None
    assert found.request([known, known]) == 800_000


def test_this_month_is_priced_now_and_another_as_it_begins() -> None:
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)

    assert moment(None, AT) == moment("2026-11", AT) == now
    assert moment("2026-12", AT) == datetime(2026, 12, 1, tzinfo=UTC)
