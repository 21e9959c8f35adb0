"""`tercet gpu`: what its arguments are, and which function does them."""

import argparse
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from router.arguments import take_json

Commands = Any  # argparse's own type is private
Do = Callable[[argparse.Namespace], int]
Done = TypeVar("Done")

ANY = "0.0.0.0"  # noqa: S104  machines come from outside
_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def add_gpu(commands: Commands) -> None:
    """Add the commands about rented machines to those of `tercet`."""
    gpu: argparse.ArgumentParser = commands.add_parser(
        "gpu",
        help="look after the rented machine: what there is, what it costs, how it ends",
        description="docs/rental.md says what is rented when, and how it is set up. Environment: "
        "TERCET_LEDGER, TERCET_STATE (its folder `rental` is where machines come to).",
    )
    verbs = gpu.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    take_json(_command(verbs, "status", "what is rented, what it costs, what is wrong", _status))
    _add_watch(verbs)
    reconcile = _command(
        verbs,
        "reconcile",
        "settle the leases with the provider's bill, this month's and the last one's",
        _reconcile,
        "Exit status 1 if something was charged that no lease was of.",
    )
    take_json(reconcile)
    sshd = _command(verbs, "sshd", "be the sshd that machines come to, in the foreground", _sshd)
    sshd.add_argument("--address", default=ANY, help="to listen at; default: %(default)s")
    _add_head(verbs)
    _add_destroy(verbs)
    _add_offers(verbs)


def _add_watch(verbs: Commands) -> None:
    parser = _command(
        verbs,
        "watch",
        "be the safety net: needs neither Ray nor the gateway",
        _watch,
        "Asks the provider every watch_s (rental.yaml) what there is, puts right what is not as "
        "wanted, settles money every hour, and says each alert once. Ends on SIGTERM.",
    )
    parser.add_argument(
        "--once", action="store_true", help="one round; exit status 1 if there is an alert (cron)"
    )
    take_json(parser, "a line with the alerts of each round")


def _add_head(verbs: Commands) -> None:
    parser = _command(
        verbs,
        "head",
        "be the head of the Ray cluster that machines join, in the foreground",
        _head,
        "Needs RAY_AUTH_TOKEN. What stands after -- is given to `ray start`.",
    )
    parser.add_argument(
        "--print", action="store_true", help="only print the command and what its environment has"
    )
    parser.add_argument("more", nargs="*", metavar="MORE", help="further options of `ray start`")


def _add_destroy(verbs: Commands) -> None:
    parser = _command(
        verbs,
        "destroy",
        "end a machine for good, whatever it is doing",
        _destroy,
        "Its disk is lost, and nothing of it bills any more. Exit status 1 if something is left.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("lease", nargs="?", metavar="LEASE", help="as `tercet gpu status` names it")
    which.add_argument("--all", action="store_true", help="everything of this site")
    parser.add_argument("--yes", action="store_true", help="even if it is more than one")
    take_json(parser, "")


def _add_offers(verbs: Commands) -> None:
    parser = _command(verbs, "offers", "what the provider offers now, of what is wanted", _offers)
    take_json(parser)
    parser.add_argument(
        "--save", type=Path, metavar="FILE.yaml", help="for `tercet plan --offers FILE.yaml`"
    )


def _command(
    verbs: Commands, name: str, summary: str, do: Do, more: str = ""
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=summary, description=f"{summary.capitalize()}. {more}".strip()
    )
    parser.add_argument(
        "--config", type=Path, metavar="FOLDER", help="default: the checkout's config/"
    )
    parser.set_defaults(do=do)
    return parser


# Each command imports what it needs: providers' clients and the ledger take a second.


def _run(doing: Coroutine[Any, Any, Done]) -> Done:
    import asyncio

    return asyncio.run(doing)


def _status(arguments: argparse.Namespace) -> int:
    from router.gpu.status import status

    sys.stdout.write(_run(status(arguments.config, as_json=arguments.json)))
    return 0


def _watch(arguments: argparse.Namespace) -> int:
    from router.gpu.watching import watch

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_FORMAT)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line a request
    return _run(watch(arguments.config, once=arguments.once, as_json=arguments.json))


def _reconcile(arguments: argparse.Namespace) -> int:
    from router.gpu.reconciling import reconcile

    return _run(reconcile(arguments.config, as_json=arguments.json))


def _sshd(arguments: argparse.Namespace) -> int:
    from router.gpu.starting import sshd

    return sshd(arguments.config, arguments.address)


def _head(arguments: argparse.Namespace) -> int:
    from router.gpu.starting import head, print_head

    do = print_head if arguments.print else head
    return do(arguments.config, arguments.more)


def _destroy(arguments: argparse.Namespace) -> int:
    from router.gpu.destroying import destroy

    lease = None if arguments.all else arguments.lease
    return _run(destroy(arguments.config, lease, is_sure=arguments.yes, as_json=arguments.json))


def _offers(arguments: argparse.Namespace) -> int:
    from router.gpu.offering import offers

    return offers(arguments.config, arguments.save, as_json=arguments.json)
