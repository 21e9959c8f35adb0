"""Minutes of traffic for the keep-alive policies."""

from collections.abc import Sequence

from tercet.keep_alive.policy import Decision, Economics, Policy, Tick

MONDAY = 1_795_996_800.0
"""2026-11-30 00:00 UTC, Unix seconds."""
ECONOMICS = Economics(hourly_nano_usd=300_000_000, start_s=180)
"""0.30 USD an hour: at 0.008 USD a request, the break-even is 37.5 an hour."""
PRICE = 8_000_000


def minutes(counts: Sequence[int], *, price: int = PRICE, since: float = MONDAY) -> list[Tick]:
    """Return a tick for each count."""
    return [
        Tick(at=since + 60 * minute, arrivals=count, saved_nano_usd=count * price)
        for minute, count in enumerate(counts)
    ]


def decided(
    policy: Policy, ticks: Sequence[Tick], economics: Economics = ECONOMICS
) -> tuple[Policy, list[Decision]]:
    """Fold a policy over ticks with its own decisions in force; off at first."""
    decisions: list[Decision] = []
    is_on = False
    for tick in ticks:
        policy, decision = policy.decide(tick, economics, is_on=is_on)
        is_on = decision.on
        decisions.append(decision)
    return policy, decisions
