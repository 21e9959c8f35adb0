"""Logged tasks that deferral is fitted from, and what may be chosen of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one arm made of a task; `None` is unknown."""

    quality: float | None
    """From 0 to 1."""
    nano_usd: int | None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One logged task, with the answers there are to it."""

    kind: str
    said: Mapping[str, Said]
    """By arm. An arm that failed is not here; nor is one that was not asked."""
    agree: Mapping[tuple[str, str], bool]
    """Whether two arms agree, by both in alphabetic order. A pair of which one arm failed is
    `False`; a pair that was not asked is not here."""
    consensus: Mapping[tuple[str, str], Said] = field(default_factory=dict[tuple[str, str], Said])
    """What critique rounds came to, all calls' cost together; by both arms likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What may be chosen, and what is wanted."""

    strongs: tuple[str, ...]
    """Arms that may decide; the first is what quality is measured against."""
    pairs: tuple[tuple[str, str], ...]
    """Arms of two families that may be compared; each may be the one that is preferred."""
    singles: tuple[str, ...] = ()
    """Arms that may answer alone."""
    tolerance: float = 0.0
    """The share of the strong arm's quality that may be lost, over all tasks together."""
    cost_share: float | None = None
    """The share of the strong arm's cost that may be spent, over all tasks together; then the most
    quality is bought for it. `None`: as little is spent as the tolerance allows."""
    weight: float | None = None
    """Quality that a US dollar must bring; then neither bound holds."""
    prior: float = 15.0
    """How many tasks of its own the other kinds' mean counts for."""
    caution: float = 0.5
    """By how many standard errors an estimate is lowered, so that luck is not chosen."""
