"""What is asked of the gateway in a day: by the ledger, by a few numbers, or taken for granted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tercet.catalog import Catalog, Tier
from tercet.errors import ConfigError
from tercet.rules import Rules
from tercet.usage import Usage

DISPLACED = "tier3"
"""Where routine requests go without a local model."""
EVIDENCE_TOKENS = 1_500
"""What the memory hands over, as `config/routes.yaml` reckons."""
WORKING_HOURS = tuple(1 / 12 if hour < 12 else 0.0 for hour in range(24))
"""Taken for granted: the same number of requests in each of 12 hours, none in the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Calls of one model that a request of a tier leads to."""

    model: str
    per_request: float
    usage: Usage
    """Of one call, the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierLoad:
    """What one tier is asked."""

    name: str
    requests_per_day: float
    calls: tuple[Calls, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A day of requests."""

    source: str
    tiers: tuple[TierLoad, ...]
    """As they would be without a local model."""
    displaced: str
    """The tier whose requests the local model may answer."""
    local_share: float
    """How many of those it may answer, 0 to 1."""
    local_usage: Usage
    """Of a request that it answers."""
    hours: tuple[float, ...]
    """Shares of the day's requests in its 24 hours (UTC, or any order): they add up to 1."""
    assumed: tuple[str, ...] = ()
    """What nobody has counted or said, each as a sentence."""

    @property
    def local_per_day(self) -> float:
        """Requests that the local model may answer."""
        asked = {tier.name: tier.requests_per_day for tier in self.tiers}
        return self.local_share * asked[self.displaced]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A workload in a few numbers.

    The defaults cost the plan's month 1, 200 USD, at the prices of 2026-11, divided among the tiers
    as the middles of its ranges are (115, 80 and 40 USD), with requests of the size that
    `facts/ops-cost.md` A3 reckons with.
    """

    requests_per_day: float = 672.0
    input_tokens: int = 2_000
    output_tokens: int = 400
    shares: Mapping[str, float] = field(
        default_factory=lambda: {"tier1": 0.303, "tier2": 0.201, "tier3": 0.496}
    )
    rounds: int = 1


def stated(numbers: Numbers, catalog: Catalog, rules: Rules) -> Workload:
    """Return the workload of a few numbers."""
    size = Usage(fresh_input=numbers.input_tokens, output=numbers.output_tokens)
    tiers = tuple(
        TierLoad(
            name=name,
            requests_per_day=numbers.requests_per_day * share,
            calls=_calls(catalog.tiers[name], numbers, rules),
        )
        for name, share in numbers.shares.items()
    )
    return Workload(
        source=f"{numbers.requests_per_day:,g} requests a day of {numbers.input_tokens:,} tokens "
        f"in and {numbers.output_tokens:,} out",
        tiers=tiers,
        displaced=DISPLACED,
        local_share=1.0,
        local_usage=size,
        hours=WORKING_HOURS,
        assumed=(
            "requests come evenly in 12 hours of the day",
            f"the members of tier 3 are asked {_times(numbers.rounds)}",
            "the junior's notes are as long as an answer",
        ),
    )


def displacing(workload: Workload, name: str, catalog: Catalog) -> Workload:
    """Return the workload with what the local model displaces: a tier, or a model as tier 3.

    Raises:
        ConfigError: there is no such tier or model in the workload.
    """
    tiers = {tier.name: tier for tier in workload.tiers}
    if name in tiers:
        return replace(workload, displaced=name)
    if name not in catalog.models:
        raise ConfigError(
            f"--displaces {name}: there is no such tier or model; "
            f"name one of {', '.join([*tiers, *catalog.models])}"
        )
    alone = (Calls(model=name, per_request=1.0, usage=workload.local_usage),)
    tiers[DISPLACED] = replace(tiers[DISPLACED], calls=alone)
    return replace(
        workload,
        tiers=tuple(tiers.values()),
        displaced=DISPLACED,
        assumed=(*workload.assumed, f"tier 3 is {name} alone"),
    )


def _times(rounds: int) -> str:
    return "once" if rounds == 1 else f"{rounds} times"


def _calls(tier: Tier, numbers: Numbers, rules: Rules) -> tuple[Calls, ...]:
    """Return the calls of one request, as the tier's composition makes them."""
    models = [seat.model for seat in tier.seats]
    read, written = numbers.input_tokens, numbers.output_tokens
    answer = _call(models[0], read, written)
    match tier.composition:
        case "memory_brain" if read >= rules.memory_from_tokens:
            handed = _call(models[1], read, EVIDENCE_TOKENS)
            return (_call(models[0], EVIDENCE_TOKENS, written), handed)
        case "lead_junior" if read >= rules.junior_from_tokens:
            return (_call(models[0], read + written, written), _call(models[1], read, written))
        case "consensus":
            return tuple(_rounds(models, numbers))
        case _:
            return (answer,)


def _rounds(models: Sequence[str], numbers: Numbers) -> list[Calls]:
    """Every round after the first reads what all members said."""
    read, written = numbers.input_tokens, numbers.output_tokens
    again = read + len(models) * written
    return [
        _call(model, read if number == 0 else again, written)
        for number in range(numbers.rounds)
        for model in models
    ]


def _call(model: str, read: int, written: int) -> Calls:
    return Calls(model=model, per_request=1.0, usage=Usage(fresh_input=read, output=written))
