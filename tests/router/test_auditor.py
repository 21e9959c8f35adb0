import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from router.auditor import Auditor, Ended, next_at
from tercet.config import load
from tercet.learning import PolicyChoice

DAY = 86_400.0
GOOD = Ended(status=0, output='progress\n{"said": ["v1 stays candidate", "frozen"]}\n', errors="")


@pytest.mark.parametrize(
    ("now", "hour", "due"),
    [(0.0, 3, 10_800), (10_799.5, 3, 10_800), (10_800.0, 3, 10_800 + DAY), (DAY, 0, 2 * DAY)],
)
def test_the_night_is_the_next_time_that_its_hour_begins(now: float, hour: int, due: float) -> None:
    assert next_at(now, hour) == due


class Clock:
    """A clock that goes on by an hour each time it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 3_600.0
        return self.now


def nights(work: Callable[[], Awaitable[Ended]], policy: PolicyChoice = "auto") -> None:
    """Let an auditor live for a few days of a quick clock."""
    config = load()
    learning = replace(config.learning, policy=policy)

    async def main() -> None:
        auditor = Auditor(replace(config, learning=learning), work, Clock(), look_s=0.0)
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
        (Ended(status=None, output="", errors=""), "took more than 2 hours and was ended"),
        (Ended(status=0, output="rubbish", errors=""), "the night's work could not be begun"),
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
    assert caplog.messages.count("the night's work could not be begun") >= 2


def test_with_the_plans_rule_nothing_is_waited_for() -> None:
    async def work() -> Ended:
        raise AssertionError

    nights(work, policy="plan")
