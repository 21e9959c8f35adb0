"""The budget: what a scope may still spend in a month, and whether an attempt is let in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MONTH = "month"
"""The scope every attempt and every rented hour is charged to."""
GPU = "gpu"
"""The scope of rented machines."""
LEAST_OUTPUT_TOKENS = 256
"""An answer is not clamped below this (or below what was asked, if that was less): so little room
is no room, and refusing is more use than a stump."""

Caps = Mapping[str, int]
"""Nano-USD a month by scope; a scope that is not named has no cap of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One scope's month, in nano-USD."""

    spent: int = 0
    """Settled, or estimated where the bill is not known."""
    held: int = 0
    """The upper bounds of attempts under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What an attempt may cost at most, as a line: a fixed part, and so much an output token."""

    fixed_nano_usd: int
    """Every input token at its dearest bucket."""
    token_nano_usd: int
    """One output token, rounded up."""
    output_tokens: int

    def bound(self, output_tokens: int) -> int:
        """Return the most it costs with this many output tokens, in nano-USD."""
        return self.fixed_nano_usd + self.token_nano_usd * output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The attempt may be made, with at most this many output tokens."""

    nano_usd: int
    """Held until it is settled."""
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The attempt may not be made: `scope` has too little left."""

    scope: str
    left_nano_usd: int
    is_spent: bool
    """False: only attempts under way stand in the way, and they may leave room when they end."""


Admission = Granted | Denied


def scopes(*, key_id: str, tier: str, provider: str) -> tuple[str, ...]:
    """Return the scopes an attempt is charged to, in the order they are locked."""
    return tuple(sorted((MONTH, f"key:{key_id}", f"tier:{tier}", f"provider:{provider}")))


def admit(
    ask: Ask, charged: Sequence[str], balances: Mapping[str, Balance], caps: Caps
) -> Admission:
    """Let the attempt in with as many output tokens as every capped scope has room for."""
    granted = ask.output_tokens
    least = min(ask.output_tokens, LEAST_OUTPUT_TOKENS)
    for scope in charged:
        cap = caps.get(scope)
        if cap is None:
            continue
        balance = balances.get(scope, Balance())
        left = cap - balance.spent - balance.held
        room = _tokens(ask, left)
        if room < least:
            spendable = _tokens(ask, cap - balance.spent)
            return Denied(scope=scope, left_nano_usd=max(left, 0), is_spent=spendable < least)
        granted = min(granted, room)
    return Granted(nano_usd=ask.bound(granted), output_tokens=granted)


def _tokens(ask: Ask, left: int) -> int:
    """Return how many output tokens `left` pays for; negative when not even the input is paid.

    What costs nothing is paid also where more than all is spent.
    """
    if ask.bound(1) > 0 and left < ask.fixed_nano_usd:
        return -1
    if ask.token_nano_usd == 0:
        return ask.output_tokens
    return min(ask.output_tokens, (left - ask.fixed_nano_usd) // ask.token_nano_usd)
