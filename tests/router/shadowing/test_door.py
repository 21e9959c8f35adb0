import asyncio
from dataclasses import dataclass, field, replace

from router.shadowing.door import Door, Patience
from router.waking import Holding
from tercet.readiness import Readiness

ASLEEP = Readiness(kind="asleep", why="nobody has woken it")
STARTING = Readiness(kind="asleep", since=1.0, why="it was woken")
READY = Readiness(kind="ready", why="it runs")
AWAY = Readiness(kind="away", why="its node is out of reach")


@dataclass
class Model:
    """A local model and a clock: a look takes a second, and things happen at their time."""

    readiness: Readiness = ASLEEP
    at: dict = field(default_factory=dict)
    after_wake_s: float | None = None
    broken: bool = False
    now: float = 0.0
    wakes: list = field(default_factory=list)

    def door(self, **patience) -> Door:
        self.holding = Holding(1, self.clock)
        self.holding.note(self.readiness)
        short = Patience(wait_s=600.0, wake_after_s=300.0)
        return Door(self.holding, self.wake, self.clock, replace(short, **patience), self.sleep)

    def clock(self) -> float:
        return self.now

    async def wake(self) -> None:
        self.wakes.append(self.now)
        if self.broken:
            raise TimeoutError
        self.holding.note(STARTING)
        if self.after_wake_s is not None:
            self.at[self.now + self.after_wake_s] = READY

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        for at in [at for at in self.at if at <= self.now]:
            self.holding.note(self.at.pop(at))
        await asyncio.sleep(0)


def wait(model: Model, count: int = 1, **patience) -> list[bool]:
    async def main() -> list[bool]:
        door = model.door(**patience)
        async with asyncio.TaskGroup() as together:
            jobs = [together.create_task(door.until_open(0.0)) for _ in range(count)]
        return [job.result() for job in jobs]

    return asyncio.run(main())


def test_a_model_that_is_ready_is_not_waited_for() -> None:
    model = Model(READY)
    assert (wait(model), model.now, model.wakes) == ([True], 0.0, [])


def test_few_do_not_wake_it_before_their_time_and_go_when_it_is_ready() -> None:
    model = Model(at={200.0: READY})
    assert (wait(model), model.now, model.wakes) == ([True], 200.0, [])


def test_who_has_waited_long_has_it_woken() -> None:
    model = Model(after_wake_s=120.0)
    assert (wait(model), model.wakes, model.now) == ([True], [300.0], 420.0)


def test_many_have_it_woken_at_once_and_once() -> None:
    model = Model(after_wake_s=100.0)
    assert wait(model, count=20, look_s=0.05) == [True] * 20
    assert len(model.wakes) == 1
    assert model.wakes[0] < 2.0


def test_after_the_longest_wait_it_is_over() -> None:
    model = Model(STARTING)
    assert (wait(model), model.now, model.wakes) == ([False], 600.0, [])


def test_who_came_long_ago_does_not_wait_at_all() -> None:
    model = Model(now=700.0)
    assert (wait(model), model.now) == ([False], 700.0)


def test_one_that_is_out_of_reach_is_not_woken() -> None:
    model = Model(AWAY)
    assert (wait(model), model.wakes) == ([False], [])


def test_one_that_cannot_be_woken_is_asked_again_after_a_minute(caplog) -> None:
    model = Model(broken=True)
    assert wait(model, wait_s=430.0) == [False]
    assert model.wakes == [300.0, 360.0, 420.0]
    assert "could not be woken" in caplog.text


def test_who_has_gone_does_not_count_any_more() -> None:
    async def main() -> list[float]:
        model = Model()
        door = model.door(wake_at=2)
        gone = asyncio.create_task(door.until_open(0.0))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        model.at[model.now + 50.0] = READY
        await door.until_open(model.now)
        return model.wakes

    assert asyncio.run(main()) == []
