"""The command `tercet`: `run` a whole system on this machine, keep its keys and its books."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from router.asking.command import add_route
from router.books.commands import add_commands
from router.books.keys_command import add_keys
from router.doctor.command import add_doctor
from router.golden.commands import add_compositions, add_golden
from router.gpu.commands import add_gpu
from router.migrations.commands import add_migration
from router.plan.command import add_plan
from router.refit.commands import add_labels, add_policy, add_replay
from router.report.command import add_report
from router.terminal.ask.command import add_ask
from router.terminal.completion import add_completion
from router.terminal.top.command import add_top
from tercet.config import settings
from tercet.errors import TercetError

Commands = Any  # argparse's own type is private

_INTERRUPTED = 130  # 128 and SIGINT, as shells count
_CUT_OFF = 141  # 128 and SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        arguments = parser().parse_args(argv)
    except TercetError as error:
        return _failed(error)
    try:
        status: int = arguments.do(arguments)
        sys.stdout.flush()
    except _expected() as error:
        return _failed(error)
    except KeyboardInterrupt:
        sys.stderr.write("tercet: stopped\n")
        return _INTERRUPTED
    except BrokenPipeError:
        # Who read has seen enough; the interpreter would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CUT_OFF
    return status


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line.

    Raises:
        ConfigError: the environment says something that cannot be.
    """
    whole = argparse.ArgumentParser(prog="tercet", description=__doc__)
    commands = whole.add_subparsers(
        dest="command",
        required=True,
        metavar="{run,ask,top,keys,ledger,reconcile,prices,doctor,plan,gpu,route,policy,labels,"
        "replay,migration,report,golden,compositions,completion}",
    )
    _add_run(commands)
    chosen = settings()
    add_ask(commands)
    add_top(commands, chosen)
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
    add_completion(commands, whole)
    return whole


def _add_run(commands: Commands) -> None:
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


# The ledger takes a third of a second and `run` needs an HTTP client: each where it is used.


def _foreground(_: argparse.Namespace) -> NoReturn:
    # In our place: all that we have imported would be kept for nothing, 17 MB, while it waits.
    system = [sys.executable, "-m", "router.cli", "system"]
    os.execv(sys.executable, [sys.executable, "-m", "router.foreground", *system])  # noqa: S606


def _system(_: argparse.Namespace) -> int:
    from router.run import run

    return run()


def _expected() -> tuple[type[Exception], ...]:
    """Return what is raised on purpose; asked only once something was raised."""
    from deployments.ledger import LedgerError

    return TercetError, LedgerError


def _failed(error: Exception) -> int:
    sys.stderr.write(f"tercet: {error}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
