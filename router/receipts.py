"""The receipt of a task: its rows of the ledger as one JSON document."""

import json
from collections.abc import Mapping, Sequence

from tercet.usage import usd

Row = Mapping[str, object]


def receipt(task: Row, attempts: Sequence[Row]) -> dict[str, object]:
    """Return the receipt; costs of attempts still under way count at their reservation."""
    costs = [_cost(attempt) for attempt in attempts]
    return {
        "id": task["task_id"],
        "object": "tercet.request",
        "model": task["asked_model"],
        "opened_at_ns": task["opened_at_ns"],
        "closed_at_ns": task["closed_at_ns"],
        "outcome": task["outcome"] or "under_way",
        "profile": json.loads(str(task["profile"])),
        "route": json.loads(str(task["route"])),
        "answer": json.loads(str(task["answer"] or "null")),
        "attempts": [
            _attempt(attempt, cost) for attempt, cost in zip(attempts, costs, strict=True)
        ],
        "cost_nano_usd": sum(costs),
        "cost_usd": usd(sum(costs)),
        "simulated": any(attempt["simulated"] for attempt in attempts),
    }


def _cost(attempt: Row) -> int:
    settled = attempt["settled_nano_usd"]
    cost = attempt["reserved_nano_usd"] if settled is None else settled
    assert isinstance(cost, int)  # noqa: S101  the schema's tables are STRICT
    return cost


def _attempt(row: Row, cost: int) -> dict[str, object]:
    names = (
        "attempt_id", "tier", "provider", "model", "role", "round", "state", "flag", "outcome",
    )  # fmt: skip
    buckets = (
        "fresh_input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "thinking",
    )  # fmt: skip
    return {
        **{name: row[name] for name in names},
        "usage": {bucket: row[bucket] for bucket in buckets},
        "usage_source": row["usage_source"],
        "price_source": row["price_source"],
        "reserved_nano_usd": row["reserved_nano_usd"],
        "cost_nano_usd": cost,
        "first_token_ms": _ms(row["first_token_ns"]),
        "latency_ms": _ms(row["latency_ns"]),
        "upstream_id": row["upstream_id"],
        "simulated": bool(row["simulated"]),
    }


def _ms(ns: object) -> float | None:
    return round(ns / 1e6, 3) if isinstance(ns, int) else None
