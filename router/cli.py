"""The command `tercet`: `run` a whole system on this machine, `reconcile` its books."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from router.foreground import in_foreground
from router.reconcile import reconcile
from router.run import run
from tercet.config import PROJECT, settings
from tercet.errors import TercetError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        arguments = _parser().parse_args(argv)
        if arguments.command == "run":
            return in_foreground([sys.executable, "-m", "router.cli", "system"])
        if arguments.command == "system":
            return run()
        return reconcile(arguments.ledger, arguments.bill)
    except TercetError as error:
        sys.stderr.write(f"tercet: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tercet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="{run,reconcile}")
    commands.add_parser(
        "run",
        help="start everything on this machine, in the foreground",
        description="Starts Ray Serve with the gateway on loopback and, without provider keys, the "
        "simulated upstreams; stops all of it on Ctrl-C or SIGTERM. Environment: PORT (8000), "
        "TERCET_API_KEY (else one is made and kept in var/api_key), TERCET_LEDGER "
        "(var/ledger.sqlite3), ANTHROPIC_API_KEY, GEMINI_API_KEY, ANTHROPIC_BASE_URL, "
        "GOOGLE_GEMINI_BASE_URL, TERCET_LOCAL_AVAILABLE (0).",
    )
    commands.add_parser("system", description="What `run` starts: ends when standard input does.")
    books = commands.add_parser(
        "reconcile",
        help="compare the ledger with the simulated upstreams' billing log",
        description="Prints both sums by model in nano-USD. Exit status 1 if any differ.",
    )
    books.add_argument(
        "--ledger", type=Path, default=settings().ledger, help="default: %(default)s"
    )
    books.add_argument(
        "--bill",
        type=Path,
        default=PROJECT / "var" / "simulated-billing.jsonl",
        help="default: %(default)s",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
