"""What exists: models, and the tiers that seat them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ProviderName = Literal["anthropic", "google", "local"]
CompositionName = Literal["memory_brain", "lead_junior", "consensus", "single"]
Role = Literal["brain", "memory", "lead", "junior", "member", "single"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One thing that can answer."""

    name: str
    """Our name, the one callers use; also the provider's id."""
    provider: ProviderName
    window_tokens: int
    """Most input and output tokens together."""
    max_output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TierSeat:
    """A role of a tier and the model that takes it."""

    role: Role
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """An ordered class of capability, answered by one composition from one proxy."""

    name: str
    composition: CompositionName
    seats: tuple[TierSeat, ...]
    """The answering seat first (brain, lead); the members of a consensus in order of preference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Every model and tier, cross-checked by `tercet.config`."""

    models: Mapping[str, Model]
    tiers: Mapping[str, Tier]
    """Most capable first."""

    def hosts_of(self, model: str) -> tuple[str, ...]:
        """Return the names of the tiers that seat `model`: any of their proxies can call it."""
        return tuple(
            tier.name
            for tier in self.tiers.values()
            if any(seat.model == model for seat in tier.seats)
        )
