"""What every composition is played on: its one effect, its events and how a seat is asked."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from string import Template

from tercet.answer import Answer, NoAnswer, Progress, Speaking, Step
from tercet.call import Call, CallModel, Completion, Delta, Failure, Outcome, Prompt
from tercet.route import Route, Seat
from tercet.rules import OutputLimits
from tercet.task import Message, Task

Event = Progress | Speaking | Delta | Answer | NoAnswer
"""A composition yields any number of `Progress`, then one `Speaking` with its `Delta`s unless
nothing was said, and ends with exactly one `Answer` or `NoAnswer`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a composition may use."""

    call: CallModel
    texts: Mapping[str, str]
    output: OutputLimits
    now: Callable[[], float]
    """Unix seconds."""

    def fill(self, name: str, **holes: str) -> str:
        """Return the text `name` with its holes filled."""
        return Template(self.texts[name]).substitute(holes)


Composition = Callable[[Task, Route, Stage], AsyncGenerator[Event, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One prompt of a composition, before it is known which model of a seat is asked."""

    task: Task
    seat: Seat
    round: int = 1
    prompt: Prompt

    def to(self, model: str, *, wants_deltas: bool = False) -> Call:
        """Address the question to a model."""
        return Call(
            task_id=self.task.id,
            key_id=self.task.key_id,
            tier=self.seat.tier,
            model=model,
            role=self.seat.role,
            round=self.round,
            prompt=self.prompt,
            deadline_at=self.task.deadline_at,
            wants_deltas=wants_deltas,
        )

    def step(self, outcome: Outcome) -> Step:
        """Record what came of it."""
        return Step(role=self.seat.role, round=self.round, outcome=outcome)


def prompt_for(task: Task, limit: int, *system: str) -> Prompt:
    """Make a prompt of the conversation, with `system` before the caller's own system messages.

    The caller's limit and stop sequences hold; `limit` is the default.
    """
    theirs = [message.text for message in task.messages if message.speaker == "system"]
    return Prompt(
        system="\n\n".join([*system, *theirs]),
        messages=turns(task),
        max_output_tokens=task.max_output_tokens or limit,
        stop=task.stop,
    )


def turns(task: Task) -> tuple[Message, ...]:
    """Return the user and assistant turns that say something, from the first user turn on."""
    spoken = [m for m in task.messages if m.speaker != "system" and m.text.strip()]
    first = next((i for i, m in enumerate(spoken) if m.speaker == "user"), 0)
    return tuple(spoken[first:])


async def ask(stage: Stage, question: Question) -> Outcome:
    """Ask the seat's own model and wait for the whole completion."""
    async with aclosing(stage.call(question.to(question.seat.model))) as events:
        async for event in events:
            if not isinstance(event, Delta):
                return event
    raise RuntimeError(f"the call to {question.seat.model} ended without an outcome")


async def speak(stage: Stage, question: Question) -> AsyncGenerator[Delta | Step, None]:
    """Let the answering seat speak: one model's deltas as they come, and a step for each asked.

    A model that fails before its first content is followed by the seat's alternates; each failure
    is a step too.
    """
    for model in (question.seat.model, *question.seat.alternates):
        spoken = False
        async with aclosing(stage.call(question.to(model, wants_deltas=True))) as events:
            async for event in events:
                if isinstance(event, Delta):
                    spoken = True
                    yield event
                    continue
                yield question.step(event)
                if isinstance(event, Completion) or spoken:
                    return


async def closing(
    stage: Stage, question: Question, before: tuple[Step, ...], degraded: tuple[str, ...]
) -> AsyncGenerator[Speaking | Delta | Answer | NoAnswer, None]:
    """Let the answering seat speak last, and end the composition with what it said."""
    mine: list[Step] = []
    spoken = False
    async with aclosing(speak(stage, question)) as events:
        async for event in events:
            if isinstance(event, Step):
                mine.append(event)
                continue
            if not spoken:
                models = (question.seat.model, *question.seat.alternates)
                yield Speaking(model=models[len(mine)], degraded=(*degraded, *failed(mine)))
                spoken = True
            yield event
    steps = (*before, *mine)
    said = steps[-1].outcome
    if isinstance(said, Failure):
        failures = tuple(s.outcome for s in mine if isinstance(s.outcome, Failure))
        yield NoAnswer(failures=failures, steps=steps)
        return
    yield Answer(
        text=said.text,
        model=said.model,
        finish=said.finish,
        steps=steps,
        degraded=(*degraded, *failed(mine)),
        settled_by=f"{question.seat.role} {said.model}",
    )


def failed(steps: Iterable[Step]) -> tuple[str, ...]:
    """Name the voices that failed, as `role:reason`, each once."""
    names = [f"{s.role}:{s.outcome.kind}" for s in steps if isinstance(s.outcome, Failure)]
    return tuple(dict.fromkeys(names))
