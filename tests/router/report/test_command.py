"""`tercet report` as an operator calls it, on ledgers that have little in them."""

import json
import xml.etree.ElementTree as ET  # our own text
from collections.abc import Callable

import pytest
from fakes.reported import DAY, SEPTEMBER, Books

from router.cli import main
from router.report.making import WRITERS

Tercet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tercet(books: Books, capsys: pytest.CaptureFixture[str]) -> Tercet:
    """Run `report`; return its status, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            status = main(["report", "--ledger", str(books.file), *arguments])
        except SystemExit as ended:
            status = int(ended.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--month", "2026-13"], "'2026-13' is no month: write it as 2026-12"),
        (["--month", "0001-01"], "'0001-01' is no month: write it as 2026-12"),
        (["--month", "9999-12"], "'9999-12' is no month: write it as 2026-12"),
        (["--month", "2026-12-01"], "'2026-12-01' is no month: write it as 2026-12"),
        (["--since", "0001-01-01"], "'0001-01-01' is no day: write it as 2026-12-01"),
        (["--until", "9999-12-31"], "'9999-12-31' is no day: write it as 2026-12-01"),
        (["--month", "9998-01"], "9998-01-01 has not come yet: name an earlier time"),
        (["--since", "9998-01-02"], "9998-01-02 has not come yet: name an earlier time"),
        (
            ["--since", "2026-09-09", "--until", "2026-09-02"],
            "2026-09-02 is before 2026-09-09: name a later --until",
        ),
        (
            ["--month", "2026-09", "--until", "2026-09-02"],
            "--month and --since or --until exclude each other: leave one out",
        ),
        (["--out", "/nowhere/report"], "No such file or directory; name a file that can be"),
    ],
)
def test_what_cannot_be_reported_is_told_with_the_remedy(
    tercet: Tercet, arguments: list[str], said: str
) -> None:
    status, out, err = tercet(*arguments)
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("tasks", [0, 1])
@pytest.mark.parametrize("form", WRITERS)
def test_of_nothing_and_of_one_task_there_is_a_report(
    tercet: Tercet, books: Books, form: str, tasks: int
) -> None:
    for _ in range(tasks):
        books.task(SEPTEMBER + DAY)
    books.write()
    status, out, err = tercet("--month", "2026-09", "--format", form)
    assert (status, err) == (0, "")
    assert "Establish cost baseline without DeepSeek" in out


def test_what_is_no_text_in_an_operators_reason_breaks_no_page_and_no_terminal(
    tercet: Tercet, books: Books
) -> None:
    books.task(SEPTEMBER + DAY)
    books.move("lookup", 1, "baseline", "shadow", SEPTEMBER + DAY, why="two\nlines, \x1b[31m red")
    books.write()
    for form in ("text", "markdown"):
        _, out, _ = tercet("--month", "2026-09", "--format", form)
        assert "two lines" in " ".join(out.split())
        assert "\x1b" not in out
    _, page, _ = tercet("--month", "2026-09", "--format", "html")
    assert ET.fromstring(page.removeprefix("<!DOCTYPE html>\n")) is not None  # noqa: S314
    _, document, _ = tercet("--month", "2026-09", "--format", "json")
    assert json.loads(document)["board"]["moves"][0]["why"] == "two\nlines, \x1b[31m red"


def test_an_operators_move_does_not_end_the_baseline_where_no_local_model_ever_was(
    tercet: Tercet, books: Books
) -> None:
    books.tasks(60, SEPTEMBER)
    books.move("lookup", 1, "baseline", "promoted", SEPTEMBER + DAY, share=1.0, by="operator")
    books.write()
    _, document, _ = tercet("--month", "2026-09", "--format", "json")
    report = json.loads(document)
    assert (report["has_local"], report["baseline"]["tasks"]) == (False, 60)
    assert [item["status"] for item in report["items"][:2]] == ["met", "met"]


def test_where_the_local_model_was_there_from_the_first_day_there_is_no_baseline(
    tercet: Tercet, books: Books
) -> None:
    books.task(SEPTEMBER + 60, tier="local", provider="local", model="m", nano_usd=0)
    books.write()
    _, out, _ = tercet("--month", "2026-09")
    assert "Baseline: no task came in the days without a local model." in " ".join(out.split())
