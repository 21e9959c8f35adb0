"""`tercet ask`: what its arguments are."""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from router.arguments import take_json
from tercet.config import PROJECT, environment, settings

Commands = Any  # argparse's own type is private


def add_ask(commands: Commands) -> None:
    """Add `ask` to the commands of `tercet`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "ask",
        help="ask a gateway that runs, and see the answer as it comes",
        description="The answer goes to standard output as it is said; what is done meanwhile and "
        "a receipt of one line go to standard error. Ctrl-C ends the request. Exit status 2 if "
        "there is no answer.",
        epilog="examples: tercet ask 'What is 17 * 23?'; tercet ask --file notes.md --model tier2 "
        "'Summarise this'; git diff | tercet ask --file - 'Review this'",
    )
    parser.add_argument("text", nargs="?", help="what is asked; -, or nothing: standard input")
    parser.add_argument(
        "--file",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a text to go with it, any number of times; -: standard input",
    )
    parser.add_argument(
        "--model", default="auto", metavar="NAME", help="auto, tier1, tier2, ..., local or a model"
    )
    parser.add_argument("--strict", action="store_true", help="every voice and every round")
    parser.add_argument(
        "--no-stream", action="store_true", help="print the answer when it is whole"
    )
    parser.add_argument(
        "--url",
        default=_url(environment()),
        help="of the gateway; default: TERCET_URL, else port PORT (8000) of this machine",
    )
    take_json(parser)
    parser.set_defaults(do=_ask)


def _url(variables: Mapping[str, str]) -> str:
    return variables.get("TERCET_URL") or f"http://127.0.0.1:{variables.get('PORT') or 8000}"


def _ask(arguments: argparse.Namespace) -> int:
    # The HTTP client takes a third of a second.
    import asyncio

    from router.terminal.ask.asking import Manner, Site, ask, http_of
    from router.terminal.ask.question import key_of, question_of

    question = question_of(
        arguments.text, arguments.file, sys.stdin, model=arguments.model, strict=arguments.strict
    )
    key, whose = key_of(settings().api_key, PROJECT / "var" / "api_key")
    site = Site(url=arguments.url, whose_key=whose)
    manner = Manner(
        out=sys.stdout,
        screen=sys.stderr,
        clock=time.monotonic,
        as_json=arguments.json,
        whole=arguments.no_stream,
    )

    async def asked() -> None:
        async with http_of(site, key) as http:
            await ask(question, site, http, manner)

    asyncio.run(asked())
    return 0
