"""`tercet top`: what its arguments are."""

import argparse
import sys
import time
from typing import Any

from router.arguments import take_json, take_ledger
from tercet.config import Settings, load

Commands = Any  # argparse's own type is private

_EVERY_S = 2.0
_LEAST_S = 0.5


def add_top(commands: Commands, chosen: Settings) -> None:
    """Add `top` to the commands of `tercet`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "top",
        help="watch the month's money, the newest requests and the machines, live",
        description="Reads the ledger and writes nothing; no gateway needs to run. What is not a "
        "terminal gets one frame after the other. Ctrl-C ends it.",
        epilog="examples: tercet top; tercet top --once; tercet top --every 60 --json >> top.jsonl",
    )
    parser.add_argument("--once", action="store_true", help="one frame; exit status 2 without one")
    parser.add_argument(
        "--every",
        type=_seconds,
        default=_EVERY_S,
        metavar="S",
        help="seconds; default: %(default)g",
    )
    take_json(parser, "one document a line and frame; money in nano-USD")
    take_ledger(parser, chosen.ledger)
    parser.set_defaults(do=_top)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _LEAST_S <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is no pause; write seconds from 0.5 up")
    return seconds


def _top(arguments: argparse.Namespace) -> int:
    # The ledger takes a third of a second, drawing a tenth.
    from router.terminal.top.drawing import shown_on
    from router.terminal.top.looking import Eyes
    from router.terminal.top.watching import watch

    eyes = Eyes(arguments.ledger, load())
    with shown_on(sys.stdout, as_json=arguments.json, once=arguments.once) as show:
        watch(
            lambda: eyes.look(time.time()),
            show,
            None if arguments.once else lambda: time.sleep(arguments.every),
        )
    return 0
