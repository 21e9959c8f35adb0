"""Tasks of kinds that move, as rows of a real ledger."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fakes.migrating import sample
from fakes.rows import AT, ask, reservation, settlement, together

from deployments.ledger import Ledger
from tercet.ledger import RequestClosed, RequestOpened
from tercet.migration import MigrationState, Sample, Side

API_NANO_USD = 4_000_000


def assignment(task_id: str, state: MigrationState, side: Side, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": "lookup", "state": state, "side": side, "propensity": 0.0,
        "conversation": f"c-{task_id}",
    }  # fmt: skip
    return fields | changes


async def answered(
    ledger: Ledger, task_id: str, assigned: dict[str, Any] | None, at: float, **changes: Any
) -> None:
    """Write a task that was answered: by the local model for nothing, else by the API."""
    is_local = assigned is None or assigned["side"] == "treated"
    model = "qwen" if is_local else "gemini-3.8-flash"
    seconds = changes.get("seconds", 2.0)
    kind = "lookup" if assigned is None else assigned["kind"]
    profile = {"kind": kind, "size_tokens": 500, "conversation": f"c-{task_id}"}
    route = {
        "name": "local" if is_local else "tier3",
        "composition": "single",
        "seats": [{"model": model}],
        "assignment": assigned,
    }
    ledger.open_request(
        RequestOpened(
            task_id=task_id,
            key_id="default",
            asked_model="auto",
            at=at,
            profile=json.dumps(profile),
            route=json.dumps(route),
        )
    )
    cost = changes.get("nano_usd", 0 if is_local else API_NANO_USD)
    await ledger.reserve(
        reservation(f"att-{task_id}", task_id=task_id, model=model, ask=ask(cost), at=at)
    )
    await ledger.settle(settlement(f"att-{task_id}", settled_nano_usd=cost, at=at + seconds))
    ledger.close_request(
        RequestClosed(task_id=task_id, outcome="answered", answer="{}", at=at + seconds)
    )


def sides(share: float, count: int) -> Iterable[Side]:
    """Return every tenth one as held out, and of the others the share, evenly spread."""
    treated = 0
    for number in range(count):
        if number % 10 == 9:
            yield "held_out"
        elif treated < share * (number + 1) * 0.9:
            treated += 1
            yield "treated"
        else:
            yield "waiting"


def play(
    file: Path, name: str, state: MigrationState, share: float, at: float, **changes: Any
) -> None:
    """Write `count` tasks of a kind, half a minute apart, each with a pair but in `baseline`.

    `better` is the local model's quality more than the API's.
    """
    count, better = changes.get("count", 150), changes.get("better", 0.02)
    propensity = 0.9 * share

    async def write(ledger: Ledger) -> None:
        rows = [(f"{name}-{n}", side, at + 30 * n) for n, side in enumerate(sides(share, count))]
        writes = [
            answered(ledger, of, assignment(of, state, side, propensity=propensity), when)
            for of, side, when in rows
        ]
        # All at once, so that the ledger writes many in a transaction.
        pairs = [] if state == "baseline" else rows
        await together(*writes, *(ledger.note_sample(pair(*row)) for row in pairs))

    def pair(task_id: str, side: Side, when: float) -> Sample:
        return sample(
            task_id, side=side, at=when, base_quality=0.8, tested_quality=0.8 + better,
            by=changes.get("by", "check"),
        )  # fmt: skip

    ledger = Ledger(file, clock=lambda: AT)
    try:
        asyncio.run(write(ledger))
    finally:
        ledger.close()
