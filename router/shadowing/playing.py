"""A task played once more off the request path, on an account of its own."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from router.answering import COMPOSITIONS
from router.compositions.stage import Stage
from tercet.answer import Answer, NoAnswer
from tercet.call import Call, CallModel, Item
from tercet.catalog import Role
from tercet.migration import EVIDENCE_KEY
from tercet.route import Route
from tercet.task import Task

RUN, JUDGE = "shadow", "judge"
"""The roles of who speaks off the path, and what is appended to a task's id for their attempts: a
task's own cost has none of theirs, and the ledger has each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a task came to on a route."""

    text: str
    """Empty: there was no answer."""
    model: str
    """Who said it."""
    nano_usd: int
    seconds: float
    is_over_budget: bool = False
    """There was no answer because the budget has no room for one."""


async def run(task: Task, route: Route, stage: Stage, within_s: float) -> Ran:
    """Play a task on a route; nobody hears it.

    The words of one provider are left out, and the caller's trace: it is not the caller's request.
    """
    began = stage.now()
    mine = replace(
        task,
        id=account(task.id, RUN),
        key_id=EVIDENCE_KEY,
        verbatim=None,
        traceparent=None,
        is_streamed=False,
        deadline_at=began + within_s,
    )
    quiet = replace(stage, call=in_role(stage.call, RUN))
    ending = await _ending(mine, route, quiet)
    seconds = stage.now() - began
    if isinstance(ending, Answer):
        return Ran(
            text=ending.text.strip(),
            model=ending.model,
            nano_usd=ending.cost_nano_usd,
            seconds=seconds,
        )
    return Ran(
        text="",
        model=route.seats[0].model,
        nano_usd=sum(step.outcome.cost_nano_usd for step in ending.steps),
        seconds=seconds,
        is_over_budget=any(failure.kind == "over_budget" for failure in ending.failures),
    )


async def _ending(task: Task, route: Route, stage: Stage) -> Answer | NoAnswer:
    async with aclosing(COMPOSITIONS[route.composition](task, route, stage)) as events:
        async for event in events:
            if isinstance(event, Answer | NoAnswer):
                return event
    raise RuntimeError(f"{route.composition} ended without an answer")


def account(task_id: str, role: Role) -> str:
    """Return the id that attempts off the path are booked under."""
    return f"{task_id}.{role}"


def in_role(call: CallModel, role: Role) -> CallModel:
    """Return the effect with everybody in one role; their prompts stay those of their seats."""

    def asked(question: Call, /) -> AsyncGenerator[Item, None]:
        return call(replace(question, role=role))

    return asked
