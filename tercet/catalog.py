"""What exists: models, and the tiers that seat them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

LOCAL = "local"
"""The tier of the local model, where there is one, and the name that callers have for it."""
ProviderName = Literal["anthropic", "google", "local"]
CompositionName = Literal["memory_brain", "lead_junior", "consensus", "single"]
Role = Literal["brain", "memory", "lead", "junior", "member", "single", "shadow", "judge"]
"""`shadow` and `judge` speak off the request path, and no caller hears them."""
Skill = Literal[
    "images",
    "documents",
    "tools",
    "forced_tools",
    "serial_tools",
    "schemas",
    "effort",
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "seed",
]
"""What a model takes beside text. `forced_tools`: a call can be demanded. `serial_tools`: it can be
held to one call a turn. `schemas`: its output can be held to a JSON schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One thing that can answer."""

    name: str
    """Our name, the one callers use; also the provider's id."""
    provider: ProviderName
    window_tokens: int
    """Most input and output tokens together."""
    max_output_tokens: int
    takes: frozenset[Skill] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name that clients use and no provider has."""

    pattern: str
    """A shell pattern, matched without regard to case."""
    model: str
    """What it stands for: `auto`, a tier, or a model."""


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
    aliases: tuple[Alias, ...] = ()
    """The first that matches a name counts."""

    def alias_of(self, name: str) -> str | None:
        """Return what a name that is no model's stands for."""
        matching = (a.model for a in self.aliases if fnmatchcase(name.lower(), a.pattern.lower()))
        return next(matching, None)

    def hosts_of(self, model: str) -> tuple[str, ...]:
        """Return the names of the tiers that seat `model`: any of their proxies can call it."""
        return tuple(
            tier.name
            for tier in self.tiers.values()
            if any(seat.model == model for seat in tier.seats)
        )
