"""What every composition is played on: its one effect, its events and how a seat is asked."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from string import Template

from tercet.answer import Answer, NoAnswer, Progress, Speaking, Step
from tercet.call import Call, CallModel, Completion, Failure, Outcome, Piece, Prompt, Retry
from tercet.content import CacheFor, Text, Thought
from tercet.route import Route, Seat
from tercet.rules import OutputLimits
from tercet.task import Message, Task

HOP_S = 0.5
"""How much earlier a call must end than the task it belongs to, so that its end can be told."""

Event = Progress | Speaking | Piece | Answer | NoAnswer
"""A composition yields any number of `Progress`, then one `Speaking` with its pieces unless
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
    """One prompt of a composition, for one seat."""

    task: Task
    seat: Seat
    round: int = 1
    prompt: Prompt

    def call(self, *, wants_deltas: bool = False) -> Call:
        """Return the call that asks it."""
        return Call(
            task_id=self.task.id,
            key_id=self.task.key_id,
            tier=self.seat.tier,
            model=self.seat.model,
            alternates=self.seat.alternates,
            role=self.seat.role,
            round=self.round,
            prompt=self.prompt,
            deadline_at=self.task.deadline_at - HOP_S,
            wants_deltas=wants_deltas,
        )

    def step(self, outcome: Outcome) -> Step:
        """Record what came of it."""
        return Step(role=self.seat.role, round=self.round, outcome=outcome)


def prompt_for(task: Task, limit: int, *system: str) -> Prompt:
    """Make a prompt of the conversation, with `system` before the caller's own system messages.

    The caller's limit and stop sequences hold; `limit` is the default. Thoughts are left out: they
    are bound to the model that thought them, and this turn's seat may be another one's.
    """
    said = [message for message in task.messages if message.speaker == "system"]
    theirs = [message.text for message in said]
    marks: list[CacheFor | None] = [
        part.cache for message in said for part in message.parts if isinstance(part, Text)
    ]
    return Prompt(
        system="\n\n".join([*system, *theirs]),
        system_cache=next(filter(None, reversed(marks)), None),
        messages=tuple(m for m in map(_without_thoughts, turns(task)) if m.says_something),
        max_output_tokens=task.max_output_tokens or limit,
        stop=task.stop,
        controls=task.controls,
        traceparent=task.traceparent,
    )


def turns(task: Task) -> tuple[Message, ...]:
    """Return the user and assistant turns that say something, from the first user turn on."""
    spoken = [m for m in task.messages if m.speaker != "system" and m.says_something]
    first = next((i for i, m in enumerate(spoken) if m.speaker == "user"), 0)
    return tuple(spoken[first:])


def _without_thoughts(message: Message) -> Message:
    if not any(isinstance(part, Thought) for part in message.parts):
        return message
    spoken = tuple(part for part in message.parts if not isinstance(part, Thought))
    return replace(message, parts=spoken)


async def ask(stage: Stage, question: Question) -> tuple[Step, ...]:
    """Ask the seat and wait for the whole completion; the last step has what came of it."""
    steps: list[Step] = []
    async with aclosing(stage.call(question.call())) as events:
        async for event in events:
            match event:
                case Retry():
                    steps.append(question.step(event.failure))
                case Completion() | Failure():
                    return (*steps, question.step(event))
                case _:
                    pass
    raise RuntimeError(f"the call to {question.seat.model} ended without an outcome")


async def closing(
    stage: Stage, question: Question, before: tuple[Step, ...], degraded: tuple[str, ...]
) -> AsyncGenerator[Speaking | Piece | Answer | NoAnswer, None]:
    """Let the answering seat speak last, and end the composition with what it said."""
    mine: list[Step] = []
    speaker = question.seat.model
    spoken = False
    task = question.task
    # Whoever waits for the whole is told nothing before it; but bytes passed on come as pieces.
    call = question.call(wants_deltas=task.is_streamed or task.verbatim is not None)
    async with aclosing(stage.call(call)) as events:
        async for event in events:
            match event:
                case Retry():
                    mine.append(question.step(event.failure))
                    speaker = event.model
                case Completion() | Failure():
                    mine.append(question.step(event))
                case _:
                    if not spoken:
                        missing = (*degraded, *replaced(mine, speaker))
                        yield Speaking(model=speaker, degraded=missing)
                    spoken = True
                    yield event
    yield _ending(question, before, tuple(mine), degraded)


def _ending(
    question: Question, before: tuple[Step, ...], mine: tuple[Step, ...], degraded: tuple[str, ...]
) -> Answer | NoAnswer:
    steps = (*before, *mine)
    said = mine[-1].outcome
    if isinstance(said, Failure):
        failures = tuple(s.outcome for s in mine if isinstance(s.outcome, Failure))
        return NoAnswer(failures=failures, steps=steps)
    return Answer(
        parts=said.parts,
        model=said.model,
        finish=said.finish,
        stop_sequence=said.stop_sequence,
        steps=steps,
        degraded=(*degraded, *replaced(mine, said.model)),
        settled_by=f"{question.seat.role} {said.model}",
    )


def replaced(steps: Iterable[Step], speaker: str) -> tuple[str, ...]:
    """Name the voices that `speaker` stands in for; its own failed attempts are none."""
    return failed(step for step in steps if step.outcome.model != speaker)


def failed(steps: Iterable[Step]) -> tuple[str, ...]:
    """Name the voices that failed, as `role:reason`, each once."""
    names = [f"{s.role}:{s.outcome.kind}" for s in steps if isinstance(s.outcome, Failure)]
    return tuple(dict.fromkeys(names))
