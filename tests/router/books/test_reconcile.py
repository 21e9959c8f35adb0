import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.rows import AT, ask, query, reservation, settlement

from deployments.ledger import LedgerError
from deployments.simulated.billing import Bill, BillingLog
from router.books.reconcile import billed_totals, reconcile, settle_orphans
from tercet.errors import ConfigError
from tercet.ledger import Reservation, Settlement
from tercet.usage import Usage

Make = Callable[..., Path]
Pair = tuple[Reservation, Settlement | None]


def attempt(attempt_id: str, model: str, settled: int | None, reserved: int = 100) -> Pair:
    begun = reservation(attempt_id, model=model, ask=ask(reserved))
    ended = None if settled is None else settlement(attempt_id, settled_nano_usd=settled)
    return begun, ended


def test_equal_sums_are_reported_model_by_model(
    book: Make, bill: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = book(
        attempt("att_1", "gemini-4-argon", 1_000_000),
        attempt("att_2", "claude-opus-5-5", 24_000_000),
        attempt("att_3", "claude-opus-5-5", 6_000_000),
    )
    log = bill(
        ("claude-opus-5-5", 6_000_000),
        ("gemini-4-argon", 1_000_000),
        ("claude-opus-5-5", 24_000_000),
    )
    assert reconcile(ledger, log) == 0
    assert capsys.readouterr().out == (
        "model                               ledger       billing log    difference\n"
        "claude-opus-5-5                 30,000,000        30,000,000             0\n"
        "gemini-4-argon                   1,000,000         1,000,000             0\n"
        "total                           31,000,000        31,000,000             0\n"
    )


def test_a_nano_dollar_more_or_less_is_a_difference(
    book: Make, bill: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = book(attempt("att_1", "a", 9), attempt("att_2", "b", 3))
    assert reconcile(ledger, bill(("a", 8), ("b", 4))) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ["difference", "1", "-1", "0"]


def test_a_model_that_only_one_side_knows_is_a_difference(
    book: Make, bill: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconcile(book(attempt("att_1", "a", 9)), bill(("a", 9), ("b", 1))) == 1
    assert capsys.readouterr().out.splitlines()[2].split() == ["b", "0", "1", "-1"]


def test_an_attempt_still_open_counts_at_its_reservation(book: Make, bill: Make) -> None:
    assert reconcile(book(attempt("att_1", "a", None, 10)), bill(("a", 10))) == 0


def test_attempts_and_posts_that_cost_nothing_are_no_difference(book: Make, bill: Make) -> None:
    assert reconcile(book(attempt("att_1", "a", 0)), bill(("", 0), ("b", 0))) == 0


def test_an_empty_ledger_agrees_with_an_empty_log(book: Make, bill: Make) -> None:
    assert reconcile(book(), bill()) == 0


def test_a_bill_adds_up_by_model(bill: Make) -> None:
    assert billed_totals(bill(("a", 1), ("b", 20), ("a", 300))) == {"a": 301, "b": 20}


def test_the_log_is_read_as_the_simulated_upstreams_write_it(
    book: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = BillingLog(tmp_path / "bill.jsonl")
    posted = Bill(
        at=AT,
        provider="anthropic",
        request_id="req_1",
        client_request_id="att_1",
        model="claude-opus-5-5",
        usage=Usage(output=2),
    )
    log.append(posted)
    log.close()
    assert (
        reconcile(book(attempt("att_1", "claude-opus-5-5", 40_000)), tmp_path / "bill.jsonl") == 0
    )
    assert "by attempt: 1 matched, 0 lost" in capsys.readouterr().out


def test_each_post_is_held_against_its_own_row(
    book: Make, bill: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = book(attempt("att_1", "a", 5), attempt("att_2", "a", 7))
    log = bill(("a", 7, "att_1"), ("a", 5, "att_2"))

    assert reconcile(ledger, log) == 1
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "by attempt: 2 matched, 0 lost, 0 doubled, 2 wrong; 0 estimated or open, 0 above the bill",
        "  wrong: att_1, booked 5, billed 7",
        "  wrong: att_2, booked 7, billed 5",
    ]


def test_a_post_without_a_row_is_lost_and_one_billed_twice_is_doubled(
    book: Make, bill: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    log = bill(("a", 5, "att_1"), ("a", 5, "att_1"), ("a", 3, "att_9"))

    assert reconcile(book(attempt("att_1", "a", 5)), log) == 1
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "by attempt: 1 matched, 1 lost, 1 doubled, 0 wrong; 0 estimated or open, 0 above the bill",
        "  lost: att_9, booked 0, billed 3",
        "  doubled: att_1, booked 5, billed 10",
    ]


def test_a_settled_row_that_nobody_billed_is_wrong(book: Make, bill: Make) -> None:
    ledger = book(attempt("att_1", "a", 5), attempt("att_2", "a", 5))
    assert reconcile(ledger, bill(("a", 5, "att_1"), ("a", 0, "att_2"))) == 1


def test_a_void_row_that_was_billed_is_wrong(
    book: Make, bill: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    never = settlement("att_1", state="void", settled_nano_usd=0)
    assert reconcile(book((reservation("att_1", model="a"), never)), bill(("a", 4, "att_1"))) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "  wrong: att_1, booked 0, billed 4"


def test_what_estimates_are_above_the_bill_is_told_apart_and_is_no_error(
    book: Make, bill: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = book(
        attempt("att_1", "a", 5), attempt("att_2", "a", None, 100), attempt("att_3", "a", None, 10),
        swept_at=AT + 700,
    )  # fmt: skip
    log = bill(("a", 5, "att_1"), ("a", 60, "att_2"))

    assert reconcile(ledger, log) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "by attempt: 2 matched, 0 lost, 0 doubled, 0 wrong; 2 estimated or open, 50 above the bill",
        "  estimated or open: att_2, booked 100, billed 60",
        "  estimated or open: att_3, booked 10, billed 0",
    ]


def test_what_is_settled_after_the_log_was_read_is_not_compared(book: Make, bill: Make) -> None:
    later = settlement("att_2", settled_nano_usd=7, at=AT + 10)
    ledger = book(attempt("att_1", "a", 5), (reservation("att_2", model="a"), later))
    without, with_it = bill(("a", 5, "att_1")), ("a", 5, "att_1")

    assert reconcile(ledger, without) == 1
    assert reconcile(ledger, without, AT + 9) == 0
    assert reconcile(ledger, bill(with_it, ("a", 7, "att_2")), AT + 9) == 0


def test_the_same_is_told_to_programs(
    book: Make, bill: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconcile(book(attempt("att_1", "a", 5)), bill(("a", 6, "att_1")), as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == {
        "is_right": False,
        "booked_nano_usd": {"a": 5},
        "billed_nano_usd": {"a": 6},
        "unexplained_nano_usd": {"a": -1},
        "matched": 1,
        "lost": [],
        "doubled": [],
        "wrong": [{"attempt_id": "att_1", "booked_nano_usd": 5, "billed_nano_usd": 6}],
        "estimated_or_open": [],
    }


def test_orphans_are_settled_at_what_the_log_says_and_others_stay(
    book: Make, bill: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = book(
        attempt("att_1", "a", None, 100), attempt("att_2", "a", None, 10), swept_at=AT + 700
    )
    log = bill(("a", 60, "att_1"))

    assert settle_orphans(ledger, log, AT + 800) == 0
    assert capsys.readouterr().err == "1 orphans settled, 40 nano-USD less than estimated\n"
    fields = "attempt_id, state, flag, settled_nano_usd, usage_source, fresh_input, output"
    assert query(str(ledger), f"SELECT {fields} FROM attempts ORDER BY 1") == [  # noqa: S608
        {
            "attempt_id": "att_1", "state": "settled", "flag": None, "settled_nano_usd": 60,
            "usage_source": "provider", "fresh_input": 8, "output": 3,
        },
        {
            "attempt_id": "att_2", "state": "estimated", "flag": "orphan", "settled_nano_usd": 10,
            "usage_source": "estimated", "fresh_input": None, "output": None,
        },
    ]  # fmt: skip
    assert query(str(ledger), "SELECT spent_nano_usd FROM balances WHERE scope = 'month'") == [
        {"spent_nano_usd": 70}
    ]


def test_a_missing_log_is_named_with_the_remedy(book: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.jsonl does not exist; `make run` and some requ"):
        reconcile(book(), tmp_path / "no.jsonl")


def test_a_missing_ledger_is_named_with_the_remedy_and_not_made(bill: Make, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"no\.sqlite3 does not exist; `make run` and some requ"):
        reconcile(tmp_path / "no.sqlite3", bill())
    assert not (tmp_path / "no.sqlite3").exists()


@pytest.mark.parametrize(
    "line", ["{", '{"model": "a"}', '{"model": "a", "cost_nano_usd": 1.5}', "7"]
)
def test_a_line_that_is_none_of_a_bill_is_named(book: Make, tmp_path: Path, line: str) -> None:
    log = tmp_path / "bill.jsonl"
    log.write_text(f'{{"model": "a", "cost_nano_usd": 0}}\n{line}\n')
    with pytest.raises(ConfigError, match=r"bill\.jsonl, line 2 is no line of a billing log"):
        reconcile(book(), log)
