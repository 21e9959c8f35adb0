"""The thresholds of a version that tuning may move, by name, within declared bounds."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from router.learning.document import Policy
from tercet.errors import ConfigError
from tercet.learning import THRESHOLDS, LearningRules
from tercet.usage import NANO_USD_PER_USD

_STEPS: Final[Mapping[str, tuple[float, ...]]] = {
    "quality_per_usd": (0.25, 0.5, 2.0, 4.0),
    "margin": (0.5, 2.0),
    "escalates_up_to_tokens": (0.5, 2.0),
}
"""What a threshold is multiplied by in one night: no version is far from the one before it."""

Settings = Mapping[str, float]


def thresholds_of(policy: Policy) -> Settings:
    """Return where a version's thresholds are: means, where kinds differ."""
    found: dict[str, float] = {"quality_per_usd": policy.quality_per_nano_usd * NANO_USD_PER_USD}
    if policy.margins:
        found["margin"] = sum(policy.margins.values()) / len(policy.margins)
    tokens = [one.up_to_tokens for one in policy.deferrals.values() if one.up_to_tokens is not None]
    if tokens:
        found["escalates_up_to_tokens"] = sum(tokens) / len(tokens)
    return found


def moved(policy: Policy, settings: Settings) -> Policy:
    """Return a policy with thresholds at other values; those that are not named stay."""
    per_usd, margin = settings.get("quality_per_usd"), settings.get("margin")
    tokens = settings.get("escalates_up_to_tokens")
    if per_usd is not None:
        policy = replace(policy, quality_per_nano_usd=per_usd / NANO_USD_PER_USD)
    if margin is not None:
        policy = replace(policy, margins=dict.fromkeys(policy.estimates.kinds, margin))
    if tokens is not None:
        deferrals = {
            kind: one if one.up_to_tokens is None else replace(one, up_to_tokens=round(tokens))
            for kind, one in policy.deferrals.items()
        }
        policy = replace(policy, deferrals=deferrals)
    return policy


def within(policy: Policy, rules: LearningRules) -> Policy:
    """Return a policy whose thresholds are within their bounds."""
    held = {
        name: min(max(value, rules.bounds[name][0]), rules.bounds[name][1])
        for name, value in thresholds_of(policy).items()
        if name in rules.bounds
    }
    own = thresholds_of(policy)
    return moved(policy, {name: value for name, value in held.items() if value != own[name]})


def nearby(policy: Policy, rules: LearningRules) -> Iterator[Settings]:
    """Yield what one threshold may be moved to in one step, within its bounds.

    `escalates_up_to_tokens` is left where it was fitted: the log does not tell what an escalation
    that did not happen would have brought.
    """
    for name, value in thresholds_of(policy).items():
        if name not in rules.bounds or name == "escalates_up_to_tokens":
            continue
        low, high = rules.bounds[name]
        near = {min(max(value * step, low), high) for step in _STEPS[name]}
        yield from ({name: one} for one in sorted(near - {value}))


def settings_of(pairs: list[str]) -> Settings:
    """Read `NAME=VALUE` as an operator writes it.

    Raises:
        ConfigError: there is no such threshold, or its value is no positive number.
    """
    found: dict[str, float] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name not in THRESHOLDS:
            raise ConfigError(
                f"{name[:100]!r} is no threshold; thresholds are {', '.join(THRESHOLDS)}"
            )
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise ConfigError(f"{pair[:100]!r}: write a number above 0, as {name}=0.05")
        found[name] = value
    return found
