"""One seat answers."""

from collections.abc import AsyncGenerator
from dataclasses import replace

from router.compositions.stage import Event, Question, Stage, closing, prompt_for, turns
from tercet.call import Prompt
from tercet.content import Thought
from tercet.route import Route, Seat
from tercet.task import Task

ROLE_TEXTS = {"brain": "brain", "lead": "lead", "member": "member"}
"""The text of the role a seat plays; a model the caller named itself gets none."""


async def single(task: Task, route: Route, stage: Stage) -> AsyncGenerator[Event, None]:
    """Let the one seat answer."""
    seat = route.seats[0]
    question = Question(task=task, seat=seat, prompt=_prompt(task, seat, stage))
    async for event in closing(stage, question, (), route.degraded):
        yield event


def _prompt(task: Task, seat: Seat, stage: Stage) -> Prompt:
    texts: list[str] = []
    # A request that can be passed on as it came is not added to.
    if task.verbatim is None and seat.role in ROLE_TEXTS:
        texts = [stage.texts[ROLE_TEXTS[seat.role]]]
    prompt = prompt_for(task, stage.output.answer, *texts)
    said = turns(task)
    thought = any(isinstance(part, Thought) for message in said for part in message.parts)
    if seat.role in ROLE_TEXTS and thought:
        return prompt  # what is asked chose the seat, so the last turn's may have been another
    return replace(prompt, messages=said, verbatim=task.verbatim)
