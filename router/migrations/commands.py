"""`tercet migration`: what its arguments are, and which function does them."""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from router.arguments import share_as, take_json, take_ledger
from router.migrations.runs import Verb
from tercet.config import Settings

Commands = Any  # argparse's own type is private
Do = Callable[[argparse.Namespace], int]
MOST_WHY = 1_000
"""Characters of a reason."""


def add_migration(commands: Commands, chosen: Settings) -> None:
    """Add the commands about kinds that move to those of `tercet`."""
    migration: argparse.ArgumentParser = commands.add_parser(
        "migration",
        help="list, show, promote, roll back and resume kinds that move to the local model",
        description="docs/migrations.md says how a kind of work moves.",
    )
    verbs = migration.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    _command(verbs, chosen, "list", "where each kind is, and what it waits for", _list)
    _of_kind(verbs, chosen, "show", "every move of a kind with its evidence", _show)
    promote = _move(verbs, chosen, "promote", "have the local model answer, whatever the gate says")
    promote.add_argument(
        "--share", type=share_as("0.1"), metavar="SHARE", help="as a canary, of the conversations"
    )
    _move(verbs, chosen, "rollback", "have the API answer until it is resumed")
    _move(verbs, chosen, "resume", "begin anew in shadow with what was rolled back")
    _move(verbs, chosen, "shadow", "have the API answer, and begin anew to compare")


def _move(verbs: Commands, chosen: Settings, name: Verb, summary: str) -> argparse.ArgumentParser:
    parser = _of_kind(verbs, chosen, name, summary, partial(_do_move, name))
    parser.add_argument(
        "--why", type=_reason, required=True, metavar="TEXT", help="is kept with the move"
    )
    return parser


def _of_kind(
    verbs: Commands, chosen: Settings, name: str, summary: str, do: Do
) -> argparse.ArgumentParser:
    parser = _command(verbs, chosen, name, summary, do)
    parser.add_argument("kind")
    return parser


def _command(
    verbs: Commands, chosen: Settings, name: str, summary: str, do: Do
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=summary, description=f"{summary.capitalize()}."
    )
    take_json(parser)
    parser.add_argument("--config", type=Path, metavar="FOLDER", help="default: the checkout's")
    take_ledger(parser, chosen.ledger)
    parser.set_defaults(do=do)
    return parser


def _reason(text: str) -> str:
    said = " ".join(text.split())
    if not (said.isprintable() and 0 < len(said) <= MOST_WHY):
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no reason: write 1 to {MOST_WHY:,} characters of text"
        )
    return said


# Each command imports what it needs: numpy and scipy take half a second.


def _list(arguments: argparse.Namespace) -> int:
    from router.migrations.showing import board

    return board(arguments.ledger, arguments.config, time.time(), as_json=arguments.json)


def _show(arguments: argparse.Namespace) -> int:
    from router.migrations.showing import history

    return history(
        arguments.ledger, arguments.kind, arguments.config, time.time(), as_json=arguments.json
    )


def _do_move(verb: Verb, arguments: argparse.Namespace) -> int:
    from router.migrations.operating import Order, move

    order = Order(
        kind=arguments.kind,
        verb=verb,
        share=getattr(arguments, "share", None),
        why=arguments.why,
        as_json=arguments.json,
    )
    return move(arguments.ledger, arguments.config, order, time.time())
