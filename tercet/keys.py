"""API keys: who may ask, and for what."""

from dataclasses import dataclass

DEFAULT_KEY = "default"
"""Public id of the key that the environment names (`TERCET_API_KEY`); it may use every tier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of `config/keys.yaml`. Its secret is known by its hash only."""

    id: str
    """Public: it is in ledger rows and in the names of caps."""
    sha256: str
    """Of the key's UTF-8 bytes, in lower-case hex."""
    tiers: frozenset[str] | None
    """The tiers it may use, `local` among them; `None`: every one."""
