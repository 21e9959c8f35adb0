"""Tier 1: the memory reads everything and hands over evidence, the brain decides."""

from collections.abc import AsyncGenerator
from dataclasses import replace

from router.compositions.advice import advice, missing
from router.compositions.stage import Event, Question, Stage, closing, prompt_for
from tercet.answer import Progress
from tercet.content import Text
from tercet.route import Route
from tercet.task import Message, Task

SHOWN_CHARS = 4000
"""What the brain is shown of a long message: half from its head, half from its tail."""


async def memory_brain(task: Task, route: Route, stage: Stage) -> AsyncGenerator[Event, None]:
    """Ask the memory, then let the brain answer on its evidence.

    Without evidence the brain reads the conversation itself.
    """
    brain, memory = route.seats
    yield Progress(f"{memory.model} is reading")
    steps, evidence = await advice(task, memory, stage)
    if evidence is None:
        prompt = prompt_for(task, stage.output.answer, stage.texts["brain"])
        degraded = (*route.degraded, missing(steps))
    else:
        handed = stage.fill("brain_evidence", evidence=evidence)
        prompt = prompt_for(task, stage.output.answer, stage.texts["brain"], handed)
        prompt = replace(prompt, messages=tuple(shortened(turn) for turn in prompt.messages))
        degraded = route.degraded
    yield Progress(f"{brain.model} is deciding")
    question = Question(task=task, seat=brain, prompt=prompt)
    async for event in closing(stage, question, steps, degraded):
        yield event


def shortened(turn: Message) -> Message:
    """Return a turn with the middle of its long texts left out and counted."""
    parts = (_short(part) if isinstance(part, Text) else part for part in turn.parts)
    return replace(turn, parts=tuple(parts))


def _short(part: Text) -> Text:
    left_out = len(part.text) - SHOWN_CHARS
    if left_out <= 0:
        return part
    half = SHOWN_CHARS // 2
    note = f"\n[... {left_out} characters left out: see EVIDENCE ...]\n"
    return replace(part, text=part.text[:half] + note + part.text[-half:])
