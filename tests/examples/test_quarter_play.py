"""Two months of a hundred requests, played by the command itself: about half a minute."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tercet.environment import environment

pytestmark = pytest.mark.timeout(400)  # on two cores that others share

REQUESTS = 100
MONTHS = ("2027-01", "2027-02")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a play that has ended."""
    folder = tmp_path_factory.mktemp("quarter") / "out"
    told = ["--quick", "--months", "2", "--requests", str(REQUESTS), "--out", str(folder)]
    mine = {name: value for name, value in environment().items() if not name.startswith("TERCET_")}
    done = subprocess.run(
        [sys.executable, "-m", "examples.quarter", *told],
        env=mine,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    (folder / "printed").write_text(done.stdout)
    (folder / "told").write_text(done.stderr)
    return folder


def rows(played: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{played}/ledger.sqlite3?mode=ro", uri=True)) as books:
        return books.execute(query).fetchall()


def report(played: Path, month: str) -> dict[str, Any]:
    return json.loads((played / f"{month}.json").read_text())


def test_every_request_was_answered_and_every_attempt_is_settled(played: Path) -> None:
    assert rows(played, "SELECT outcome, count(*) FROM tasks GROUP BY 1") == [
        ("answered", 2 * REQUESTS)
    ]
    states = dict(rows(played, "SELECT state, count(*) FROM attempts GROUP BY 1"))
    assert set(states) == {"settled"}
    assert states["settled"] > 3 * REQUESTS


def test_month_1_has_no_local_model_and_month_2_moves_routine_code_to_it(played: Path) -> None:
    local = rows(played, "SELECT DISTINCT month FROM attempts WHERE tier = 'local'")
    assert local == [("2027-02",)]
    moves = rows(
        played,
        "SELECT come_from, come_to FROM transitions WHERE kind = 'routine_code' ORDER BY seq",
    )
    assert moves[:2] == [("baseline", "shadow"), ("shadow", "canary")]


def test_tasks_carry_the_chance_by_which_they_were_given_a_side(played: Path) -> None:
    sides = rows(
        played,
        "SELECT a.value ->> 'side', a.value ->> 'propensity', count(*) FROM tasks,"
        " json_each(json_array(json_extract(route, '$.assignment'))) a"
        " WHERE json_extract(route, '$.assignment.state') = 'canary' GROUP BY 1, 2",
    )
    assert {side for side, _, _ in sides} >= {"treated", "waiting"}
    assert all(0 < chance < 1 for _, chance, _ in sides)


def test_samples_are_paid_under_the_evidence_key(played: Path) -> None:
    found = rows(played, "SELECT key_id, role, count(*) FROM attempts GROUP BY 1, 2")
    evidence = {role: count for key, role, count in found if key == "evidence"}
    assert set(evidence) >= {"shadow"}
    assert not {role for key, role, _ in found if key != "evidence"} & {"shadow", "judge"}
    judged = rows(
        played,
        "SELECT count(*) FROM samples WHERE purpose = 'migration' AND state = 'judged'"
        " AND kind = 'routine_code' AND tested_quality IS NOT NULL",
    )
    assert judged[0][0] >= 40


def test_the_machine_was_rented_and_stopped_when_it_did_not_pay(played: Path) -> None:
    hours = dict(
        rows(played, "SELECT state, sum(until_ns - since_ns) / 3.6e12 FROM spans GROUP BY 1")
    )
    assert 0 < hours["running"] < 30
    assert hours["stopped"] > 20 * hours["running"]


@pytest.mark.parametrize("month", MONTHS)
def test_each_month_has_a_report_in_every_format(played: Path, month: str) -> None:
    told = report(played, month)
    assert told["period"] == month
    assert told["costs"]["tasks"] == REQUESTS
    assert told["has_local"] == (month == MONTHS[1])
    assert told["honesty"]["simulated"] == told["honesty"]["attempts"] > 0
    for ending, heading in (
        ("txt", "1. The plan's checklist"),
        ("md", "## 1. The plan's checklist"),
    ):
        assert heading in (played / f"{month}.{ending}").read_text()
    assert (played / f"{month}.txt").read_text() in (played / "printed").read_text()


@pytest.mark.parametrize("month", MONTHS)
def test_the_page_is_well_formed_and_has_pictures(played: Path, month: str) -> None:
    text = (played / f"{month}.html").read_text()
    page = ElementTree.fromstring(text)  # noqa: S314  our own
    tags = [part.tag.rpartition("}")[2] for part in page.iter()]
    assert tags.count("svg") >= 2
    assert {"h1", "table", "title"} <= set(tags)


def test_it_says_what_differs_from_the_shipped_configuration(played: Path) -> None:
    told = (played / "told").read_text()
    assert "changed in the play's copy of config/migrations.yaml" in told
    assert '"margin": {"default": 0.5' in told
