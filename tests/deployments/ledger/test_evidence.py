import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.learned import label
from fakes.migrating import audit, sample, transition
from fakes.rows import AT, opened, query, reservation, settlement, together

from deployments.ledger import Ledger, LedgerError, url_of
from deployments.ledger.database import Database
from deployments.ledger.inspection import inspected
from deployments.ledger.opening import upgrade
from tercet.budget import Denied
from tercet.migration import EVIDENCE_KEY, Look, Migration


def moved(ledger: Ledger, *rows: object) -> list[bool]:
    return [asyncio.run(ledger.move_migration(row)) for row in rows]


def test_a_kind_is_where_its_last_move_brought_it_and_every_move_stays(
    ledger: Ledger, url: str
) -> None:
    other = transition(kind="routine_code", at=AT, by="operator")
    assert asyncio.run(ledger.migrations()) == []
    assert moved(ledger, transition(1), other, transition(2)) == [True, True, True]
    assert asyncio.run(ledger.migrations()) == [
        Migration(kind="lookup", state="canary", share=0.1, since=AT + 2, seq=2),
        Migration(kind="routine_code", state="shadow", share=0.0, since=AT, seq=1),
    ]
    with inspected(url) as books:
        assert books.transitions() == [other, transition(1), transition(2)]


@pytest.mark.parametrize(
    "wrong",
    [
        transition(1),
        transition(3),
        transition(2, come_from="promoted"),
        transition(2, kind="routine_code"),
        transition(1, kind="routine_code", come_from="canary"),
    ],
    ids=["made before", "a gap", "elsewhere", "another kind", "not from baseline"],
)
def test_a_move_from_where_a_kind_is_not_is_not_made(
    ledger: Ledger, url: str, wrong: object
) -> None:
    assert moved(ledger, transition(1), wrong) == [True, False]
    with inspected(url) as books:
        assert books.transitions() == [transition(1)]


def test_of_processes_that_move_a_kind_at_once_one_does(opening: Callable[..., Ledger]) -> None:
    ledgers = [opening() for _ in range(3)]

    async def main() -> list[bool]:
        rows = [transition(1, why=f"{number}") for number in range(3)]
        return await together(
            *(one.move_migration(row) for one, row in zip(ledgers, rows, strict=True))
        )

    assert sorted(asyncio.run(main())) == [False, False, True]
    assert [row.seq for row in asyncio.run(ledgers[0].migrations())] == [1]


def test_of_each_kind_the_last_look_is_kept(ledger: Ledger, url: str) -> None:
    first = Look(kind="lookup", is_suspected=True, document='{"why": "a"}', at=AT)
    last = replace(first, is_suspected=False, document='{"why": "b"}', at=AT + 300)
    other = replace(first, kind="chat")
    assert asyncio.run(ledger.looks()) == []
    for row in (first, other, last):
        asyncio.run(ledger.note_look(row))
    assert asyncio.run(ledger.looks()) == [other, last]
    with inspected(url) as books:
        assert books.looks() == [other, last]


def test_a_sample_goes_from_chosen_to_judged_and_one_is_left_for_a_reason(
    ledger: Ledger, url: str
) -> None:
    chosen = sample(
        state="chosen", by=None, judge=None, base_quality=None, tested_quality=None,
        is_consistent=None, base_chars=None, tested_chars=None, base_nano_usd=None,
        tested_nano_usd=None, judge_nano_usd=None, base_s=None, tested_s=None, side=None,
    )  # fmt: skip
    left = replace(chosen, task_id="req_2", state="left", reason="asleep", at=AT + 5)
    other = sample(purpose="composition", tested_arm="tier3(a+b)", is_consistent=False, at=AT + 1)

    async def main() -> None:
        for row in (left, chosen, other):
            await ledger.note_sample(row)

    asyncio.run(main())
    with inspected(url) as books:
        assert books.samples(AT) == [chosen, other, left]
    asyncio.run(ledger.note_sample(sample()))
    with inspected(url) as books:
        assert books.samples(AT) == [sample(), other, left]
        assert books.samples(AT + 2) == [left]


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "rumour"},
        {"side": "left"},
        {"probability": 0.0},
        {"base_quality": 1.5},
        {"tested_quality": -0.5},
        {"state": "left"},
        {"reason": "asleep"},
        {"by": None},
        {"tested_quality": None},
        {"judge_nano_usd": -1},
        {"tested_s": -1.0},
    ],
    ids=str,
)
def test_a_sample_that_cannot_be_is_refused_and_others_beside_it_are_not(
    ledger: Ledger, url: str, wrong: dict[str, object]
) -> None:
    async def main() -> None:
        noted = asyncio.create_task(ledger.note_sample(sample("good")))
        with pytest.raises(LedgerError):
            await ledger.note_sample(replace(sample("bad"), **wrong))
        await noted

    asyncio.run(main())
    with inspected(url) as books:
        assert books.samples(0) == [sample("good")]


def test_a_judge_is_audited_on_an_item_as_often_as_one_likes(ledger: Ledger, url: str) -> None:
    again = audit(judged=1.0, is_consistent=False, at=AT + 9)

    async def main() -> None:
        for row in (again, audit(judged=0.0), audit()):
            await ledger.note_audit(row)
        with pytest.raises(LedgerError):
            await ledger.note_audit(audit(truth=-1.5))

    asyncio.run(main())
    with inspected(url) as books:
        assert books.audits(AT) == [audit(), again]
        assert books.audits(AT + 1) == [again]


def test_a_label_says_how_long_its_answer_took(ledger: Ledger) -> None:
    async def main() -> None:
        await ledger.note_labels([label(seconds=2.5), label("req_2")])
        assert [row.seconds for row in await ledger.labels(0)] == [2.5, None]
        with pytest.raises(LedgerError):
            await ledger.note_labels([label("req_3", seconds=-1.0)])

    asyncio.run(main())


def test_labels_of_the_release_before_are_kept_and_took_nobody_knows_how_long(url: str) -> None:
    database = Database(url)
    database.make_folder()
    with closing(database), database.connect() as connection, database.transaction(connection):
        upgrade(connection, "0007")
        connection.exec_driver_sql(
            "INSERT INTO labels (task_id, arm, source, group_id, kind, kinds, declared, quality,"
            " size_tokens, at_ns) VALUES ('t', 'flash', 'test', 'g', 'chat', '{}', 0, 1.0, 7, 1)"
        )
    with closing(Ledger(url)) as ledger:
        (found,) = asyncio.run(ledger.labels(0))
    assert (found.task_id, found.quality, found.seconds) == ("t", 1.0, None)


def test_evidence_outlives_a_damaged_file(file: Path) -> None:
    known = Look(kind="lookup", is_suspected=True, document="{}", at=AT)
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        ledger.open_request(opened())
        asyncio.run(ledger.reserve(reservation("a")))
        asyncio.run(ledger.note_sample(sample()))
        asyncio.run(ledger.note_audit(audit()))
        asyncio.run(ledger.note_look(known))
        moved(ledger, transition(1))
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE balances SET spent_nano_usd = 999")
    Ledger(file, clock=lambda: AT).close()
    assert list(file.parent.glob("*.damaged-*"))
    with inspected(file) as books:
        assert books.transitions() == [transition(1)]
        assert books.samples(0) == [sample()]
        assert books.audits(0) == [audit()]
        assert books.looks() == [known]
        assert [row.task_id for row in books.tasks(0)] == ["req_1"]


def test_off_path_attempts_are_their_own_tasks_and_capped_as_evidence(
    opening: Callable[..., Ledger], url: str
) -> None:
    ledger = opening({"key:evidence": 150})
    off_path = {"key_id": EVIDENCE_KEY, "role": "shadow", "task_id": "req_1.shadow"}

    async def main() -> object:
        ledger.open_request(opened())
        await ledger.reserve(reservation("a"))
        await ledger.settle(settlement("a", settled_nano_usd=40))
        await ledger.reserve(reservation("b", **off_path))
        assert await ledger.task("req_1.shadow") is None
        judging = off_path | {"role": "judge", "task_id": "req_1.judge"}
        return await ledger.reserve(reservation("c", **judging))

    denied = asyncio.run(main())
    assert denied == Denied(scope="key:evidence", left_nano_usd=50, is_spent=False)
    with inspected(url) as books:
        assert [(row.task_id, row.nano_usd) for row in books.tasks(0)] == [("req_1", 40)]


def test_both_are_found_by_time(in_file: Ledger, file: Path) -> None:
    for table in ("samples", "audits"):
        asked = f"SELECT * FROM {table} WHERE at_ns >= 7 ORDER BY at_ns"  # noqa: S608
        (plan,) = query(url_of(file), f"EXPLAIN QUERY PLAN {asked}")
        assert f"{table}_by_time" in str(plan["detail"])
