"""How far the ledger's amounts may be trusted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from router.report.measures import Measure, Window, counted, unknown
from router.report.seen import UNREAD, Checks, Place, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Honesty:
    """A window's attempts."""

    window: Window
    attempts: int
    simulated: int
    estimated: Measure
    """Share of what was spent that no provider has counted."""
    estimated_attempts: int
    orphans: int
    """Their process ended before their bill was known; they count at their upper bound."""
    under_way: int
    held: Measure
    """What those under way may cost at most; not in any cost here."""
    without_task: Measure
    """What attempts cost whose task cannot be read."""
    unread: int
    """Tasks whose rows cannot be read."""


def honesty(checks: Checks, places: Mapping[Place, Tally], window: Window, unread: int) -> Honesty:
    """Say how far a window's amounts may be trusted."""
    lost = _nano_usd(tally for (kind, _, _), tally in places.items() if kind == UNREAD)
    return Honesty(
        window=window,
        attempts=checks.attempts,
        simulated=checks.simulated,
        estimated=counted(checks.estimated_nano_usd / checks.nano_usd, "share")
        if checks.nano_usd
        else unknown("share"),
        estimated_attempts=checks.estimated,
        orphans=checks.orphans,
        under_way=checks.under_way,
        held=counted(checks.held_nano_usd, "nano_usd"),
        without_task=counted(lost, "nano_usd"),
        unread=unread,
    )


def _nano_usd(tallies: Iterable[Tally]) -> int:
    return sum(tally.nano_usd for tally in tallies)
