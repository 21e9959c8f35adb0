"""`tercet doctor --security`: which doors of a running system are open, seen from here."""

import argparse
import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from router.doctor.doors import PORTS, Finding, look_at_port
from router.doctor.front import look_at_front
from router.doctor.probing import origin_of
from router.doctor.this_host import look_at_host
from tercet.config import PROJECT, environment, settings

AT_ONCE = 16
MOST_PORTS = 1000
NARROWEST = 60
URL = "http://127.0.0.1:8000"


def take_security(parser: argparse.ArgumentParser) -> None:
    """Add `--security` and what goes with it."""
    security = parser.add_argument_group(
        "the doors of a system that runs",
        "Run it from a machine outside: from within, ports of loopback answer, as they should. "
        "No request of it changes anything. docs/security.md says what is asked.",
    )
    security.add_argument(
        "--security",
        action="store_true",
        help="probe a running system, and this host's files, in place of the card; exit status 1 "
        "if a door is open, 2 if one could not be looked at",
    )
    security.add_argument("--url", default=URL, help=f"the gateway's address; default: {URL}")
    security.add_argument("--host", help="where ports are tried; default: the host of --url")
    security.add_argument(
        "--ports",
        type=ports_of,
        default=tuple(PORTS),
        metavar="N,N-N",
        help="which are tried; default: those of Ray, Serve and HAProxy",
    )


def ports_of(text: str) -> tuple[int, ...]:
    """Read ports such as `8265,52365-52367`."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = [
            end for end in (first, last if dash else first) if end.isascii() and end.isdecimal()
        ]
        low, high = (int(end[:6]) for end in ends) if len(ends) == 2 else (0, 0)
        if not 0 < low <= high < 65_536:
            raise argparse.ArgumentTypeError(
                f"{part[:40]!r} is no port; write them as 8265,52365-52367"
            )
        found += range(low, min(high + 1, low + MOST_PORTS + 1))
    if len(found) > MOST_PORTS:
        raise argparse.ArgumentTypeError(f"at most {MOST_PORTS} ports are tried at once")
    return tuple(dict.fromkeys(found))


def look(arguments: argparse.Namespace) -> int:
    """Print what was found, and return the exit status.

    Raises:
        ConfigError: the address is none.
    """
    findings = look_around(arguments.url, arguments.host, arguments.ports)
    findings += look_at_host(
        environment(),
        settings().ledger,
        {
            "the key of `make run`": PROJECT / "var" / "api_key",
            "Ray's token": Path.home() / ".ray" / "auth_token",
        },
    )
    if arguments.json:
        said = json.dumps([asdict(finding) for finding in findings], indent=2) + "\n"
    else:
        said = "\n".join(as_lines(findings, shutil.get_terminal_size().columns)) + "\n"
    sys.stdout.write(said)
    verdicts = {finding.verdict for finding in findings}
    return 1 if "open" in verdicts else 2 if "unknown" in verdicts else 0


def look_around(url: str, host: str | None, ports: Sequence[int]) -> list[Finding]:
    """Look at the gateway's address and at every port but its own.

    Raises:
        ConfigError: the address is none.
    """
    origin = origin_of(url)
    host = host or origin.host
    others = [port for port in ports if (host, port) != (origin.host, origin.port)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        doors = pool.map(partial(look_at_port, host), others)
        return [*look_at_front(origin, time.time()), *doors]


def as_lines(findings: Sequence[Finding], width: int) -> Iterator[str]:
    """Yield a table, what was found wrapped in its column; then what to do."""
    headings = ("", "what", "expected", "found")
    rows = [(one.verdict, one.what, one.expected, one.found) for one in findings]
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(3)]
    rest = max(NARROWEST, width - sum(widths) - 6)
    for row in (headings, *rows):
        first, *more = textwrap.wrap(row[3], rest) or [""]
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=False)]
        yield "  ".join([*cells, first])
        yield from (" " * (sum(widths) + 6) + line for line in more)
    yield ""
    wrong = [one for one in findings if one.verdict != "shut"]
    for one in wrong:
        yield f"{one.verdict}: {one.what}: {one.remedy}"
    yield f"{len(wrong)} of {len(findings)} not shut" if wrong else "everything is shut"
