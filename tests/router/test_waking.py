import asyncio
import math
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.waking import Go, Held, Hold, Holding, LoadTimes, Local, Spill, Wait, decide
from tercet.readiness import Readiness, Start

NOW = 1_795_424_400.0
READY = Readiness(kind="ready", why="it answers")
ASLEEP = Readiness(kind="asleep", why="idle for 300 s")
WOKEN = Readiness(kind="asleep", since=NOW, why="woken")
WARMING = Readiness(kind="warming", since=NOW, why="its weights are loading")
AWAY = Readiness(kind="away", why="VPS_1 does not answer")
EMPTY = Held(count=0, most=4)
LONG = Wait(allowed=True, deadline_at=NOW + 600, answer_s=30)
LONG_ENOUGH = NOW + 570
UNKNOWN = LoadTimes()


def loads(*totals_s: float) -> LoadTimes:
    """Return load times of starts a minute apart, the oldest first."""
    return LoadTimes(
        starts=[
            Start(at=60.0 * minute, phases={}, total_s=total_s, node="vps_1")
            for minute, total_s in enumerate(totals_s)
        ]
    )


TWENTY = loads(*range(41, 61))
"""Of 20 starts, one each of 41 to 60 s."""


def had(seconds: float) -> Readiness:
    return replace(WARMING, since=NOW - seconds)


def test_without_a_start_to_learn_from_a_start_takes_150_s() -> None:
    assert (UNKNOWN.quantile(0.5), UNKNOWN.quantile(0.95)) == (150, 150)


def test_few_fast_starts_do_not_yet_promise_a_fast_one() -> None:
    assert loads(*[60] * 18).quantile(0.95) == 150
    assert loads(*[60] * 19).quantile(0.95) == 60


def test_of_few_starts_the_longest_is_believed() -> None:
    assert loads(60, 300, 60).quantile(0.95) == 300
    assert loads(*[60] * 18, 61).quantile(0.95) == 61


def test_of_39_starts_one_may_be_longer() -> None:
    assert loads(900, *[60] * 37).quantile(0.95) == 900
    assert loads(900, *[60] * 38).quantile(0.95) == 60


def test_the_newest_50_starts_count_whatever_order_they_come_in() -> None:
    old_and_new = loads(*[900] * 10, *[60] * 50)
    backwards = LoadTimes(starts=[*reversed(old_and_new.starts)])
    assert (old_and_new.quantile(0.95), backwards.quantile(0.95)) == (60, 60)
    assert loads(*[900] * 10, *[60] * 49).quantile(0.95) == 60
    assert loads(*[900] * 10, *[60] * 47).quantile(0.95) == 900


def test_the_middle_of_three_fast_starts_is_still_cautious() -> None:
    assert loads(60, 60, 60).quantile(0.5) == 150
    assert loads(60, 60, 60, 60).quantile(0.5) == 60


@pytest.mark.parametrize(
    ("readiness", "left_s"),
    [
        (READY, 0),
        (WOKEN, 60),
        (had(0), 60),
        (had(45), 15),
        (had(59.5), 0.5),
        (had(60), math.inf),
        (had(-5), 60),
        (Readiness(kind="warming", why="begun before anybody looked"), 60),
        (ASLEEP, math.inf),
        (AWAY, math.inf),
    ],
)
def test_a_start_under_way_is_expected_to_end_as_those_did_that_lasted_so_long(
    readiness: Readiness, left_s: float
) -> None:
    assert TWENTY.expected_s(NOW, readiness) == left_s


def test_starts_that_were_over_by_now_do_not_count() -> None:
    mixed = loads(*[40] * 48, 200, 300)
    assert mixed.quantile(0.95) == 200
    assert mixed.expected_s(NOW, had(39)) == 161
    assert mixed.expected_s(NOW, had(41)) == 259


def test_a_ready_model_is_asked_even_if_the_caller_would_not_wait() -> None:
    never = Wait(allowed=False, deadline_at=NOW, answer_s=30)
    assert decide(READY, never, Held(count=4, most=4), UNKNOWN, NOW) == Go()


@pytest.mark.parametrize(
    ("readiness", "reason"),
    [
        (ASLEEP, "the local model is asleep (idle for 300 s)"),
        (AWAY, "the local model is out of reach (VPS_1 does not answer)"),
    ],
)
def test_a_model_that_nobody_woke_is_never_waited_for(readiness: Readiness, reason: str) -> None:
    assert decide(readiness, LONG, EMPTY, UNKNOWN, NOW) == Spill(reason=reason)


def test_a_caller_who_allowed_no_waiting_does_not_wait() -> None:
    hasty = replace(LONG, allowed=False)
    assert decide(WARMING, hasty, EMPTY, UNKNOWN, NOW) == Spill(
        reason="the local model is warming (its weights are loading)"
    )


@pytest.mark.parametrize("readiness", [WARMING, WOKEN])
def test_a_caller_who_allowed_waiting_is_held_while_an_answer_is_still_possible(
    readiness: Readiness,
) -> None:
    assert decide(readiness, LONG, EMPTY, UNKNOWN, NOW) == Hold(until=NOW + 570)


def test_a_deadline_must_be_longer_than_the_load_and_the_answer_together() -> None:
    short = replace(LONG, deadline_at=NOW + 180)
    assert decide(WARMING, short, EMPTY, UNKNOWN, NOW) == Spill(
        reason="the local model is warming (its weights are loading); it may take 150 s more, too"
        " long for the deadline"
    )
    enough = replace(LONG, deadline_at=NOW + 181)
    assert decide(WARMING, enough, EMPTY, UNKNOWN, NOW) == Hold(until=NOW + 151)


def test_a_start_that_has_outlasted_all_others_is_not_waited_for() -> None:
    assert decide(had(151), LONG, EMPTY, UNKNOWN, NOW) == Spill(
        reason="the local model is warming (its weights are loading); it has taken longer than any"
        " start before"
    )


def test_only_so_many_are_held() -> None:
    assert decide(WARMING, LONG, Held(count=3, most=4), UNKNOWN, NOW) == Hold(until=NOW + 570)
    assert decide(WARMING, LONG, Held(count=4, most=4), UNKNOWN, NOW) == Spill(
        reason="the local model is warming (its weights are loading); 4 requests wait for it"
        " already"
    )


seconds = st.floats(min_value=0, max_value=10_000)
readinesses = st.builds(
    Readiness,
    kind=st.sampled_from(["ready", "warming", "asleep", "away"]),
    since=st.none() | st.floats(min_value=NOW - 1_000, max_value=NOW + 10),
    why=st.just("seen"),
)
waits = st.builds(
    Wait,
    allowed=st.booleans(),
    deadline_at=st.floats(min_value=NOW - 10, max_value=NOW + 10_000),
    answer_s=st.floats(min_value=0.001, max_value=600),
)
queues = st.builds(Held, count=st.integers(0, 8), most=st.integers(0, 8))
load_times = st.lists(seconds, max_size=60).map(lambda totals_s: loads(*totals_s))


@given(readinesses, waits, queues, load_times, seconds)
def test_more_time_never_turns_a_hold_into_a_spill(
    readiness: Readiness, wait: Wait, queue: Held, known: LoadTimes, more_s: float
) -> None:
    decision = decide(readiness, wait, queue, known, NOW)
    later = replace(wait, deadline_at=wait.deadline_at + more_s)
    if isinstance(decision, Hold):
        relaxed = decide(readiness, later, queue, known, NOW)
        assert isinstance(relaxed, Hold)
        assert relaxed.until >= decision.until


@given(readinesses, waits, queues, load_times)
def test_a_hold_is_bounded_and_ends_before_the_deadline(
    readiness: Readiness, wait: Wait, queue: Held, known: LoadTimes
) -> None:
    decision = decide(readiness, wait, queue, known, NOW)
    if isinstance(decision, Hold):
        assert NOW < decision.until < wait.deadline_at
        assert queue.count < queue.most
        assert wait.allowed
        assert readiness.is_starting


@given(waits, queues, load_times, st.none() | seconds)
def test_a_ready_replica_is_never_spilled(
    wait: Wait, queue: Held, known: LoadTimes, since: float | None
) -> None:
    assert decide(replace(READY, since=since), wait, queue, known, NOW) == Go()


@given(readinesses, waits, queues, load_times)
def test_whoever_does_not_allow_waiting_is_told_at_once_and_why(
    readiness: Readiness, wait: Wait, queue: Held, known: LoadTimes
) -> None:
    decision = decide(readiness, replace(wait, allowed=False), queue, known, NOW)
    assert decision == Go() or (isinstance(decision, Spill) and "(seen)" in decision.reason)


@given(load_times, seconds, seconds)
def test_the_longer_a_start_has_lasted_the_later_its_end_is_expected(
    known: LoadTimes, one_s: float, other_s: float
) -> None:
    sooner, later = sorted((one_s, other_s))
    ends = [known.expected_s(NOW, had(had_s)) + had_s for had_s in (sooner, later)]
    assert ends[0] <= ends[1] + 1e-5


async def settled() -> None:
    """Let every job that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def holding(most: int = 4, readiness: Readiness = WARMING) -> Holding:
    made = Holding(most, lambda: NOW)
    made.note(readiness)
    return made


def run(main: Coroutine[Any, Any, object]) -> object:
    return asyncio.run(main)


def test_before_anything_is_known_of_the_model_requests_are_spilled() -> None:
    assert run(Holding(4, lambda: NOW).until_ready(LONG_ENOUGH)) == Spill(
        reason="the local model is out of reach (nothing was heard of it yet)"
    )


def test_a_ready_model_is_asked_without_being_held() -> None:
    assert run(holding(0, READY).until_ready(LONG_ENOUGH)) == Go()


@pytest.mark.parametrize(
    ("heard", "end"),
    [
        ([READY], Go()),
        ([had(200), WOKEN, WARMING, READY], Go()),
        ([AWAY], Spill(reason="the local model is out of reach (VPS_1 does not answer)")),
        ([ASLEEP], Spill(reason="the local model is asleep (idle for 300 s)")),
    ],
)
def test_a_held_request_waits_for_the_end_of_the_start(
    heard: list[Readiness], end: Go | Spill
) -> None:
    async def main() -> list[object]:
        held = holding()
        job = asyncio.create_task(held.until_ready(LONG_ENOUGH))
        seen: list[object] = []
        for readiness in heard:
            await settled()
            seen.append((held.count, job.done()))
            held.note(readiness)
        return [*seen, await job, held.count]

    assert run(main()) == [*[(1, False)] * len(heard), end, 0]


def test_the_newest_note_counts_if_several_come_at_once() -> None:
    async def main() -> object:
        held = holding()
        job = asyncio.create_task(held.until_ready(LONG_ENOUGH))
        await settled()
        held.note(READY)
        held.note(AWAY)
        return await job

    assert run(main()) == Spill(reason="the local model is out of reach (VPS_1 does not answer)")


def test_all_that_are_held_go_when_it_is_ready_and_never_more_than_may_be() -> None:
    async def main() -> list[object]:
        held = holding(most=3)
        jobs = [asyncio.create_task(held.until_ready(LONG_ENOUGH)) for _ in range(5)]
        await settled()
        at_first = held.count
        held.note(READY)
        return [at_first, *[type(await job) for job in jobs], held.count]

    assert run(main()) == [3, Go, Go, Go, Spill, Spill, 0]


def test_a_caller_who_leaves_makes_room_and_takes_nobody_along() -> None:
    async def main() -> list[object]:
        held = holding(most=2)
        first, second = (asyncio.create_task(held.until_ready(LONG_ENOUGH)) for _ in range(2))
        await settled()
        first.cancel()
        await settled()
        left = (first.cancelled(), held.count)
        third = asyncio.create_task(held.until_ready(LONG_ENOUGH))
        await settled()
        full = held.count
        held.note(READY)
        return [left, full, await second, await third, held.count]

    assert run(main()) == [(True, 1), 2, Go(), Go(), 0]


def test_a_held_request_is_spilled_when_its_time_is_up() -> None:
    held = holding()
    assert run(held.until_ready(NOW + 0.000003)) == Spill(
        reason="the local model is warming (its weights are loading); the time to wait for it is"
        " over"
    )
    assert held.count == 0


def test_a_model_that_is_ready_at_the_last_moment_is_asked() -> None:
    async def main() -> object:
        held = holding()
        asyncio.get_running_loop().call_soon(held.note, READY)
        return await held.until_ready(NOW + 0.000003)

    assert run(main()) == Go()


@given(st.lists(st.sampled_from(["ask", "leave", "warming", "ready", "asleep", "away"])))
def test_whatever_comes_in_whatever_order_no_more_are_held_than_may_be(moves: list[str]) -> None:
    heard = {"warming": WARMING, "ready": READY, "asleep": ASLEEP, "away": AWAY}

    async def main() -> None:
        held = holding(most=2)
        jobs: list[asyncio.Task[Go | Spill]] = []
        for move in moves:
            if move == "ask":
                jobs.append(asyncio.create_task(held.until_ready(LONG_ENOUGH)))
            elif move == "leave" and jobs:
                jobs.pop().cancel()
            elif move in heard:
                held.note(heard[move])
            await settled()
            assert held.count <= 2
            assert held.count == sum(not job.done() for job in jobs)
        held.note(READY)
        await settled()
        assert held.count == 0
        assert all(job.done() for job in jobs)

    run(main())


def test_a_decision_goes_by_the_newest_note_and_by_who_waits_already() -> None:
    async def main() -> list[Local]:
        held = Holding(4, lambda: NOW)
        before = held.local()
        held.note(WARMING, TWENTY)
        job = asyncio.create_task(held.until_ready(LONG_ENOUGH))
        await settled()
        held.note(had(9))
        after = held.local()
        job.cancel()
        return [before, after]

    before, after = run(main())
    assert (before.readiness.kind, before.queue) == ("away", EMPTY)
    assert after == Local(readiness=had(9), loads=TWENTY, queue=Held(count=1, most=4), now=NOW)
