import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.learned import label, moved, version
from fakes.rows import AT, opened, reservation

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from tercet.learning import Lock, PolicyMove


def states(ledger: Ledger) -> dict[str, tuple[str, float]]:
    return {row.version: (row.state, row.share) for row in asyncio.run(ledger.policies())}


def put(ledger: Ledger, *names: str) -> None:
    for number, name in enumerate(names):
        assert asyncio.run(ledger.put_policy(version(name, made_at=AT + number)))


def move(ledger: Ledger, *rows: PolicyMove) -> bool:
    return asyncio.run(ledger.move_policies(rows))


def test_a_version_is_read_as_it_was_written_and_lists_leave_its_document_out(
    ledger: Ledger,
) -> None:
    put(ledger, "v1")
    assert asyncio.run(ledger.policy("v1")) == version("v1")
    assert asyncio.run(ledger.policy("v2")) is None
    assert asyncio.run(ledger.policies()) == [replace(version("v1"), document=None)]


def test_a_name_is_given_once(ledger: Ledger) -> None:
    put(ledger, "v1")
    assert not asyncio.run(ledger.put_policy(version("v1", document=b"another")))
    assert asyncio.run(ledger.policy("v1")) == version("v1")


def test_a_version_without_its_document_is_no_version(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="version v1 has no document"):
        asyncio.run(ledger.put_policy(version("v1", document=None)))


def test_only_what_routes_is_in_play(ledger: Ledger) -> None:
    put(ledger, "v1", "v2", "v3")
    assert move(ledger, moved("v1", "candidate", "in_force"))
    assert move(ledger, moved("v2", "candidate", "canary", share=0.05))
    found = asyncio.run(ledger.policies_in_play())
    assert [(row.version, row.state, row.share, row.document) for row in found] == [
        ("v2", "canary", 0.05, None),
        ("v1", "in_force", 1.0, None),
    ]


def test_whoever_comes_into_force_retires_who_was(ledger: Ledger) -> None:
    put(ledger, "v1", "v2")
    assert move(ledger, moved("v1", "candidate", "in_force"))
    assert move(ledger, moved("v2", "candidate", "in_force", at=AT + 90))
    assert states(ledger) == {"v1": ("retired", 0.0), "v2": ("in_force", 1.0)}
    old, new = asyncio.run(ledger.policy("v1")), asyncio.run(ledger.policy("v2"))
    assert old is not None
    assert new is not None
    assert (old.why, old.in_force_at, old.changed_at) == ("v2 took its place", AT + 60, AT + 90)
    assert (new.why, new.in_force_at, new.changed_at) == ("a test", AT + 90, AT + 90)


def test_a_canary_is_widened_where_it_is(ledger: Ledger) -> None:
    put(ledger, "v1")
    assert move(ledger, moved("v1", "candidate", "canary", share=0.05))
    assert move(ledger, moved("v1", "canary", "canary", share=0.25))
    assert states(ledger) == {"v1": ("canary", 0.25)}


def test_a_move_from_where_a_version_is_not_any_more_is_not_made(ledger: Ledger) -> None:
    put(ledger, "v1")
    assert move(ledger, moved("v1", "candidate", "rolled_back"))
    assert not move(ledger, moved("v1", "candidate", "canary", share=0.05))
    assert not move(ledger, moved("v9", "candidate", "canary", share=0.05))
    assert states(ledger) == {"v1": ("rolled_back", 0.0)}


def test_of_several_moves_all_are_made_or_none(ledger: Ledger) -> None:
    put(ledger, "v1", "v2")
    move(ledger, moved("v1", "candidate", "in_force"))
    move(ledger, moved("v2", "candidate", "in_force"))
    assert not move(
        ledger, moved("v2", "in_force", "rolled_back"), moved("v1", "candidate", "in_force")
    )
    assert states(ledger)["v2"] == ("in_force", 1.0)
    assert move(ledger, moved("v2", "in_force", "rolled_back"), moved("v1", "retired", "in_force"))
    assert states(ledger) == {"v1": ("in_force", 1.0), "v2": ("rolled_back", 0.0)}


def test_two_processes_that_move_at_once_leave_one_in_force(opening) -> None:
    ledgers = [opening() for _ in range(3)]
    put(ledgers[0], "v0", "v1", "v2")

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for number, ledger in enumerate(ledgers):
                group.create_task(
                    ledger.move_policies([moved(f"v{number}", "candidate", "in_force")])
                )

    asyncio.run(main())
    assert sorted(state for state, _ in states(ledgers[0]).values()) == [
        "in_force", "retired", "retired",
    ]  # fmt: skip


def lock(**changes: object) -> Lock:
    held = Lock(name="refit", owner="one", until=AT + 60, why="nightly", at=AT)
    return replace(held, **changes)


def test_a_lock_is_one_owners_until_it_runs_out_or_is_given_back(ledger: Ledger) -> None:
    async def main() -> None:
        assert await ledger.take_lock(lock())
        assert await ledger.take_lock(lock(until=AT + 90))
        assert not await ledger.take_lock(lock(owner="two", at=AT + 89))
        assert await ledger.locks(AT + 89) == [lock(until=AT + 90)]
        assert await ledger.locks(AT + 90) == []
        assert await ledger.take_lock(lock(owner="two", at=AT + 90, until=None))
        assert not await ledger.take_lock(lock(at=AT + 1e6))
        assert not await ledger.give_back_lock("refit", "one")
        assert await ledger.give_back_lock("refit", "two")
        assert await ledger.take_lock(lock())

    asyncio.run(main())


def test_an_operator_sees_versions_and_locks(ledger: Ledger, url: str) -> None:
    put(ledger, "v1", "v2")
    asyncio.run(ledger.take_lock(lock()))
    with inspected(url) as books:
        assert [row.version for row in books.policies()] == ["v2", "v1"]
        assert books.policy("v1") == version("v1")
        assert books.policy("v9") is None
        assert books.locks(AT) == [lock()]


def test_what_was_learned_outlives_a_damaged_file(file: Path) -> None:
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        ledger.open_request(opened())
        asyncio.run(ledger.reserve(reservation("a")))
        asyncio.run(ledger.note_labels([label()]))
        put(ledger, "v1")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE balances SET spent_nano_usd = 999")
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        assert asyncio.run(ledger.policy("v1")) == version("v1")
        assert asyncio.run(ledger.labels(0)) == [label()]
        assert list(file.parent.glob("*.damaged-*"))
