"""Migrations, as tests want them; and texts whose conversations, of the key `team`, lie in known
places: 0.045, 0.142, 0.273 and 0.959.
"""

from dataclasses import dataclass, field, replace

from fakes.taught import CONFIG

from router.choices import Migrations
from tercet.migration import Migration, Transition

HELD_OUT = "Which year is it? 5"
EARLY = "Which year is it? 23"
MIDDLE = "Which year is it? 3"
LATE = "Which year is it? 18"
RULES = replace(CONFIG.migrations, phase="migrate")


def migration(state="baseline", share: float = 0.0, kind: str = "lookup") -> Migration:
    """Return where a kind is; `share` is of a canary."""
    share = 1.0 if state == "promoted" else share
    return Migration(kind=kind, state=state, share=share, since=0.0, seq=1)


def transition(seq: int, come_from, to, share: float = 0.0, kind: str = "lookup") -> Transition:
    return Transition(
        kind=kind, seq=seq, come_from=come_from, to=to, share=share, why="a test", by="gate",
        evidence="{}", at=float(seq),
    )  # fmt: skip


def migrations(state="baseline", share: float = 0.0, **rules) -> Migrations:
    """Return a snapshot in which lookups are in this state; by other rules, if it is told some."""
    return Migrations(rules=replace(RULES, **rules), moved={"lookup": migration(state, share)})


@dataclass
class Moves:
    """A ledger that keeps migrations, which may be away."""

    rows: list = field(default_factory=list)
    seen: list = field(default_factory=list)
    """Looks."""
    down: bool = False

    async def migrations(self):
        if self.down:
            raise OSError("scripted")
        return self.rows

    async def looks(self):
        return self.seen
