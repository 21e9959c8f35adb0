"""What requests cost by today's price list, or by that of a month to come."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from deployments.prices import PriceBook, Tariff
from router.plan.workload import Calls
from tercet.catalog import Model
from tercet.config import Config
from tercet.ledger import month_of
from tercet.usage import Usage

AHEAD_DAYS = 92


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """A model's price before and from a day on, USD per million tokens in and out."""

    model: str
    first_day: date
    input_before: Decimal
    output_before: Decimal
    input_after: Decimal
    output_after: Decimal


class Prices:
    """The prices at one moment."""

    def __init__(self, config: Config, at: datetime) -> None:
        """Take the overlay and the models."""
        self.at = at
        self._book = PriceBook(config.prices)
        self._models = config.catalog.models

    def call(self, model: str, usage: Usage) -> int | None:
        """Return nano-USD of one call, or `None` when no price is known."""
        known = self._models.get(model)
        priced = None if known is None else self._book.cost_of(known, usage, self.at)
        return None if priced is None else priced.nano_usd

    def request(self, calls: Iterable[Calls]) -> int | None:
        """Return nano-USD of one request; `None` when a price is not known, or no call is."""
        costs = [(self.call(one.model, one.usage), one.per_request) for one in calls]
        known = [cost * times for cost, times in costs if cost is not None]
        return round(sum(known)) if costs and len(known) == len(costs) else None

    def changes(self) -> tuple[PriceChange, ...]:
        """Return the changes of the models' list prices in the three months from the moment on."""
        return tuple(
            change for model in self._models.values() for change in self._changes_of(model)
        )

    def _changes_of(self, model: Model) -> Iterator[PriceChange]:
        day = self.at.date()
        before = self._book.tariff(model, self.at)
        for _ in range(AHEAD_DAYS):
            day += timedelta(days=1)
            after = self._book.tariff(model, datetime.combine(day, time(), UTC))
            if before and after and before.steps != after.steps:
                yield _change(model.name, day, before, after)
            before = after


def moment(month: str | None, now: float) -> datetime:
    """Return when a month is priced: this one now, any other as it begins."""
    today = datetime.fromtimestamp(now, UTC)
    if month is None or month == month_of(now):
        return today
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)


def _change(model: str, day: date, before: Tariff, after: Tariff) -> PriceChange:
    old, new = before.steps[0][1], after.steps[0][1]
    return PriceChange(
        model=model,
        first_day=day,
        input_before=old.fresh_input,
        output_before=old.output,
        input_after=new.fresh_input,
        output_after=new.output,
    )
