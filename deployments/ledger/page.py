"""What a group of writes reads and changes, in memory: loaded once, folded over, stored once.

Rented machines are rare, and are written at once: see `deployments.ledger.machines`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from deployments.ledger import quick
from deployments.ledger.machines import Machines, Touch
from deployments.ledger.schema import attempts, balances
from deployments.ledger.schema import keys as callers
from tercet.budget import Balance, Caps, scopes
from tercet.ledger import month_of

Row = dict[str, object]
BalanceKey = tuple[str, str]
"""Month and scope."""

OPEN_STATES = ("reserved", "sent")
_NOTHING = Balance()

_ATTEMPTS = (
    select(attempts)
    .where(attempts.c.attempt_id.in_(bindparam("ids", expanding=True)))
    .order_by(attempts.c.attempt_id)
    .with_for_update()
)
_BALANCES = (
    select(balances)
    .where(
        balances.c.month.in_(bindparam("months", expanding=True)),
        balances.c.scope.in_(bindparam("scopes", expanding=True)),
    )
    .order_by(balances.c.month, balances.c.scope)
    .with_for_update()
)
_COLUMNS = tuple(attempts.c.keys())
_LATEST = select(func.max(balances.c.month))
_KEY_SCOPE = "key:"
_KEY_CAPS = select(callers.c.name, callers.c.month_cap_nano_usd).where(
    callers.c.name.in_(bindparam("names", expanding=True)),
    callers.c.month_cap_nano_usd.is_not(None),
)
_INSERT = insert(attempts)
_CHANGING = (
    "state", "flag", "reserved_nano_usd", "settled_nano_usd", "price_source", "usage_source",
    "fresh_input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "thinking",
    "outcome", "upstream_id", "first_token_ns", "latency_ns", "settled_at_ns",
)  # fmt: skip
_UPDATE = (
    update(attempts)
    .where(attempts.c.attempt_id == bindparam("id"))
    .values({name: bindparam(name) for name in _CHANGING})
)
# Postgres locks no row that is not there, so one has to be.
_LAY_OUT = text("""
INSERT INTO balances (month, scope, spent_nano_usd, held_nano_usd)
VALUES (:month, :scope, 0, 0) ON CONFLICT (month, scope) DO NOTHING
""")
_STORE = text("""
INSERT INTO balances (month, scope, spent_nano_usd, held_nano_usd)
VALUES (:month, :scope, :spent, :held)
ON CONFLICT (month, scope) DO UPDATE
SET spent_nano_usd = excluded.spent_nano_usd, held_nano_usd = excluded.held_nano_usd
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """The scopes an attempt not yet made will be charged to, and when."""

    at: float
    scopes: tuple[str, ...]


class Page:
    """Attempts and balances as they stand in the middle of a transaction."""

    def __init__(self, connection: Connection, caps: Caps, writer_id: str) -> None:
        """Begin with nothing; `load` brings what the group needs."""
        self.connection = connection
        self.caps = caps
        self.writer_id = writer_id
        self.entries: list[Row] = []
        """What the journal is told, in order."""
        self.machines = Machines(connection, self.entries)
        self._month = ""
        self._balances: dict[str, dict[str, Balance]] = {}
        self._attempts: dict[str, Row] = {}
        self._made: dict[str, Row] = {}
        self._changed: dict[str, Row] = {}
        self._stale: set[BalanceKey] = set()

    def load(
        self, ids: Iterable[str], charges: Sequence[Charge], touches: Sequence[Touch] = ()
    ) -> None:
        """Read and lock the rows; always in one order, so that no two writers wait in a ring."""
        wanted = sorted(set(ids))
        if wanted:
            rows = quick.run(self.connection, _ATTEMPTS, {"ids": wanted})
            self._attempts = {row[0]: dict(zip(_COLUMNS, row, strict=True)) for row in rows}
        keys = {key for row in self._attempts.values() for key in keys_of(row)}
        self.machines.load({touch.lease_id for touch in touches})
        if charges or touches:
            month = self._month = quick.run(self.connection, _LATEST)[0][0] or ""
            for touch in touches:
                month = max(month, month_of(touch.at))
                keys.update(self.machines.keys_of(touch, month))
            for charge in charges:
                month = max(month, month_of(charge.at))
                keys.update((month, scope) for scope in charge.scopes)
            self._load_key_caps(scope for charge in charges for scope in charge.scopes)
        if keys:
            self._load_balances(sorted(keys))

    def _load_key_caps(self, charged: Iterable[str]) -> None:
        """Read keys' caps here: one made a moment ago has its cap in every process at once."""
        names = {
            scope.removeprefix(_KEY_SCOPE) for scope in charged if scope.startswith(_KEY_SCOPE)
        }
        found = quick.run(self.connection, _KEY_CAPS, {"names": sorted(names)})
        self.caps = {**self.caps, **{f"{_KEY_SCOPE}{name}": cap for name, cap in found}}

    def _load_balances(self, keys: Sequence[BalanceKey]) -> None:
        if self.connection.dialect.name == "postgresql":
            laid = [{"month": month, "scope": scope} for month, scope in keys]
            self.connection.execute(_LAY_OUT, laid)
        among = {
            "months": sorted({month for month, _ in keys}),
            "scopes": sorted({scope for _, scope in keys}),
        }
        for month, scope, spent, held in quick.run(self.connection, _BALANCES, among):
            self._of(month)[scope] = Balance(spent=spent, held=held)

    def month_at(self, at: float) -> str:
        """Return the month that is charged at `at`: the ledger's own clock never goes back."""
        self._month = max(self._month, month_of(at))
        return self._month

    def balances(self, month: str) -> Mapping[str, Balance]:
        """Return the balances of a month by scope, of the scopes the group is about."""
        return self._of(month)

    def _of(self, month: str) -> dict[str, Balance]:
        return self._balances.setdefault(month, {})

    def attempt(self, attempt_id: str) -> Row | None:
        """Return an attempt as it stands."""
        return self._attempts.get(attempt_id)

    def make(self, row: Row) -> None:
        """Add an attempt."""
        attempt_id = str(row["attempt_id"])
        if attempt_id in self._made:
            raise ValueError(f"attempt {attempt_id} is reserved twice")
        self._made[attempt_id] = self._attempts[attempt_id] = row
        self._book("reserve", row, held=amount(row, "reserved_nano_usd"))

    def change(self, op: str, row: Row, *, held: int = 0, spent: int = 0) -> None:
        """Replace an attempt by what it has become, and move its balances by the differences."""
        attempt_id = str(row["attempt_id"])
        there = self._made if attempt_id in self._made else self._changed
        there[attempt_id] = self._attempts[attempt_id] = row
        self._book(op, row, held=held, spent=spent)

    def _book(self, op: str, row: Row, *, held: int = 0, spent: int = 0) -> None:
        self.entries.append({"op": op, **row})
        self.move(keys_of(row), held=held, spent=spent)

    def move(self, keys: Iterable[BalanceKey], *, held: int = 0, spent: int = 0) -> None:
        """Move balances that are loaded by so much."""
        if not held and not spent:
            return
        for month, scope in keys:
            by_scope = self._of(month)
            old = by_scope.get(scope, _NOTHING)
            by_scope[scope] = Balance(spent=old.spent + spent, held=old.held + held)
            self._stale.add((month, scope))

    def store(self) -> None:
        """Write what has changed: each row and each balance once."""
        if self._made:
            quick.run_many(self.connection, _INSERT, list(self._made.values()))
        if self._changed:
            changed = [
                {"id": attempt_id, **{name: row[name] for name in _CHANGING}}
                for attempt_id, row in self._changed.items()
            ]
            quick.run_many(self.connection, _UPDATE, changed)
        if self._stale:
            stored = [_stored(key, self._of(key[0])[key[1]]) for key in sorted(self._stale)]
            quick.run_many(self.connection, _STORE, stored)


def _stored(key: BalanceKey, balance: Balance) -> Row:
    month, scope = key
    return {"month": month, "scope": scope, "spent": balance.spent, "held": balance.held}


def keys_of(row: Mapping[str, object]) -> tuple[BalanceKey, ...]:
    """Return the balances an attempt is charged to."""
    month = str(row["month"])
    charged = scopes(
        key_id=str(row["key_id"]), tier=str(row["tier"]), provider=str(row["provider"])
    )
    return tuple((month, scope) for scope in charged)


def amount(row: Mapping[str, object], name: str) -> int:
    """Return nano-USD of a row, 0 where nothing is booked yet."""
    return cast("int | None", row[name]) or 0
