"""Attempts to book in benches."""

from tercet.budget import Ask
from tercet.ledger import Reservation, Settlement
from tercet.usage import Usage

ASK = Ask(fixed_nano_usd=1_000, token_nano_usd=10, output_tokens=256)
BOUND = ASK.bound(ASK.output_tokens)


def reservation(attempt_id: str, *, key_id: str, at: float) -> Reservation:
    """Return an attempt that costs `BOUND` at most."""
    return Reservation(
        attempt_id=attempt_id,
        task_id=f"req-{attempt_id}",
        key_id=key_id,
        tier="tier1",
        provider="anthropic",
        model="claude-opus-5-5",
        role="single",
        round=1,
        ask=ASK,
        price_source="bench",
        simulated=True,
        deadline_at=at + 600,
        at=at,
    )


def settlement(attempt_id: str, *, nano_usd: int, at: float) -> Settlement:
    """Return its end, settled at `nano_usd`."""
    return Settlement(
        attempt_id=attempt_id,
        state="settled",
        outcome="complete",
        usage=Usage(fresh_input=10, output=1),
        usage_source="provider",
        settled_nano_usd=nano_usd,
        upstream_id=None,
        first_token_s=None,
        latency_s=0.0,
        at=at,
    )
