"""An assistant's evidence: asked for, checked, and handed to the seat that answers."""

from collections.abc import Iterable
from dataclasses import replace

from router.compositions.stage import Question, Stage, ask, prompt_for
from tercet.answer import Step
from tercet.call import Completion
from tercet.content import Controls
from tercet.route import Seat
from tercet.task import Message, Task

QUOTE = "> "


async def advice(task: Task, seat: Seat, stage: Stage) -> tuple[tuple[Step, ...], str | None]:
    """Ask an assistant; return its steps and its checked advice, `None` if it has none to give."""
    prompt = prompt_for(task, stage.output.advice, stage.texts[seat.role])
    prompt = replace(prompt, max_output_tokens=stage.output.advice, stop=(), controls=Controls())
    question = Question(task=task, seat=seat, prompt=prompt)
    steps = await ask(stage, question)
    outcome = steps[-1].outcome
    if not isinstance(outcome, Completion) or outcome.finish == "content_filter":
        return steps, None
    return steps, checked(outcome.text, task.messages) or None


def checked(text: str, messages: Iterable[Message]) -> str:
    """Drop the quotes that stand nowhere in the conversation; white space does not count."""
    read = _flat("\n".join(message.text for message in messages))
    kept = [line for line in text.splitlines() if not _is_invented(line, read)]
    return "\n".join(kept).strip()


def missing(steps: tuple[Step, ...]) -> str:
    """Name an assistant that gave no advice, as `role:reason`."""
    step = steps[-1]
    outcome = step.outcome
    return f"{step.role}:{'no_advice' if isinstance(outcome, Completion) else outcome.kind}"


def _is_invented(line: str, read: str) -> bool:
    return line.lstrip().startswith(QUOTE) and _flat(line.lstrip()[len(QUOTE) :]) not in read


def _flat(text: str) -> str:
    return " ".join(text.split())
