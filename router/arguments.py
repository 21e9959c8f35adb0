"""Arguments that many commands of `tercet` take alike."""

import argparse
import sys
from collections.abc import Callable
from typing import TextIO


def take_ledger(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add `--ledger`; the help does not show the default itself, because a URL has a password."""
    parser.add_argument(
        "--ledger",
        default=default,
        metavar="PATH_OR_URL",
        help="an SQLite file or postgresql://...; default: TERCET_LEDGER, else var/ledger.sqlite3",
    )


def take_json(parser: argparse.ArgumentParser, says: str = "money in nano-USD") -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help=f"for programs; {says}".rstrip("; "))


def take_quiet(parser: argparse.ArgumentParser) -> None:
    """Add `--quiet` to a command that takes its time; see `screen_of`."""
    parser.add_argument("--quiet", action="store_true", help="do not say how far it is")


def screen_of(arguments: argparse.Namespace) -> TextIO | None:
    """Return where the command says how far it is; `None`: nowhere."""
    return None if arguments.quiet or arguments.json else sys.stderr


def share_as(example: str) -> Callable[[str], float]:
    """Return what reads a number between 0 and 1, and names an example where it is none."""

    def share(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = 0.0
        if not 0 < found < 1:
            raise argparse.ArgumentTypeError(f"{text[:100]!r} is no share; write one as {example}")
        return found

    return share
