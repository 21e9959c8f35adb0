"""Rows of the ledger for tests, and what a ledger's own connection sees of them."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from sqlalchemy import text

from deployments.ledger.database import Database
from deployments.ledger.page import keys_of
from tercet.budget import Ask
from tercet.leases import lease_scopes
from tercet.ledger import Claim, RequestClosed, RequestOpened, Reservation, Sent, Settlement
from tercet.usage import Usage

AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC
AT_NS = 1_795_424_400_000_000_000


def reservation(attempt_id: str, **changes: Any) -> Reservation:
    """Return an attempt that may cost 100 nano-USD."""
    fields: dict[str, Any] = {
        "attempt_id": attempt_id,
        "task_id": "req_1",
        "key_id": "default",
        "tier": "tier1",
        "provider": "anthropic",
        "model": "claude-opus-5-5",
        "role": "brain",
        "round": 1,
        "ask": ask(100),
        "price_source": "genai-prices",
        "simulated": True,
        "deadline_at": AT + 600,
        "at": AT,
    }
    return Reservation(**(fields | changes))


def ask(nano_usd: int) -> Ask:
    """Ask for a fixed price: clamping the output would not make it cheaper."""
    return Ask(fixed_nano_usd=nano_usd, token_nano_usd=0, output_tokens=1_000)


def sent(attempt_id: str, bound_nano_usd: int = 60) -> Sent:
    usage = Usage(fresh_input=7, output=1)
    return Sent(
        attempt_id=attempt_id, usage=usage, upstream_id="msg_1", bound_nano_usd=bound_nano_usd
    )


def settlement(attempt_id: str, **changes: Any) -> Settlement:
    fields: dict[str, Any] = {
        "attempt_id": attempt_id,
        "state": "settled",
        "outcome": "complete",
        "usage": Usage(
            fresh_input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5, thinking=1
        ),
        "usage_source": "provider",
        "settled_nano_usd": 40,
        "upstream_id": "msg_1",
        "first_token_s": 0.5,
        "latency_s": 1.25,
        "at": AT + 2,
    }
    return Settlement(**(fields | changes))


def opened(task_id: str = "req_1") -> RequestOpened:
    return RequestOpened(
        task_id=task_id, key_id="default", asked_model="auto", profile="{}", route="{}", at=AT
    )


def closed(outcome: str) -> RequestClosed:
    return RequestClosed(task_id="req_1", outcome=outcome, answer='{"a": 1}', at=AT + 2)


def claim(**changes: Any) -> Claim:
    fields: dict[str, Any] = {
        "key_id": "default",
        "idempotency_key": "once",
        "fingerprint": "f1",
        "task_id": "req_1",
        "at": AT,
        "lease_until": AT + 630,
    }
    return Claim(**(fields | changes))


def query(url: str, statement: str) -> list[dict[str, Any]]:
    """Read through a connection of the test's own."""
    database = Database(url)
    try:
        with database.reading() as connection:
            return [dict(row) for row in connection.execute(text(statement)).mappings()]
    finally:
        database.close()


def rows(url: str) -> list[dict[str, Any]]:
    return query(url, "SELECT * FROM attempts ORDER BY attempt_id")


def ids(url: str) -> Counter[object]:
    return Counter(row["attempt_id"] for row in rows(url))


def balance(url: str, scope: str = "month") -> dict[str, tuple[int, int]]:
    """Return what a scope has spent and holds, by month."""
    found = query(url, f"SELECT * FROM balances WHERE scope = '{scope}'")  # noqa: S608
    return {row["month"]: (row["spent_nano_usd"], row["held_nano_usd"]) for row in found}


def balances_kept(url: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the balances that are not zero."""
    found = query(url, "SELECT * FROM balances WHERE spent_nano_usd > 0 OR held_nano_usd > 0")
    return {
        (row["month"], row["scope"]): (row["spent_nano_usd"], row["held_nano_usd"]) for row in found
    }


def balances_summed(url: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the same from the attempts and the leases."""
    spent: Counter[tuple[str, str]] = Counter()
    held: Counter[tuple[str, str]] = Counter()
    for row in rows(url):
        for key in keys_of(row):
            if row["state"] in ("reserved", "sent"):
                held[key] += row["reserved_nano_usd"]
            else:
                spent[key] += row["settled_nano_usd"]
    providers = {row["lease_id"]: row for row in query(url, "SELECT * FROM leases")}
    for row in query(url, "SELECT * FROM spans"):
        for scope in lease_scopes(providers[row["lease_id"]]["provider"]):
            spent[row["month"], scope] += row["nano_usd"]
    for row in providers.values():
        for scope in lease_scopes(row["provider"]):
            held[row["held_month"], scope] += row["held_nano_usd"]
    return {key: (spent[key], held[key]) for key in (+spent + +held)}


async def together(*writes: Coroutine[Any, Any, Any]) -> list[Any]:
    """Do all at the same time; return what each said, in order."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(write) for write in writes]
    return [task.result() for task in tasks]


async def failures(*writes: Coroutine[Any, Any, Any]) -> list[type[BaseException] | None]:
    """Wait for all writes, each on its own, and say how each ended."""
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.wait(tasks)
    return [type(error) if (error := task.exception()) else None for task in tasks]
