"""`tercet route`: what its arguments are."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from router.arguments import take_ledger
from tercet.config import Settings

Commands = Any  # argparse's own type is private

FLAGS = {
    "critical": ("is_critical", "the caller says that it is critical"),
    "design": ("requires_design", "... that it requires design"),
    "implementation": ("requires_implementation", "... that it requires implementation"),
    "routine": ("is_routine", "... that it is routine"),
}
"""Options by name: the hint that each gives, and its help."""


def add_route(commands: Commands, chosen: Settings) -> None:
    """Add `route` to the commands of `tercet`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "route",
        help="say what would be done with a task, and why",
        description="Profiles a task and routes it as the gateway would: by the version that is "
        "in force, or by the plan's rule. Nothing is sent to a provider and nothing is written.",
        epilog="examples: tercet route 'Summarise these notes: ...'; "
        "tercet route --file conversation.json --tools --key night-batch --json",
    )
    parser.add_argument("text", nargs="?", help="what is asked; -: read it from standard input")
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE.json",
        help="a conversation instead: a list of messages, or a whole request, as OpenAI's chat "
        "completions take them",
    )
    _take_hints(parser)
    parser.add_argument("--key", metavar="NAME", help="whose key asks; default: TERCET_API_KEY's")
    parser.add_argument(
        "--version", metavar="V", help="as if this one were in force (`tercet policy list`)"
    )
    take_ledger(parser, None)
    parser.add_argument("--json", action="store_true", help="for programs; has everything")
    parser.set_defaults(do=_route, default_ledger=chosen.ledger)


def _take_hints(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the caller says of the task")
    group.add_argument("--kind", help="the kind of work, of config/taxonomy.yaml")
    for name, (_, says) in FLAGS.items():
        group.add_argument(f"--{name}", action="store_true", help=says)
    group.add_argument("--model", metavar="NAME", help="a tier, a model or auto; default: auto")
    group.add_argument("--tools", action="store_true", help="tools are offered")
    group.add_argument("--deadline", metavar="S", help="within so many seconds it is wanted")


def _stdin() -> str:
    return sys.stdin.buffer.read().decode(errors="replace")


def _route(arguments: argparse.Namespace) -> int:
    # The price library takes a second.
    from router.asking.making import Wanted, make

    said = {name: "true" for option, (name, _) in FLAGS.items() if getattr(arguments, option)}
    given = {"kind": arguments.kind, "deadline_s": arguments.deadline}
    wanted = Wanted(
        text=_stdin() if arguments.text == "-" else arguments.text,
        file=arguments.file,
        said=said | {name: value for name, value in given.items() if value is not None},
        model=arguments.model,
        offers_tools=arguments.tools,
        key=arguments.key,
        version=arguments.version,
        ledger=arguments.ledger,
        as_json=arguments.json,
    )
    return make(wanted, arguments.default_ledger, time.time())
