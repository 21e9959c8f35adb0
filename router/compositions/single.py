"""One seat answers."""

from collections.abc import AsyncGenerator
from dataclasses import replace

from router.compositions.stage import Event, Question, Stage, closing, prompt_for
from tercet.route import Route
from tercet.task import Task

ROLE_TEXTS = {"brain": "brain", "lead": "lead", "member": "member"}
"""The text of the role a seat plays; a model the caller named itself gets none."""


async def single(task: Task, route: Route, stage: Stage) -> AsyncGenerator[Event, None]:
    """Let the one seat answer."""
    seat = route.seats[0]
    texts: list[str] = []
    # A request that can be passed on as it came is not added to.
    if task.verbatim is None and seat.role in ROLE_TEXTS:
        texts = [stage.texts[ROLE_TEXTS[seat.role]]]
    prompt = replace(prompt_for(task, stage.output.answer, *texts), verbatim=task.verbatim)
    question = Question(task=task, seat=seat, prompt=prompt)
    async for event in closing(stage, question, (), route.degraded):
        yield event
