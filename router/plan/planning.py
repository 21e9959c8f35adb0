"""The tables, as values: from a workload, prices, offers and what the operator wants to know."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from router.doctor import check
from router.doctor.speed import EXPECTED
from router.plan import economics
from router.plan.economics import Best, Demand, Needed, Rent
from router.plan.offers import Quote
from router.plan.original import BUY_MONTHS, PATTERNS, TARGET_NANO_USD, TOKENS_PER_S
from router.plan.workload import Calls, TierLoad, Workload
from tercet.budget import GPU, MONTH, Caps
from tercet.errors import ConfigError
from tercet.local_model import Card, LocalModel
from tercet.usage import Usage

WHILE_IT_PAYS = "while it pays"


class Costs(Protocol):
    """What requests cost, in nano-USD; `None`: a price is not known."""

    def call(self, model: str, usage: Usage) -> int | None:
        """Return the cost of one call."""
        ...

    def request(self, calls: Sequence[Calls]) -> int | None:
        """Return the cost of one request."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a card answers."""

    tokens_per_s: float
    """Generated, of all its requests together."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """A card of one's own."""

    price_nano_usd: int | None
    watts: float
    kwh_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is planned with."""

    workload: Workload
    quotes: tuple[Quote, ...]
    offer_id: str | None
    """`None`: the cheapest whose card the model fits."""
    start_s: float
    least_run_s: float
    tokens_per_s: float | None
    """`None`: as the doctor expects of the card."""
    bought: Bought


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What there is to plan with: the local model, the cards, the models by name, the caps."""

    model: LocalModel
    cards: Mapping[str, Card]
    models: tuple[str, ...]
    caps: Caps


@dataclass(frozen=True, slots=True, kw_only=True)
class TierCost:
    """A tier's month."""

    load: TierLoad
    request_nano_usd: int | None
    month_nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A machine to be had, and whether the model fits it."""

    quote: Quote
    memory_gib: float | None
    """`None`: the card is not in `config/local.yaml`."""
    fits: bool | None
    speed: Speed | None
    month_nano_usd: int
    """Of running without a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A month of running so many hours a day."""

    name: str
    hours_a_day: float
    running_nano_usd: int
    stopped_nano_usd: int
    """For the disk, while it does not run."""
    local_per_day: float | None
    """Requests that are answered there, in the day's busiest hours; `None`: as `Plan.demand`."""
    api_nano_usd: int | None
    total_nano_usd: int | None
    saved_nano_usd: int | None
    """Against the API alone; below 0: it costs more."""
    over: tuple[str, ...]
    """The plan's target and the caps that it is over."""
    buy_months: float | None
    """Until the bought card has cost less; `None`: never, or its price is not known."""
    buy_prices_nano_usd: tuple[int | None, ...]
    """What the card may cost for each number of months of the plan."""

    @property
    def gpu_nano_usd(self) -> int:
        """All that is paid for the machine."""
        return self.running_nano_usd + self.stopped_nano_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Displaced:
    """What the local model may answer instead of."""

    name: str
    request_nano_usd: int | None
    break_even_per_hour: float | None
    within_reach: bool | None
    """Whether the card can answer so many."""
    burst: int | None
    """Requests at the card's full speed that pay for a start; `None`: no burst does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of it. Money is nano-USD of a month of 30 days, if nothing else is said."""

    workload: Workload
    tiers: tuple[TierCost, ...]
    api_nano_usd: int | None
    options: tuple[Option, ...]
    chosen: Option
    speed: Speed
    rent: Rent
    start_nano_usd: int
    capacity_per_hour: float
    plan_capacity_per_hour: tuple[float, ...]
    """At the plan's tokens per second, from and to."""
    month_1: Pattern
    patterns: tuple[Pattern, ...]
    """Those of the plan, and the hours that save most."""
    displaced: tuple[Displaced, ...]
    bought: Bought
    demand: Demand | None
    """`None`: what a request costs is not known, so nothing can be said of what pays."""
    best: Best | None
    needed: Needed | None
    caps: Mapping[str, int]


def plan(asked: Asked, means: Means, costs: Costs) -> Plan:
    """Reckon every table.

    Raises:
        ConfigError: there is no such offer, or none that the model fits.
    """
    workload = asked.workload
    options = tuple(_option(quote, means) for quote in asked.quotes)
    chosen = _chosen(options, asked.offer_id)
    offer = chosen.quote.offer
    rent = Rent(
        hourly_nano_usd=offer.hourly_nano_usd,
        stopped_hourly_nano_usd=offer.stopped_hourly_nano_usd,
        start_s=asked.start_s,
        least_run_s=asked.least_run_s,
    )
    speed = _speed(asked, chosen)
    tiers = tuple(_tier(load, costs) for load in workload.tiers)
    capacity = _capacity(workload.local_usage, speed.tokens_per_s, means.model)
    demand = _demand(workload, tiers, capacity)
    api = _sum([tier.month_nano_usd for tier in tiers])
    table = _Table(demand=demand, rent=rent, api=api, caps=means.caps, bought=asked.bought)
    found = None if demand is None else economics.best(demand, rent)
    return Plan(
        workload=workload,
        tiers=tiers,
        api_nano_usd=api,
        options=options,
        chosen=chosen,
        speed=speed,
        rent=rent,
        start_nano_usd=round(rent.hourly_nano_usd * rent.start_h),
        capacity_per_hour=capacity,
        plan_capacity_per_hour=tuple(
            _capacity(workload.local_usage, tokens, means.model) for tokens in TOKENS_PER_S
        ),
        month_1=table.without(),
        patterns=tuple(table.patterns(found)),
        displaced=tuple(_displaced(workload, means.models, rent, capacity, costs)),
        bought=asked.bought,
        demand=demand,
        best=found,
        needed=None if demand is None else economics.needed(demand, rent),
        caps={scope: means.caps[scope] for scope in (MONTH, GPU) if scope in means.caps},
    )


def _option(quote: Quote, means: Means) -> Option:
    offer = quote.offer
    card = means.cards.get(offer.gpu)
    month = offer.hourly_nano_usd * economics.MONTH_H
    if card is None:
        return Option(quote=quote, memory_gib=None, fits=None, speed=None, month_nano_usd=month)
    report = check(means.model, card)
    # A card answers several requests at once: the fastest load that it can hold.
    loads = [
        (one.roofline, one.load)
        for one in report.decodes
        if one.roofline is not None and one.streams <= means.model.max_num_seqs
    ]
    fits = not report.problems
    speed = _expected(*max(loads), card) if fits and loads else None
    return Option(
        quote=quote, memory_gib=card.memory_gib, fits=fits, speed=speed, month_nano_usd=month
    )


def _expected(roofline: float, load: str, card: Card) -> Speed:
    source = f"the doctor's low end for {card.name}, {load}"
    return Speed(tokens_per_s=EXPECTED[0] * roofline, source=source)


def _chosen(options: Sequence[Option], offer_id: str | None) -> Option:
    ids = ", ".join(option.quote.offer.offer_id for option in options)
    if offer_id is None:
        fitting = [option for option in options if option.fits]
        if not fitting:
            raise ConfigError(
                "the local model fits no card that is offered; `tercet doctor --card NAME` says "
                f"why, and --offer takes one all the same: {ids}"
            )
        return min(fitting, key=lambda option: option.quote.offer.hourly_nano_usd)
    for option in options:
        if option.quote.offer.offer_id == offer_id:
            return option
    raise ConfigError(f"--offer {offer_id}: there is no such offer; name one of {ids}")


def _speed(asked: Asked, chosen: Option) -> Speed:
    if asked.tokens_per_s is not None:
        return Speed(tokens_per_s=asked.tokens_per_s, source="as given")
    if chosen.speed is not None:
        return chosen.speed
    offer = chosen.quote.offer
    raise ConfigError(
        f"how fast {offer.gpu} of {offer.offer_id} answers is not known, or the model does not fit "
        "it: give --tokens-per-second, or name another --offer"
    )


def _capacity(request: Usage, tokens_per_s: float, model: LocalModel) -> float:
    """Return the requests an hour; reading the prompts is not counted, so it is a ceiling."""
    if request.input + request.output > model.max_model_len:
        return 0.0
    return 3600 * tokens_per_s / request.output


def _tier(load: TierLoad, costs: Costs) -> TierCost:
    request = costs.request(load.calls)
    month = None if request is None else round(request * load.requests_per_day * economics.DAYS)
    return TierCost(load=load, request_nano_usd=request, month_nano_usd=month)


def _sum(amounts: Sequence[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _demand(workload: Workload, tiers: Sequence[TierCost], capacity: float) -> Demand | None:
    [saved] = [tier.request_nano_usd for tier in tiers if tier.load.name == workload.displaced]
    if saved is None:
        return None
    return Demand(
        per_day=workload.local_per_day,
        shape=tuple(sorted(workload.hours, reverse=True)),
        capacity=capacity,
        saved_nano_usd=saved,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The rows of a month with a machine."""

    demand: Demand | None
    rent: Rent
    api: int | None
    caps: Caps
    bought: Bought

    def without(self) -> Pattern:
        """Return the month in which nothing is rented."""
        return Pattern(
            name="month 1",
            hours_a_day=0,
            running_nano_usd=0,
            stopped_nano_usd=0,
            local_per_day=0,
            api_nano_usd=self.api,
            total_nano_usd=self.api,
            saved_nano_usd=0,
            over=self._over(self.api, 0),
            buy_months=None,
            buy_prices_nano_usd=(),
        )

    def patterns(self, best: Best | None) -> Iterator[Pattern]:
        """Yield those of the plan and, where anything saves, the best."""
        for name, (hours, _) in PATTERNS.items():
            yield self._pattern(name, hours)
        if best is not None and best.net_nano_usd > 0:
            yield self._pattern(WHILE_IT_PAYS, best.hours)

    def _pattern(self, name: str, hours: float) -> Pattern:
        rent, demand = self.rent, self.demand
        saved = None if demand is None else economics.saved_month(demand, rent, hours)
        api = None if self.api is None or saved is None else self.api - saved
        gpu = rent.running(hours) + rent.stopped(hours)
        total = None if api is None else api + gpu
        power = economics.power_month(self.bought.watts, self.bought.kwh_nano_usd, hours)
        price = self.bought.price_nano_usd
        return Pattern(
            name=name,
            hours_a_day=hours,
            running_nano_usd=rent.running(hours),
            stopped_nano_usd=rent.stopped(hours),
            local_per_day=None
            if demand is None
            else demand.served(economics.answering_hours(rent, hours)),
            api_nano_usd=api,
            total_nano_usd=total,
            saved_nano_usd=None if saved is None else saved - gpu,
            over=self._over(total, gpu),
            buy_months=None if price is None else economics.months_until(price, gpu, power),
            buy_prices_nano_usd=tuple(
                economics.price_for(months, gpu, power) for months in BUY_MONTHS
            ),
        )

    def _over(self, total: int | None, gpu: int) -> tuple[str, ...]:
        limits = (
            ("target", total, TARGET_NANO_USD),
            (f"cap {MONTH}", total, self.caps.get(MONTH)),
            (f"cap {GPU}", gpu, self.caps.get(GPU)),
        )
        return tuple(
            name
            for name, spent, most in limits
            if spent is not None and most is not None and spent > most
        )


def _displaced(
    workload: Workload, models: Sequence[str], rent: Rent, capacity: float, costs: Costs
) -> Iterator[Displaced]:
    for name in models:
        yield _instead_of(name, costs.call(name, workload.local_usage), rent, capacity)
    for load in workload.tiers:
        yield _instead_of(load.name, costs.request(load.calls), rent, capacity)


def _instead_of(name: str, saved: int | None, rent: Rent, capacity: float) -> Displaced:
    if saved is None:
        return Displaced(
            name=name,
            request_nano_usd=None,
            break_even_per_hour=None,
            within_reach=None,
            burst=None,
        )
    least = economics.break_even_per_hour(rent.hourly_nano_usd, saved)
    return Displaced(
        name=name,
        request_nano_usd=saved,
        break_even_per_hour=least,
        within_reach=least is not None and least <= capacity,
        burst=economics.burst(rent, saved, capacity),
    )
