"""`tercet plan`: what its arguments are."""

import argparse
import time
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from router.arguments import screen_of, take_json, take_quiet
from router.plan.workload import DISPLACED
from tercet.config import Settings
from tercet.usage import NANO_USD_PER_USD

Commands = Any  # argparse's own type is private

_WATTS = 350.0  # an RTX 3090's board power by its data sheet; the machine around it comes on top
_KWH_USD = Decimal("0.30")
_MOST = 10**9
NUMBERS = ("requests_per_day", "input_tokens", "output_tokens", "rounds")
"""Arguments that are fields of `Numbers`."""


def add_plan(commands: Commands, chosen: Settings) -> None:
    """Add `plan` to the commands of `tercet`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="say what a month costs, with and without a rented GPU",
        description="Reckons the plan's tables from the ledger's last 30 days, or from a few "
        "numbers, at the prices of a month and the offers of config/offers.yaml. Nothing is "
        "rented and no provider is asked. docs/plan.md says how to read it.",
        epilog="examples: tercet plan; tercet plan --month 2027-01; tercet plan "
        "--requests-per-day 4000 --share tier1=0.05 --share tier2=0.15 --share tier3=0.8 "
        "--picture plan.svg; tercet plan --displaces claude-sonnet-5-5 --card-usd 1500",
    )
    _take_workload(parser)
    _take_machine(parser)
    _take_card(parser)
    parser.add_argument("--month", type=_month, help="as 2026-12, whose prices; default: this one")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="write the chart there")
    take_json(parser)
    take_quiet(parser)
    parser.set_defaults(do=_plan, default_ledger=chosen.ledger)


def _take_workload(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "the workload",
        "The ledger's last 30 days. With any of the first five the ledger is not read, and what is "
        "not given is the plan's month 1 of 200 USD.",
    )
    group.add_argument("--requests-per-day", type=_amount, metavar="N", help="of all tiers")
    group.add_argument("--input-tokens", type=_count, metavar="N", help="of a request")
    group.add_argument("--output-tokens", type=_count, metavar="N", help="of an answer")
    group.add_argument(
        "--share",
        type=_named_share,
        action="append",
        metavar="TIER=SHARE",
        help="of the requests, as tier1=0.2; once for each tier",
    )
    group.add_argument(
        "--rounds", type=int, choices=(1, 2, 3), help="of tier 3's consensus; default: 1"
    )
    group.add_argument(
        "--displaces",
        metavar="NAME",
        help="what the local model answers instead of: a tier, or a model that answers tier 3 "
        f"alone; default: {DISPLACED}",
    )
    group.add_argument(
        "--local-share",
        type=_share,
        metavar="SHARE",
        help="of those requests that it may answer; default: as in the ledger, else all",
    )
    group.add_argument(
        "--ledger",
        metavar="PATH_OR_URL",
        help="an SQLite file or postgresql://...; default: TERCET_LEDGER, else var/ledger.sqlite3",
    )


def _take_machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the machine")
    group.add_argument("--offers", type=Path, metavar="FILE", help="default: config/offers.yaml")
    group.add_argument("--offer", metavar="ID", help="default: the cheapest that the model fits")
    group.add_argument(
        "--tokens-per-second", type=_amount, metavar="N", help="default: the doctor's low end"
    )
    group.add_argument(
        "--start-s", type=_seconds, metavar="S", help="default: warm_up_s of config/rental.yaml"
    )


def _take_card(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a card of your own")
    group.add_argument("--card-usd", type=_nano_usd, metavar="USD", help="with all that it needs")
    group.add_argument("--watts", type=_amount, default=_WATTS, help="default: %(default)g")
    group.add_argument(
        "--kwh-usd",
        type=_nano_usd,
        default=int(_KWH_USD * NANO_USD_PER_USD),
        metavar="USD",
        help=f"of power; default: {_KWH_USD}",
    )


def _plan(arguments: argparse.Namespace) -> int:
    # The price library takes a second.
    from router.plan.making import Wanted, make

    wanted = Wanted(
        numbers={name: getattr(arguments, name) for name in NUMBERS},
        shares=None if arguments.share is None else dict(arguments.share),
        displaces=arguments.displaces,
        local_share=arguments.local_share,
        ledger=arguments.ledger,
        month=arguments.month,
        offers=arguments.offers,
        offer=arguments.offer,
        tokens_per_s=arguments.tokens_per_second,
        start_s=arguments.start_s,
        card_nano_usd=arguments.card_usd,
        watts=arguments.watts,
        kwh_nano_usd=arguments.kwh_usd,
        picture=arguments.picture,
        as_json=arguments.json,
        screen=screen_of(arguments),
    )
    return make(wanted, arguments.default_ledger, time.time())


def _month(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).strftime("%Y-%m")
    except ValueError:
        raise _refusal(text, "a month, as 2026-12") from None


def _amount(text: str) -> float:
    return float(_number(text, "a number above 0", above=0))


def _seconds(text: str) -> float:
    return float(_number(text, "seconds, 0 or more"))


def _share(text: str) -> float:
    share = _number(text, "a share from 0 to 1")
    if share > 1:
        raise _refusal(text, "a share from 0 to 1")
    return float(share)


def _count(text: str) -> int:
    count = _number(text, "a whole number above 0", above=0)
    if count != int(count):
        raise _refusal(text, "a whole number above 0")
    return int(count)


def _nano_usd(text: str) -> int:
    return int(_number(text, "dollars, 0 or more") * NANO_USD_PER_USD)


def _named_share(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    try:
        return name, _share(share)
    except argparse.ArgumentTypeError:
        raise _refusal(text, "a tier and its share from 0 to 1, as tier1=0.2") from None


def _number(text: str, wanted: str, *, above: int | None = None) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _refusal(text, wanted) from None
    if not number.is_finite() or not 0 <= number < _MOST or number == above:
        raise _refusal(text, wanted)
    return number


def _refusal(text: str, wanted: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{text!r} is not what is wanted: write {wanted}")
