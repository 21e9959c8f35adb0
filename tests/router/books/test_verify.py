import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fakes.rows import AT, ask, reservation, settlement

from deployments.prices import GENAI_PRICES
from router.books.verify import verify
from tercet.config import Config, load, settings
from tercet.usage import Usage

Make = Callable[..., Path]
NAMES = [
    "database", "journal", "balances", "settlements", "usage", "open", "months", "prices", "leases",
]  # fmt: skip


@pytest.fixture(scope="module")
def config() -> Config:
    return load(chosen=settings({}))


@pytest.fixture
def ledger(book: Make) -> Path:
    """Return an attempt of 10 fresh and 4 output tokens at 4 and 20 USD a million, and an open."""
    counted = Usage(fresh_input=10, output=4, thinking=1)
    settled = settlement(
        "att_1", usage=counted, settled_nano_usd=120_000, price_source=GENAI_PRICES
    )
    return book(
        (reservation("att_1", ask=ask(200_000), price_source=GENAI_PRICES), settled),
        (reservation("att_2", deadline_at=AT + 100), None),
    )


def change(ledger: Path, statement: str) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute(statement)


@pytest.fixture
def found(
    ledger: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., dict[str, list[str]]]]:
    """Verify, and return what was found by check; the exit status must say the same."""

    def ask_it(*statements: str, now: float = AT + 100) -> dict[str, list[str]]:
        for statement in statements:
            change(ledger, statement)
        status = verify(ledger, config, now, as_json=True)
        checks = json.loads(capsys.readouterr().out)
        wrong = {check["check"]: check["first"] for check in checks if check["wrong"]}
        assert status == (1 if wrong else 0)
        return wrong

    return ask_it


def test_a_ledger_in_order_is_said_to_be_in_one_line_a_check(
    ledger: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(ledger, config, AT + 100) == 0
    assert capsys.readouterr().out == "".join(f"{name:<12}ok\n" for name in NAMES)


def test_an_empty_ledger_is_in_order(book: Make, config: Config) -> None:
    assert verify(book(), config, AT) == 0


def test_a_corrupted_amount_is_found_by_the_balances_and_by_its_price(
    ledger: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    change(ledger, "UPDATE attempts SET settled_nano_usd = 119999 WHERE attempt_id = 'att_1'")
    assert verify(ledger, config, AT + 100) == 1
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["balances"] == (
        "balances    4 wrong: 2026-11 key:default says 120,000 spent and 100 held, its rows "
        "119,999 and 100; 2026-11 month says 120,000 spent and 100 held, its rows 119,999 and "
        "100; 2026-11 provider:anthropic says 120,000 spent and 100 held, its rows 119,999 and "
        "100; ..."
    )
    assert lines["prices"] == "prices      1 wrong: att_1 is booked at 119,999 and costs 120,000"
    assert lines["usage"] == "usage       ok"


def test_a_row_that_is_gone_is_found(found) -> None:
    wrong = found("DELETE FROM attempts WHERE attempt_id = 'att_1'")
    assert wrong["balances"][1] == (
        "2026-11 month says 120,000 spent and 100 held, its rows 0 and 100"
    )


def test_a_settled_row_without_an_amount_is_found(found) -> None:
    wrong = found("UPDATE attempts SET settled_nano_usd = NULL WHERE attempt_id = 'att_1'")
    assert wrong["settlements"] == ["att_1 is settled without an amount, a time or a source"]


def test_a_void_row_with_an_amount_is_found(found) -> None:
    wrong = found("UPDATE attempts SET state = 'void' WHERE attempt_id = 'att_1'")
    assert wrong == {"settlements": ["att_1 is void and has an amount"]}


def test_an_open_row_with_an_amount_is_found(found) -> None:
    wrong = found("UPDATE attempts SET settled_nano_usd = 0 WHERE attempt_id = 'att_2'")
    assert wrong == {"settlements": ["att_2 is open and has an amount"]}


def test_counts_that_cannot_be_are_found(found) -> None:
    wrong = found("UPDATE attempts SET cache_read = -1 WHERE attempt_id = 'att_1'")
    assert wrong == {"usage": ["att_1 has a negative count"]}


def test_more_thinking_than_output_is_found(found) -> None:
    wrong = found("UPDATE attempts SET thinking = 5 WHERE attempt_id = 'att_1'")
    assert wrong == {"usage": ["att_1 thought more than it said in all"]}


def test_an_attempt_is_late_a_minute_after_its_deadline(found) -> None:
    assert found(now=AT + 160) == {}
    assert found(now=AT + 161) == {
        "open": ["att_2 is reserved since its deadline; start the gateway, whose sweep settles it"]
    }


def test_a_month_that_is_not_that_of_the_reservation_is_found(found) -> None:
    wrong = found(
        "DELETE FROM journaled",  # the journal would find it too
        "UPDATE attempts SET month = '2026-12' WHERE attempt_id = 'att_2'",
        "UPDATE balances SET held_nano_usd = 0",
        "INSERT INTO balances SELECT '2026-12', scope, 0, 100 FROM balances",
    )
    assert wrong == {"months": ["att_2 of 2026-11 is booked in 2026-12"]}


def test_a_month_that_had_begun_before_the_clock_went_back_is_no_error(found) -> None:
    wrong = found(
        "DELETE FROM journaled",
        "UPDATE attempts SET month = '2026-12'",
        "UPDATE balances SET month = '2026-12'",
        "UPDATE attempts SET reserved_at_ns = 1796083200000000000 WHERE attempt_id = 'att_2'",
        "UPDATE attempts SET deadline_at_ns = 1796083900000000000 WHERE attempt_id = 'att_2'",
    )
    assert wrong == {}


def test_a_row_priced_by_another_table_is_counted_and_is_no_error(
    ledger: Path, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    change(ledger, "UPDATE attempts SET price_source = 'genai-prices 0.1.0'")
    assert verify(ledger, config, AT + 100) == 0
    assert capsys.readouterr().out.splitlines()[-2] == (
        "prices      ok (1 were priced by a table that is not here now)"
    )


def test_a_row_is_priced_again_at_the_service_tier_it_was_served_at(found) -> None:
    assert found(
        f"UPDATE attempts SET settled_nano_usd = 60000, price_source = '{GENAI_PRICES}, batch x0.5'"  # noqa: S608
        " WHERE attempt_id = 'att_1'",
        "UPDATE balances SET spent_nano_usd = 60000",
    ) == {}  # fmt: skip


def test_a_damaged_database_is_said_to_be_and_its_rows_are_not_believed(
    ledger: Path, config: Config, damage, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(ledger)

    assert verify(ledger, config, AT) == 1
    said = capsys.readouterr().out
    assert said.startswith("database    ")
    assert said.endswith("; the rows of a damaged database were not checked\n")
    assert said.count("\n") == 1
