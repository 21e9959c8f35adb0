"""`tercet keys`: what its arguments are, and which function does them."""

import argparse
import re
import secrets
import time
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from router.arguments import take_json, take_ledger
from tercet.config import Settings, load
from tercet.config_files import Usd
from tercet.usage import NANO_USD_PER_USD

Commands = Any  # argparse's own type is private

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SPAN = re.compile(r"([0-9]{1,6})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
MOST = 2**31 - 1
"""What a column of Postgres holds."""


def add_keys(commands: Commands, chosen: Settings) -> None:
    """Add the commands about the callers' keys to those of `tercet`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "keys",
        help="create, list, rotate and revoke the callers' API keys",
        description="A gateway that runs knows of a change within three seconds. The key of "
        "TERCET_API_KEY is none of these.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for add in (_add_create, _add_list, _add_rotate, _add_revoke):
        verb: argparse.ArgumentParser = add(verbs)
        take_json(verb)
        take_ledger(verb, chosen.ledger)


def _add_create(verbs: Commands) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "create",
        help="make a key and print it, this once",
        description="Prints the key alone on standard output. Only its hash is kept.",
    )
    parser.add_argument("name", type=_name, help="for rows and caps, such as night-batch")
    parser.add_argument("--month-usd", type=_nano_usd, metavar="USD", help="cap of a month")
    parser.add_argument("--requests-per-minute", type=_count, metavar="N")
    parser.add_argument("--concurrent", type=_count, metavar="N", help="requests under way")
    parser.add_argument("--tier", action="append", help="one it may use, any number of times")
    parser.add_argument("--model", action="append", help="one it may use, any number of times")
    parser.set_defaults(do=_create)
    return parser


def _add_list(verbs: Commands) -> argparse.ArgumentParser:
    parser = verbs.add_parser("list", help="the keys and what they may", description="All keys.")
    parser.set_defaults(do=_list)
    return parser


def _add_rotate(verbs: Commands) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "rotate",
        help="give a key a new secret and print it, this once",
        description="Name, limits and what was spent stay. The secret before the last one ends "
        "at once, whatever its overlap was.",
    )
    parser.add_argument("name")
    parser.add_argument(
        "--overlap",
        type=_span_s,
        default="24h",
        metavar="TIME",
        help="how long the last secret holds, as 90s, 30m, 24h, 7d; 0: not at all; default: 24h",
    )
    parser.set_defaults(do=_rotate)
    return parser


def _add_revoke(verbs: Commands) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "revoke",
        help="end a key for good",
        description="What is under way is answered. The name is not free again.",
    )
    parser.add_argument("name")
    parser.set_defaults(do=_revoke)
    return parser


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no name; write 1 to 64 of a-z, 0-9 and -, a letter or digit first"
        )
    return text


def _nano_usd(text: str) -> int:
    try:
        dollars: Decimal = TypeAdapter(Usd).validate_python(text)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no amount: {said}; write dollars as 19.99"
        ) from None
    return int(dollars * NANO_USD_PER_USD)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is no number from 1 to {MOST}")
    return int(text)


def _span_s(text: str) -> int:
    span = _SPAN.fullmatch(text)
    if span is None:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is no time; write it as 90s, 30m or 24h")
    return int(span[1]) * _SECONDS[span[2]]


# Each command imports what it needs: a ledger takes half a second.


def _create(arguments: argparse.Namespace) -> int:
    from router.books.keys import Limits, Session, create

    session = Session(ledger=arguments.ledger, now=time.time(), as_json=arguments.json)
    limits = Limits(
        month_cap_nano_usd=arguments.month_usd,
        requests_per_minute=arguments.requests_per_minute,
        concurrent=arguments.concurrent,
        tiers=arguments.tier,
        models=arguments.model,
    )
    return create(session, arguments.name, limits, load().catalog, secrets.token_bytes)


def _list(arguments: argparse.Namespace) -> int:
    from router.books.keys import Session, show

    return show(Session(ledger=arguments.ledger, now=time.time(), as_json=arguments.json))


def _rotate(arguments: argparse.Namespace) -> int:
    from router.books.keys import Session, rotate

    session = Session(ledger=arguments.ledger, now=time.time(), as_json=arguments.json)
    return rotate(session, arguments.name, arguments.overlap, secrets.token_bytes)


def _revoke(arguments: argparse.Namespace) -> int:
    from router.books.keys import Session, revoke

    session = Session(ledger=arguments.ledger, now=time.time(), as_json=arguments.json)
    return revoke(session, arguments.name)
