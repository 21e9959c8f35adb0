import csv
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
from fakes.rows import AT, reservation, settlement

from deployments.ledger import LedgerError
from router.books.export import Export, export, harmless
from tercet.config import Config, load, settings
from tercet.errors import ConfigError
from tercet.ledger import Reservation, Settlement

Make = Callable[..., Path]
Pair = tuple[Reservation, Settlement | None]


@pytest.fixture(scope="module")
def config() -> Config:
    return load(chosen=settings({}))


def attempt(attempt_id: str, nano_usd: int, **changes) -> Pair:
    return reservation(attempt_id, **changes), settlement(attempt_id, settled_nano_usd=nano_usd)


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_a_csv_has_every_attempt_with_its_money_in_two_units(
    book: Make, config: Config, tmp_path: Path
) -> None:
    ledger = book(attempt("att_1", 1_500_000_000), (reservation("att_2"), None))
    assert export(ledger, Export(out=tmp_path / "out.csv", format="csv"), config) == 0

    first, second = read(tmp_path / "out.csv")
    assert list(first)[12:17] == [
        "reserved_nano_usd", "reserved_usd", "output_limit", "settled_nano_usd", "settled_usd",
    ]  # fmt: skip
    assert len(first) == 33
    assert (first["settled_nano_usd"], first["settled_usd"]) == ("1500000000", "1.500000000")
    assert (second["settled_nano_usd"], second["settled_usd"]) == ("", "")
    assert (second["reserved_usd"], second["state"]) == ("0.000000100", "reserved")


def test_names_that_a_spreadsheet_would_run_are_made_harmless(
    book: Make, config: Config, tmp_path: Path
) -> None:
    names = ['=HYPERLINK("x")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain,\n=1"]
    pairs = [attempt(f"att_{n}", 1, model=name) for n, name in enumerate(names)]
    ledger = book(*pairs)
    for file_format, column in (("csv", "model"), ("focus", "x_Model")):
        out = tmp_path / file_format
        export(ledger, Export(out=out, format=file_format), config)
        assert {row[column] for row in read(out)} == {
            "'=HYPERLINK(\"x\")", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'\r=1", "plain,\n=1",
        }  # fmt: skip


def test_a_negative_number_stays_a_number() -> None:
    assert harmless(-1) == -1


def test_parquet_is_read_back_as_it_was_booked(book: Make, config: Config, tmp_path: Path) -> None:
    big = 9_007_199_254_740_993  # one more than a float can hold
    ledger = book(attempt("att_1", big), (reservation("att_2", model="=1+1"), None))
    assert export(ledger, Export(out=tmp_path / "out.parquet", format="parquet"), config) == 0

    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert rows[0]["settled_nano_usd"] == 9_007_199_254_740_993
    assert rows[0]["settled_usd"] == "9007199.254740993"
    assert rows[0]["reserved_at_ns"] == 1_795_424_400_000_000_000
    assert rows[1]["settled_nano_usd"] is None
    assert rows[1]["model"] == "=1+1"


@pytest.mark.parametrize("file_format", ["csv", "parquet", "focus"])
def test_an_empty_ledger_is_a_file_with_columns_alone(
    book: Make, config: Config, tmp_path: Path, file_format: str
) -> None:
    out = tmp_path / "out"
    assert export(book(), Export(out=out, format=file_format), config) == 0
    if file_format == "parquet":
        table = pyarrow.parquet.read_table(out)
        assert (table.num_rows, table.num_columns) == (0, 33)
    else:
        assert out.read_text().count("\n") == 1


def test_one_month_can_be_exported(book: Make, config: Config, tmp_path: Path) -> None:
    ledger = book(attempt("att_1", 1), attempt("att_2", 1, at=AT + 30 * 86_400))
    export(ledger, Export(out=tmp_path / "out.csv", format="csv", month="2026-12"), config)
    assert [row["attempt_id"] for row in read(tmp_path / "out.csv")] == ["att_2"]


def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(
    book: Make, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"out\.csv cannot be written: .*; name another file"):
        export(book(), Export(out=tmp_path / "no" / "out.csv", format="csv"), config)
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="out cannot be written"):
        export(book(), Export(out=tmp_path / "out", format="csv"), config)
    assert not list(tmp_path.glob("*.part"))


def test_an_export_that_fails_leaves_the_one_before(
    book: Make, config: Config, damage, tmp_path: Path
) -> None:
    ledger = book(attempt("att_1", 1))
    damage(ledger)
    (tmp_path / "out.csv").write_text("before")
    with pytest.raises(LedgerError, match=r"malformed; it is damaged; .*tercet ledger repair"):
        export(ledger, Export(out=tmp_path / "out.csv", format="csv"), config)
    assert (tmp_path / "out.csv").read_text() == "before"
    assert not list(tmp_path.glob("*.part"))
