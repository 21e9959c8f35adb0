"""`tercet ledger backup` and `restore`: what their arguments are."""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from router.arguments import screen_of, take_json, take_quiet

Commands = Any  # argparse's own type is private


def add_backup(verbs: Commands) -> argparse.ArgumentParser:
    """Add the command that backs up; the caller adds `--ledger`."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "backup",
        help="copy the ledger to another disk, once or for as long as it runs",
        description="Writes a snapshot that has been looked over. With --every it goes on: another "
        "snapshot each time, and every second what the journal has more, so that a lost disk costs "
        "the last second.",
        epilog="examples: tercet ledger backup --to /mnt/other; "
        "tercet ledger backup --to /mnt/other --every 3600 --keep 48",
    )
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="best on another disk"
    )
    parser.add_argument(
        "--every", type=_seconds, metavar="SECONDS", help="go on, with a snapshot that often"
    )
    parser.add_argument(
        "--keep", type=_count, default=24, metavar="N", help="snapshots; default: %(default)s"
    )
    take_json(parser, "a line for each snapshot")
    take_quiet(parser)
    parser.set_defaults(do=_backup)
    return parser


def add_restore(verbs: Commands) -> None:
    """Add the command that restores."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "restore",
        help="make a ledger from its backups",
        description="Takes the newest snapshot and all that the journal has after it, looks the "
        "ledger over, and says up to when it goes. Writes over nothing.",
        epilog="examples: tercet ledger restore --from /mnt/other --to var/ledger.sqlite3; "
        "tercet ledger restore --from /mnt/other --to old.sqlite3 --at 2026-11-29T09:00",
    )
    parser.add_argument(
        "--from", type=Path, required=True, dest="folder", metavar="FOLDER", help="of backups"
    )
    parser.add_argument("--to", required=True, metavar="PATH", help="where nothing is yet")
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--at",
        type=_moment,
        metavar="TIME",
        help="the newest snapshot until then, as it was: 2026-11-29T09:00 (UTC)",
    )
    either.add_argument(
        "--journal",
        type=Path,
        metavar="FOLDER",
        help="the lost ledger's own journal, if that is left: then no row is missing",
    )
    take_json(parser, "says what was restored")
    take_quiet(parser)
    parser.set_defaults(do=_restore)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 1 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text[:100]!r}: write seconds from 1 up, as 3600")
    return found


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text[:100]!r}: write a whole number from 1 up")
    return int(text)


def _moment(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text[:100]!r} is no time; write it as 2026-11-29T09:00"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


# The ledger takes a third of a second to import.


def _backup(arguments: argparse.Namespace) -> int:
    from router.books.backup import Backup, backup

    wanted = Backup(
        to=arguments.to.absolute(),
        every_s=arguments.every,
        keep=arguments.keep,
        as_json=arguments.json,
        screen=screen_of(arguments),
    )
    return backup(arguments.ledger, wanted)


def _restore(arguments: argparse.Namespace) -> int:
    from router.books.backup_restoring import Restore, restore

    wanted = Restore(
        folder=arguments.folder.absolute(),
        to=arguments.to,
        at=arguments.at,
        journal=arguments.journal,
        as_json=arguments.json,
        screen=screen_of(arguments),
    )
    return restore(wanted, time.time())
