"""`tercet ledger` and `tercet prices`: what their arguments are, and which function does them."""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from router.arguments import screen_of, take_json, take_ledger, take_quiet
from router.books.backup_command import add_backup, add_restore
from tercet.config import Settings, load, settings
from tercet.errors import ConfigError

Commands = Any  # argparse's own type is private
Do = Callable[[argparse.Namespace], int]

_PROVIDERS = ("anthropic", "google")
_EXPORTS = ("csv", "parquet", "focus")
BY = ("tier", "model", "provider", "key", "day", "role", "state")
"""Those of `router.books.show`, which reads the ledger: that takes a third of a second."""


def add_commands(commands: Commands, chosen: Settings) -> None:
    """Add the commands about money to those of `tercet`."""
    ledger: argparse.ArgumentParser = commands.add_parser(
        "ledger",
        help="show, reconcile, verify, export, back up, restore and repair the ledger",
        description="Only `repair`, `lift` and `reconcile --settle` write to the ledger.",
    )
    verbs = ledger.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for add in (
        _add_show, _add_reconcile, _add_verify, _add_export, add_backup, _add_repair, _add_lift,
    ):  # fmt: skip
        take_ledger(add(verbs), chosen.ledger)
    add_restore(verbs)
    take_ledger(_add_short_reconcile(commands), chosen.ledger)
    _add_prices(commands)


def _add_show(verbs: Commands) -> argparse.ArgumentParser:
    parser = _command(verbs, "show", "what was spent and is held, and what is left of the caps")
    parser.add_argument("--month", type=_month, help="as 2026-11; default: the ledger's latest")
    parser.add_argument("--by", choices=BY, help="one line for each")
    parser.add_argument("--open", action="store_true", help="list the attempts under way")
    take_json(parser)
    parser.set_defaults(do=_show)
    return parser


def _add_reconcile(verbs: Commands) -> argparse.ArgumentParser:
    parser = _command(
        verbs,
        "reconcile",
        "compare the ledger with a bill",
        "With the simulated upstreams' billing log: both sums by model in nano-USD, then every "
        "POST and its row; exit status 1 if a bill was lost, doubled or booked wrongly. With a "
        "provider's report: the difference by day; exit status 1 above 1 %.",
    )
    _take_bill(parser)
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="what Anthropic's cost report answered (JSON), or a CSV: date, model, cost_usd",
    )
    parser.add_argument("--provider", choices=["anthropic", "google"], help="whose report it is")
    parser.add_argument(
        "--settle", action="store_true", help="book orphans at what the billing log says they cost"
    )
    take_json(parser)
    take_quiet(parser)
    parser.set_defaults(do=_reconcile)
    return parser


def _add_short_reconcile(commands: Commands) -> argparse.ArgumentParser:
    parser = _command(
        commands, "reconcile", "short for `ledger reconcile` with the simulated billing log"
    )
    _take_bill(parser)
    take_json(parser)
    take_quiet(parser)
    parser.set_defaults(do=_reconcile, report=None, provider=None, settle=False)
    return parser


def _add_verify(verbs: Commands) -> argparse.ArgumentParser:
    parser = _command(
        verbs,
        "verify",
        "check the database, the balances, every row and its price",
        "One line for each check. Exit status 1 if any finds something.",
    )
    take_json(parser)
    take_quiet(parser)
    parser.set_defaults(do=_verify)
    return parser


def _add_export(verbs: Commands) -> argparse.ArgumentParser:
    parser = _command(verbs, "export", "write the attempts, or what they cost, to a file")
    parser.add_argument("--format", choices=_EXPORTS, required=True, help="focus: FOCUS 1.2 CSV")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--month", type=_month, help="as 2026-11; default: all of them")
    take_json(parser, "says what was written")
    take_quiet(parser)
    parser.set_defaults(do=_export)
    return parser


def _add_repair(verbs: Commands) -> argparse.ArgumentParser:
    parser = _command(
        verbs,
        "repair",
        "build a damaged ledger anew from its journal",
        "Does nothing to a ledger that is whole. Processes that have it open let go of it first.",
    )
    take_json(parser, "")
    parser.set_defaults(do=_repair)
    return parser


def _add_lift(verbs: Commands) -> argparse.ArgumentParser:
    parser = _command(
        verbs,
        "lift",
        "ask a provider again that had refused for want of money",
        "A provider whose own spending limit is reached is not asked until the month ends. Once "
        "you have raised the limit, this has it asked again, within ten seconds.",
    )
    parser.add_argument("provider", choices=_PROVIDERS)
    take_json(parser, "")
    parser.set_defaults(do=_lift)
    return parser


def _add_prices(commands: Commands) -> None:
    parser = _command(
        commands,
        "prices",
        "compare our prices with a second public table",
        "Exit status 1 if any differs. The second table is compared only; it bills nothing.",
    )
    parser.add_argument("--table", type=Path, help="LiteLLM's JSON; default: the extract shipped")
    parser.add_argument(
        "--day",
        type=_day,
        action="append",
        help="as 2026-12-01, any number of times; default: today",
    )
    take_json(parser, "USD a million tokens, as text")
    parser.set_defaults(do=_prices)


def _command(
    among: Commands, name: str, summary: str, more: str | None = None
) -> argparse.ArgumentParser:
    return among.add_parser(name, help=summary, description=more or f"{summary.capitalize()}.")


def _take_bill(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bill",
        type=Path,
        default=settings().state / "simulated-billing.jsonl",
        metavar="LOG",
        help="the simulated upstreams' billing log; default: %(default)s",
    )


def _month(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).strftime("%Y-%m")
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no month; write it as 2026-11"
        ) from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no day; write it as 2026-12-01"
        ) from None


# Each command imports what it needs: the price library and Parquet take a second.


def _show(arguments: argparse.Namespace) -> int:
    from router.books.show import Wanted, show

    wanted = Wanted(
        month=arguments.month,
        by=arguments.by,
        lists_open=arguments.open,
        as_json=arguments.json,
    )
    return show(arguments.ledger, wanted, load().budget.caps, time.time())


def _reconcile(arguments: argparse.Namespace) -> int:
    from router.books.reconcile import reconcile, settle_orphans
    from router.books.usage_reports import reconcile_report

    if (arguments.report is None) != (arguments.provider is None):
        raise ConfigError("--report and --provider go together: whose report is it?")
    if arguments.report is not None:
        return reconcile_report(
            arguments.ledger, arguments.report, arguments.provider, as_json=arguments.json
        )
    if arguments.settle:
        settle_orphans(arguments.ledger, arguments.bill, time.time())
    return reconcile(
        arguments.ledger,
        arguments.bill,
        time.time(),
        as_json=arguments.json,
        screen=screen_of(arguments),
    )


def _verify(arguments: argparse.Namespace) -> int:
    from router.books.verify import verify

    return verify(
        arguments.ledger,
        load(),
        time.time(),
        as_json=arguments.json,
        screen=screen_of(arguments),
    )


def _export(arguments: argparse.Namespace) -> int:
    from router.books.export import Export, export

    wanted = Export(
        out=arguments.out,
        format=arguments.format,
        month=arguments.month,
        as_json=arguments.json,
        screen=screen_of(arguments),
    )
    return export(arguments.ledger, wanted, load())


def _repair(arguments: argparse.Namespace) -> int:
    from router.books.mend import mend

    return mend(arguments.ledger, time.time, as_json=arguments.json)


def _lift(arguments: argparse.Namespace) -> int:
    from router.books.lift import lift

    return lift(arguments.ledger, arguments.provider, time.time(), as_json=arguments.json)


def _prices(arguments: argparse.Namespace) -> int:
    from router.books.pricecheck import pricecheck

    today = datetime.fromtimestamp(time.time(), UTC).date()
    return pricecheck(arguments.table, arguments.day or [today], as_json=arguments.json)
