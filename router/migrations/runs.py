"""Where each kind is on its way, and since when what is seen of it counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tercet.migration import Migration, Transition
from tercet.task import TaskKind

MONTH_S: Final = 30 * 86_400.0
"""What is told by the month is told of 30 days."""


Verb = Literal["promote", "rollback", "resume", "shadow"]
"""What an operator may do to a kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A kind's present way from `shadow` on, or its last one where it was rolled back."""

    migration: Migration
    begun: float | None
    """When it came into `shadow` last, Unix seconds, or to wherever an operator had it begin.
    `None`: it has never moved."""

    def since(self, now: float) -> float:
        """Return from when on its tasks count: what is 30 to 60 days back, or where it begun.

        An interval that holds at every look has a fixed beginning, so it cannot move with the day;
        once a month it does.
        """
        if self.begun is None:
            return now - 2 * MONTH_S
        return self.begun + max(0.0, (now - self.begun) // MONTH_S - 1) * MONTH_S


def runs(kinds: Iterable[TaskKind], transitions: Iterable[Transition]) -> Mapping[TaskKind, Run]:
    """Return the run of each kind, of those too that have moved and are in no file any more.

    Args:
        kinds: that may move.
        transitions: of all kinds, a kind's in their order.
    """
    found = {
        kind: Run(
            migration=Migration(kind=kind, state="baseline", share=0.0, since=0.0, seq=0),
            begun=None,
        )
        for kind in kinds
    }
    for move in transitions:
        last = found.get(move.kind)
        begun = None if last is None else last.begun
        if begun is None or move.to == "shadow" or move.come_from == "rolled_back":
            begun = move.at
        found[move.kind] = Run(migration=move.migration, begun=begun)
    return found
