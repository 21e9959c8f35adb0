"""Tier 3: two members answer blind; where they agree it is settled, and the route says what else.

What follows a disagreement: critique rounds and a vote, or the preferred member's answer stands,
or a stronger model is asked once and its answer stands.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace

from router.agreement.contracts import MEMBER_TEXTS, agree_under, keeps
from router.agreement.ladder import largest_camp
from router.compositions.stage import (
    Event,
    Question,
    Stage,
    ask,
    failed,
    prompt_for,
    replaced,
)
from tercet.answer import AgreementKind, Answer, NoAnswer, Progress, Speaking, Step
from tercet.call import Completion, Failure, Prompt, pieces_of
from tercet.route import Route, Seat
from tercet.task import Task, turn


@dataclass(frozen=True, slots=True, kw_only=True)
class _Played:
    """What was asked, and what came of it."""

    members: tuple[Step, ...]
    escalation: tuple[Step, ...] = ()
    unasked: str = ""
    """Why a disagreement was not escalated although the route says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """The answer that stands, and how it was settled."""

    answer: Completion
    settled_by: str
    agreement: AgreementKind | None = None


async def consensus(task: Task, route: Route, stage: Stage) -> AsyncGenerator[Event, None]:
    """Play rounds until the members agree, one is lost, or the rounds or the time are out."""
    steps: list[Step] = []
    is_late = False
    for number in range(1, (route.max_rounds if _criticises(route) else 1) + 1):
        yield Progress(
            f"round {number}: {' and '.join(s.model for s in route.seats)} are answering"
        )
        began = stage.now()
        steps += await _play(_questions(task, route, steps, number, stage), stage)
        now = stage.now()
        is_late = now + (now - began) > task.deadline_at
        if _is_over(task, route, steps) or is_late:
            break
    seat = _deferred_to(task, route, steps)
    played = _Played(members=tuple(steps), unasked="deadline" if seat and is_late else "")
    if seat is not None and not is_late:
        yield Progress(f"{seat.model} is deciding")
        blind = _blind(task, route, stage.output.answer, stage)
        question = Question(task=task, seat=seat, round=2, prompt=blind)
        played = replace(played, escalation=await ask(stage, question))
    ending = _settle(task, route, played)
    if isinstance(ending, Answer) and ending.text:
        yield Speaking(model=ending.model, degraded=ending.degraded)
        for piece in pieces_of(ending.parts):
            yield piece
    yield ending


def _criticises(route: Route) -> bool:
    """Whether a disagreement is talked over; so it always is where every round is played."""
    return route.on_disagreement == "critique" or not route.stops_on_agreement


async def _play(questions: Sequence[Question], stage: Stage) -> list[Step]:
    """Ask everyone at once."""
    async with asyncio.TaskGroup() as together:
        jobs = [together.create_task(ask(stage, question)) for question in questions]
    return [step for job in jobs for step in job.result()]


def _blind(task: Task, route: Route, limit: int, stage: Stage) -> Prompt:
    """Return the prompt of who sees no other answer. A form that is asked for needs no contract."""
    is_free = task.controls.output is None and not task.stop
    return prompt_for(task, limit, stage.texts[MEMBER_TEXTS[route.contract if is_free else "text"]])


def _questions(
    task: Task, route: Route, steps: Sequence[Step], number: int, stage: Stage
) -> list[Question]:
    """Ask each member still standing: blind at first, then shown the other's answer."""
    blind = _blind(task, route, stage.output.member, stage)
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
    """Return each member's latest whole answer, in the order of the seats.

    By model: two seats that one model answered for are one voice, and agree with nobody.
    """
    latest = {c.model: c for c in _completions(steps) if c.finish == "stop"}
    return {seat.model: latest[seat.model] for seat in seats if seat.model in latest}


def _is_over(task: Task, route: Route, steps: Sequence[Step]) -> bool:
    standing = _standing(route.seats, steps)
    if len(standing) < len(route.seats):
        return True
    return route.stops_on_agreement and _agreement(task, route, standing) is not None


def _agreement(
    task: Task, route: Route, standing: Mapping[str, Completion]
) -> AgreementKind | None:
    said = list(standing.values())
    if len(said) < 2:
        return None
    return agree_under(route.contract, said[0].text, said[1].text, _last_request(task))


def _deferred_to(task: Task, route: Route, steps: Sequence[Step]) -> Seat | None:
    """Return who is asked now: the escalation seat, if the members leave anything to decide.

    A member alone is no agreement. Nobody is asked after a long disagreement.
    """
    if _criticises(route) or route.on_disagreement != "escalate":
        return None
    standing = _standing(route.seats, steps)
    if _agreement(task, route, standing) is not None:
        return None
    most, wrote = route.escalates_up_to_tokens, sum(c.usage.output for c in standing.values())
    is_long = len(standing) == len(route.seats) and most is not None and wrote > most
    return None if is_long else route.escalation


def _settle(task: Task, route: Route, played: _Played) -> Answer | NoAnswer:
    verdict = _verdict(task, route, played)
    steps = (*played.members, *played.escalation)
    if verdict is None:
        failures = tuple(step.outcome for step in steps if isinstance(step.outcome, Failure))
        return NoAnswer(failures=failures, steps=steps)
    said = verdict.answer
    alone = next((c for c in _completions(steps) if c.model == route.seats[0].model), None)
    return Answer(
        parts=said.parts,
        model=said.model,
        finish=said.finish,
        stop_sequence=said.stop_sequence,
        steps=steps,
        degraded=(*route.degraded, *_flaws(played.members), *_unescalated(played)),
        settled_by=verdict.settled_by,
        changed_outcome=_changed(task, route, alone, said),
        agreement=verdict.agreement,
        agreed_in_round=played.members[-1].round if verdict.agreement else None,
        is_escalated=bool(played.escalation),
    )


def _changed(task: Task, route: Route, alone: Completion | None, answer: Completion) -> bool | None:
    """Say whether the first seat alone would have answered something else."""
    if alone is None:
        return None
    if alone.text == answer.text:
        return False
    return agree_under(route.contract, alone.text, answer.text, _last_request(task)) is None


def _verdict(task: Task, route: Route, played: _Played) -> _Verdict | None:
    """Return the answer that stands and how it was settled; `None` if nobody said anything."""
    standing = _standing(route.seats, played.members)
    is_lost = len(standing) < len(route.seats)
    decided = _whole(played.escalation)
    if decided is not None:
        why = "a member is lost" if is_lost else "the members disagree"
        return _Verdict(answer=decided, settled_by=f"escalation to {decided.model}: {why}")
    if not standing:
        cut = next(iter(_completions((*played.members, *played.escalation))), None)
        return cut and _Verdict(answer=cut, settled_by="the only answer, incomplete")
    first = next(iter(standing.values()))
    if len(standing) == 1:
        return _Verdict(answer=first, settled_by=f"{first.model} alone")
    rounds = played.members[-1].round
    kind = _agreement(task, route, standing)
    if kind is not None:
        tidy = (c for c in standing.values() if keeps(route.contract, c.text))
        settled_by = f"agreement ({kind}) in round {rounds}"
        return _Verdict(answer=next(tidy, first), settled_by=settled_by, agreement=kind)
    if not _criticises(route):
        why = "the members disagree"
        return _Verdict(answer=first, settled_by=f"preference for {first.model}: {why}")
    return _voted(task, played.members, first)


def _voted(task: Task, steps: Sequence[Step], first: Completion) -> _Verdict:
    """Count every answer of every round; without a majority the preferred member's stands."""
    rounds = steps[-1].round
    ballots = [c for c in _completions(steps) if c.finish == "stop"]
    camp = largest_camp([ballot.text for ballot in ballots], question=_last_request(task))
    if len(camp) > len(ballots) / 2:
        settled_by = f"vote after round {rounds}: {len(camp)} of {len(ballots)}"
        return _Verdict(answer=ballots[camp[-1]], settled_by=settled_by)
    settled_by = f"vote after round {rounds}: tied, {first.model} is preferred"
    return _Verdict(answer=first, settled_by=settled_by)


def _completions(steps: Sequence[Step]) -> list[Completion]:
    return [step.outcome for step in steps if isinstance(step.outcome, Completion)]


def _whole(steps: Sequence[Step]) -> Completion | None:
    """Return the whole answer that an escalation came to, if it did."""
    outcome = steps[-1].outcome if steps else None
    return outcome if isinstance(outcome, Completion) and outcome.finish == "stop" else None


def _unescalated(played: _Played) -> tuple[str, ...]:
    """Name what is missing of an escalation: all of it, or the model its alternate stands for."""
    if played.unasked:
        return (f"escalation:{played.unasked}",)
    if not played.escalation:
        return ()
    outcome = played.escalation[-1].outcome
    if isinstance(outcome, Failure):
        return (f"escalation:{outcome.kind}",)
    if outcome.finish != "stop":
        return (f"escalation:{outcome.finish}",)
    return replaced(played.escalation, outcome.model)


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
