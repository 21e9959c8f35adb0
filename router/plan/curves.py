"""A month's cost over the rate of requests, the same in every hour: what the pictures show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from router.plan import economics
from router.plan.economics import HOURS, Demand, Rent, break_even_per_hour
from router.plan.original import PATTERNS
from router.plan.planning import WHILE_IT_PAYS, Plan

API_ALONE = "API alone"
ALWAYS_ON = "always on"
_EVENLY = (1 / HOURS,) * HOURS
_BEYOND = 1.6
"""How far past the break-even a picture goes."""

Curve = Callable[[float], float]
"""From requests an hour to USD a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Everything a picture shows, in USD a month over requests an hour."""

    by_name: Mapping[str, Curve]
    """API alone first, what the best policy comes near to last."""
    break_even: float
    capacity: float
    busiest: float
    """Of the workload."""
    most: float
    """Requests an hour at the right edge."""

    @property
    def is_reachable(self) -> bool:
        """Whether the card can answer as many requests as the break-even needs."""
        return self.break_even <= self.capacity


def curves(plan: Plan) -> Curves | None:
    """Return what there is to draw; `None`: what a request costs is not known, or is nothing."""
    demand, rent = plan.demand, plan.rent
    if demand is None:
        return None
    crossing = break_even_per_hour(rent.hourly_nano_usd, demand.saved_nano_usd)
    if crossing is None:
        return None
    patterns = {
        name: _rented(demand, rent, hours) for name, (hours, _) in PATTERNS.items() if hours < HOURS
    }
    return Curves(
        by_name={
            API_ALONE: lambda rate: _usd(_api(demand, rate)),
            **patterns,
            ALWAYS_ON: _rented(demand, rent, HOURS),
            WHILE_IT_PAYS: lambda rate: _cheapest(demand, rent, rate),
        },
        break_even=crossing,
        capacity=demand.capacity,
        busiest=demand.busiest,
        most=max(_BEYOND * crossing, 1.2 * demand.busiest),
    )


def _rented(demand: Demand, rent: Rent, hours: float) -> Curve:
    def cost(rate: float) -> float:
        return _usd(_api(demand, rate) - economics.net_month(_evenly(demand, rate), rent, hours))

    return cost


def _cheapest(demand: Demand, rent: Rent, rate: float) -> float:
    saved = economics.best(_evenly(demand, rate), rent).net_nano_usd
    return _usd(_api(demand, rate) - max(0, saved))


def _api(demand: Demand, rate: float) -> float:
    return demand.saved_nano_usd * rate * economics.MONTH_H


def _evenly(demand: Demand, rate: float) -> Demand:
    return replace(demand, per_day=rate * HOURS, shape=_EVENLY)


def _usd(nano_usd: float) -> float:
    return nano_usd / 1e9
