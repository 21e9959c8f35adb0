import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fakes.rows import AT, reservation, settlement

from deployments.ledger import Ledger, LedgerError
from router.cli import main
from router.plan.making import Wanted, make
from tercet.config import PROJECT
from tercet.usage import Usage

GOLDEN = Path(__file__).parent / "golden"
Run = Callable[..., tuple[int, str]]
Said = Callable[..., str]
DEFAULT = {
    "numbers": {}, "shares": None, "displaces": None, "local_share": None, "ledger": None,
    "month": None, "offers": None, "offer": None, "tokens_per_s": None, "start_s": None,
    "card_nano_usd": None, "watts": 350.0, "kwh_nano_usd": 300_000_000, "picture": None,
    "as_json": False,
}  # fmt: skip


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Plan on 2026-11-23 with a default ledger, which is not there."""

    def ask(default: Path = tmp_path / "none.sqlite3", **changes) -> str:
        assert make(Wanted(**(DEFAULT | changes)), default, AT) == 0
        return capsys.readouterr().out

    return ask


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command for 672 requests a day: no ledger is read."""

    def ask(*arguments: str | Path) -> tuple[int, str]:
        status = main(["plan", "--requests-per-day", "672", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return ask


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Five days of tier 3, one request an hour, and a single one of tier 1."""
    path = tmp_path / "ledger.sqlite3"
    usage = Usage(fresh_input=2000, output=400)

    async def write(ledger: Ledger) -> None:
        for hour in range(120):
            at = AT - 3600 * (hour + 1)
            name = f"att_{hour}"
            await ledger.reserve(
                reservation(
                    name, task_id=f"req_{hour}", tier="tier3", role="member", at=at,
                    model="claude-haiku-5-5", deadline_at=at + 600, simulated=False,
                )
            )  # fmt: skip
            await ledger.settle(settlement(name, usage=usage, at=at + 2))
        await ledger.reserve(reservation("att_x", task_id="req_x", at=AT - 7200, simulated=False))
        await ledger.settle(settlement("att_x", usage=usage, at=AT - 7100))

    with closing(Ledger(path, clock=lambda: AT)) as books:
        asyncio.run(write(books))
    return path


def test_without_a_ledger_the_plans_month_1_is_assumed_and_said_to_be(said: Said) -> None:
    assert said() == (GOLDEN / "default.txt").read_text()


def test_the_document_shows_what_is_printed() -> None:
    shown = (PROJECT / "docs" / "plan.md").read_text()

    assert (GOLDEN / "default.txt").read_text() in shown


def test_the_ledgers_requests_are_planned_with(said: Said, ledger: Path) -> None:
    printed = said(ledger)
    lines = [line.split() for line in printed.splitlines()]

    assert "workload: the ledger's last 5.0 days, 121 attempts\n" in printed
    # 24 a day at 0.0004 and 0.2 at 0.016, 30 times.
    assert ["tier3", "claude-haiku-5-5", "24", "0.00040", "0.29", "30-50"] in lines
    assert ["tier1", "claude-opus-5-5", "0", "0.01600", "0.10", "80-150"] in lines
    assert "simulated" not in printed
    assert said(ledger=str(ledger)) == printed


def test_a_ledger_with_nothing_in_it_is_like_none(said: Said, tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "ledger.sqlite3")):
        pass
    printed = said(tmp_path / "ledger.sqlite3")

    assert "assumed: all of it: the ledger has nothing of the last 30 days; " in printed


def test_a_ledger_that_is_named_has_to_be_there(said: Said, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="does not exist"):
        said(ledger=str(tmp_path / "typing_error.sqlite3"))


def test_a_later_month_has_its_own_prices(said: Said) -> None:
    months = [json.loads(said(month=month, as_json=True)) for month in (None, "2026-12", "2027-01")]

    assert [one["month"] for one in months] == ["2026-11", "2026-12", "2027-01"]
    # Argon doubles, then Flash: the junior's 0.008 a request, then a member's 0.003.
    assert [one["tiers"][1]["request_nano_usd"] for one in months] == [
        16_800_000, 24_800_000, 24_800_000,
    ]  # fmt: skip
    assert [one["tiers"][2]["request_nano_usd"] for one in months] == [
        3_400_000, 3_400_000, 6_400_000,
    ]  # fmt: skip
    assert [one["first_day"] for one in months[0]["price_changes"]] == ["2026-12-01", "2027-01-01"]


def test_numbers_make_a_workload(run: Run) -> None:
    status, printed = run(
        "--input-tokens", "1000", "--output-tokens", "100", "--share", "tier1=0.1",
        "--share", "tier2=0.2", "--share", "tier3=0.7", "--local-share", "0.5",
        "--month", "2026-11", "--json",
    )  # fmt: skip
    found = json.loads(printed)

    assert status == 0
    assert [round(one["load"]["requests_per_day"], 1) for one in found["tiers"]] == [
        67.2, 134.4, 470.4,
    ]  # fmt: skip
    assert found["demand"]["per_day"] == pytest.approx(235.2)
    # Opus: 1,000 at 4 and 100 at 20 a million.
    assert found["tiers"][0]["request_nano_usd"] == 6_000_000


def test_the_gpu_pays_where_there_is_enough_to_do(run: Run) -> None:
    status, printed = run("--requests-per-day", "6000", "--month", "2026-11")

    assert status == 0
    assert "the GPU pays: 12.1 hours a day, the busiest, save 208.95 USD a month\n" in printed
    assert "any: always on pays" in printed


def test_it_is_said_plainly_where_no_number_of_requests_helps(run: Run) -> None:
    _, printed = run(
        "--displaces", "claude-haiku-5-5", "--tokens-per-second", "18", "--month", "2026-11"
    )

    assert (
        "no number of requests is enough: at its full speed, 162 an hour, the card saves 0.06480 "
        "USD an hour, less than the 0.25000 that it costs\n"
    ) in printed


def test_the_picture_is_written(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.svg"
    status, _ = run("--picture", file, "--month", "2026-11")

    assert status == 0
    root = ElementTree.fromstring(file.read_text())  # noqa: S314
    assert "break-even 74 an hour" in {text.text for text in root.iter() if text.text}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--share", "tier1=1"], "--share names tier1; give each of tier1, tier2, tier3 one"),
        (
            ["--share", "tier1=0.5", "--share", "tier2=0.5", "--share", "tier3=0.5"],
            "the shares add up to 1.5; make it 1",
        ),
        (
            ["--ledger", "x"],
            "the workload is in --ledger or in numbers: leave one of them out",
        ),
        (
            ["--offer", "x"],
            "--offer x: there is no such offer; name one of vast-3090-bid, vast-3090, "
            "vast-4090-bid, vast-4090, runpod-3090, runpod-a40",
        ),
        (
            ["--picture", "/nowhere/plan.svg"],
            "--picture /nowhere/plan.svg: No such file or directory; name a file that can be "
            "written",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(
    run: Run, arguments: list[str], message: str
) -> None:
    assert run(*arguments) == (2, f"tercet: {message}\n")


@pytest.mark.parametrize(
    ("argument", "text", "wanted"),
    [
        ("--requests-per-day", "0", "a number above 0"),
        ("--requests-per-day", "nan", "a number above 0"),
        ("--requests-per-day", "1e9", "a number above 0"),
        ("--input-tokens", "1.5", "a whole number above 0"),
        ("--share", "tier1", "a tier and its share from 0 to 1, as tier1=0.2"),
        ("--share", "tier1=2", "a tier and its share from 0 to 1, as tier1=0.2"),
        ("--local-share", "1.1", "a share from 0 to 1"),
        ("--month", "2026-13", "a month, as 2026-12"),
        ("--card-usd", "nan", "dollars, 0 or more"),
        ("--card-usd", "ten", "dollars, 0 or more"),
        ("--start-s", "inf", "seconds, 0 or more"),
    ],
)
def test_what_is_no_number_of_its_kind_is_refused(
    capsys: pytest.CaptureFixture[str], argument: str, text: str, wanted: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["plan", argument, text])

    assert stopped.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        f"tercet plan: error: argument {argument}: {text!r} is not what is wanted: write {wanted}"
    )


def test_the_help_says_what_is_read_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["plan", "--help"])
    printed = capsys.readouterr().out

    for name in ("--month", "--displaces", "--offers", "--picture", "--card-usd", "docs/plan.md"):
        assert name in printed
