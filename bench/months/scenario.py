"""The worlds that months are drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf

from bench.months.workload import DAY_S, DAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is true in a world, and what is done with it."""

    name: str
    requests: Mapping[str, int] = field(default_factory=lambda: {"routine_code": 10_000})
    """Eligible requests of a month, by kind."""
    delta: float = 0.0
    """Quality of the local model less the API's, -1 to 1."""
    drop: float = 0.0
    """By how much it falls at `drops_at`."""
    drops_at: float = 0.6
    """Share of the month."""
    agree: float = 0.4
    """With what chance both models say the same: the less, the more differences spread."""
    api_usd: float = 0.02
    """Mean price of a request at the API."""
    api_factor: float = 1.0
    """What that price is multiplied with from the middle of the month on."""
    gpu_usd: float = 0.25
    """An hour."""
    always_on: bool = False
    """The rented machine is on whether it pays or not."""
    api_s: float = 6.0
    """Median seconds."""
    local_s: float = 7.0
    is_sampled_by_conversation: bool = False
    """Which answers are compared is drawn for each conversation, not for each task."""
    baseline: int = 0
    """Requests of each kind before the month: a baseline without a local model."""
    is_core: bool = False
    """It is played a thousand times, where others are two hundred times."""

    @property
    def fell_at(self) -> float:
        """When the quality falls, in seconds from the month's beginning; infinite: it does not."""
        return self.drops_at * DAYS * DAY_S if self.drop else inf

    def named(self, name: str, **changes: object) -> "Scenario":
        """Return another one like this."""
        return replace(self, name=name, **changes)


GOOD = Scenario(name="good: as good as the API")
SCENARIOS: tuple[Scenario, ...] = (
    replace(GOOD, is_core=True),
    GOOD.named("better: +3 points", delta=0.03),
    GOOD.named("at the margin: -5 points", delta=-0.05, is_core=True),
    GOOD.named("worse: 3 points below the margin", delta=-0.08, is_core=True),
    GOOD.named("much worse: -20 points", delta=-0.20),
    GOOD.named("falls 10 points", drop=0.10),
    GOOD.named("falls 15 points", drop=0.15),
    GOOD.named("falls 20 points", drop=0.20, is_core=True),
    GOOD.named("falls 30 points", drop=0.30),
    GOOD.named(
        "falls 20 points, sampled by conversation", drop=0.20, is_sampled_by_conversation=True
    ),
    GOOD.named("noisier", agree=0.1),
    GOOD.named("noisier, falls 20 points", agree=0.1, drop=0.20),
    GOOD.named("sampled by conversation", is_sampled_by_conversation=True),
    GOOD.named("loses money", api_usd=0.004, always_on=True),
    GOOD.named("API twice the price from mid-month", api_factor=2.0, is_core=True),
    GOOD.named("3,000 requests", requests={"routine_code": 3_000}),
    GOOD.named("30,000 requests", requests={"routine_code": 30_000}),
    GOOD.named(
        "two kinds of 5,000",
        requests=dict.fromkeys(("routine_code", "lookup"), 5_000),
        is_core=True,
    ),
    GOOD.named("after a month of baseline", baseline=10_000, is_core=True),
)
