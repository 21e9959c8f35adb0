"""Rent or ask an API: the arithmetic, without a price or a name in it.

A day has one start, unless the machine is always on, and its hours are the day's busiest: what a
good policy comes near to and no policy beats by much. Hours begin with the start, which is paid and
answers nothing.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

DAYS = 30
HOURS = 24
MONTH_H = DAYS * HOURS
_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rent:
    """What a machine costs."""

    hourly_nano_usd: int
    stopped_hourly_nano_usd: int
    start_s: float
    """From the first paid second to the first answer."""
    least_run_s: float
    """How long it is kept at least once it answers."""

    @property
    def start_h(self) -> float:
        """The start in hours."""
        return self.start_s / 3600

    def running(self, hours_a_day: float) -> int:
        """Return nano-USD a month for running so long."""
        return round(self.hourly_nano_usd * hours_a_day * DAYS)

    def stopped(self, hours_a_day: float) -> int:
        """Return nano-USD a month for the disk, when it runs so long."""
        return round(self.stopped_hourly_nano_usd * (HOURS - hours_a_day) * DAYS)

    def month(self, hours_a_day: float) -> int:
        """Return nano-USD a month, disk included."""
        return self.running(hours_a_day) + self.stopped(hours_a_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a machine could answer, and what that is worth."""

    per_day: float
    """Requests."""
    shape: tuple[float, ...]
    """Shares of the day's requests in its hours, the busiest first."""
    capacity: float
    """Requests an hour that the card can answer: the rest goes to the API whatever is rented."""
    saved_nano_usd: int
    """By each request that is answered."""

    @property
    def busiest(self) -> float:
        """Requests in the busiest hour."""
        return self.per_day * self.shape[0]

    def served(self, hours: float) -> float:
        """Return the requests of a day that are answered in so many of its busiest hours."""
        return sum(
            min(self.per_day * share, self.capacity) * min(1.0, max(0.0, hours - hour))
            for hour, share in enumerate(self.shape)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The hours a day that save most, or cost least."""

    hours: float
    """Paid ones, the start included."""
    net_nano_usd: int
    """What is saved a month when all is paid; below 0: nothing is to be rented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """The value that each lever must reach, alone, for the machine to pay; `None`: none does."""

    per_day: float | None
    """Requests that the local model may answer, at least."""
    hourly_nano_usd: int | None
    """At most."""
    saved_nano_usd: int | None
    """By a request, at least."""
    start_s: float | None
    """At most; infinite where always on pays."""


def answering_hours(rent: Rent, paid: float) -> float:
    """Return how much of the paid hours of a day is left to answer in."""
    return paid if paid >= HOURS else max(0.0, paid - rent.start_h)


def saved_month(demand: Demand, rent: Rent, paid: float) -> int:
    """Return nano-USD a month that the API does not cost, with so many paid hours a day."""
    return round(DAYS * demand.saved_nano_usd * demand.served(answering_hours(rent, paid)))


def net_month(demand: Demand, rent: Rent, paid: float) -> int:
    """Return nano-USD a month that are saved when the machine and its disk are paid."""
    return saved_month(demand, rent, paid) - rent.month(paid)


def best(demand: Demand, rent: Rent) -> Best:
    """Return the hours a day that save most."""
    paid = max(_choices(rent), key=lambda hours: net_month(demand, rent, hours))
    return Best(hours=paid, net_nano_usd=net_month(demand, rent, paid))


def break_even_per_hour(hourly_nano_usd: int, saved_nano_usd: int) -> float | None:
    """Return the requests an hour at which renting costs what it saves; `None`: it saves nothing.

    The card may not be able to answer so many.
    """
    return hourly_nano_usd / saved_nano_usd if saved_nano_usd > 0 else None


def burst(rent: Rent, saved_nano_usd: int, capacity: float) -> int | None:
    """Return the requests, one after the other at the card's full speed, that pay for a start.

    The machine is kept for its least run; `None`: no burst pays, for the card does not in any hour.
    """
    hourly = rent.hourly_nano_usd
    left = saved_nano_usd - hourly / capacity if capacity > 0 else 0.0
    if left <= 0:
        return None
    least_run_h = rent.least_run_s / 3600
    short = hourly * (rent.start_h + least_run_h) / saved_nano_usd
    return _up(short if short <= capacity * least_run_h else hourly * rent.start_h / left)


def needed(demand: Demand, rent: Rent) -> Needed:
    """Move each lever alone to where the machine begins to pay."""
    return Needed(
        per_day=_needed_requests(demand, rent),
        hourly_nano_usd=_needed_price(demand, rent),
        saved_nano_usd=_needed_saving(demand, rent),
        start_s=_needed_start(demand, rent),
    )


def power_month(watts: float, kwh_nano_usd: int, hours_a_day: float) -> int:
    """Return nano-USD a month for the power of a card of one's own."""
    return round(watts / 1000 * hours_a_day * DAYS * kwh_nano_usd)


def months_until(price_nano_usd: int, rent_nano_usd: int, power_nano_usd: int) -> float | None:
    """Return after how many months a bought card has cost less; `None`: never, power costs more."""
    spared = rent_nano_usd - power_nano_usd
    return price_nano_usd / spared if spared > 0 else None


def price_for(months: float, rent_nano_usd: int, power_nano_usd: int) -> int | None:
    """Return the price of a card that has paid after so many months; `None`: not even a gift."""
    spared = rent_nano_usd - power_nano_usd
    return round(months * spared) if spared > 0 else None


def _choices(rent: Rent) -> Iterator[float]:
    """Yield the paid hours a day among which the best is: answering whole hours, or always on."""
    yield float(HOURS)
    yield from (hour + rent.start_h for hour in range(1, HOURS) if hour + rent.start_h < HOURS)


def _needed_requests(demand: Demand, rent: Rent) -> float | None:
    """More requests help until each hour that has any is full."""
    most = demand.capacity / min(share for share in demand.shape if share > 0)
    return _least(lambda per_day: _pays(replace(demand, per_day=per_day), rent), most)


def _least(pays: Callable[[float], bool], most: float) -> float | None:
    if not pays(most):
        return None
    low, high = 0.0, most
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if pays(middle) else (middle, high)
    return high


def _pays(demand: Demand, rent: Rent) -> bool:
    return best(demand, rent).net_nano_usd >= 0


def _needed_price(demand: Demand, rent: Rent) -> int | None:
    most = max(
        (saved_month(demand, rent, paid) - rent.stopped(paid)) / (DAYS * paid)
        for paid in _choices(rent)
    )
    return math.floor(most) if most > 0 else None


def _needed_saving(demand: Demand, rent: Rent) -> int | None:
    answered = ((paid, demand.served(answering_hours(rent, paid))) for paid in _choices(rent))
    least = min(
        (rent.month(paid) / (DAYS * requests) for paid, requests in answered if requests > 0),
        default=None,
    )
    return None if least is None else math.ceil(least)


def _needed_start(demand: Demand, rent: Rent) -> float | None:
    if net_month(demand, rent, HOURS) >= 0:
        return math.inf
    hourly, stopped = rent.hourly_nano_usd, rent.stopped_hourly_nano_usd
    if hourly <= stopped:
        return None
    # saved - hourly x (hours + start) - stopped x (24 - hours - start) >= 0, solved for the start.
    most_h = max(
        min(
            HOURS - hours,
            (
                demand.saved_nano_usd * demand.served(hours)
                - hourly * hours
                - stopped * (HOURS - hours)
            )
            / (hourly - stopped),
        )
        for hours in range(1, HOURS)
    )
    return most_h * 3600 if most_h >= 0 else None


def _up(amount: float) -> int:
    """Round up, but not by what a float is off."""
    return math.ceil(amount - 1e-9 * amount)
