import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from fakes.rows import AT, reservation, settlement

from router.books.usage_reports import read_report, reconcile_report
from tercet.errors import ConfigError

Make = Callable[..., Path]
DAY = 86_400


def real(attempt_id: str, dollars: float, days: int = 0, provider: str = "anthropic"):
    begun = reservation(attempt_id, simulated=False, provider=provider, at=AT + days * DAY)
    return begun, settlement(attempt_id, settled_nano_usd=round(dollars * 1e9))


def cost_report(path: Path, *buckets: tuple[str, list[str]], has_more: bool = False) -> Path:
    """Write what Anthropic answers: amounts in cents, by the description of each cost."""
    data = [
        {
            "starting_at": f"{day}T00:00:00Z",
            "ending_at": "-",
            "results": [{"amount": cents, "currency": "USD", "model": "-"} for cents in amounts],
        }
        for day, amounts in buckets
    ]
    path.write_text(json.dumps({"data": data, "has_more": has_more, "next_page": None}))
    return path


def test_the_amounts_of_a_cost_report_are_cents(tmp_path: Path) -> None:
    report = cost_report(tmp_path / "r", ("2026-11-23", ["123.45", "0.000001"]), ("2026-11-24", []))
    assert read_report(report) == {date(2026, 11, 23): 1_234_500_010}


def test_a_csv_is_added_up_by_day(tmp_path: Path) -> None:
    report = tmp_path / "r.csv"
    report.write_text("\ufeffmodel,date,cost_usd\na,2026-11-23,1.25\nb,2026-11-23,0.000000001\n")
    assert read_report(report) == {date(2026, 11, 23): 1_250_000_001}


def test_days_that_differ_by_more_than_one_per_cent_are_errors(
    book: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = book(
        real("att_1", 1.01), real("att_2", 1.0, days=1), real("att_3", 9.0, provider="google"),
        (reservation("att_4"), settlement("att_4", settled_nano_usd=5_000_000_000)),
    )  # fmt: skip
    report = cost_report(tmp_path / "r", ("2026-11-23", ["100"]), ("2026-11-24", ["102"]))

    assert reconcile_report(ledger, report, "anthropic") == 1
    assert capsys.readouterr().out == (
        "anthropic    ledger USD   report USD    difference  above 1 %\n"
        "2026-11-23  1.010000000  1.000000000   0.010000000         no\n"
        "2026-11-24  1.000000000  1.020000000  -0.020000000        yes\n"
    )


def test_a_day_in_between_that_only_the_ledger_knows_is_an_error(
    book: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = cost_report(tmp_path / "r", ("2026-11-22", ["1"]), ("2026-11-24", ["1"]))
    ledger = book(real("att_1", 0.01, days=-1), real("att_2", 0.5), real("att_3", 0.01, days=1))

    assert reconcile_report(ledger, report, "anthropic", as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(day["day"], day["is_alarming"]) for day in told] == [
        ("2026-11-22", False),
        ("2026-11-23", True),
        ("2026-11-24", False),
    ]


def test_days_outside_the_report_are_not_compared(book: Make, tmp_path: Path) -> None:
    ledger = book(real("att_1", 1.0), real("att_2", 7.0, days=3))
    report = cost_report(tmp_path / "r", ("2026-11-23", ["100.5"]))
    assert reconcile_report(ledger, report, "anthropic") == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"data": [], "has_more": false}', "reports no day"),
        ('{"data": [{"uncached_input_tokens": 1}], "has_more": false}', "is no cost report"),
        ("{", "is no cost report"),
        ("day,cost\n", "needs a first line with the columns date, model and cost_usd"),
        ("date,model,cost_usd\n23.11.2026,a,1\n", "line 2: write a date as 2026-11-23"),
        ("date,model,cost_usd\n2026-11-23,a,much\n", "line 2: write a date as 2026-11-23"),
        ("date,model,cost_usd\n2026-11-23,a\n", "line 2: write a date as 2026-11-23"),
        ("date,model,cost_usd\n2026-11-23,a,NaN\n", "line 2: write a date as 2026-11-23"),
    ],
)
def test_what_is_no_report_is_refused_with_the_remedy(tmp_path: Path, text: str, said: str) -> None:
    report = tmp_path / "report"
    report.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_report(report)


def test_a_part_of_a_report_is_refused(tmp_path: Path) -> None:
    report = cost_report(tmp_path / "r", ("2026-11-23", ["1"]), has_more=True)
    with pytest.raises(ConfigError, match="only a part"):
        read_report(report)


def test_a_missing_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.csv cannot be read"):
        read_report(tmp_path / "no.csv")
