import asyncio
from collections.abc import Callable

import pytest
from fakes.rows import AT, reservation, settlement
from sqlalchemy import text

from deployments.ledger import Ledger, LedgerError
from deployments.ledger.inspection import AttemptRow, Inspection, inspected
from deployments.ledger.schema import attempts
from tercet.budget import Balance

Opening = Callable[..., Ledger]


def test_a_row_has_the_columns_of_the_table_in_their_order() -> None:
    assert list(AttemptRow._fields) == [column.name for column in attempts.columns]


def test_what_is_written_meanwhile_is_not_seen(ledger: Ledger, url: str) -> None:
    asyncio.run(ledger.reserve(reservation("att_1")))
    with inspected(url) as books:
        first = [(row.attempt_id, row.state, row.held) for row in books.attempts()]
        asyncio.run(ledger.settle(settlement("att_1")))
        asyncio.run(ledger.reserve(reservation("att_2")))
        assert [(row.attempt_id, row.state, row.held) for row in books.attempts()] == first
        assert first == [("att_1", "reserved", 100)]
        assert books.balances()["2026-11", "month"] == Balance(spent=0, held=100)
    with inspected(url) as books:
        assert [(row.spent, row.held) for row in books.attempts()] == [(40, 0), (0, 100)]


def test_rows_come_by_month_and_time_and_one_month_can_be_had(ledger: Ledger, url: str) -> None:
    for number, days in enumerate((2, 0, 1, 9)):
        asyncio.run(ledger.reserve(reservation(f"att_{number}", at=AT + days * 86_400)))
    with inspected(url) as books:
        assert [row.attempt_id for row in books.attempts()] == ["att_1", "att_2", "att_0", "att_3"]
        assert [row.attempt_id for row in books.attempts("2026-12")] == ["att_3"]
        assert books.latest_month() == "2026-12"


def test_nothing_can_be_written_through_an_inspection(ledger: Ledger, url: str) -> None:
    with pytest.raises(LedgerError, match=r"read.?only"), inspected(url) as books:
        _connection(books).execute(text("DELETE FROM attempts"))


def test_a_whole_ledger_has_no_damage(ledger: Ledger, url: str) -> None:
    with inspected(url) as books:
        assert books.damage() == []
        assert books.journal_damage() is None


def _connection(books: Inspection):
    return books._connection
