"""`tercet plan`: what is read for it, and what is written."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from deployments.ledger.inspection import AttemptRow, Inspection, file_of, inspected
from router.plan.curves import API_ALONE, curves
from router.plan.document import as_json
from router.plan.figures import each
from router.plan.history import DAY_S, DAYS, observed
from router.plan.offers import STORED, load_offers
from router.plan.picture import picture
from router.plan.planning import Asked, Bought, Means, Plan, plan
from router.plan.pricing import Prices, moment
from router.plan.text import as_text
from router.plan.workload import Numbers, Workload, displacing, stated
from router.terminal.progress import progress, watched
from tercet.accrual import months
from tercet.config import PROJECT, Config, load
from tercet.config_files import read
from tercet.errors import ConfigError
from tercet.local_file import load_local
from tercet.rental_file import RentalFile

_MOST_OFF = 0.001
"""By which shares may miss 1: people round them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an operator asks; `None`: the default."""

    numbers: Mapping[str, float | int | None]
    """Fields of `Numbers`."""
    shares: Mapping[str, float] | None
    displaces: str | None
    local_share: float | None
    ledger: str | None
    month: str | None
    offers: Path | None
    offer: str | None
    tokens_per_s: float | None
    start_s: float | None
    card_nano_usd: int | None
    watts: float
    kwh_nano_usd: int
    picture: Path | None
    as_json: bool
    screen: TextIO | None = None
    """Where it is said how far it is; `None`: nowhere."""


def make(wanted: Wanted, default_ledger: Path | str, now: float) -> int:
    """Print the plan, draw it if a picture is wanted, and return 0.

    Raises:
        ConfigError: something that is asked for is not there, or cannot be so.
        LedgerError: a ledger that is there cannot be read.
    """
    config = load()
    prices = Prices(config, moment(wanted.month, now))
    means = _means(config)
    workload = _warned(_workload(wanted, config, default_ledger, now), means)
    made = plan(_asked(wanted, workload), means, prices)
    month, changes = f"{prices.at:%Y-%m}", prices.changes()
    if wanted.picture is not None:
        _draw(made, month, wanted.picture)
    document = json.dumps(as_json(made, month, changes), indent=2, allow_nan=False) + "\n"
    sys.stdout.write(document if wanted.as_json else as_text(made, month, changes))
    return 0


def _workload(wanted: Wanted, config: Config, default_ledger: Path | str, now: float) -> Workload:
    given = {name: value for name, value in wanted.numbers.items() if value is not None}
    usual = stated(Numbers(), config.catalog, config.rules)
    if given or wanted.shares is not None:
        if wanted.ledger is not None:
            raise ConfigError("the workload is in --ledger or in numbers: leave one of them out")
        numbers = replace(Numbers(), **given)
        numbers = replace(numbers, shares=_shares(wanted.shares or numbers.shares, config))
        workload = stated(numbers, config.catalog, config.rules)
    else:
        workload = _seen(wanted, default_ledger, usual, now)
    if wanted.displaces is not None:
        workload = displacing(workload, wanted.displaces, config.catalog)
    return _local_share(workload, wanted.local_share)


def _shares(shares: Mapping[str, float], config: Config) -> Mapping[str, float]:
    names = [name for name in config.catalog.tiers if name in Numbers().shares]
    if sorted(shares) != sorted(names):
        raise ConfigError(
            f"--share names {', '.join(sorted(shares))}; give each of {', '.join(names)} one"
        )
    total = sum(shares.values())
    if abs(total - 1) > _MOST_OFF:
        raise ConfigError(f"the shares add up to {total:g}; make it 1")
    return {name: shares[name] for name in names}


def _seen(wanted: Wanted, default: Path | str, usual: Workload, now: float) -> Workload:
    named = wanted.ledger
    ledger = default if named is None else named
    file = file_of(ledger)
    if named is None and file is not None and not file.exists():
        return _assumed(usual, "there is no ledger yet")
    with inspected(ledger) as books, progress("reading the ledger", wanted.screen) as advance:
        found = observed(watched(_rows(books, now), advance), now, usual)
    if found is None:
        return _assumed(usual, f"the ledger has nothing of the last {DAYS} days")
    return found


def _rows(books: Inspection, now: float) -> Iterator[AttemptRow]:
    since = now - DAYS * DAY_S
    named = months(int(since * 1e9), int(now * 1e9))
    return (row for month in named for row in books.attempts(month))


def _assumed(usual: Workload, why: str) -> Workload:
    return replace(
        usual,
        assumed=(
            f"all of it: {why}; this costs the plan's month 1, 200 USD at the prices of 2026-11, "
            "divided among the tiers as its ranges are",
            *usual.assumed,
        ),
    )


def _local_share(workload: Workload, given: float | None) -> Workload:
    if given is not None:
        return replace(workload, local_share=given)
    if workload.local_share < 1:
        return workload
    said = f"the local model may answer every request of {workload.displaced}, the most there are"
    return replace(workload, assumed=(*workload.assumed, said))


def _warned(workload: Workload, means: Means) -> Workload:
    tokens, most = (
        workload.local_usage.input + workload.local_usage.output,
        means.model.max_model_len,
    )
    if tokens <= most:
        return workload
    said = (
        f"requests have {tokens:,} tokens and the local model's limit is {most:,}: it answers none"
    )
    return replace(workload, assumed=(*workload.assumed, said))


def _asked(wanted: Wanted, workload: Workload) -> Asked:
    problems: list[str] = []
    rental = read(PROJECT / "config" / "rental.yaml", RentalFile, problems)
    if rental is None:
        raise ConfigError("\n".join(problems))
    return Asked(
        workload=workload,
        quotes=load_offers(wanted.offers or STORED),
        offer_id=wanted.offer,
        start_s=rental.times.warm_up_s if wanted.start_s is None else wanted.start_s,
        least_run_s=rental.times.least_run_s,
        tokens_per_s=wanted.tokens_per_s,
        bought=Bought(
            price_nano_usd=wanted.card_nano_usd,
            watts=wanted.watts,
            kwh_nano_usd=wanted.kwh_nano_usd,
        ),
    )


def _means(config: Config) -> Means:
    local = load_local()
    priced = [model.name for model in config.catalog.models.values() if model.provider != "local"]
    return Means(
        model=local.profiles["gpu"],
        cards=local.cards,
        models=tuple(priced),
        caps=config.budget.caps,
    )


def _draw(made: Plan, month: str, path: Path) -> None:
    drawn, demand = curves(made), made.demand
    if drawn is None or demand is None:
        raise ConfigError(
            f"--picture: what a request of {made.workload.displaced} costs is not known; name its "
            "models' prices in config/prices.yaml"
        )
    offer = made.chosen.quote.offer
    title = f"{API_ALONE} or a rented {offer.gpu}: USD a month, prices of {month}"
    subtitle = (
        f"{each(offer.hourly_nano_usd)} USD an hour ({offer.offer_id}) against "
        f"{each(demand.saved_nano_usd)} USD a request of {made.workload.displaced}; "
        f"the card answers {demand.capacity:,.0f} an hour at most"
    )
    try:
        path.write_text(picture(drawn, title, subtitle), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"--picture {path}: {error.strerror}; name a file that can be written"
        ) from error
