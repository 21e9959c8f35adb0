"""`tercet report`: what its arguments are."""

import argparse
import time
from datetime import date
from pathlib import Path
from typing import Any

from router.arguments import take_ledger
from tercet.config import Settings

Commands = Any  # argparse's own type is private

FORMATS = ("text", "markdown", "html", "json")


def add_report(commands: Commands, chosen: Settings) -> None:
    """Add `report` to the commands of `tercet`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="say what a month cost, what the local model saved, and how good it was",
        description="Reckons the plan's success metrics, costs, the saving and the quality "
        "difference from the ledger, each with its interval and with what it does not cover. "
        "Nothing is asked of a provider and nothing is written but FILE. docs/report.md says how "
        "to read it.",
        epilog="examples: tercet report; tercet report --month 2026-12 --format html --out "
        "report.html; tercet report --since 2026-12-01 --until 2026-12-14",
    )
    parser.add_argument("--month", type=_month, help="as 2026-12; default: the ledger's latest")
    parser.add_argument("--since", type=_day, metavar="DAY", help="as 2026-12-01 (UTC)")
    parser.add_argument("--until", type=_day, metavar="DAY", help="the last day, included")
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: %(default)s")
    parser.add_argument(
        "--json", action="store_const", dest="format", const="json", help="short for --format json"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument("--config", type=Path, metavar="FOLDER", help="default: the checkout's")
    take_ledger(parser, chosen.ledger)
    parser.set_defaults(do=_report)


def _report(arguments: argparse.Namespace) -> int:
    # numpy, scipy and the price library take a second.
    from router.report.making import Wanted, make

    wanted = Wanted(
        ledger=arguments.ledger,
        month=arguments.month,
        since=arguments.since,
        until=arguments.until,
        format=arguments.format,
        out=arguments.out,
        config=arguments.config,
    )
    return make(wanted, time.time())


def _month(text: str) -> str:
    try:
        return _of_this_age(date.fromisoformat(f"{text}-01")).strftime("%Y-%m")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no month: write it as 2026-12") from None


def _day(text: str) -> date:
    try:
        return _of_this_age(date.fromisoformat(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as 2026-12-01") from None


def _of_this_age(day: date) -> date:
    """Return a day that can be reckoned with: seconds begin in 1970, and years end with 9999."""
    if not 1970 <= day.year < 9999:
        raise ValueError
    return day
