"""Samples from the answer they begin with to their row: one replica's work off the request path."""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from router.answering import Decision
from router.choices import Choices, is_reachable, provider_of
from router.compositions.stage import Stage
from router.labelling import Opinion, label_of
from router.shadowing.comparing import Compared, Judge, compared
from router.shadowing.door import Door
from router.shadowing.judging import Case, request_of
from router.shadowing.playing import Ran, run
from router.shadowing.sampling import Given, Pair, Sampling, is_fit
from tercet.answer import Answer
from tercet.catalog import LOCAL
from tercet.learning import Label
from tercet.migration import SHADOW_PART, LeftReason, Sample
from tercet.task import Task
from tercet.taxonomy import Contract, Taxonomy

MOST_WAITING: Final = 100
AT_ONCE: Final = 2
"""Callers go first: they share the upstreams with what is done here."""
SPENT_S: Final = 3_600.0
OUTAGE_S: Final = 300.0
"""How long nothing is compared after the budget was found spent, or the judge out of reach."""
_CLOSED_FORMS: Final[frozenset[Contract]] = frozenset({"number", "choice", "json", "short"})
"""Where two models hardly come to the same wrong answer, so that agreement says how good both are;
elsewhere it says only that neither is better."""

logger = logging.getLogger(__name__)


class Records(Protocol):
    """The part of the ledger that keeps what came of it."""

    async def note_sample(self, row: Sample) -> None:
        """Record a sample; of one task, arm and purpose the last counts."""
        ...

    async def note_labels(self, rows: Sequence[Label]) -> None:
        """Record labels."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What samples are compared with."""

    sampling: Sampling
    stage: Stage
    records: Records
    choices: Choices
    """Who can be asked, and whom each key lets be asked."""
    taxonomy: Taxonomy
    run_s: float
    """How long a run may take: as long as a caller's."""
    spent: Callable[[], int]
    """Nano-USD of the evidence's budget that are spent or held, as last seen."""
    door: Door | None = None
    """`None`: there is no local model."""


class Shadowing:
    """Compares a sample of the answers with others. Nobody waits for it."""

    def __init__(self, means: Means) -> None:
        """Begin with nothing under way."""
        self._means = means
        self._jobs: dict[asyncio.Task[None], Sample] = {}
        self._notes: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._paused: tuple[float, LeftReason] = (-math.inf, "budget")
        self._is_closing = False

    def answered(self, task: Task, decision: Decision, answer: Answer, seconds: float) -> None:
        """Take an answer that its caller has: decide now, and do the rest later."""
        given = Given(
            task=task,
            profile=decision.profile,
            route=decision.route,
            answer=answer,
            seconds=seconds,
            at=self._means.stage.now(),
        )
        for pair in self._means.sampling.pairs(given):
            reason = self._reason_to_leave(given, pair)
            if reason is not None:
                self._note(left(pair.sample, reason))
                continue
            self._note(pair.sample)
            job = asyncio.create_task(self._sampled(given, pair))
            self._jobs[job] = pair.sample
            job.add_done_callback(self._jobs.pop)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way but what waits for the local model."""
        waiting = 0 if self._means.door is None else self._means.door.waiting
        return len(self._jobs) <= waiting and not self._notes

    async def close(self) -> None:
        """Leave what waits or is under way, and say so in its rows."""
        self._is_closing = True
        for job, sample in dict(self._jobs).items():
            job.cancel()
            self._note(left(sample, "ended"))
        while rest := {*self._jobs, *self._notes}:
            await asyncio.wait(rest)

    def _reason_to_leave(self, given: Given, pair: Pair) -> LeftReason | None:
        """Return why a sample is left at once.

        While the judge cannot be paid or reached nothing is compared, not even what might agree:
        else agreements would be all that is counted.
        """
        if not is_fit(given):
            return "unfit"
        until, reason = self._paused
        if self._means.stage.now() < until:
            return reason
        part = SHADOW_PART * self._means.sampling.rules.evidence_nano_usd
        if not pair.is_watch and self._means.spent() >= part:
            return "budget"
        asked = [seat.model for seat in pair.run.seats]
        is_given = pair.sample.purpose == "migration" and not pair.is_base_run
        judge = self._judge(given.answer.model if is_given else asked[0])
        if judge is None:
            return "judge_failed"
        if not self._may_ask(given.task.key_id, *asked, judge.model):
            return "unfit"
        return "full" if len(self._jobs) >= MOST_WAITING else None

    def _may_ask(self, key_id: str, *models: str) -> bool:
        """Say whether a key's texts may be sent to models: it bars them from those it bars."""
        choices = self._means.choices
        key = choices.keys.get(key_id)
        if key is None:
            return True
        theirs = replace(choices, models=key.models)
        hosts = [{*choices.catalog.hosts_of(model)} for model in models]
        is_in_tiers = key.tiers is None or all(key.tiers & host for host in hosts)
        return is_in_tiers and all(is_reachable(model, theirs) for model in models)

    async def _sampled(self, given: Given, pair: Pair) -> None:
        try:
            row = await self._done(given, pair)
            labels = self._labels(given, row)
        except Exception:
            # Its row stays `chosen`, and is counted as lost.
            logger.exception("sample lost", extra={"task": given.task.id})
            return
        # A call that is cancelled may come back as one that has failed.
        if not self._is_closing:
            self._note(row, labels)

    async def _done(self, given: Given, pair: Pair) -> Sample:
        """Wait until it is this sample's turn, and compare."""
        door = self._means.door if pair.run.name == LOCAL else None
        while True:
            if door is not None and not await door.until_open(given.at):
                return left(pair.sample, "asleep")
            async with self._places:
                if door is None or door.is_open:
                    return await self._compared(given, pair)

    async def _compared(self, given: Given, pair: Pair) -> Sample:
        """Get the other answer, and compare the two."""
        means, answer = self._means, given.answer
        other = await run(given.task, pair.run, means.stage, means.run_s)
        own = Ran(
            text=answer.text.strip(),
            model=answer.model,
            nano_usd=answer.cost_nano_usd,
            seconds=given.seconds,
        )
        base, tested = (other, own) if pair.is_base_run else (own, other)
        sample = _with_answers(pair.sample, base, tested)
        if other.is_over_budget:
            return self._pause(sample, "budget", SPENT_S)
        if not (base.text and tested.text):
            return left(sample, "tested_failed" if base.text else "base_failed")
        judge = self._judge(base.model if sample.purpose == "migration" else tested.model)
        if judge is None or not self._may_ask(given.task.key_id, judge.model):
            return left(sample, "judge_failed")
        case = Case(
            id=given.task.id, request=request_of(given.task), first=base.text, second=tested.text
        )
        found = await compared(case, self._contract(given), judge)
        return self._told(sample, found, judge.model)

    def _told(self, sample: Sample, found: Compared, judge: str) -> Sample:
        sample = replace(
            sample,
            judge=None if found.nano_usd is None else judge,
            judge_nano_usd=found.nano_usd,
            by=found.by,
            base_quality=found.first,
            tested_quality=found.second,
            is_consistent=found.is_consistent,
        )
        if found.left == "budget":
            return self._pause(sample, "budget", SPENT_S)
        if found.left is not None:
            return self._pause(sample, found.left, OUTAGE_S if found.is_outage else 0.0)
        return replace(sample, state="judged")

    def _pause(self, sample: Sample, reason: LeftReason, seconds: float) -> Sample:
        """Leave a sample, and all that come within so many seconds, for one reason."""
        self._paused = max(self._paused, (self._means.stage.now() + seconds, reason))
        return left(sample, reason)

    def _judge(self, model: str) -> Judge | None:
        """Return who judges answers that are compared with one of a model, if it can be asked."""
        choices, stage = self._means.choices, self._means.stage
        name = self._means.sampling.rules.judges.get(provider_of(model, choices))
        if name is None or not is_reachable(name, choices):
            return None
        return Judge(
            model=name,
            tier=choices.catalog.hosts_of(name)[-1],
            call=stage.call,
            texts=stage.texts,
            clock=stage.now,
        )

    def _contract(self, given: Given) -> Contract:
        if given.task.controls.output is not None:
            return "json"
        return self._means.taxonomy.rules_of(given.profile.kind).contract

    def _labels(self, given: Given, row: Sample) -> Sequence[Label]:
        """Return what learning is told: of levels that somebody has looked at.

        Their source is `shadow`, whoever compared: both arms answered, and chance alone chose the
        task. A `judge`'s word on an arm that nobody drew would count for nothing.
        """
        is_known = row.by == "judge" or self._contract(given) in _CLOSED_FORMS
        if row.state != "judged" or row.purpose != "migration" or not is_known:
            return ()
        return [
            label_of(given.task, given.profile, opinion, self._means.stage.now())
            for opinion in _opinions(row, given.route.policy)
        ]

    def _note(self, row: Sample, labels: Sequence[Label] = ()) -> None:
        job = asyncio.create_task(self._noted(row, labels))
        self._notes.add(job)
        job.add_done_callback(self._notes.discard)

    async def _noted(self, row: Sample, labels: Sequence[Label]) -> None:
        records = self._means.records
        try:
            await records.note_sample(row)
            if labels:
                await records.note_labels(labels)
        except Exception:
            logger.exception("sample not recorded", extra={"task": row.task_id})


def left(sample: Sample, reason: LeftReason) -> Sample:
    """Return a sample that is not judged."""
    return replace(sample, state="left", reason=reason)


def _with_answers(sample: Sample, base: Ran, tested: Ran) -> Sample:
    return replace(
        sample,
        base_chars=len(base.text),
        tested_chars=len(tested.text),
        base_nano_usd=base.nano_usd,
        tested_nano_usd=tested.nano_usd,
        base_s=base.seconds,
        tested_s=tested.seconds,
    )


def _opinions(row: Sample, policy: str | None) -> Iterator[Opinion]:
    arms = (
        (row.base_arm, row.base_quality, row.base_nano_usd, row.base_s),
        (row.tested_arm, row.tested_quality, row.tested_nano_usd, row.tested_s),
    )
    for arm, quality, nano_usd, seconds in arms:
        if quality is not None:
            yield Opinion(
                arm=arm,
                quality=quality,
                source="shadow",
                cost_nano_usd=nano_usd,
                seconds=seconds,
                policy_version=policy,
            )
