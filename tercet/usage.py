"""Tokens in buckets that never overlap, and money in integer nano-dollars."""

from dataclasses import dataclass
from decimal import Decimal

NANO_USD_PER_USD = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one attempt. Buckets never overlap, so totals are sums.

    Adapters convert providers that count inclusively; a negative bucket is their bug.
    """

    fresh_input: int = 0
    """Input tokens billed at the full rate."""
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    """Everything generated, thinking included."""
    thinking: int = 0
    """The part of `output` that was thinking: for display, never added to a sum."""

    def __post_init__(self) -> None:
        """Refuse what no provider can have counted."""
        for name in ("fresh_input", "cache_read", "cache_write_5m", "cache_write_1h", "output"):
            count = getattr(self, name)
            if count < 0:
                raise ValueError(f"Usage.{name} is {count}; token buckets cannot be negative")

    @property
    def input(self) -> int:
        """All input tokens, cached or not."""
        return self.fresh_input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    def __add__(self, other: "Usage") -> "Usage":
        """Add bucket by bucket."""
        return Usage(
            fresh_input=self.fresh_input + other.fresh_input,
            cache_read=self.cache_read + other.cache_read,
            cache_write_5m=self.cache_write_5m + other.cache_write_5m,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            output=self.output + other.output,
            thinking=self.thinking + other.thinking,
        )


def usd(nano_usd: int) -> str:
    """Return dollars with all nine decimals."""
    return f"{Decimal(nano_usd) / NANO_USD_PER_USD:.9f}"
