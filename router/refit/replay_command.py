"""`tercet replay`: what a version would have cost, and how good it would have been."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

from deployments.ledger.inspection import inspected
from router.books.table import table
from router.learning.document import Policy
from router.learning.off_policy import Estimate, NoVerdict
from router.refit.books import PUBLIC, Desk, policy_of, read
from router.refit.making import MONTH_S, Given
from router.refit.replaying import Replay, Told, replay
from router.refit.thresholds import moved, settings_of
from router.terminal.progress import progress
from tercet.config import load
from tercet.errors import ConfigError
from tercet.usage import NANO_USD_PER_USD

_DAY_S = 24 * 3600.0
_HEADINGS = ("", "tasks", "was", "would be", "difference", "95 % interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an operator asks to replay."""

    version: str | None
    """`None`: the one in force; `public`: the public results."""
    settings: Sequence[str] = ()
    """NAME=VALUE."""
    days: int | None = None
    """`None`: as many as learning reads."""
    as_json: bool = False
    screen: TextIO | None = None
    """Where it is said how far it is."""


def show_replay(ledger: str, folder: Path | None, wanted: Wanted, now: float) -> int:
    """Print a replay; return 0.

    Raises:
        ConfigError: there is no such version or threshold.
        LedgerError: the ledger cannot be read.
    """
    config = load(folder)
    if wanted.days is not None:
        learning = replace(config.learning, window_s=wanted.days * _DAY_S)
        config = replace(config, learning=learning)
    settings = settings_of(list(wanted.settings))
    with progress("reading the ledger's tasks", wanted.screen):
        given = read(Desk(ledger=ledger, config=config, folder=folder, now=now))
        policy = moved(_policy(ledger, wanted.version, given), settings)
    sys.stderr.write(f"replaying {policy.version} on {len(given.tasks)} tasks\n")
    with progress(f"replaying {policy.version}", wanted.screen):
        found = replay(policy, given)
    if wanted.as_json:
        sys.stdout.write(f"{json.dumps(asdict(found))}\n")
    else:
        sys.stdout.write("\n".join(_text(found, given)) + "\n")
    return 0


def _policy(ledger: str, version: str | None, given: Given) -> Policy:
    if version == "public" or (version is None and given.in_force is None):
        if given.cold is None:
            raise ConfigError(f"there are no {PUBLIC}: config/priors.yaml is missing")
        return given.cold
    if version is None:
        assert given.in_force is not None  # noqa: S101  just looked at
        return given.in_force
    with inspected(ledger) as books:
        found = policy_of(books, version)
        names = [row.version for row in books.policies()]
    if found is None:
        known = ", ".join(["public", *names])
        raise ConfigError(f"there is no version {version[:100]!r}; there are {known}")
    return found


def _text(found: Replay, given: Given) -> Iterator[str]:
    settings = ", ".join(f"{name} {value:g}" for name, value in found.thresholds.items())
    days = given.terms.rules.window_s / _DAY_S
    yield f"{found.version} ({settings}) on the tasks of {days:g} days"
    yield (
        f"{found.tasks} tasks were drawn and are covered, {found.changed} of them would go to "
        f"another arm; left out: {found.forced} that were forced, {found.outside} on which it "
        "would play an arm that was not tried there"
    )
    lines = [
        _line("USD a task", found.cost, NANO_USD_PER_USD),
        _line("quality", found.quality, 1),
        _pairs(found),
    ]
    yield table(_HEADINGS, lines).rstrip("\n")
    told = found.cost.difference
    if isinstance(told, Estimate):
        scale = found.tasks * MONTH_S / given.terms.rules.window_s / NANO_USD_PER_USD
        low, high = told.low * scale, told.high * scale
        yield f"a month of such tasks: {told.value * scale:+.2f} USD [{low:+.2f}, {high:+.2f}]"
    for name, side in (("cost", found.cost), ("quality", found.quality)):
        if isinstance(side.difference, NoVerdict):
            yield f"{name}: {side.difference.why}"
    for arm, share in sorted(found.arms.items(), key=lambda one: -one[1]):
        yield f"  {share:6.1%}  {arm}"
    yield "Estimated from the propensities of the tasks' rows, without their text; for one look."


def _line(name: str, told: Told, unit: int) -> tuple[str, ...]:
    was = "-" if told.logged is None else f"{told.logged / unit:.6f}"
    if isinstance(told.replayed, NoVerdict) or isinstance(told.difference, NoVerdict):
        return (name, str(told.rows), was, "-", "-", "no verdict")
    moved_by = told.difference
    return (
        name,
        str(told.rows),
        was,
        f"{told.replayed.value / unit:.6f}",
        f"{moved_by.value / unit:+.6f}",
        f"[{moved_by.low / unit:+.6f}, {moved_by.high / unit:+.6f}]",
    )


def _pairs(found: Replay) -> tuple[str, ...]:
    pairs = found.pairs
    if not pairs.groups:
        return ("quality, both answered", "0", "", "", "-", "no pairs")
    return (
        "quality, both answered",
        str(pairs.groups),
        "",
        "",
        f"{pairs.value:+.6f}",
        f"[{pairs.low:+.6f}, {pairs.high:+.6f}]",
    )
