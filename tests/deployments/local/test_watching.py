"""The watch over a scripted application: no Ray, no file, no real clock."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from ray.exceptions import RayActorError

from deployments.local.sight import NotReadyError, Replica, Sight
from deployments.local.watching import Watching
from tercet.readiness import Start

AT = 1_795_000_000.0
LOADING = Replica(id="r1", state="STARTING", started_at=AT, node="vps_1", actor="a1")
RUNNING = replace(LOADING, state="RUNNING")
OTHER = replace(RUNNING, id="r2", started_at=AT + 500)


def sight(*replicas: Replica) -> Sight:
    return Sight(status="HEALTHY", message="", replicas=replicas)


@dataclass
class Reach:
    """An application that is as a test sets it."""

    seen: Sight | None = None
    sick: Exception | None = None
    chunks: list = field(default_factory=lambda: [{"choices": []}])
    breaks: Exception | None = None
    woken: int = 0
    waking: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def sight(self, within_s):
        return self.seen

    async def check(self, replica, within_s) -> None:
        if self.sick is not None:
            raise self.sick

    async def state(self, within_s):
        return {"phases": {"import": 11.0, "engine": 46.0, "first token": 1.0}}

    async def wake(self, for_s) -> None:
        self.woken += 1
        await self.waking.wait()

    async def chat(self, request, headers):
        try:
            for chunk in self.chunks:
                yield chunk
            if self.breaks is not None:
                raise self.breaks
        finally:
            self.closed = True


@dataclass
class Diary:
    noted: list = field(default_factory=list)
    down: bool = False

    async def note_start(self, start: Start) -> None:
        if self.down:
            raise OSError
        self.noted.append(start)

    async def starts(self, limit):
        return self.noted[:limit]


@dataclass
class Scene:
    reach: Reach = field(default_factory=Reach)
    diary: Diary = field(default_factory=Diary)
    now: float = AT + 100

    def __post_init__(self) -> None:
        self.watching = Watching(self.reach, self.diary, lambda: self.now, every_s=0.001)

    async def look(self, *replicas: Replica) -> str:
        self.reach.seen = sight(*replicas)
        await self.watching.look()
        return self.watching.readiness.kind

    async def ask(self) -> list:
        return [chunk async for chunk in self.watching.chat({}, {})]


def run(scenario) -> None:
    async def main() -> None:
        await scenario(Scene())

    asyncio.run(main())


def test_before_the_first_look_nothing_is_known() -> None:
    async def scenario(scene: Scene) -> None:
        assert scene.watching.readiness.kind == "away"

    run(scenario)


def test_it_is_followed_from_asleep_to_asleep() -> None:
    async def scenario(scene: Scene) -> None:
        kinds = [await scene.look(*seen) for seen in ((), (LOADING,), (RUNNING,), ())]
        assert kinds == ["asleep", "warming", "ready", "asleep"]

    run(scenario)


def test_a_start_that_was_seen_is_recorded_once_with_its_phases() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(LOADING)
        await scene.look(RUNNING)
        await scene.look(RUNNING)
        phases = {"placed": 42.0, "import": 11.0, "engine": 46.0, "first token": 1.0}
        start = Start(at=AT, phases=phases, total_s=100.0, node="vps_1")
        assert scene.diary.noted == [start]
        assert (await scene.watching.report()).starts == (start,)

    run(scenario)


def test_a_replica_that_ran_before_the_watch_began_is_no_start() -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.look(RUNNING) == "ready"
        assert scene.diary.noted == []

    run(scenario)


def test_a_start_that_cannot_be_recorded_is_a_start_all_the_same() -> None:
    async def scenario(scene: Scene) -> None:
        scene.diary.down = True
        await scene.look(LOADING)
        assert await scene.look(RUNNING) == "ready"
        assert len((await scene.watching.report()).starts) == 1

    run(scenario)


@pytest.mark.parametrize("sick", [RayActorError(), RuntimeError("the engine is dead")])
def test_a_replica_that_says_it_is_ill_is_out_of_reach_at_once(sick) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(RUNNING)
        scene.reach.sick = sick
        assert await scene.look(RUNNING) == "away"
        scene.reach.sick = None
        assert await scene.look(RUNNING) == "ready"

    run(scenario)


def test_a_busy_replica_may_be_silent_once_and_not_twice() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(RUNNING)
        scene.reach.sick = TimeoutError()
        assert [await scene.look(RUNNING) for _ in range(2)] == ["ready", "away"]
        scene.reach.sick = None
        assert await scene.look(RUNNING) == "ready"
        scene.reach.sick = TimeoutError()
        assert await scene.look(RUNNING) == "ready"

    run(scenario)


def test_the_first_call_that_breaks_says_that_the_node_is_gone() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(RUNNING)
        scene.reach.breaks = RayActorError()
        with pytest.raises(RayActorError):
            await scene.ask()
        assert scene.watching.readiness.kind == "away"
        with pytest.raises(NotReadyError):
            await scene.ask()

    run(scenario)


def test_an_engine_that_answers_with_an_error_of_its_own_is_asked_again_after_a_look() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(RUNNING)
        scene.reach.chunks = [{"error": {"code": 500, "message": "dead", "type": "EngineDead"}}]
        assert await scene.ask() == scene.reach.chunks
        assert scene.watching.readiness.kind == "away"
        assert await scene.look(RUNNING) == "ready"

    run(scenario)


def test_a_request_that_is_refused_says_nothing_of_the_engine() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(RUNNING)
        scene.reach.chunks = [{"error": {"code": 400, "message": "too long", "type": "Bad"}}]
        await scene.ask()
        assert scene.watching.readiness.kind == "ready"

    run(scenario)


def test_a_caller_who_leaves_closes_the_call_and_says_nothing_of_the_engine() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(RUNNING)
        call = scene.watching.chat({}, {})
        await anext(call)
        await call.aclose()
        assert scene.reach.closed
        assert scene.watching.readiness.kind == "ready"

    run(scenario)


@pytest.mark.parametrize("replicas", [(), (LOADING,)])
def test_a_call_to_a_model_that_is_not_ready_fails_and_wakes_nobody(replicas) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(*replicas)
        with pytest.raises(NotReadyError):
            await scene.ask()
        assert scene.reach.woken == 0

    run(scenario)


def test_it_is_woken_once_however_often_it_is_asked_for() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look()
        scene.watching.wake()
        scene.watching.wake()
        await asyncio.sleep(0)
        assert scene.reach.woken == 1
        readiness = scene.watching.readiness
        assert (readiness.kind, readiness.since, readiness.is_starting) == (
            "asleep",
            AT + 100,
            True,
        )
        await scene.look(LOADING)
        assert scene.watching.readiness.since == AT
        scene.reach.waking.set()

    run(scenario)


def test_one_that_loads_or_runs_is_not_woken() -> None:
    async def scenario(scene: Scene) -> None:
        for replica in (LOADING, RUNNING):
            await scene.look(replica)
            scene.watching.wake()
            await asyncio.sleep(0)
        assert scene.reach.woken == 0

    run(scenario)


def test_a_wake_that_serve_refuses_is_repeated_until_a_start_is_seen() -> None:
    async def scenario(scene: Scene) -> None:
        scene.reach.waking.set()  # it returns at once, as a refused one does
        await scene.look()
        scene.watching.wake()
        while scene.reach.woken < 3:  # noqa: ASYNC110  it is the fake that counts
            await asyncio.sleep(0.001)
        await scene.look(LOADING)
        await asyncio.sleep(0.01)
        woken = scene.reach.woken
        await asyncio.sleep(0.01)
        assert scene.reach.woken == woken

    run(scenario)


def test_a_wake_that_nobody_hears_is_over_after_a_while_and_can_be_repeated() -> None:
    async def scenario(scene: Scene) -> None:
        scene.reach.waking.set()
        await scene.look()
        scene.watching.wake()
        await asyncio.sleep(0.01)
        assert scene.watching.readiness.is_starting is True
        scene.now += 31
        await asyncio.sleep(0.01)
        assert scene.watching.readiness.is_starting is False
        woken = scene.reach.woken
        scene.watching.wake()
        await asyncio.sleep(0.01)
        assert scene.reach.woken > woken

    run(scenario)


def test_a_replica_in_place_of_another_has_to_answer_first() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.look(RUNNING)
        scene.reach.sick = TimeoutError()
        assert await scene.look(OTHER) == "away"
        scene.reach.sick = None
        assert await scene.look(OTHER) == "ready"
        assert [start.at for start in scene.diary.noted] == [AT + 500]

    run(scenario)
