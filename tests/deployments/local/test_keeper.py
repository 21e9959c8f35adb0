"""The keeper over a real ledger's words and a fake clock."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fakes.renting import rules

from cluster.doorstep import Doorstep, NodeFile
from deployments.local.keeper import Keeper
from tercet.keep_alive.settings import KeepAliveSettings
from tercet.leases import Arrivals, Decided, Lease
from tercet.readiness import Start

NOW = 1_795_000_020.0
HISTORY_MIN = 600


@dataclass
class Books:
    """What the ledger would say: so many requests in each of the last minutes."""

    busy: range = range(0)
    price: int = 20_000_000
    count: int = 5
    noted: list[Decided] = field(default_factory=list)
    asked: list[tuple[float, float, float]] = field(default_factory=list)
    is_away: bool = False

    async def arrivals(
        self, since: float, until: float, minute_s: float = 60.0
    ) -> Sequence[Arrivals]:
        if self.is_away:
            raise OSError("the ledger is away")
        self.asked.append((since, until, minute_s))
        return [
            Arrivals(
                minute=minute,
                count=self.count,
                api_nano_usd=self.count * self.price,
                local_count=0,
                local_input_tokens=0,
                local_output_tokens=0,
            )
            for minute in self.busy
            if since <= minute * minute_s < until
        ]

    async def starts(self, limit: int = 50) -> Sequence[Start]:
        return []

    async def leases(self, *, open_only: bool) -> Sequence[Lease]:
        return []

    async def note_decision(self, row: Decided) -> None:
        self.noted.append(row)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def keeper(books: Books, **settings: object) -> tuple[Keeper, Clock]:
    clock = Clock()
    chosen = KeepAliveSettings(**settings)
    return Keeper(
        books, replace(rules(), keep_alive=chosen, minute_s=60.0), clock, HISTORY_MIN
    ), clock


def look(one: Keeper) -> None:
    asyncio.run(one.look())


def test_nothing_is_wished_before_the_ledger_was_read() -> None:
    one, _ = keeper(Books())
    assert one.wish is None


def test_it_begins_with_the_weeks_before_and_notes_none_of_them() -> None:
    books = Books()
    one, _ = keeper(books)
    look(one)
    (asked,) = books.asked
    assert asked[1] - asked[0] == HISTORY_MIN * 60
    assert one.wish is False
    assert books.noted == []


def test_traffic_that_pays_is_wished_and_each_decision_in_force_is_noted() -> None:
    minute = int(NOW // 60)
    books = Books(busy=range(minute - 120, minute + 10))
    one, clock = keeper(books)
    look(one)
    assert one.wish is True
    clock.now += 120
    look(one)
    in_force = [row for row in books.noted if row.is_in_force]
    assert [row.policy for row in in_force] == ["rate", "rate"]
    assert all(row.wants_on and "break-even" in row.why for row in in_force)
    assert {"bill_gpu_usd", "bill_api_usd"} <= in_force[0].numbers.keys()


def test_the_policy_off_never_wishes() -> None:
    minute = int(NOW // 60)
    one, _ = keeper(Books(busy=range(minute - 120, minute)), policy="off")
    look(one)
    assert one.wish is False


def test_a_ledger_that_is_away_leaves_the_wish_as_it_was() -> None:
    minute = int(NOW // 60)
    books = Books(busy=range(minute - 120, minute))
    one, clock = keeper(books)
    look(one)
    books.is_away, clock.now = True, clock.now + 60
    try:
        look(one)
    except OSError:
        assert one.wish is True
    else:
        raise AssertionError("the ledger was to be away")


def test_a_machine_that_no_replica_is_wanted_on_is_let_go(tmp_path) -> None:
    one, clock = keeper(Books())
    doorstep, linger_s = Doorstep(tmp_path, rules().head), rules().times.linger_s
    node = NodeFile(
        node_id="a-1", tags={"a": "b"}, forwards=[], reach=[], command=[], environment={}
    )
    doorstep.expect("a", node)
    doorstep.expect("held", {**node, "holder": "a relay", "lasts_s": 600.0})
    clock.now = time.time() + 1

    def after(seconds: float, replicas: int) -> set[str]:
        """Let the controller say this again and again, and return what is wanted then."""
        for _ in range(round(seconds)):
            clock.now += 1
            one.hear(replicas)
        one.let_go(doorstep)
        return set(doorstep.wanted())

    assert after(linger_s - 1, 0) == {"a", "held"}
    assert after(1_000, 1) == {"a", "held"}
    assert after(linger_s - 1, 0) == {"a", "held"}
    clock.now += 60  # Serve starts one for a call, and asks nobody
    one.let_go(doorstep)
    assert after(linger_s - 1, 0) == {"a", "held"}
    assert after(5, 0) == {"held"}
