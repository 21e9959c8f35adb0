"""How many requests a replica takes at a time, as HAProxy is told."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from router.pressure import (
    AGAIN_S,
    BEGINNING,
    BEGINS_WITHIN_S,
    LATE_S,
    SPARE,
    TURN_S,
    Counted,
    Pressure,
)


class Clockwork:
    """A clock that only sleeping moves, and by how much more than was asked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.late_s = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late_s
        await asyncio.sleep(0)


class Front:
    """What was told."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.is_there = True

    async def __call__(self, most: int) -> bool:
        self.told.append(most)
        return self.is_there


def played(act: Callable[[Pressure, Clockwork, Front], Awaitable[None]]) -> Front:
    """Run `act` beside a replica that tells; return what was told."""
    front = Front()

    async def main() -> None:
        clock = Clockwork()
        pressure = Pressure(front, clock, clock.sleep)
        job = asyncio.create_task(pressure.run())
        await until(lambda: bool(front.told))
        await act(pressure, clock, front)
        job.cancel()

    asyncio.run(asyncio.wait_for(main(), 10))
    return front


async def until(it: Callable[[], bool]) -> None:
    while not it():  # noqa: ASYNC110  what is waited for has no event
        await asyncio.sleep(0)


def test_a_place_is_for_those_that_begin_beside_those_that_wait_for_their_model() -> None:
    clock = Clockwork()
    pressure = Pressure(Front(), clock)
    assert pressure.place == BEGINNING
    for _ in range(100):
        pressure.enter()
    assert pressure.place == BEGINNING
    clock.now += BEGINS_WITHIN_S * 1.01
    assert pressure.place == 100 + BEGINNING
    young = pressure.enter()
    assert pressure.place == 100 + BEGINNING
    pressure.leave(young)
    assert pressure.place == 100 + BEGINNING


def test_while_things_are_late_nobody_is_taken_in_their_place() -> None:
    clock = Clockwork()
    pressure = Pressure(Front(), clock)
    for _ in range(100):
        pressure.enter()
    clock.now += 1
    for _ in range(50):
        pressure.note(2 * LATE_S)
    assert pressure.place == 100 - BEGINNING


def test_one_that_was_very_late_is_not_enough() -> None:
    clock = Clockwork()
    pressure = Pressure(Front(), clock)
    pressure.enter()
    clock.now += 1
    pressure.note(60.0)
    assert pressure.place == 1 + BEGINNING


def test_however_late_a_few_may_begin() -> None:
    pressure = Pressure(Front(), Clockwork())
    pressure.enter()
    for _ in range(50):
        pressure.note(10.0)
    assert pressure.place == BEGINNING


def test_it_is_told_at_the_start_and_not_again_while_nobody_comes() -> None:
    async def act(_pressure: Pressure, clock: Clockwork, _front: Front) -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        assert clock.now == 0

    assert played(act).told == [BEGINNING]


def test_a_place_more_is_told_within_a_turn() -> None:
    async def act(pressure: Pressure, clock: Clockwork, front: Front) -> None:
        for count in (1, 2, 3):
            pressure.enter()
            clock.now += 2 * BEGINS_WITHIN_S
            since = clock.now
            await until(lambda count=count: front.told[-1] == BEGINNING + count)
            assert clock.now <= since + 2 * TURN_S

    played(act)


def test_a_few_places_fewer_are_not_worth_telling() -> None:
    async def act(pressure: Pressure, clock: Clockwork, front: Front) -> None:
        requests = [pressure.enter() for _ in range(20)]
        clock.now += 2 * BEGINS_WITHIN_S
        await until(lambda: front.told[-1] == 20 + BEGINNING)
        for request in requests[:SPARE]:
            pressure.leave(request)
        since = clock.now
        await until(lambda: clock.now > since + AGAIN_S / 2)
        assert front.told[-1] == 20 + BEGINNING
        pressure.leave(requests[SPARE])
        await until(lambda: front.told[-1] == 20 + BEGINNING - SPARE - 1)

    played(act)


def test_the_same_is_told_again_in_case_it_was_forgotten() -> None:
    async def act(pressure: Pressure, clock: Clockwork, front: Front) -> None:
        for _ in range(BEGINNING):
            pressure.enter()
        clock.now += 2 * BEGINS_WITHIN_S
        await until(lambda: front.told.count(2 * BEGINNING) == 3)
        assert clock.now == pytest.approx(2 * AGAIN_S, rel=0.3)

    played(act)


def test_what_was_not_heard_is_said_again() -> None:
    async def act(pressure: Pressure, _clock: Clockwork, front: Front) -> None:
        front.is_there = False
        pressure.enter()
        await until(lambda: len(front.told) > 5)
        front.is_there = True

    played(act)


def test_late_turns_of_the_event_loop_count_and_are_forgotten() -> None:
    async def act(pressure: Pressure, clock: Clockwork, front: Front) -> None:
        for _ in range(100):
            pressure.enter()
        clock.now += 2 * BEGINS_WITHIN_S
        await until(lambda: front.told[-1] == 100 + BEGINNING)
        clock.late_s = 10 * LATE_S
        await until(lambda: front.told[-1] == 100 - BEGINNING)
        clock.late_s = 0.0
        since = clock.now
        await until(lambda: front.told[-1] == 100 + BEGINNING)
        assert clock.now < since + 1

    played(act)


@pytest.mark.parametrize("raises", [False, True])
def test_a_request_is_counted_until_its_answer_has_ended(*, raises: bool) -> None:
    clock = Clockwork()
    pressure = Pressure(Front(), clock)
    seen: list[int] = []

    async def app(_scope, _receive, _send) -> None:
        clock.now += 2 * BEGINS_WITHIN_S
        seen.append(pressure.place)
        if raises:
            raise ValueError("a bug")

    async def main() -> None:
        try:
            await Counted(app, pressure)({"type": "http"}, None, None)
        except ValueError:
            assert raises

    asyncio.run(main())
    assert seen == [BEGINNING + 1]
    assert pressure.place == BEGINNING


def test_what_is_no_request_is_not_counted() -> None:
    pressure = Pressure(Front(), Clockwork())

    async def app(_scope, _receive, _send) -> None:
        assert pressure.place == BEGINNING

    asyncio.run(Counted(app, pressure)({"type": "lifespan"}, None, None))
