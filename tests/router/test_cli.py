import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fakes.postgres import Postgres
from fakes.postgres import postgres as postgres
from fakes.rows import reservation, settlement

from deployments.ledger import Ledger
from router.cli import main

EVERY = [
    ["ledger", "show"],
    ["ledger", "reconcile"],
    ["ledger", "verify"],
    ["ledger", "export", "--format", "csv", "--out", "/dev/null"],
    ["reconcile"],
]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path)):
        pass
    return path


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def ask(*arguments: str | Path) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err

    return ask


def test_a_bad_setting_is_named_with_its_remedy(monkeypatch, refused) -> None:
    monkeypatch.setenv("TERCET_LOCAL", "yes")
    assert refused("reconcile") == ("tercet: TERCET_LOCAL is 'yes'; set it to off, gpu or cpu\n")


def test_help_lists_the_commands_for_people_and_what_steers_them(monkeypatch, capsys) -> None:
    monkeypatch.delenv("TERCET_LOCAL", raising=False)
    for arguments in (["--help"], ["run", "--help"]):
        with pytest.raises(SystemExit):
            main(arguments)
    printed = capsys.readouterr().out

    assert (
        "{run,ask,top,keys,ledger,reconcile,prices,doctor,plan,gpu,route,policy,labels,replay,"
        "migration,report,golden,compositions,completion}" in printed
    )
    assert "  system" not in printed
    assert "TERCET_API_KEY" in printed


def test_the_ledgers_help_lists_its_commands(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ledger", "--help"])
    assert ended.value.code == 0
    words = capsys.readouterr().out.split()
    assert {"show", "reconcile", "verify", "export", "repair"} <= set(words)


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_a_missing_ledger_is_named_and_not_made(
    refused, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "bill").touch()
    bill = ["--bill", tmp_path / "bill"] if "reconcile" in command else []
    said = refused(*command, *bill, "--ledger", tmp_path / "no" / "ledger")
    assert said == (
        f"tercet: {tmp_path}/no/ledger does not exist; `make run` and some requests write it\n"
    )
    assert not (tmp_path / "no").exists()


def test_a_file_that_is_no_database_is_told_so(refused, tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("attempts: none\n" * 100)
    said = refused("ledger", "show", "--ledger", tmp_path / "ledger")
    assert "file is not a database; it is not a ledger; name one with --ledger" in said


def test_a_database_that_is_no_ledger_is_told_so(refused, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other")) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    said = refused("ledger", "show", "--ledger", tmp_path / "other")
    assert said.startswith(f"tercet: {tmp_path}/other is no ledger: it has no tables of one; name")


def test_a_ledger_of_another_release_is_told_so(refused, ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    said = refused("ledger", "show", "--ledger", ledger)
    assert "is of release 0001 and this program reads " in said
    assert "start the gateway of this release once" in said


def test_a_locked_database_is_told_so(refused, ledger: Path) -> None:
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        said = refused("ledger", "show", "--ledger", ledger)
    assert "database is locked; another program has it for itself; end that one" in said


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", "see that the server runs and that the URL's"),
        ("mysql://me@db/x", "no ledger can be in mysql; use sqlite or postgresql"),
        ("://", "the ledger's URL cannot be read; write a path, "),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(
    refused, address: str, said: str
) -> None:
    told = refused("ledger", "show", "--ledger", address)
    assert said in told
    assert "secret" not in told


def test_a_report_needs_its_provider(refused, ledger: Path) -> None:
    said = refused("ledger", "reconcile", "--ledger", ledger, "--report", "r.csv")
    assert said == "tercet: --report and --provider go together: whose report is it?\n"


def test_a_month_that_is_none_is_refused(capsys, ledger: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ledger", "show", "--ledger", str(ledger), "--month", "2026-13"])
    assert ended.value.code == 2
    assert "'2026-13' is no month; write it as 2026-11" in capsys.readouterr().err


def test_caps_are_those_of_the_configuration(monkeypatch, capsys, ledger: Path) -> None:
    monkeypatch.setenv("TERCET_MONTH_CAP_USD", "12.5")
    assert main(["ledger", "show", "--ledger", str(ledger), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["scopes"]["month"]["cap_nano_usd"] == 12_500_000_000


def test_reading_changes_no_byte_of_the_ledger(ledger: Path, tmp_path: Path) -> None:
    before = ledger.read_bytes()
    assert main(["ledger", "show", "--ledger", str(ledger)]) == 0
    assert main(["ledger", "verify", "--ledger", str(ledger)]) == 0
    assert ledger.read_bytes() == before


def test_a_ledger_in_postgres_is_read_by_every_command(
    postgres: Postgres, tmp_path: Path, capsys
) -> None:
    async def book(ledger: Ledger) -> None:
        for number in range(3):
            await ledger.reserve(reservation(f"att_{number}"))
            await ledger.settle(settlement(f"att_{number}"))

    url = postgres.new_database()
    with closing(Ledger(url)) as ledger:
        asyncio.run(book(ledger))
    bill, out = tmp_path / "bill", tmp_path / "out"
    bill.write_text('{"model": "claude-opus-5-5", "cost_nano_usd": 120}\n')

    assert main(["ledger", "show", "--ledger", url, "--by", "model"]) == 0
    assert "claude-opus-5-5          3  0.000000120" in capsys.readouterr().out
    assert main(["ledger", "reconcile", "--ledger", url, "--bill", str(bill)]) == 0
    assert main(["ledger", "verify", "--ledger", url]) == 0
    assert main(["top", "--once", "--ledger", url]) == 0
    assert "of $180.00" in capsys.readouterr().out
    for file_format, lines in (("csv", 4), ("focus", 6)):
        made = ["ledger", "export", "--format", file_format, "--out", str(out), "--ledger", url]
        assert main(made) == 0
        assert len(out.read_text().splitlines()) == lines
