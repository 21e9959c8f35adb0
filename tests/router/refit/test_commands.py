import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fakes.learned import label
from fakes.lessons_given import FLASH, HAIKU, PAIR
from fakes.rows import AT, opened
from fakes.running import environment

from deployments.ledger import Ledger
from router.cli import main
from router.learning.features import Sketch
from tercet.ledger import RequestClosed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite3"
    with closing(Ledger(path)):
        pass
    return path


@pytest.fixture
def tercet(file: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command; return its standard output, or what it says of its failure."""

    def run(*arguments: str | Path) -> str:
        status = main([*(str(argument) for argument in arguments), "--ledger", str(file)])
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.err

    return run


def lines(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n")
    return path


def labels(file: Path) -> list:
    with closing(Ledger(file)) as ledger:
        return list(asyncio.run(ledger.labels(0)))


def line(**changes: object) -> dict[str, object]:
    return {"task_id": "t1", "arm": FLASH, "quality": 1, "source": "shadow"} | changes


def paired(count: int) -> list[dict[str, object]]:
    return [
        line(task_id=f"t{n}", arm=arm, quality=n % 3 / 2, kind="chat", cost_usd="0.001")
        for n in range(count)
        for arm in (FLASH, HAIKU, PAIR)
    ]


def test_labels_with_text_are_classified_hashed_and_kept_without_it(
    tercet, file: Path, tmp_path: Path
) -> None:
    text = "Summarise this article in three sentences: \u2028 it rained."
    said = tercet("labels", "import", lines(tmp_path / "l", line(text=text, cost_usd="0.0015")))
    assert said == "1 labels of 1 tasks\n"
    (row,) = labels(file)
    assert (row.kind, row.is_declared, row.cost_nano_usd) == ("summary", False, 1_500_000)
    assert sum(row.kinds.values()) == pytest.approx(1)
    assert Sketch.from_bytes(row.sketch).counts.sum() > 10
    assert b"rained" not in file.read_bytes()


def test_labels_of_tasks_in_the_ledger_take_kind_cost_and_propensity_from_there(
    tercet, file: Path, tmp_path: Path
) -> None:
    draw = {
        "arm": FLASH, "propensities": {FLASH: 0.25, HAIKU: 0.75}, "is_forced": False, "seed": 1,
        "extra_nano_usd": 0, "reason": "drawn",
    }  # fmt: skip
    profile = {"kind": "maths", "kinds": {"maths": 0.9, "chat": 0.1}, "size_tokens": 40}
    route = {"name": FLASH, "composition": "single", "seats": [{"model": FLASH}], "draw": draw,
             "policy": "v7"}  # fmt: skip
    row = opened("t1")
    with closing(Ledger(file)) as ledger:
        ledger.open_request(
            type(row)(
                task_id="t1", key_id="k", asked_model="auto", profile=json.dumps(profile),
                route=json.dumps(route), at=AT,
            )
        )  # fmt: skip
        ledger.close_request(
            RequestClosed(task_id="t1", outcome="answered", answer="{}", at=AT + 2.5)
        )
    tercet(
        "labels", "import", lines(tmp_path / "l", line(source="judge"), line(arm=HAIKU, seconds=4))
    )
    by_arm = {label.arm: label for label in labels(file)}
    assert (by_arm[FLASH].seconds, by_arm[HAIKU].seconds) == (2.5, 4.0)
    assert (by_arm[FLASH].propensity, by_arm[HAIKU].propensity) == (0.25, None)
    assert by_arm[FLASH].policy_version == "v7"
    assert (by_arm[FLASH].kind, by_arm[FLASH].size_tokens) == ("maths", 40)
    assert by_arm[FLASH].kinds == {"maths": 0.9, "chat": 0.1}


def test_one_bad_line_keeps_the_whole_file_out_and_each_problem_is_told(
    tercet, file: Path, tmp_path: Path
) -> None:
    bad = lines(
        tmp_path / "l", line(kind="chat"), line(kind="chat", quality=2), line(), line(kind="poem"),
        line(kind="chat", source="rumour"), line(kind="chat", colour="red"),
    )  # fmt: skip
    said = tercet("labels", "import", bad)
    assert "no label was written" in said
    assert "line 2: quality: Input should be less than or equal to 1" in said
    assert "line 3: task 't1' is not in the ledger: give its text or its kind" in said
    assert "line 4: 'poem' is no kind of task; kinds are security, architecture" in said
    assert "line 5: source: Input should be 'shadow', 'test', 'judge' or 'feedback'" in said
    assert "line 6: colour" in said
    assert labels(file) == []


def test_a_file_that_cannot_be_read_is_named(tercet, tmp_path: Path) -> None:
    assert "no cannot be read: No such file" in tercet("labels", "import", tmp_path / "no")


def test_labels_are_listed_for_people_and_for_programs(tercet, tmp_path: Path) -> None:
    assert tercet("labels", "list") == "there are no labels\n"
    tercet("labels", "import", lines(tmp_path / "l", *paired(3)))
    printed = tercet("labels", "list").splitlines()
    assert printed[0].split() == ["kind", "arm", "source", "labels", "mean", "quality", "latest"]
    assert printed[1].split()[:5] == ["chat", HAIKU, "shadow", "3", "0.500"]
    assert json.loads(tercet("labels", "list", "--json"))[0]["count"] == 3


def test_a_version_is_fitted_shown_promoted_and_rolled_back(tercet, tmp_path: Path) -> None:
    tercet("labels", "import", lines(tmp_path / "l", *paired(30)))
    made = json.loads(tercet("policy", "fit", "--json"))
    version = made["version"]
    assert made["made_from"]["labels"] == 90
    assert "candidate" in tercet("policy", "list")
    shown = tercet("policy", "show", version)
    assert f"{version}: candidate, fitted" in shown
    assert "expected quality" in shown
    assert json.loads(tercet("policy", "show", version, "--json"))["quality"]["chat"][FLASH] > 0
    assert tercet("policy", "promote", version, "--share", "0.1", "--why", "a look") == (
        f"{version} routes 10% of the conversations; every gateway knows within ten seconds\n"
    )
    assert tercet("policy", "promote", version, "--why", "good") == (
        f"{version} is in force; every gateway knows within ten seconds\n"
    )
    listed = json.loads(tercet("policy", "list", "--json"))
    assert [(one["state"], one["why"]) for one in listed["versions"]] == [("in_force", "good")]
    assert tercet("policy", "rollback", "--why", "bad") == (
        f"{version} is rolled back; the plan's rule is in force\n"
    )


def test_a_freeze_is_told_and_ended(tercet) -> None:
    assert tercet("policy", "list") == "no version was made yet\n"
    assert "nothing is fitted or promoted" in tercet("policy", "freeze", "--why", "audit")
    assert json.loads(tercet("policy", "list", "--json"))["frozen"] == "audit"
    assert tercet("policy", "freeze", "--off") == "the nights go on\n"
    assert tercet("policy", "freeze", "--off") == "it was not frozen; nothing was done\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("policy", "show", "v9"), "there is no version 'v9'; `tercet policy list` shows them"),
        (("policy", "promote", "v9", "--why", "x"), "there are none yet; make one with"),
        (("policy", "rollback", "--why", "x"), "no version routes anything"),
    ],
)
def test_what_is_not_there_is_told_with_a_remedy(tercet, arguments, said: str) -> None:
    assert said in tercet(*arguments)


def test_a_night_is_a_process_of_its_own_and_says_what_came_of_it(file: Path) -> None:
    with closing(Ledger(file)) as ledger:
        asyncio.run(ledger.note_labels([label(at=AT)]))
    done = subprocess.run(
        [sys.executable, "-m", "router.refit.nightly"],
        env=environment(TERCET_LEDGER=str(file), OMP_NUM_THREADS="1"),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["said"]


def test_a_night_that_cannot_be_done_says_why(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "router.refit.nightly"],
        env=environment(TERCET_LEDGER="mysql://somewhere/ledger"),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tercet: no ledger can be in mysql")


def test_the_command_line_starts_without_scikit_learn() -> None:
    code = "import router.cli, sys; print('sklearn' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env=dict(os.environ))  # noqa: TID251  # fmt: skip
    assert done.stdout.split()[0] == "False"
