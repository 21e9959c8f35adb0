import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.rows import AT, ask, reservation, settlement

from router.books.show import Wanted, show

Make = Callable[..., Path]


@pytest.fixture
def ledger(book: Make) -> Path:
    """Return three attempts: settled, an orphan, and one under way."""
    return book(
        (reservation("att_1"), settlement("att_1", settled_nano_usd=3_000_000_000)),
        (
            reservation("att_2", tier="tier3", model="gemini-3.8-flash", deadline_at=AT + 1)
            , None,
        ),
        (reservation("att_3", ask=ask(50), deadline_at=AT + 900), None),
        swept_at=AT + 40,
    )  # fmt: skip


def test_a_month_is_shown_with_its_scopes_and_what_is_left_of_their_caps(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = Wanted(by="tier", lists_open=True)
    assert show(ledger, wanted, {"month": 180_000_000_000, "gpu": 60_000_000_000}, AT + 60) == 0
    assert capsys.readouterr().out == (
        "2026-11 by tier  attempts    spent USD     held USD  input  output  estimated  orphans\n"
        "tier1                   2  3.000000000  0.000000050     10       5      0.0 %        0\n"
        "tier3                   1  0.000000100  0.000000000      0       0    100.0 %        1\n"
        "total                   3  3.000000100  0.000000050     10       5      0.0 %        1\n"
        "\n"
        "scope                 spent USD     held USD        cap USD       left USD\n"
        "gpu                 0.000000000  0.000000000   60.000000000   60.000000000\n"
        "key:default         3.000000100  0.000000050              -              -\n"
        "month               3.000000100  0.000000050  180.000000000  176.999999850\n"
        "provider:anthropic  3.000000100  0.000000050              -              -\n"
        "tier:tier1          3.000000000  0.000000050              -              -\n"
        "tier:tier3          0.000000100  0.000000000              -              -\n"
        "\n"
        "open             model     state     held USD  deadline\n"
        "att_3  claude-opus-5-5  reserved  0.000000050  in 840 s\n"
    )


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("model", ["claude-opus-5-5", "gemini-3.8-flash"]),
        ("provider", ["anthropic"]),
        ("key", ["default"]),
        ("day", ["2026-11-23"]),
        ("role", ["brain"]),
        ("state", ["estimated", "reserved", "settled"]),
    ],
)
def test_attempts_can_be_told_apart_by(
    ledger: Path, capsys: pytest.CaptureFixture[str], by: str, names: list[str]
) -> None:
    show(ledger, Wanted(by=by, as_json=True), {}, AT)
    assert list(json.loads(capsys.readouterr().out)["groups"]) == names


def test_a_program_is_told_nano_dollars(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(ledger, Wanted(lists_open=True, as_json=True), {"month": 7_000_000_000}, AT)
    document = json.loads(capsys.readouterr().out)
    assert document["month"] == "2026-11"
    assert document["total"] == {
        "attempts": 3,
        "spent_nano_usd": 3_000_000_100,
        "held_nano_usd": 50,
        "input_tokens": 10,
        "output_tokens": 5,
        "estimated_nano_usd": 100,
        "orphans": 1,
    }
    assert document["scopes"]["month"] == {
        "spent_nano_usd": 3_000_000_100,
        "held_nano_usd": 50,
        "cap_nano_usd": 7_000_000_000,
    }
    assert [row["attempt_id"] for row in document["open"]] == ["att_3"]


def test_an_empty_ledger_is_shown_in_this_month(
    book: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(book(), Wanted(), {}, AT) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "2026-11  attempts    spent USD     held USD  input  output  estimated  orphans",
        "total           0  0.000000000  0.000000000      0       0      0.0 %        0",
    ]


def test_another_month_is_shown_where_it_is_asked_for(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(ledger, Wanted(month="2026-10", as_json=True), {}, AT)
    assert json.loads(capsys.readouterr().out)["total"]["attempts"] == 0
