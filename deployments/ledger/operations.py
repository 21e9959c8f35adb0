"""What can be written to the ledger: operations that fold themselves over a page."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from sqlalchemy import Connection, Executable

from deployments.ledger import quick
from deployments.ledger.machines import Touch
from deployments.ledger.page import OPEN_STATES, Charge, Page, Row, amount
from deployments.ledger.schema import attempts
from tercet.budget import Denied, Granted, admit, scopes
from tercet.ledger import Reservation, Sent, Settlement
from tercet.usage import Usage

Result = TypeVar("Result", covariant=True)

_UNKNOWN: Row = {name: None for name in attempts.c.keys()}  # noqa: C420, SIM118  typed as a Row


def _none(_: Connection) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Result]):
    """One write. Many are one transaction, in which each sees what those before it have done."""

    apply: Callable[[Page], Result]
    find: Callable[[Connection], Iterable[str]] = _none
    """Returns the ids of the attempts it may change."""
    charge: Charge | None = None
    """What it will charge a new attempt or lease to."""
    touch: Touch | None = None
    """The lease it may change."""


def reserve(row: Reservation) -> Operation[Granted | Denied]:
    """Let an attempt in and hold what it can cost, or deny it and write nothing."""
    charged = scopes(key_id=row.key_id, tier=row.tier, provider=row.provider)
    return Operation(
        apply=partial(_reserve, row, charged), charge=Charge(at=row.at, scopes=charged)
    )


def mark_sent(row: Sent) -> Operation[None]:
    """Note what the provider said first, and let go of what the attempt can no longer cost."""
    return Operation(apply=partial(_mark_sent, row), find=lambda _: (row.attempt_id,))


def settle(row: Settlement) -> Operation[None]:
    """Book what became of an attempt; once, except that a guess of the sweep gives way."""
    return Operation(apply=partial(_settle, row), find=lambda _: (row.attempt_id,))


def execute(statement: Executable, values: Mapping[str, object]) -> Operation[None]:
    """Write what touches no money."""
    return Operation(apply=partial(_execute, statement, values))


NOTHING: Operation[None] = Operation(apply=lambda _: None)
"""Waits for what was written before it."""


def _reserve(row: Reservation, charged: tuple[str, ...], page: Page) -> Granted | Denied:
    month = page.month_at(row.at)
    admission = admit(row.ask, charged, page.balances(month), page.caps)
    if isinstance(admission, Granted):
        page.make(_reserved(row, month, page.writer_id, admission))
    return admission


def _mark_sent(row: Sent, page: Page) -> None:
    there = page.attempt(row.attempt_id)
    if there is None or there["state"] != "reserved":
        return
    held = amount(there, "reserved_nano_usd")
    bound = min(held, row.bound_nano_usd)
    page.change("sent", there | _sent(row, bound), held=bound - held)


def _settle(row: Settlement, page: Page) -> None:
    there = page.attempt(row.attempt_id)
    if there is None:
        return
    if there["state"] in OPEN_STATES:
        held = amount(there, "reserved_nano_usd")
        page.change("settle", there | _settled(row), held=-held, spent=row.settled_nano_usd)
    elif there["flag"] == "orphan":
        booked = amount(there, "settled_nano_usd")
        page.change("settle", there | _settled(row), spent=row.settled_nano_usd - booked)


def _execute(statement: Executable, values: Mapping[str, object], page: Page) -> None:
    quick.run(page.connection, statement, values)


def ns(seconds: float | None) -> int | None:
    """Return nanoseconds of what the contracts say in seconds."""
    return None if seconds is None else round(seconds * 1e9)


def _reserved(row: Reservation, month: str, writer_id: str, granted: Granted) -> Row:
    return _UNKNOWN | {
        "attempt_id": row.attempt_id,
        "task_id": row.task_id,
        "key_id": row.key_id,
        "month": month,
        "tier": row.tier,
        "provider": row.provider,
        "model": row.model,
        "role": row.role,
        "round": row.round,
        "state": "reserved",
        "writer_id": writer_id,
        "reserved_nano_usd": granted.nano_usd,
        "output_limit": granted.output_tokens,
        "price_source": row.price_source,
        "simulated": int(row.simulated),
        "reserved_at_ns": ns(row.at),
        "deadline_at_ns": ns(row.deadline_at),
    }


def _sent(row: Sent, bound: int) -> Row:
    return {
        "state": "sent",
        "reserved_nano_usd": bound,
        "upstream_id": row.upstream_id,
        **_buckets(row.usage),
    }


def _settled(row: Settlement) -> Row:
    return {
        "state": row.state,
        "flag": row.flag,
        "outcome": row.outcome,
        "settled_nano_usd": row.settled_nano_usd,
        "usage_source": row.usage_source,
        "upstream_id": row.upstream_id,
        "first_token_ns": ns(row.first_token_s),
        "latency_ns": ns(row.latency_s),
        "settled_at_ns": ns(row.at),
        **({} if row.price_source is None else {"price_source": row.price_source}),
        **_buckets(row.usage),
    }


def _buckets(usage: Usage) -> Row:
    return {
        "fresh_input": usage.fresh_input,
        "cache_read": usage.cache_read,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
        "thinking": usage.thinking,
    }
