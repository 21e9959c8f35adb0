"""Tier 2: the junior gathers and drafts notes, the lead executes and owns the answer."""

from collections.abc import AsyncGenerator

from router.compositions.advice import advice, missing
from router.compositions.stage import Event, Question, Stage, closing, prompt_for
from tercet.answer import Progress
from tercet.route import Route
from tercet.task import Task


async def lead_junior(task: Task, route: Route, stage: Stage) -> AsyncGenerator[Event, None]:
    """Ask the junior for notes, then let the lead answer with the whole conversation and them."""
    lead, junior = route.seats
    yield Progress(f"{junior.model} is preparing notes")
    steps, notes = await advice(task, junior, stage)
    handed = [] if notes is None else [stage.fill("lead_notes", notes=notes)]
    degraded = (*route.degraded, missing(steps)) if notes is None else route.degraded
    prompt = prompt_for(task, stage.output.answer, stage.texts["lead"], *handed)
    yield Progress(f"{lead.model} is working")
    question = Question(task=task, seat=lead, prompt=prompt)
    async for event in closing(stage, question, steps, degraded):
        yield event
