"""Tier 3: two members answer blind; agreement settles it, else critique rounds and a vote."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from router.agreement.ladder import agree, largest_camp
from router.compositions.stage import Event, Question, Stage, ask, failed, prompt_for
from tercet.answer import Answer, NoAnswer, Progress, Speaking, Step
from tercet.call import Completion, Failure, pieces_of
from tercet.route import Route, Seat
from tercet.task import Task, turn


async def consensus(task: Task, route: Route, stage: Stage) -> AsyncGenerator[Event, None]:
    """Play rounds until the members agree, one is lost, or the rounds or the time are out."""
    steps: list[Step] = []
    for number in range(1, route.max_rounds + 1):
        yield Progress(
            f"round {number}: {' and '.join(s.model for s in route.seats)} are answering"
        )
        began = stage.now()
        steps += await _play(_questions(task, route, steps, number, stage), stage)
        now = stage.now()
        if _is_over(task, route, steps) or now + (now - began) > task.deadline_at:
            break
    ending = _settle(task, route, tuple(steps))
    if isinstance(ending, Answer) and ending.text:
        yield Speaking(model=ending.model, degraded=ending.degraded)
        for piece in pieces_of(ending.parts):
            yield piece
    yield ending


async def _play(questions: Sequence[Question], stage: Stage) -> list[Step]:
    """Ask everyone at once."""
    async with asyncio.TaskGroup() as together:
        jobs = [together.create_task(ask(stage, question)) for question in questions]
    return [step for job in jobs for step in job.result()]


def _questions(
    task: Task, route: Route, steps: Sequence[Step], number: int, stage: Stage
) -> list[Question]:
    """Ask each member still standing: blind at first, then shown the other's answer."""
    blind = prompt_for(task, stage.output.member, stage.texts["member"])
    if number == 1:
        return [Question(task=task, seat=seat, prompt=blind) for seat in route.seats]
    standing = _standing(route.seats, steps)
    asked: list[Question] = []
    for seat in route.seats:
        own = standing[seat.model]
        other = next(said for model, said in standing.items() if model != seat.model)
        text = stage.fill("critique", round=str(number), own=own.text, other=other.text)
        critique = turn("user", text)
        mine = turn("assistant", own.text)
        prompt = replace(blind, messages=(*blind.messages, mine, critique))
        asked.append(Question(task=task, seat=seat, round=number, prompt=prompt))
    return asked


def _standing(seats: Sequence[Seat], steps: Sequence[Step]) -> dict[str, Completion]:
    """Return each member's latest whole answer, in the order of the seats."""
    latest = {c.model: c for c in _completions(steps) if c.finish == "stop"}
    return {seat.model: latest[seat.model] for seat in seats if seat.model in latest}


def _is_over(task: Task, route: Route, steps: Sequence[Step]) -> bool:
    standing = _standing(route.seats, steps)
    if len(standing) < len(route.seats):
        return True
    return route.stops_on_agreement and _agreement(task, standing) is not None


def _agreement(task: Task, standing: dict[str, Completion]) -> str | None:
    said = list(standing.values())
    if len(said) < 2:
        return None
    return agree(said[0].text, said[1].text, question=_last_request(task))


def _settle(task: Task, route: Route, steps: tuple[Step, ...]) -> Answer | NoAnswer:
    answer, settled_by = _winner(task, route, steps)
    if answer is None:
        failures = tuple(step.outcome for step in steps if isinstance(step.outcome, Failure))
        return NoAnswer(failures=failures, steps=steps)
    alone = next((c for c in _completions(steps) if c.model == route.seats[0].model), None)
    return Answer(
        parts=answer.parts,
        model=answer.model,
        finish=answer.finish,
        stop_sequence=answer.stop_sequence,
        steps=steps,
        degraded=(*route.degraded, *_flaws(steps)),
        settled_by=settled_by,
        changed_outcome=_changed(task, alone, answer),
    )


def _changed(task: Task, alone: Completion | None, answer: Completion) -> bool | None:
    """Say whether the first seat alone would have answered something else."""
    if alone is None:
        return None
    same = alone.text == answer.text
    return not same and agree(alone.text, answer.text, question=_last_request(task)) is None


def _winner(task: Task, route: Route, steps: tuple[Step, ...]) -> tuple[Completion | None, str]:
    """Return the answer that stands, and how it was settled."""
    standing = _standing(route.seats, steps)
    rounds = steps[-1].round
    if not standing:
        return next(iter(_completions(steps)), None), "the only answer, incomplete"
    first = next(iter(standing.values()))
    if len(standing) == 1:
        return first, f"{first.model} alone"
    kind = _agreement(task, standing)
    if kind is not None:
        return first, f"agreement ({kind}) in round {rounds}"
    ballots = [c for c in _completions(steps) if c.finish == "stop"]
    camp = largest_camp([ballot.text for ballot in ballots], question=_last_request(task))
    if len(camp) > len(ballots) / 2:
        return ballots[camp[-1]], f"vote after round {rounds}: {len(camp)} of {len(ballots)}"
    return first, f"vote after round {rounds}: tied, {first.model} is preferred"


def _completions(steps: Sequence[Step]) -> list[Completion]:
    return [step.outcome for step in steps if isinstance(step.outcome, Completion)]


def _flaws(steps: Sequence[Step]) -> tuple[str, ...]:
    """Name the members that failed or were cut short, each once."""
    cut = [f"member:{c.finish}" for c in _completions(steps) if c.finish != "stop"]
    spoke = {
        (step.round, step.outcome.model) for step in steps if isinstance(step.outcome, Completion)
    }
    silent = [step for step in steps if (step.round, step.outcome.model) not in spoke]
    return (*failed(silent), *dict.fromkeys(cut))


def _last_request(task: Task) -> str:
    return next(m.text for m in reversed(task.messages) if m.speaker == "user")
