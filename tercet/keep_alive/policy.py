"""What a keep-alive policy is told, and what it says.

A policy is a frozen value: what it is set to, and what it has seen. Folding it over the ledger's
closed minutes rebuilds it after a restart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

MINUTE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Economics:
    """What having the GPU costs. A stopped disk is left out: it is paid either way."""

    hourly_nano_usd: int
    """Of the machine while it runs, warm or not."""
    start_s: float
    """From asking for it until it answers, boot and load, as learned from past starts."""
    min_run_s: float = 0.0
    """The least time it is kept once it was asked for, its start included."""

    @property
    def minute_nano_usd(self) -> int:
        """What a minute of it costs."""
        return round(self.hourly_nano_usd / MINUTE_S)

    @property
    def start_nano_usd(self) -> float:
        """What the machine costs in one start, before it answers anything."""
        return self.hourly_nano_usd * self.start_s / 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A closed minute. Every minute has one, also those in which nothing arrived."""

    at: float
    """Its start, Unix seconds."""
    arrivals: int
    """Requests the local model could have answered, wherever they went."""
    saved_nano_usd: int
    """What the API has cost, or would have cost, for those of them whose price is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether the GPU is wanted in the minute after a tick."""

    on: bool
    why: str
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])
    """What was compared, for the log. Prices in USD, rates an hour."""


class Policy(Protocol):
    """A way to decide; a value. Its decisions use nothing but past ticks."""

    @property
    def name(self) -> str:
        """What it is called in settings and on the console."""
        ...

    def decide(self, tick: Tick, economics: Economics, *, is_on: bool) -> tuple[Self, Decision]:
        """Return the policy after a minute, and whether the GPU is wanted in the next.

        `is_on`: it was asked for during that minute, warm or not.
        """
        ...
