"""The command `tercet`: `run` a whole system on this machine, keep its keys and its books."""

import argparse
import sys
from collections.abc import Sequence

from deployments.ledger import LedgerError
from router.asking.command import add_route
from router.books.commands import add_commands
from router.books.keys_command import add_keys
from router.doctor.command import add_doctor
from router.foreground import in_foreground
from router.golden.commands import add_compositions, add_golden
from router.gpu.commands import add_gpu
from router.migrations.commands import add_migration
from router.plan.command import add_plan
from router.refit.commands import add_labels, add_policy, add_replay
from router.report.command import add_report
from router.run import run
from tercet.config import settings
from tercet.errors import TercetError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        arguments = _parser().parse_args(argv)
        return arguments.do(arguments)
    except (TercetError, LedgerError) as error:
        sys.stderr.write(f"tercet: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tercet", description=__doc__)
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="{run,keys,ledger,reconcile,prices,doctor,plan,gpu,route,policy,labels,replay,migration,"
        "report,golden,compositions}",
    )
    foreground = commands.add_parser(
        "run",
        help="start everything on this machine, in the foreground",
        description="Starts Ray Serve with the gateway on loopback and, without provider keys, the "
        "simulated upstreams; stops all of it on Ctrl-C or SIGTERM. Environment: PORT (8000), "
        "TERCET_API_KEY (else one is made and kept in var/api_key), TERCET_LEDGER "
        "(var/ledger.sqlite3, or a postgresql:// URL), TERCET_MONTH_CAP_USD, TERCET_REPLICAS (1), "
        "ANTHROPIC_API_KEY, GEMINI_API_KEY, ANTHROPIC_BASE_URL, "
        "GOOGLE_GEMINI_BASE_URL, TERCET_LOCAL (off, gpu or cpu), TERCET_PHASE.",
    )
    foreground.set_defaults(do=_foreground)
    system = commands.add_parser(
        "system", description="What `run` starts: ends when standard input does."
    )
    system.set_defaults(do=_system)
    chosen = settings()
    add_keys(commands, chosen)
    add_commands(commands, chosen)
    add_doctor(commands)
    add_plan(commands, chosen)
    add_gpu(commands)
    add_route(commands, chosen)
    add_policy(commands, chosen)
    add_labels(commands, chosen)
    add_replay(commands, chosen)
    add_migration(commands, chosen)
    add_report(commands, chosen)
    add_golden(commands, chosen)
    add_compositions(commands, chosen)
    return parser


def _foreground(_: argparse.Namespace) -> int:
    return in_foreground([sys.executable, "-m", "router.cli", "system"])


def _system(_: argparse.Namespace) -> int:
    return run()


if __name__ == "__main__":
    sys.exit(main())
