"""`tercet golden` and `tercet compositions`: what their arguments are, and who does them."""

import argparse
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from router.arguments import take_json, take_ledger
from tercet.config import Settings
from tercet.usage import NANO_USD_PER_USD

Commands = Any  # argparse's own type is private
Do = Callable[[argparse.Namespace], int]
URL = "http://127.0.0.1:8000"
AT_ONCE = 4
MOST_AT_ONCE = 64


def add_golden(commands: Commands, chosen: Settings) -> None:
    """Add the commands about golden tasks to those of `tercet`."""
    golden: argparse.ArgumentParser = commands.add_parser(
        "golden",
        help="measure arms on tasks whose answers can be checked, and audit the judges",
        description="Suites are YAML files in config/golden. docs/golden.md.",
    )
    verbs = golden.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    _add_check(verbs)
    _add_run(verbs, chosen)
    _add_audit(verbs, chosen)


def add_compositions(commands: Commands, chosen: Settings) -> None:
    """Add `compositions` to the commands of `tercet`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compositions",
        help="say what the extra seats of each composition added, and whether they pay",
        description="Compares every composition with each of its seats alone, and with the same "
        "money spent on repeats of one, on golden tasks and on sampled traffic. A composition "
        "that does not pay is proposed for removal; nothing is changed. docs/golden.md.",
    )
    parser.add_argument("--days", type=_count, default=90, help="how far back; default: 90")
    _take_folder(parser)
    _take_books(parser, chosen)
    parser.set_defaults(do=_compositions)


def _add_check(verbs: Commands) -> None:
    parser: argparse.ArgumentParser = verbs.add_parser(
        "check",
        help="see that suites can tell right from wrong",
        description="Reads suites and runs every checker on the task's own reference, which has "
        "to pass, and on its wrong answers, which have to fail. Nobody is asked. Exit status 1 "
        "if a checker does not do its work.",
    )
    _take_suites(parser)
    take_json(parser, "")
    parser.set_defaults(do=_check)


def _add_run(verbs: Commands, chosen: Settings) -> None:
    parser: argparse.ArgumentParser = verbs.add_parser(
        "run",
        help="have arms answer golden tasks, and write labels",
        description="Asks a gateway that runs, as a client with the key TERCET_API_KEY. What was "
        "labelled in the last day is not asked again, so a run that was stopped goes on.",
        epilog="examples: tercet golden run --arms tier3,claude-haiku-5-5,gemini-3.8-flash; "
        "tercet golden run --arms local,gemini-3.8-flash*3 --kind lookup --max-usd 0.20",
    )
    parser.add_argument(
        "--arms",
        type=_arms,
        required=True,
        metavar="A,B,...",
        help="tiers, models, local, ids of arms, or MODEL*N: N answers of it and a vote",
    )
    parser.add_argument("--kind", action="append", default=[], help="only these; may be repeated")
    parser.add_argument("--repeat", type=_count, default=1, metavar="N", help="each task N times")
    parser.add_argument("--again", action="store_true", help="also what was labelled today")
    _take_gateway(parser, "1")
    _take_suites(parser)
    _take_books(parser, chosen)
    parser.set_defaults(do=_run)


def _add_audit(verbs: Commands, chosen: Settings) -> None:
    parser: argparse.ArgumentParser = verbs.add_parser(
        "audit",
        help="judge the judges on pairs whose qualities are known",
        description="Has each judge compare every gold pair in both orders and says how often it "
        "is right, how often both orders come to the same, and how it is biased.",
    )
    parser.add_argument(
        "--judge",
        action="append",
        default=[],
        metavar="MODEL",
        help="may be repeated; default: those of config/migrations.yaml",
    )
    _take_gateway(parser, "1")
    _take_suites(parser)
    _take_books(parser, chosen)
    parser.set_defaults(do=_audit)


def _take_gateway(parser: argparse.ArgumentParser, most: str) -> None:
    parser.add_argument("--url", default=URL, help=f"of the gateway; default: {URL}")
    parser.add_argument(
        "--max-usd",
        type=_nano_usd,
        default=most,
        metavar="USD",
        help=f"nothing more is asked once it is spent; default: {most}",
    )
    parser.add_argument(
        "--at-once", type=_at_once, default=AT_ONCE, metavar="N", help=f"default: {AT_ONCE}"
    )


def _take_suites(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--suite",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.yaml",
        help="instead of those in config/golden; may be repeated",
    )
    _take_folder(parser)


def _take_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FOLDER", help="default: the checkout's")


def _take_books(parser: argparse.ArgumentParser, chosen: Settings) -> None:
    take_json(parser)
    take_ledger(parser, chosen.ledger)


def _arms(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} names no arm, as tier3,MODEL would")
    return names


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is no number from 1")
    return int(text)


def _at_once(text: str) -> int:
    return min(_count(text), MOST_AT_ONCE)


def _nano_usd(text: str) -> int:
    try:
        usd = Decimal(text)
    except InvalidOperation:
        usd = Decimal(-1)
    if not 0 <= usd <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is no amount of dollars, as 0.50")
    return int(usd * NANO_USD_PER_USD)


# Each command imports what it needs: the price library and scikit-learn take seconds.


def _check(arguments: argparse.Namespace) -> int:
    from router.golden.proving import prove

    return prove(arguments.suite, arguments.config, as_json=arguments.json)


def _run(arguments: argparse.Namespace) -> int:
    from router.golden.making import Wanted, golden_run

    wanted = Wanted(
        arms=arguments.arms,
        suites=arguments.suite,
        kinds=arguments.kind,
        repeat=arguments.repeat,
        again=arguments.again,
        url=arguments.url,
        most_nano_usd=arguments.max_usd,
        at_once=arguments.at_once,
        folder=arguments.config,
        ledger=arguments.ledger,
        as_json=arguments.json,
    )
    return golden_run(wanted, time.time)


def _audit(arguments: argparse.Namespace) -> int:
    from router.golden.auditing import Wanted, audit

    wanted = Wanted(
        judges=arguments.judge,
        suites=arguments.suite,
        url=arguments.url,
        most_nano_usd=arguments.max_usd,
        at_once=arguments.at_once,
        folder=arguments.config,
        ledger=arguments.ledger,
        as_json=arguments.json,
    )
    return audit(wanted, time.time)


def _compositions(arguments: argparse.Namespace) -> int:
    from router.golden.reporting import compositions

    since = time.time() - arguments.days * 86_400
    return compositions(arguments.ledger, arguments.config, since, as_json=arguments.json)
