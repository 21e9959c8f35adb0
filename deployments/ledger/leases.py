"""Leases written: opened with their money held, booked as they run, ended, and put right."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select

from deployments.ledger.database import Database
from deployments.ledger.machines import LeaseRow, Machine, Touch
from deployments.ledger.operations import Operation
from deployments.ledger.page import Charge, Page
from deployments.ledger.schema import leases, spans
from tercet.accrual import DAY_NS, SECOND_NS, accrue, begun, closed, price_ahead, running_ns
from tercet.budget import GPU, Ask, Denied, Granted, admit
from tercet.leases import (
    Lease,
    LeaseCharged,
    LeaseEnded,
    LeaseOpened,
    LeaseSeen,
    Span,
    lease_scopes,
)
from tercet.ledger import month_of

_BOOKED = (
    select(spans.c.lease_id, func.sum(spans.c.nano_usd).label("spent_nano_usd"))
    .group_by(spans.c.lease_id)
    .subquery()
)
_ALL = (
    select(leases, _BOOKED.c.spent_nano_usd)
    .join(_BOOKED, _BOOKED.c.lease_id == leases.c.lease_id)
    .order_by(leases.c.opened_at_ns.desc(), leases.c.lease_id)
)
_OPEN = _ALL.where(leases.c.ended_at_ns.is_(None))
_ONE = _ALL.where(leases.c.lease_id == bindparam("id"))
_SPANS = select(spans).order_by(spans.c.lease_id, spans.c.seq)
_ITS_SPANS = _SPANS.where(spans.c.lease_id == bindparam("id"))
_OF_A_DAY = _SPANS.where(or_(spans.c.since_ns >= bindparam("since_ns"), spans.c.until_ns.is_(None)))
_BILLED = select(func.coalesce(func.sum(spans.c.nano_usd), 0)).where(
    spans.c.lease_id == bindparam("id"), spans.c.month == bindparam("month")
)


def open_lease(row: LeaseOpened) -> Operation[Granted | Denied]:
    """Write a lease and hold what it costs at first, or deny it and write nothing."""
    charge = Charge(at=row.at, scopes=lease_scopes(row.offer.provider))
    return Operation(apply=partial(_open, row), charge=charge)


def see(row: LeaseSeen) -> Operation[None]:
    """Book what has come due, and go on in the state that was seen; not of one that has ended."""
    return Operation(apply=partial(_see, row), touch=Touch(lease_id=row.lease_id, at=row.at))


def renew(lease_id: str, at: float, ahead_s: float) -> Operation[Granted | Denied]:
    """Book what has come due, and hold what so many seconds more of running cost.

    Denied: a cap has no room for them, or there is no such lease that is open.
    """
    touch = Touch(lease_id=lease_id, at=at)
    return Operation(apply=partial(_renew, touch, ahead_s), touch=touch)


def end(row: LeaseEnded) -> Operation[None]:
    """Book what has come due for the last time and let go of what is held; only once."""
    return Operation(apply=partial(_end, row), touch=Touch(lease_id=row.lease_id, at=row.at))


def correct(row: LeaseCharged) -> Operation[int]:
    """Book by how much a month's bill differs from what is booked, and return that."""
    touch = Touch(lease_id=row.lease_id, at=row.at, month=row.month)
    return Operation(apply=partial(_correct, row), touch=touch)


def read_open(database: Database, _: None) -> Sequence[Lease]:
    """Return the leases that have not ended, the newest first."""
    with database.reading() as connection:
        return [_lease(row) for row in connection.execute(_OPEN).mappings()]


def read_leases(database: Database, _: None) -> Sequence[Lease]:
    """Return every lease, the newest first."""
    with database.reading() as connection:
        return all_leases(connection)


def read_lease(database: Database, lease_id: str) -> Lease | None:
    """Return a lease, or `None`."""
    with database.reading() as connection:
        row = connection.execute(_ONE, {"id": lease_id}).mappings().one_or_none()
        return None if row is None else _lease(row)


def all_leases(connection: Connection) -> Sequence[Lease]:
    """Return every lease, the newest first."""
    return [_lease(row) for row in connection.execute(_ALL).mappings()]


def all_spans(connection: Connection) -> Sequence[Span]:
    """Return every span by lease, in the order they were written."""
    return [Span(**row) for row in connection.execute(_SPANS).mappings()]


def read_spans(database: Database, lease_id: str) -> Sequence[Span]:
    """Return the spans of a lease and its corrections, in the order they were written."""
    with database.reading() as connection:
        return [Span(**row) for row in connection.execute(_ITS_SPANS, {"id": lease_id}).mappings()]


def read_gpu_seconds(database: Database, at: float) -> float:
    """Return how long machines have run in the UTC day of a time, by then."""
    at_ns = _ns(at)
    with database.reading() as connection:
        found = connection.execute(_OF_A_DAY, {"since_ns": at_ns // DAY_NS * DAY_NS}).mappings()
        return running_ns([Span(**row) for row in found], at_ns) / SECOND_NS


def _open(row: LeaseOpened, page: Page) -> Granted | Denied:
    month, offer = page.month_at(row.at), row.offer
    held = price_ahead(offer.hourly_nano_usd, row.reserve_s)
    scopes = lease_scopes(offer.provider)
    admission = admit(_fixed(held), scopes, page.balances(month), page.caps)
    if isinstance(admission, Denied):
        return admission
    at_ns = _ns(row.at)
    span = Span(
        lease_id=row.lease_id,
        seq=0,
        state="requested",
        since_ns=at_ns,
        until_ns=None,
        accrued_ns=at_ns,
        hourly_nano_usd=0,
        nano_usd=0,
        month=month_of(row.at),
        reason="",
    )
    opened = _opened(row, held, month)
    machine = Machine(row=opened, span=span, next_seq=1, stored=opened)
    page.machines.add(machine)
    page.move(machine.held_keys, held=held)
    return admission


def _see(row: LeaseSeen, page: Page) -> None:
    machine = page.machines.get(row.lease_id)
    if machine is None or machine.span is None:
        return
    _accrue(page, machine, _ns(row.at))
    span = machine.span
    is_same = (span.state, span.hourly_nano_usd) == (row.state, row.hourly_nano_usd)
    if row.begins_boot or not is_same:
        at_ns = span.accrued_ns
        page.machines.put(closed(span))
        machine.span = replace(
            begun(span, machine.next_seq, at_ns),
            state=row.state,
            hourly_nano_usd=row.hourly_nano_usd,
            reason=row.reason,
        )
        machine.next_seq += 1
        page.machines.put(machine.span)
        if row.begins_boot or row.state != span.state:
            machine.row = machine.row | {"since_ns": at_ns}
    page.machines.change(
        machine,
        instance_id=row.instance_id or machine.row["instance_id"],
        state=row.state,
        rate_nano_usd=row.hourly_nano_usd,
        runs=machine.number("runs") + row.begins_boot,
    )


def _renew(touch: Touch, ahead_s: float, page: Page) -> Granted | Denied:
    machine = page.machines.get(touch.lease_id)
    if machine is None or machine.span is None:
        return Denied(scope=GPU, left_nano_usd=0, is_spent=False)
    _accrue(page, machine, _ns(touch.at))
    held = machine.number("held_nano_usd")
    dearest = max(machine.number("hourly_nano_usd"), machine.span.hourly_nano_usd)
    wanted = price_ahead(dearest, ahead_s)
    if machine.span.state == "requested":
        wanted = max(wanted, held)  # its create is under way
    month = page.month_at(touch.at)
    page.move(machine.held_keys, held=-held)
    scopes = lease_scopes(str(machine.row["provider"]))
    admission = admit(_fixed(wanted), scopes, page.balances(month), page.caps)
    if isinstance(admission, Denied):
        page.move(machine.held_keys, held=held)
        page.machines.change(machine)
        return admission
    page.move(machine.keys(month), held=wanted)
    page.machines.change(machine, held_nano_usd=wanted, held_month=month)
    return admission


def _end(row: LeaseEnded, page: Page) -> None:
    machine = page.machines.get(row.lease_id)
    if machine is None or machine.span is None:
        return
    _accrue(page, machine, _ns(row.at))
    span, machine.span = machine.span, None
    page.machines.put(closed(span))
    page.move(machine.held_keys, held=-machine.number("held_nano_usd"))
    page.machines.change(
        machine,
        held_nano_usd=0,
        rate_nano_usd=0,
        ended_at_ns=span.accrued_ns,
        ending=row.end,
        end_reason=row.reason,
    )


def _correct(row: LeaseCharged, page: Page) -> int:
    machine = page.machines.get(row.lease_id)
    if machine is None:
        return 0
    asked = {"id": row.lease_id, "month": row.month}
    difference = row.charged_nano_usd - page.connection.execute(_BILLED, asked).scalar_one()
    if difference == 0:
        return 0
    at_ns = _ns(row.at)
    correction = Span(
        lease_id=row.lease_id,
        seq=machine.next_seq,
        state="correction",
        since_ns=at_ns,
        until_ns=at_ns,
        accrued_ns=at_ns,
        hourly_nano_usd=0,
        nano_usd=difference,
        month=row.month,
        reason=row.reason,
    )
    machine.next_seq += 1
    page.machines.put(correction)
    page.move(machine.keys(row.month), spent=difference)
    return difference


def _accrue(page: Page, machine: Machine, at_ns: int) -> None:
    """Book the open span up to a time; what is booked is not held any more.

    The lease's row is left to be written by whoever asks, with what else it becomes.
    """
    assert machine.span is not None  # noqa: S101  it was looked at
    before = machine.span
    accrued = accrue(before, at_ns, machine.next_seq)
    machine.span = accrued.spans[-1]
    machine.next_seq += len(accrued.spans) - 1
    for span in accrued.spans:
        booked = before.nano_usd if span.seq == before.seq else 0
        page.move(machine.keys(span.month), spent=span.nano_usd - booked)
        if span != before:
            page.machines.put(span)
    held = machine.number("held_nano_usd")
    if freed := min(held, accrued.grown_nano_usd):
        page.move(machine.held_keys, held=-freed)
        machine.row = machine.row | {"held_nano_usd": held - freed}


def _fixed(nano_usd: int) -> Ask:
    return Ask(fixed_nano_usd=nano_usd, token_nano_usd=0, output_tokens=0)


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def _opened(row: LeaseOpened, held: int, month: str) -> LeaseRow:
    offer = row.offer
    return {
        "lease_id": row.lease_id,
        "provider": offer.provider,
        "offer_id": offer.offer_id,
        "gpu": offer.gpu,
        "hourly_nano_usd": offer.hourly_nano_usd,
        "stopped_hourly_nano_usd": offer.stopped_hourly_nano_usd,
        "interruptible": int(offer.interruptible),
        "trusted": int(offer.trusted),
        "region": offer.region,
        "instance_id": None,
        "state": "requested",
        "since_ns": _ns(row.at),
        "rate_nano_usd": 0,
        "runs": 1,
        "held_nano_usd": held,
        "held_month": month,
        "opened_at_ns": _ns(row.at),
        "ended_at_ns": None,
        "ending": None,
        "end_reason": None,
    }


def _lease(row: Mapping[Any, Any]) -> Lease:
    ended_at_ns = row["ended_at_ns"]
    return Lease(
        lease_id=row["lease_id"],
        provider=row["provider"],
        instance_id=row["instance_id"],
        gpu=row["gpu"],
        state=row["state"],
        since=row["since_ns"] / 1e9,
        rate_nano_usd=row["rate_nano_usd"],
        hourly_nano_usd=row["hourly_nano_usd"],
        stopped_hourly_nano_usd=row["stopped_hourly_nano_usd"],
        interruptible=bool(row["interruptible"]),
        runs=row["runs"],
        opened_at=row["opened_at_ns"] / 1e9,
        ended_at=None if ended_at_ns is None else ended_at_ns / 1e9,
        end=row["ending"],
        spent_nano_usd=int(row["spent_nano_usd"]),
        held_nano_usd=row["held_nano_usd"],
    )
