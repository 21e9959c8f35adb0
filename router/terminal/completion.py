"""`tercet completion`: what a shell needs to complete the commands and their options."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

Commands = Any  # argparse's own type is private

SHELLS = ("bash", "zsh", "tcsh")


def add_completion(commands: Commands, whole: argparse.ArgumentParser) -> None:
    """Add `completion` to the commands of `tercet`; `whole` is the parser of all of them."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "completion",
        help="print what makes a shell complete this command",
        description="Prints a script for a shell; docs/commands.md says where it goes.",
        epilog="example: tercet completion bash > ~/.local/share/bash-completion/completions/"
        "tercet",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(do=partial(_completion, whole))


def leaves(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield every command that does something, by the words that lead to it."""
    verbs = _verbs(parser)
    if not verbs:
        yield path, parser
    for name, child in verbs.items():
        yield from leaves(child, (*path, name))


def _verbs(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    # argparse tells of its arguments in no other way; choices by name are those of commands.
    for action in parser._actions:  # noqa: SLF001
        choices: Any = action.choices
        if isinstance(choices, Mapping):
            return cast("Mapping[str, argparse.ArgumentParser]", choices)
    return {}


def _completion(whole: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    import shtab

    for _, parser in leaves(whole):
        for action in parser._actions:  # noqa: SLF001
            if action.type is Path:
                vars(action)["complete"] = shtab.FILE
    sys.stdout.write(f"{shtab.complete(whole, arguments.shell)}\n")
    return 0
