import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fakes.kinds_given import answered, play
from fakes.migrating import sample, transition
from fakes.rows import AT

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.cli import main
from router.migrations.operating import Order, carry_out, ordered
from router.migrations.showing import board, history
from tercet.errors import ConfigError
from tercet.migration import Migration, Transition

HOUR = 3_600.0


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERCET_LOCAL", "gpu")
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path, clock=lambda: AT)):
        pass
    return path


@pytest.fixture
def tercet(file: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command; return its standard output, or what it says of its failure."""

    def run(*arguments: str) -> str:
        status = main(["migration", *arguments, "--ledger", str(file)])
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.err

    return run


def moved(file: Path, *rows: Transition) -> None:
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        assert all(asyncio.run(ledger.move_migration(row)) for row in rows)


def moves(file: Path) -> list[Transition]:
    with inspected(file) as books:
        return list(books.transitions())


def test_an_operator_moves_a_kind_back_and_forth_with_reasons(
    tercet: Callable[..., str], file: Path
) -> None:
    assert tercet("promote", "lookup", "--share", "0.2", "--why", "a demonstration") == (
        "lookup is canary of 20%; every gateway knows within ten seconds\n"
    )
    assert tercet("promote", "lookup", "--why", "it went well") == (
        "lookup is promoted; every gateway knows within ten seconds\n"
    )
    assert tercet("rollback", "lookup", "--why", "complaints") == (
        "lookup is rolled_back; every gateway knows within ten seconds\n"
    )
    assert tercet("resume", "lookup", "--why", "a better model") == (
        "lookup is shadow; every gateway knows within ten seconds\n"
    )
    assert json.loads(tercet("shadow", "lookup", "--why", "another model", "--json")) == {
        "done": "lookup is shadow; every gateway knows within ten seconds"
    }
    assert [
        (row.seq, row.come_from, row.to, row.share, row.by, row.why) for row in moves(file)
    ] == [
        (1, "baseline", "canary", 0.2, "operator", "a demonstration"),
        (2, "canary", "promoted", 1.0, "operator", "it went well"),
        (3, "promoted", "rolled_back", 0.0, "operator", "complaints"),
        (4, "rolled_back", "shadow", 0.0, "operator", "a better model"),
        (5, "shadow", "shadow", 0.0, "operator", "another model"),
    ]
    assert json.loads(moves(file)[1].evidence)["evidence"]["share"] == 0.2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["promote", "poetry", "--why", "x"],
            "'poetry' is no kind that may move; those are routine_code, lookup: `kinds` of "
            "migrations.yaml",
        ),
        (
            ["show", "poetry"],
            "'poetry' is no kind that may move; those are routine_code, lookup: `kinds` of "
            "migrations.yaml",
        ),
        (
            ["resume", "lookup", "--why", "x"],
            "lookup is baseline: only what was rolled back is resumed; `tercet migration shadow "
            "lookup` begins anew",
        ),
    ],
)
def test_what_cannot_be_done_is_told_with_the_remedy(
    tercet: Callable[..., str], arguments: list[str], said: str
) -> None:
    assert tercet(*arguments) == f"tercet: {said}\n"


@pytest.mark.parametrize(
    ("state", "share", "order", "said"),
    [
        ("promoted", 1.0, ("promote", None), "lookup is promoted already"),
        ("canary", 0.1, ("promote", 0.1), "lookup is canary of 10% already"),
        ("rolled_back", 0.0, ("rollback", None), "lookup is rolled_back already"),
        (
            "shadow",
            0.0,
            ("resume", None),
            "lookup is shadow: only what was rolled back is resumed; `tercet migration shadow "
            "lookup` begins anew",
        ),
        (
            "rolled_back",
            0.0,
            ("shadow", None),
            "lookup was rolled back; `tercet migration resume lookup` resumes it",
        ),
    ],
)
def test_a_move_to_where_a_kind_is_is_none(
    state: str, share: float, order: tuple[str, float | None], said: str
) -> None:
    there = Migration(kind="lookup", state=state, share=share, since=AT, seq=2)
    with pytest.raises(ConfigError) as error:
        ordered(there, Order(kind="lookup", verb=order[0], share=order[1], why="x"))
    assert str(error.value) == said


@pytest.mark.parametrize("share", ["0", "1", "half", "nan"])
def test_a_share_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], share: str) -> None:
    with pytest.raises(SystemExit):
        main(["migration", "promote", "lookup", "--share", share, "--why", "x"])
    assert f"'{share}' is no share; write one as 0.1" in capsys.readouterr().err


@pytest.mark.parametrize("why", ["", "  \n", "red \x1b[31m", "a" * 1_001])
def test_a_move_without_a_reason_is_refused(
    file: Path, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    with pytest.raises(SystemExit):
        main(["migration", "promote", "lookup", "--why", why, "--ledger", str(file)])
    assert "is no reason: write 1 to 1,000 characters of text" in capsys.readouterr().err
    assert moves(file) == []


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TERCET_LOCAL", "off", "and the API answers until there is a local model: TERCET_LOCAL"),
        (
            "TERCET_PHASE",
            "baseline",
            "and it counts once migrations.yaml says `phase: migrate`, not `baseline`",
        ),
    ],
)
def test_a_promotion_that_comes_to_nothing_yet_says_so(
    tercet: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.setenv(variable, value)
    first = "every gateway knows within ten seconds"
    assert tercet("promote", "lookup", "--why", "x") == f"lookup is promoted; {first}, {said}\n"
    assert tercet("rollback", "lookup", "--why", "x") == f"lookup is rolled_back; {first}\n"


def test_the_board_says_where_each_kind_is_and_what_it_waits_for(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(file, transition(1, at=AT), transition(2, at=AT + 2))
    play(file, "canary", "canary", 0.1, AT + 10, count=60, by="judge")
    assert board(str(file), None, AT + HOUR, as_json=False) == 0
    printed = capsys.readouterr().out
    lines = printed.split("\n")
    assert lines[0].split() == [
        "kind", "state", "since", "quality", "pairs", "saving", "USD/month", "p95", "s", "API",
        "p95", "s",
    ]  # fmt: skip
    assert lines[1].split()[:4] == ["routine_code", "baseline", "-", "too"]
    assert lines[2].split()[:5] == ["lookup", "canary", "of", "10%", "2026-11-23T09:00:02Z"]
    assert "routine_code: stays: 0 of 200 answered tasks of the baseline" in printed
    assert "lookup: stays: 60 of 100 pairs since it came here; " in printed
    assert "more pairs, as things stand" in printed
    assert (
        "  1,800 eligible tasks a month; answers compared by judge 60; judges are taken at their "
        "word (0 audits); part of the machines' bill 0.00 USD a month"
    ) in printed


def test_the_board_says_what_is_about_to_move_and_what_the_phase_keeps(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    play(file, "before", "baseline", 0.0, AT, count=200)
    board(str(file), None, AT + 2 * HOUR, as_json=False)
    said = "lookup: goes to shadow at the next look: 200 answered tasks are the baseline\n"
    assert said in capsys.readouterr().out
    monkeypatch.setenv("TERCET_PHASE", "baseline")
    board(str(file), None, AT + 2 * HOUR, as_json=False)
    assert capsys.readouterr().out.endswith(
        "\nmigrations.yaml says `phase: baseline`: no kind moves\n"
    )


def test_the_board_is_there_for_programs_with_null_for_what_is_unknown(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(file, transition(1, at=AT))
    play(file, "shadow", "shadow", 0.0, AT + 10, count=5)
    board(str(file), None, AT + HOUR, as_json=True)
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told["phase"] == "migrate"
    code, lookup = told["kinds"]
    assert (code["kind"], code["run"]["begun"], code["displaced"]) == ("routine_code", None, None)
    assert lookup["evidence"]["quality"] == {
        "value": pytest.approx(0.02), "low": None, "high": None, "groups": 5,
    }  # fmt: skip
    assert lookup["evidence"]["saving"] is None
    assert lookup["run"]["migration"]["state"] == "shadow"
    assert lookup["next"].startswith("stays: 5 of 100 pairs since it came here; quality is not")


def test_a_kinds_moves_are_shown_with_what_they_stood_on(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(file, transition(1), transition(2, why="good enough", by="operator"))
    assert history(str(file), "lookup", None, AT + HOUR, as_json=False) == 0
    assert capsys.readouterr().out == (
        "lookup is canary of 10%: stays: 0 of 100 pairs since it came here; quality is not known "
        "yet (0 pairs): its low end is to be above -0.100\n\n"
        '1. 2026-11-23T09:00:01Z from baseline to shadow, by the gate: a test\n{\n  "answered": '
        "200\n}\n\n"
        "2. 2026-11-23T09:00:02Z from shadow to canary of 10%, by the operator: good enough\n{\n  "
        '"answered": 200\n}\n'
    )
    history(str(file), "lookup", None, AT + HOUR, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [row["evidence"] for row in told["moves"]] == [{"answered": 200}] * 2
    assert told["now"]["evidence"]["pairs"] == 0


def test_a_move_that_another_was_quicker_than_is_told(file: Path) -> None:
    moved(file, transition(1, at=AT), transition(2, at=AT + 1))
    late = transition(2, to="rolled_back", share=0.0, by="operator", at=AT + 2)
    with (
        closing(Ledger(file, clock=lambda: AT)) as ledger,
        pytest.raises(ConfigError, match="lookup was moved by another process meanwhile; see"),
    ):
        asyncio.run(carry_out(ledger, late))
    assert [row.to for row in moves(file)] == ["shadow", "canary"]


def test_what_callers_name_bears_its_part_of_the_bill_and_none_of_the_evidence(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(file, transition(1, at=AT))
    play(file, "shadow", "shadow", 0.0, AT + 10, count=20)
    with closing(Ledger(file, clock=lambda: AT)) as ledger:
        asyncio.run(answered(ledger, "named", None, AT + 20))
        asyncio.run(ledger.note_sample(sample("other", kind="chat")))
    board(str(file), None, AT + HOUR, as_json=True)
    lookup = json.loads(capsys.readouterr().out)["kinds"][1]
    assert lookup["evidence"]["pairs"] == 20
    assert lookup["tasks_a_month"] == 600
