import asyncio
import time

from examples.quarter.clock import Clock

START = 1_800_000_000.0


def test_a_sleeper_wakes_when_the_clock_is_set_past_its_time() -> None:
    async def slept() -> None:
        clock = Clock(START)
        short, long = (asyncio.create_task(clock.sleep(seconds)) for seconds in (60, 3600))
        await asyncio.sleep(0)
        clock.forward(START + 100)
        await asyncio.wait_for(short, 5)
        assert not long.done()
        clock.forward(START + 4000)
        await asyncio.wait_for(long, 5)

    asyncio.run(slept())


def test_it_runs_by_itself_too() -> None:
    clock, began = Clock(START), time.monotonic()
    asyncio.run(clock.sleep(0.05))
    assert clock() >= START + 0.05
    assert time.monotonic() - began >= 0.05


def test_it_is_never_set_back() -> None:
    clock = Clock(START)
    clock.forward(START + 10)
    clock.forward(START - 10)
    assert clock() >= START + 10
