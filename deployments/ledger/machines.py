"""Leases in the middle of a transaction: locked before the balances, read and written as rows.

Their lines are in the journal like those of attempts: the balances are rebuilt from both, and a
ledger that has forgotten a machine would let the month's money be spent twice.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import cast

from sqlalchemy import Connection, bindparam, func, insert, select

from deployments.ledger.schema import leases, spans
from deployments.ledger.statements import upsert
from tercet.accrual import months
from tercet.leases import Span, lease_scopes

LeaseRow = dict[str, object]

_LEASES = (
    select(leases)
    .where(leases.c.lease_id.in_(bindparam("ids", expanding=True)))
    .order_by(leases.c.lease_id)
    .with_for_update()
)
_OPEN = select(spans).where(
    spans.c.lease_id.in_(bindparam("ids", expanding=True)), spans.c.until_ns.is_(None)
)
_LAST = (
    select(spans.c.lease_id, func.max(spans.c.seq))
    .where(spans.c.lease_id.in_(bindparam("ids", expanding=True)))
    .group_by(spans.c.lease_id)
)


_ADD_LEASE = insert(leases)
_PUT_LEASE, _PUT_SPAN = upsert(leases), upsert(spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """A lease that an operation may change, and when."""

    lease_id: str
    at: float
    month: str | None = None
    """Another month that it may charge."""


@dataclass(slots=True, kw_only=True)
class Machine:
    """A lease as it stands."""

    row: LeaseRow
    span: Span | None
    """The open one; `None`: it has ended."""
    next_seq: int
    stored: LeaseRow
    """The row as it is written."""

    def number(self, name: str) -> int:
        """Return a number of the lease's row."""
        return cast("int", self.row[name])

    def keys(self, month: str) -> tuple[tuple[str, str], ...]:
        """Return the balances it is charged to in a month."""
        return tuple((month, scope) for scope in lease_scopes(str(self.row["provider"])))

    @property
    def held_keys(self) -> tuple[tuple[str, str], ...]:
        """The balances in which its money is held."""
        return self.keys(str(self.row["held_month"]))


class Machines:
    """The leases that a group of writes is about."""

    def __init__(self, connection: Connection, entries: list[dict[str, object]]) -> None:
        """Begin with none; `entries` are the journal's."""
        self._connection = connection
        self._entries = entries
        self._known: dict[str, Machine] = {}

    def load(self, ids: Iterable[str]) -> None:
        """Read and lock leases, always in one order."""
        wanted = {"ids": sorted(ids)}
        if not wanted["ids"]:
            return
        found = self._connection.execute(_LEASES, wanted).mappings()
        rows: dict[str, LeaseRow] = {str(row["lease_id"]): dict(row) for row in found}
        last = {str(row[0]): int(row[1]) for row in self._connection.execute(_LAST, wanted)}
        under_way = {
            str(row["lease_id"]): Span(**row)
            for row in self._connection.execute(_OPEN, wanted).mappings()
        }
        self._known = {
            lease_id: Machine(
                row=row,
                span=under_way.get(lease_id),
                next_seq=last.get(lease_id, -1) + 1,
                stored=row,
            )
            for lease_id, row in rows.items()
        }

    def keys_of(self, touch: Touch, month: str) -> Iterator[tuple[str, str]]:
        """Yield the balances that may change, `month` being the ledger's."""
        machine = self._known.get(touch.lease_id)
        if machine is None:
            return
        yield from (*machine.held_keys, *machine.keys(month))
        if touch.month is not None:
            yield from machine.keys(touch.month)
        if machine.span is not None:
            for each in months(machine.span.since_ns, round(touch.at * 1e9)):
                yield from machine.keys(each)

    def get(self, lease_id: str) -> Machine | None:
        """Return a lease as it stands, also one that has ended."""
        return self._known.get(lease_id)

    def add(self, machine: Machine) -> None:
        """Write a new lease and its first span."""
        lease_id = str(machine.row["lease_id"])
        if lease_id in self._known:
            raise ValueError(f"lease {lease_id} is opened twice")
        assert machine.span is not None  # noqa: S101  a new lease is open
        self._connection.execute(_ADD_LEASE, machine.row)  # fails if it was opened before
        self._entries.append({"op": "lease", **machine.row})
        self._known[lease_id] = machine
        self.put(machine.span)

    def change(self, machine: Machine, **values: object) -> None:
        """Write what a lease has become, if it is anything else than before."""
        machine.row = machine.row | values
        if machine.row != machine.stored:
            machine.stored = machine.row
            self._connection.execute(_PUT_LEASE, machine.row)
            self._entries.append({"op": "lease", **machine.row})

    def put(self, span: Span) -> None:
        """Write a span."""
        row = asdict(span)
        self._connection.execute(_PUT_SPAN, row)
        self._entries.append({"op": "span", **row})
