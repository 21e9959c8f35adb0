"""A route to the local model as it is played: held while that loads, and left if it fails."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from router.compositions.stage import Event, failed
from router.waking import Holding, Spill
from tercet.answer import Answer, NoAnswer, Progress, Speaking, Step
from tercet.call import FINAL, Failure, FailureKind
from tercet.catalog import LOCAL
from tercet.route import Route
from tercet.task import Task

Play = Callable[[Route], AsyncGenerator[Event, None]]
"""Plays a route's composition."""

LOST: frozenset[FailureKind] = frozenset({"unreachable", "unavailable", "truncated", "timeout"})
"""Failures that say something of the model's health rather than of the request."""


async def played(
    task: Task, route: Route, play: Play, holding: Holding
) -> AsyncGenerator[Event, None]:
    """Play the route, and the one it names instead where this one comes to nothing in time.

    Once a caller has read something there is no way back: the route ends as its composition does.
    To one who gets the answer in one piece, the last `Speaking` and what follows it counts.
    """
    if route.hold_until is not None:
        yield Progress("held: the local model loads")
        spilt = await holding.until_ready(route.hold_until)
        if isinstance(spilt, Spill):
            left = _Left(("local:not_ready",), spilt.reason)
            async for event in _other(route, play, left):
                yield event
            return
    spoken = False
    async with aclosing(play(route)) as events:
        async for event in events:
            spoken |= task.is_streamed and isinstance(event, Speaking)
            if isinstance(event, NoAnswer) and route.name == LOCAL and _kinds(event) & LOST:
                holding.lose()
            if isinstance(event, NoAnswer) and not spoken and _is_worth_another(route, event):
                left = _Left(
                    failed(event.steps), f"{route.name} failed", event.steps, event.failures
                )
                async for other in _other(route, play, left):
                    yield other
                return
            yield event


def _is_worth_another(route: Route, ending: NoAnswer) -> bool:
    return route.instead is not None and not FINAL & _kinds(ending)


def _kinds(ending: NoAnswer) -> set[FailureKind]:
    return {failure.kind for failure in ending.failures}


@dataclass(frozen=True, slots=True)
class _Left:
    """A route that came to nothing."""

    degraded: tuple[str, ...]
    why: str
    steps: tuple[Step, ...] = ()
    failures: tuple[Failure, ...] = ()


async def _other(route: Route, play: Play, left: _Left) -> AsyncGenerator[Event, None]:
    """Play what the route names instead; what was left is part of the answer's story."""
    if route.instead is None:
        failure = Failure(model=route.seats[0].model, kind="unreachable", message=left.why)
        yield NoAnswer(failures=(failure,), steps=left.steps)
        return
    yield Progress(f"{left.why}: {route.instead.name} answers")
    async with aclosing(play(route.instead)) as events:
        async for event in events:
            yield _told(event, left)


def _told(event: Event, left: _Left) -> Event:
    match event:
        case Speaking():
            return replace(event, degraded=(*left.degraded, *event.degraded))
        case Answer():
            return replace(
                event,
                steps=(*left.steps, *event.steps),
                degraded=(*left.degraded, *event.degraded),
                settled_by=f"{event.settled_by}, because {left.why}",
            )
        case NoAnswer():
            return NoAnswer(
                failures=(*left.failures, *event.failures), steps=(*left.steps, *event.steps)
            )
        case _:
            return event
