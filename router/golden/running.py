"""Golden tasks answered by arms, a few at once, until all are or the money is spent."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from router.agreement.ladder import largest_camp
from router.golden.arms import Arm
from router.golden.asking import Question, Said, Unsaid
from router.golden.checking import Workbench, check
from router.golden.judging import Ask, Judge
from router.golden.judging import Opinion as Judged
from router.golden.tasks import GoldenTask, Rubric
from router.shadowing.judging import Case
from tercet.catalog import LOCAL
from tercet.learning import LabelSource
from tercet.usage import NANO_USD_PER_USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One task to be answered once by one arm."""

    task: GoldenTask
    arm: Arm
    time: int
    """From 1: the same task may be asked several times."""
    expected_nano_usd: int

    @property
    def task_id(self) -> str:
        """Its task's, as labels have it."""
        return self.task.id if self.time == 1 else f"{self.task.id}#{self.time}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How good an answer was."""

    unit: Unit
    quality: float | None
    """`None`: nobody can tell, and `why` says why."""
    why: str
    source: LabelSource = "test"
    nano_usd: int | None = None
    """Of the answer."""
    judge_nano_usd: int = 0
    seconds: float | None = None
    is_simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a run needs of the world."""

    ask: Ask
    judge_of: Callable[[Arm], Judge]
    """Who judges an arm's answers, where no checker can."""
    bench: Workbench
    note: Callable[[Result], Awaitable[None]]
    """Keeps a result that has a quality."""
    tell: Callable[[int, int, int], None]
    """Progress: done, of how many, nano-USD."""


@dataclass(slots=True, kw_only=True)
class _Purse:
    """What may still be spent; what is under way is held at what it is expected to cost."""

    most: int
    spent: int = 0
    held: int = 0

    def take(self, expected: int) -> bool:
        if self.spent + self.held + expected > self.most:
            return False
        self.held += expected
        return True

    def settle(self, expected: int, cost: int) -> None:
        self.held -= expected
        self.spent += cost


async def run(
    units: Sequence[Unit], scene: Scene, most_nano_usd: int, at_once: int
) -> Sequence[Result]:
    """Answer units, at most so many at once, and stop before the money is spent."""
    purse = _Purse(most=most_nano_usd)
    waiting, results = list(reversed(units)), list[Result]()

    async def work() -> None:
        while waiting:
            unit = waiting.pop()
            if not purse.take(unit.expected_nano_usd):
                why = f"the limit of {most_nano_usd / NANO_USD_PER_USD:g} USD"
                results.append(Result(unit=unit, quality=None, why=why))
                continue
            result = await _answered(unit, scene)
            spent = (result.nano_usd or 0) + result.judge_nano_usd
            purse.settle(unit.expected_nano_usd, spent)
            if result.quality is not None:
                await scene.note(result)
            results.append(result)
            scene.tell(len(results), len(units), purse.spent)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return results


async def _answered(unit: Unit, scene: Scene) -> Result:
    said = await _said(unit, scene)
    cost = said.nano_usd
    if isinstance(said, Unsaid):
        return Result(unit=unit, quality=None, why=said.why, nano_usd=cost)
    if wrong := _is_another(said, unit.arm):
        return Result(unit=unit, quality=None, why=wrong, nano_usd=cost)
    found = await _checked(unit, said.text, scene)
    return Result(
        unit=unit,
        quality=found.quality,
        why=found.why,
        source=found.source,
        nano_usd=cost,
        judge_nano_usd=found.nano_usd,
        seconds=said.seconds,
        is_simulated=said.is_simulated,
    )


async def _said(unit: Unit, scene: Scene) -> Said | Unsaid:
    """Ask as often as the arm says; of several answers the one that most agree with counts."""
    async with asyncio.TaskGroup() as group:
        jobs = [
            group.create_task(scene.ask(_question(unit.task, unit.arm)))
            for _ in range(unit.arm.answers)
        ]
    came = [job.result() for job in jobs]
    spent = [one.nano_usd for one in came]
    nano_usd = None if None in spent else sum(cost or 0 for cost in spent)
    answers = [one for one in came if isinstance(one, Said)]
    failed = [one for one in came if isinstance(one, Unsaid)]
    if failed:
        return Unsaid(why=failed[0].why, nano_usd=sum(cost or 0 for cost in spent))
    camp = largest_camp([one.text for one in answers], question=unit.task.question)
    return Said(
        text=answers[camp[0] if camp else 0].text,
        models=frozenset[str]().union(*(one.models for one in answers)),
        degraded=tuple(voice for one in answers for voice in one.degraded),
        nano_usd=nano_usd,
        seconds=max(one.seconds for one in answers),
        is_simulated=any(one.is_simulated for one in answers),
    )


def _question(task: GoldenTask, arm: Arm) -> Question:
    metadata: dict[str, str] = {"kind": task.kind}
    if arm.spec.tier == LOCAL:
        metadata["batch"] = "true"  # it may wait for a model that loads
    return Question(
        model=arm.model,
        messages=task.messages,
        max_output_tokens=task.max_output_tokens,
        fields={"metadata": metadata},
    )


def _is_another(said: Said, arm: Arm) -> str | None:
    """Return why an answer is not this arm's, if it is not."""
    if said.degraded:
        return f"without {', '.join(said.degraded)}"
    if said.models != frozenset(arm.spec.models):
        return f"{', '.join(sorted(said.models)) or 'nobody known'} answered instead"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    quality: float | None
    why: str
    source: LabelSource = "test"
    nano_usd: int = 0


async def _checked(unit: Unit, answer: str, scene: Scene) -> _Found:
    task = unit.task
    if not isinstance(task.checker, Rubric):
        found = await asyncio.to_thread(check, task, answer, scene.bench)
        quality = None if found.passes is None else float(found.passes)
        return _Found(quality=quality, why=found.why)
    said = await scene.judge_of(unit.arm)(case_of(task, answer))
    if not isinstance(said, Judged):
        return _Found(quality=None, why=said.why, nano_usd=said.nano_usd)
    graded = said.judgement
    # The reference is as good as can be, so an answer that is found as good is of quality 1.
    quality = min(1.0, max(0.0, 1.0 + graded.first - graded.second))
    why = "compared with the reference"
    return _Found(quality=quality, why=why, source="judge", nano_usd=said.nano_usd)


def case_of(task: GoldenTask, answer: str) -> Case:
    """Return an answer beside the reference, as a judge compares them."""
    assert isinstance(task.checker, Rubric)  # noqa: S101  only those are judged
    said = "\n\n".join(f"[{one.speaker}]\n{one.text}" for one in task.messages)
    asked = task.question if len(task.messages) == 1 else said
    request = f"{asked}\n\n(What counts in an answer: {task.checker.text})"
    return Case(id=task.id, request=request, first=answer, second=task.reference)


def left(results: Sequence[Result]) -> Mapping[str, int]:
    """Return how many units have no quality, by reason, the most frequent first."""
    reasons = [result.why for result in results if result.quality is None]
    counts = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
