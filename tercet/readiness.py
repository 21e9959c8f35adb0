"""Whether the local model can answer now, and how long its past starts took."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ReadinessKind = Literal["ready", "warming", "asleep", "away"]
"""`ready`: a replica answers. `warming`: one is loading. `asleep`: there is none, and there could
be. `away`: its node is out of reach, or it fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """A snapshot of the local replica."""

    kind: ReadinessKind
    since: float | None = None
    """Unix seconds at which the start that is under way was asked for, while `warming`; or while
    `asleep`, if the replica was woken and does not load yet. `None`: no start, or nobody knows."""
    why: str
    """In words that a caller may read."""

    @property
    def is_starting(self) -> bool:
        """Whether it will be ready without anybody doing anything more."""
        return self.kind == "warming" or (self.kind == "asleep" and self.since is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A start of the local replica that ended in an answer."""

    at: float
    """Unix seconds at which it was asked for."""
    phases: Mapping[str, float]
    """Seconds by phase, in the order they came."""
    total_s: float
    """From being asked for to being ready: at least the sum of the phases."""
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReport:
    """What a proxy of the local model tells those who route."""

    readiness: Readiness
    starts: tuple[Start, ...]
    """The newest first."""
