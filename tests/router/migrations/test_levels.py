"""How dear the API was, told from the price book's dates."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from fakes.lessons_given import task
from fakes.rows import AT

from router.migrations.levels import price_levels, prices_of
from router.refit.tasks import Came
from tercet.config import PriceRow, load
from tercet.environment import settings
from tercet.migration import Assignment
from tercet.usage import Usage

DAY_S = 86_400.0
DECEMBER = 1_796_083_200.0
TODAY = AT // DAY_S * DAY_S
CARBON, HAIKU = "gemini-4-carbon", "claude-haiku-5-5"


def came(days_ago: float, side: str = "waiting", kind: str = "lookup", **changes) -> Came:
    of = Assignment(kind=kind, state="canary", side=side, propensity=0.5, conversation="c")
    fields = {"at": TODAY - days_ago * DAY_S, "models": (CARBON,)} | changes
    return replace(task("t", kind, **fields), assignment=of)


def doubled(model: str, usage: Usage, at: float) -> int | None:
    """Return prices of which carbon's doubled yesterday."""
    assert (usage.fresh_input, usage.output) == (100, 400)
    known = {CARBON: 300 if at < TODAY - DAY_S else 600, HAIKU: 600}
    return known.get(model)


def levels(*rows: Came) -> list[float] | None:
    found = price_levels(rows, doubled, TODAY + 100.0)
    return None if found is None else found.tolist()


def test_before_prices_doubled_the_level_is_a_half() -> None:
    assert levels(came(3), came(1.001), came(1), came(0)) == [0.5, 0.5, 1.0, 1.0]


def test_a_treated_task_has_the_level_of_its_kind_not_of_its_seat() -> None:
    assert levels(came(3), came(3, "treated", models=("local",))) == [0.5, 0.5]


def test_prices_that_never_changed_have_no_levels() -> None:
    assert levels(came(3, models=(HAIKU,)), came(0, models=(HAIKU,))) is None
    assert levels() is None


def test_models_count_as_often_as_they_answer_whenever_that_was() -> None:
    # A third of the calls is carbon's: 300 + 2 * 600 then, 600 + 2 * 600 now.
    rows = [came(3, models=(HAIKU,)), came(3), came(0, models=(HAIKU,))]
    assert levels(*rows) == pytest.approx([5 / 6, 5 / 6, 1.0])


def test_each_kind_has_its_own() -> None:
    assert levels(came(3, kind="chat", models=(HAIKU,)), came(3)) == [1.0, 0.5]


def test_a_model_without_a_price_says_nothing() -> None:
    assert levels(came(3, models=("gone", CARBON)), came(0, models=("gone",))) == [0.5, 1.0]
    assert levels(came(3, models=("gone",))) is None


def test_the_price_book_knows_what_its_dated_rows_say() -> None:
    prices = [
        PriceRow(
            model=HAIKU, valid_from=day, fresh_input=Decimal(usd), cache_read=Decimal(usd),
            output=Decimal(5 * usd), source="a test", read_on=day,
        )
        for day, usd in ((date(2026, 11, 1), 1), (date(2026, 12, 1), 2))
    ]  # fmt: skip
    price = prices_of(replace(load(chosen=settings({})), prices=tuple(prices)))
    rows = [came(0, at=DECEMBER - 1, models=(HAIKU,)), came(0, at=DECEMBER, models=(HAIKU,))]
    found = price_levels(rows, price, DECEMBER + 5 * DAY_S)
    assert found is not None
    assert found.tolist() == [0.5, 1.0]
