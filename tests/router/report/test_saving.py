"""The saving of a window in which prices change."""

from dataclasses import replace

import pytest
from fakes.lessons_given import task

from router.migrations.levels import PriceAt
from router.refit.tasks import Came
from router.report.measures import DAY_S, Window
from router.report.saving import Bill, Paid, Saving, saving
from tercet.migration import Assignment, Side

BEGIN = 20_000 * DAY_S
WINDOW = Window(since=BEGIN, until=BEGIN + 2 * DAY_S)


def came(number: int, at: float, side: Side, propensity: float, nano_usd: int) -> Came:
    of = Assignment(
        kind="lookup", state="canary", side=side, propensity=propensity, conversation=f"c{number}"
    )
    came = task(f"t{number}", "lookup", at=at, nano_usd=nano_usd, conversation=f"c{number}")
    return replace(came, assignment=of)


def rows() -> list[Came]:
    """Return a baseline of a day and two days by chance; in the middle of them prices double."""
    baseline = [came(n, BEGIN - DAY_S, "waiting", 0.0, 500) for n in range(200)]
    by_chance = [
        came(first + n, at, "treated" if n % 2 else "held_out", 0.5, 0 if n % 2 else nano_usd)
        for first, at, nano_usd in ((200, BEGIN, 500), (400, BEGIN + DAY_S, 1_000))
        for n in range(200)
    ]
    return [*baseline, *by_chance]


def saved(price: PriceAt | None) -> Saving:
    paid = Paid(
        bill=Bill(), bills={}, parts={}, evidence_nano_usd=0, tier_nano_usd=0, hold_out=0.5,
        price=price,
    )  # fmt: skip
    return saving(rows(), WINDOW, paid)


def test_a_price_that_doubled_is_no_doubt_about_the_saving_once_it_is_told() -> None:
    told = saved(lambda _model, _usage, at: 3 if at < BEGIN + DAY_S else 6).displaced
    untold = saved(None).displaced
    assert told.value == pytest.approx(100 * 500 + 100 * 1_000, rel=0.01)
    assert None not in (told.low, told.high, untold.low, untold.high)
    assert told.low < 150_000 < told.high
    assert told.high - told.low < 0.5 * (untold.high - untold.low)


def test_prices_that_stayed_are_as_if_they_were_not_told() -> None:
    assert saved(lambda *_: 7) == saved(None)
