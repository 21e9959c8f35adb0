import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from router.auditor import LOOK, Auditor, Ended, Round, in_child, next_at, rounds
from tercet.config import load
from tercet.environment import settings
from tercet.learning import PolicyChoice
from tercet.migration import Phase

DAY = 86_400.0
GOOD = Ended(status=0, output='progress\n{"said": ["v1 stays candidate", "frozen"]}\n', errors="")
CONFIG = load(chosen=settings({}))
WITH_LOCAL = load(chosen=settings({"TERCET_LOCAL": "gpu"}))


@pytest.mark.parametrize(
    ("now", "hour", "due"),
    [(0.0, 3, 10_800), (10_799.5, 3, 10_800), (10_800.0, 3, 10_800 + DAY), (DAY, 0, 2 * DAY)],
)
def test_the_night_is_the_next_time_that_its_hour_begins(now: float, hour: int, due: float) -> None:
    assert next_at(now, hour) == due


@pytest.mark.parametrize(
    ("policy", "phase", "names"),
    [
        ("auto", "migrate", ["learned", "migration"]),
        ("plan", "migrate", ["migration"]),
        ("learned", "baseline", ["learned"]),
        ("plan", "ungated", []),
    ],
)
def test_its_rounds_are_what_the_configuration_leaves_to_do(
    policy: PolicyChoice, phase: Phase, names: list[str]
) -> None:
    config = replace(
        WITH_LOCAL,
        learning=replace(WITH_LOCAL.learning, policy=policy),
        migrations=replace(WITH_LOCAL.migrations, phase=phase),
    )
    assert [one.name for one in rounds(config)] == names


def test_without_a_local_model_no_kind_is_looked_at() -> None:
    assert [one.name for one in rounds(CONFIG)] == ["learned"]


def test_a_look_is_due_every_five_minutes_and_the_night_at_its_hour() -> None:
    night, look = rounds(WITH_LOCAL)
    assert (night.due(0.0), look.due(0.0)) == (10_800.0, 300.0)
    assert (night.is_at_once, look.is_at_once) == (False, False)


class Clock:
    """A clock that goes on by an hour each time it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 3_600.0
        return self.now


def nights(work: Callable[[], Awaitable[Ended]], policy: PolicyChoice = "auto") -> None:
    """Let an auditor live for a few days of a quick clock."""
    config = replace(CONFIG, learning=replace(CONFIG.learning, policy=policy))

    async def main() -> None:
        auditor = Auditor(config, rounds(config, night=work), Clock(), sleep_s=0.0)
        await asyncio.sleep(0.05)
        await auditor.close()

    asyncio.run(main())


def test_each_night_is_worked_once_and_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock_of_work: list[int] = []

    async def work() -> Ended:
        clock_of_work.append(1)
        return GOOD

    nights(work)
    assert len(clock_of_work) >= 2
    assert caplog.messages[0] == "learned: v1 stays candidate; frozen"


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended(status=-9, output="", errors="Killed"), "(exit status -9): Killed"),
        (Ended(status=None, output="", errors=""), "learned: the work took too long and was ended"),
        (Ended(status=0, output="rubbish", errors=""), "learned: the work could not be begun"),
    ],
)
def test_a_child_that_ends_badly_is_told_and_the_next_night_tries_again(
    caplog: pytest.LogCaptureFixture, ended: Ended, said: str
) -> None:
    async def work() -> Ended:
        return ended

    nights(work)
    assert len([message for message in caplog.messages if said in message]) >= 2


def test_a_child_that_cannot_be_started_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> Ended:
        raise OSError("no memory")

    nights(work)
    assert caplog.messages.count("learned: the work could not be begun") >= 2


def test_with_the_plans_rule_nothing_is_waited_for() -> None:
    async def work() -> Ended:
        raise AssertionError

    nights(work, policy="plan")


def test_both_rounds_go_on_beside_each_other(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    done: list[str] = []

    def work(name: str, said: list[str]) -> Callable[[], Awaitable[Ended]]:
        async def do() -> Ended:
            done.append(name)
            return Ended(status=0, output=json.dumps({"said": said}), errors="")

        return do

    async def main() -> None:
        its_rounds = [
            Round(name="learned", work=work("night", ["a version"]), due=lambda now: now + DAY),
            Round(name="migration", work=work("look", []), due=lambda now: now + 3 * 3_600),
        ]
        auditor = Auditor(CONFIG, its_rounds, Clock(), sleep_s=0.0)
        await asyncio.sleep(0.05)
        await auditor.close()

    asyncio.run(main())
    assert done.count("look") > done.count("night") >= 2
    # A look that moves nothing is not told.
    assert set(caplog.messages) == {"learned: a version"}


def test_a_look_is_a_process_that_says_what_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "ledger.sqlite3"))
    ended = asyncio.run(LOOK())
    assert (ended.status, ended.errors) == (0, "")
    assert json.loads(ended.output) == {"said": []}


def test_a_look_that_cannot_be_done_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ledger.sqlite3").write_text("no database\n" * 100)
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "ledger.sqlite3"))
    ended = asyncio.run(LOOK())
    assert ended.status == 2
    assert ended.errors.startswith("tercet: ")


def test_a_process_that_takes_too_long_is_ended() -> None:
    begun = time.monotonic()
    ended = asyncio.run(in_child("http.server", 0.2))
    assert ended.status is None
    assert time.monotonic() - begun < 10
