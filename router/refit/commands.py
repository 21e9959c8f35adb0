"""`tercet policy`, `labels` and `replay`: their arguments, and which function does them."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from router.arguments import screen_of, share_as, take_json, take_ledger, take_quiet
from router.terminal.progress import progress
from tercet.config import Settings
from tercet.learning import THRESHOLDS

Commands = Any  # argparse's own type is private
Do = Callable[[argparse.Namespace], int]


def add_policy(commands: Commands, chosen: Settings) -> None:
    """Add the commands about what was learned to those of `tercet`."""
    policy: argparse.ArgumentParser = commands.add_parser(
        "policy",
        help="fit, list, show, promote, roll back and freeze what routing has learned",
        description="docs/learning.md says how a version comes into force.",
    )
    verbs = policy.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    fit = _command(verbs, chosen, "fit", "fit a candidate from the ledger's labels", _fit)
    fit.add_argument("--config", type=Path, metavar="FOLDER", help="default: the checkout's")
    take_quiet(fit)
    _command(verbs, chosen, "list", "the versions, and which routes what", _list)
    show = _command(verbs, chosen, "show", "what a version was made from and expects", _show)
    show.add_argument("version")
    _add_promote(verbs, chosen)
    back = _command(
        verbs,
        chosen,
        "rollback",
        "end the canary; without one the version in force",
        _rollback,
        "In place of a version in force comes the one before it, or the plan's rule.",
    )
    _take_why(back)
    freeze = _command(
        verbs, chosen, "freeze", "have no version fitted or promoted at night", _freeze
    )
    which = freeze.add_mutually_exclusive_group(required=True)
    which.add_argument("--why", metavar="TEXT")
    which.add_argument("--off", action="store_true", help="end it")


def add_labels(commands: Commands, chosen: Settings) -> None:
    """Add the commands about labels to those of `tercet`."""
    labels: argparse.ArgumentParser = commands.add_parser(
        "labels",
        help="import labels, and list how many there are",
        description="A label says how good one arm's answer to a task was. docs/learning.md.",
    )
    verbs = labels.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    put = _command(
        verbs,
        chosen,
        "import",
        "read labels from a file, all or none of them",
        _import,
        "JSON lines: task_id, arm, quality (0 to 1) and source (shadow, test, judge, feedback); "
        "text or kind, for tasks that the ledger does not have; cost_usd and group.",
    )
    put.add_argument("file", type=Path, metavar="FILE.jsonl")
    put.add_argument("--config", type=Path, metavar="FOLDER", help="default: the checkout's")
    _command(verbs, chosen, "list", "how many labels there are by kind, arm and source", _labels)


def add_replay(commands: Commands, chosen: Settings) -> None:
    """Add `replay` to the commands of `tercet`."""
    parser = _command(
        commands,
        chosen,
        "replay",
        "what a version would have cost on the ledger's tasks, and how good it would have been",
        _replay,
        "Estimated from stored propensities, with intervals. docs/learning.md.",
    )
    parser.add_argument(
        "version", nargs="?", help="or `public`; default: the one in force, else public results"
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"a threshold at another value: {', '.join(THRESHOLDS)}",
    )
    parser.add_argument("--days", type=_days, metavar="N", help="default: window_days")
    take_quiet(parser)
    parser.add_argument("--config", type=Path, metavar="FOLDER", help="default: the checkout's")


def _add_promote(verbs: Commands, chosen: Settings) -> None:
    parser = _command(
        verbs, chosen, "promote", "put a version in force, whatever the gate says", _promote
    )
    parser.add_argument("version")
    parser.add_argument(
        "--share", type=share_as("0.05"), metavar="SHARE", help="as the canary, of the tasks"
    )
    _take_why(parser)


def _take_why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--why", required=True, metavar="TEXT", help="is kept with the version")


def _command(  # noqa: PLR0913  what a command is
    verbs: Commands, chosen: Settings, name: str, summary: str, do: Do, more: str = ""
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=summary, description=f"{summary.capitalize()}. {more}".strip()
    )
    take_json(parser)
    take_ledger(parser, chosen.ledger)
    parser.set_defaults(do=do)
    return parser


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= 36_500):
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is no number of days; write it as 30")
    return int(text)


# Each command imports what it needs: scikit-learn takes a second.


def _fit(arguments: argparse.Namespace) -> int:
    from router.refit.operating import fit

    with progress("fitting", screen_of(arguments)):
        return fit(arguments.ledger, arguments.config, time.time(), as_json=arguments.json)


def _list(arguments: argparse.Namespace) -> int:
    from router.refit.showing import versions

    return versions(arguments.ledger, time.time(), as_json=arguments.json)


def _show(arguments: argparse.Namespace) -> int:
    from router.refit.showing import version

    return version(arguments.ledger, arguments.version, as_json=arguments.json)


def _promote(arguments: argparse.Namespace) -> int:
    from router.refit.operating import Told, promote

    told = Told(why=arguments.why, now=time.time(), as_json=arguments.json)
    return promote(arguments.ledger, arguments.version, arguments.share, told)


def _rollback(arguments: argparse.Namespace) -> int:
    from router.refit.operating import Told, roll_back

    return roll_back(
        arguments.ledger, Told(why=arguments.why, now=time.time(), as_json=arguments.json)
    )


def _freeze(arguments: argparse.Namespace) -> int:
    from router.refit.operating import Told, freeze

    return freeze(
        arguments.ledger, Told(why=arguments.why, now=time.time(), as_json=arguments.json)
    )


def _replay(arguments: argparse.Namespace) -> int:
    from router.refit.replay_command import Wanted, show_replay

    wanted = Wanted(
        version=arguments.version,
        settings=arguments.settings,
        days=arguments.days,
        as_json=arguments.json,
        screen=screen_of(arguments),
    )
    return show_replay(arguments.ledger, arguments.config, wanted, time.time())


def _import(arguments: argparse.Namespace) -> int:
    from router.refit.importing import import_labels

    return import_labels(
        arguments.ledger, arguments.file, arguments.config, time.time(), as_json=arguments.json
    )


def _labels(arguments: argparse.Namespace) -> int:
    from router.refit.showing import label_counts

    return label_counts(arguments.ledger, as_json=arguments.json)
