"""How an arm was chosen where chance had a part: what off-policy estimates are made from."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """An arm, and with what probability each could have been it."""

    arm: str
    propensities: Mapping[str, float]
    """By arm, of every arm that was admissible; sums to 1. 0: it could not be drawn."""
    is_forced: bool
    """Not the policy's choice: a pin, a conversation's own seat, the budget's ladder."""
    seed: int
    """64 bits of the hash of task and policy version; with `propensities` it gives `arm`."""
    extra_nano_usd: int
    """What the arm is expected to cost more than the one thought best; 0 where it costs less."""
    reason: str
    """Why arms were drawn, or not, in words."""
