"""The judge finds what it is there to find."""

import json
from pathlib import Path

import pytest
from chaos.judge import Bill, Row, bills_in, judge


def row(attempt_id: str, state: str, settled: int | None, flag: str | None = None) -> Row:
    return Row(
        attempt_id=attempt_id,
        task_id="req_1",
        state=state,
        flag=flag,
        reserved_nano_usd=1_000,
        settled_nano_usd=settled,
    )


BILLS = [
    Bill(attempt_id="a", nano_usd=300),
    Bill(attempt_id="b", nano_usd=0),
    Bill(attempt_id="c", nano_usd=200),
]
ROWS = [
    row("a", "settled", 300),
    row("b", "void", 0),
    row("c", "estimated", 1_000, "orphan"),
    row("never sent", "estimated", 1_000, "orphan"),
]


def test_books_that_agree_with_the_bill_are_clean() -> None:
    verdict = judge(BILLS, ROWS, cap_nano_usd=500)

    assert verdict.is_clean
    assert (verdict.posts, verdict.rows, verdict.orphans) == (3, 4, 2)
    assert (verdict.billed_nano_usd, verdict.booked_nano_usd) == (500, 2_300)
    assert verdict.orphans_bound_nano_usd == 2_000


def test_a_post_without_a_row_is_lost() -> None:
    verdict = judge(BILLS, ROWS[1:])

    assert verdict.lost == ("a",)
    assert not verdict.is_clean


def test_a_post_that_names_no_attempt_is_lost_though_it_cost_nothing() -> None:
    verdict = judge([*BILLS, Bill(attempt_id=None, nano_usd=0)], ROWS)

    assert verdict.lost == ("(unnamed)",)
    assert not verdict.is_clean


@pytest.mark.parametrize(
    ("bills", "rows"),
    [
        pytest.param([*BILLS, Bill(attempt_id="b", nano_usd=0)], ROWS, id="two POSTs, one row"),
        pytest.param(BILLS, [*ROWS, row("b", "void", 0)], id="one POST, two rows"),
    ],
)
def test_an_attempt_counted_twice_is_doubled(bills: list[Bill], rows: list[Row]) -> None:
    verdict = judge(bills, rows)

    assert verdict.doubled == ("b",)
    assert not verdict.is_clean


@pytest.mark.parametrize(
    "wrong",
    [
        row("a", "settled", 299),
        row("a", "settled", 301),
        row("a", "void", 0),
        row("a", "estimated", 299, "orphan"),
        row("a", "settled", None),
    ],
)
def test_another_amount_than_the_bill_is_wrong(wrong: Row) -> None:
    verdict = judge(BILLS, [wrong, *ROWS[1:]])

    assert len(verdict.wrong) == 1
    assert verdict.wrong[0].startswith(f"a of req_1: {wrong.state}")
    assert not verdict.is_clean


def test_a_row_settled_without_a_post_is_wrong() -> None:
    verdict = judge(BILLS, [*ROWS, row("d", "settled", 10)])

    assert verdict.wrong == ("d of req_1: settled",)
    assert not verdict.is_clean


@pytest.mark.parametrize("state", ["reserved", "sent"])
def test_a_reservation_that_stays_is_open(state: str) -> None:
    verdict = judge(BILLS, [*ROWS, row("d", state, None)])

    assert verdict.open == (f"d of req_1: {state}",)
    assert not verdict.is_clean


def test_an_estimate_above_the_bill_that_is_no_orphan_breaks_the_sum() -> None:
    verdict = judge(BILLS, [row("a", "estimated", 400), ROWS[1], row("c", "settled", 200)])

    assert (verdict.lost, verdict.doubled, verdict.wrong) == ((), (), ())
    assert not verdict.is_within
    assert not verdict.is_clean


def test_what_is_billed_above_the_cap_is_overspent() -> None:
    verdict = judge(BILLS, ROWS, cap_nano_usd=499)

    assert verdict.overspent_nano_usd == 1
    assert not verdict.is_clean


def test_the_billing_log_is_read_line_by_line(tmp_path: Path) -> None:
    lines = [
        {"client_request_id": "a", "cost_nano_usd": 300, "model": "m"},
        {"client_request_id": None, "cost_nano_usd": 0, "model": ""},
    ]
    log = tmp_path / "bill.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert bills_in(log) == [
        Bill(attempt_id="a", nano_usd=300),
        Bill(attempt_id=None, nano_usd=0),
    ]
