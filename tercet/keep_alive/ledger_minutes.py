"""The ledger's minutes as policies see them, and every policy on them at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from tercet.keep_alive.policy import MINUTE_S, Economics, Tick
from tercet.keep_alive.settings import KeepAliveSettings, PolicyName, policy_of
from tercet.keep_alive.shadow import Shadow
from tercet.leases import Arrivals

COMPARED: Sequence[PolicyName] = (
    "rate",
    "forecast",
    "idle_timeout",
    "schedule",
    "off",
    "always_on",
)
_WEIGHT = 0.02
"""Of a new request in the mean price: some fifty of them are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What an API costs for a request that the local model answers, by those it did not answer."""

    mean_nano_usd: float | None = None
    """`None`: none was answered by an API yet, and nobody knows."""

    def read(self, minute: Arrivals) -> tuple[Self, int]:
        """Return the pricing after a minute, and what an API costs for all of it."""
        spilt, mean = minute.count - minute.local_count, self.mean_nano_usd
        if spilt > 0:
            price = minute.api_nano_usd / spilt
            weight = 1 - (1 - _WEIGHT) ** spilt
            mean = price if mean is None else mean + weight * (price - mean)
        return replace(self, mean_nano_usd=mean), minute.api_nano_usd + round(
            minute.local_count * (mean or 0.0)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Every policy as if it were in force, up to a minute; one of them is."""

    shadows: Mapping[PolicyName, Shadow]
    next_minute: int
    pricing: Pricing = Pricing()

    @classmethod
    def begin(cls, settings: KeepAliveSettings, minute: int) -> Self:
        """Begin at a minute, with nothing seen."""
        shadows: Mapping[PolicyName, Shadow] = {
            name: Shadow(policy=policy_of(replace(settings, policy=name))) for name in COMPARED
        }
        return cls(shadows=shadows, next_minute=minute)

    def after(
        self, arrivals: Sequence[Arrivals], until: int, economics: Economics
    ) -> Iterator[Self]:
        """Yield the comparison after each minute up to `until`, which is not closed yet."""
        seen, comparison = {one.minute: one for one in arrivals}, self
        for minute in range(self.next_minute, until):
            pricing, saved = comparison.pricing.read(seen.get(minute, _quiet(minute)))
            count = seen[minute].count if minute in seen else 0
            tick = Tick(at=float(minute * MINUTE_S), arrivals=count, saved_nano_usd=saved)
            shadows: Mapping[PolicyName, Shadow] = {
                name: shadow.after(tick, economics) for name, shadow in comparison.shadows.items()
            }
            comparison = replace(
                comparison, shadows=shadows, next_minute=minute + 1, pricing=pricing
            )
            yield comparison


def rehearsed(economics: Economics, minute_s: float) -> Economics:
    """Return what the same machine costs where a minute is another length of time."""
    pace = MINUTE_S / minute_s
    return Economics(
        hourly_nano_usd=round(economics.hourly_nano_usd / pace),
        start_s=economics.start_s * pace,
        min_run_s=economics.min_run_s * pace,
    )


def _quiet(minute: int) -> Arrivals:
    return Arrivals(
        minute=minute,
        count=0,
        api_nano_usd=0,
        local_count=0,
        local_input_tokens=0,
        local_output_tokens=0,
    )
