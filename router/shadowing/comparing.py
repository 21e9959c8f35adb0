"""Two answers to one request compared: by the agreement ladder, else by a judge."""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from router.agreement.contracts import agree_under
from router.shadowing.judging import Case, Grades, brief, judged, read_verdict
from router.shadowing.playing import JUDGE, account
from tercet.call import Call, CallModel, Completion, Failure, FailureKind, Retry
from tercet.migration import EVIDENCE_KEY, LeftReason, Verdict
from tercet.taxonomy import Contract

VERDICT_S: Final = 120.0
"""How long one verdict may take."""
_TRIES: Final = 2
"""A reply that is no verdict is asked for once more."""
_OF_THE_CASE: Final[frozenset[FailureKind]] = frozenset(
    {"refused", "empty", "too_long", "bad_request"}
)
"""Failures after which another case may well be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A model that judges."""

    model: str
    tier: str
    """Whose proxy asks it."""
    call: CallModel
    texts: Mapping[str, str]
    clock: Callable[[], float]
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What came of it; qualities as in `tercet.migration.Sample`."""

    first: float | None = None
    second: float | None = None
    by: Verdict | None = None
    is_consistent: bool | None = None
    nano_usd: int | None = None
    """What the judge cost; `None`: it was not asked."""
    left: LeftReason | None = None
    """Why there is no verdict."""
    is_outage: bool = False
    """The judge could not be asked: the next would not be answered either."""


async def compared(case: Case, contract: Contract, judge: Judge) -> Compared:
    """Compare the answers.

    Answers that say the same are equally good, however good they are: 1 and 1 stand for that. Of
    agreements on prose about 2 in 100 are none (ADR 4), which draws a difference towards 0 by that.
    """
    if agree_under(contract, case.first, case.second, case.request) is not None:
        return Compared(first=1.0, second=1.0, by="agreement")
    bench = _Bench(case.id, judge)
    shown = await bench.verdict(case)
    swapped = await bench.verdict(case.swapped) if isinstance(shown, Grades) else shown
    if isinstance(shown, Grades) and isinstance(swapped, Grades):
        found = judged(shown, swapped)
        return Compared(
            first=found.first,
            second=found.second,
            by="judge",
            is_consistent=found.is_consistent,
            nano_usd=bench.nano_usd,
        )
    is_over = isinstance(swapped, Failure) and swapped.kind == "over_budget"
    return Compared(
        nano_usd=bench.nano_usd,
        left="budget" if is_over else "judge_failed",
        is_outage=isinstance(swapped, Failure) and swapped.kind not in _OF_THE_CASE,
    )


class _Bench:
    """A judge at work on one case."""

    def __init__(self, task_id: str, judge: Judge) -> None:
        self.nano_usd = 0
        self._task_id = task_id
        self._judge = judge
        self._asked = 0

    async def verdict(self, case: Case) -> Grades | Failure | None:
        """Return the judge's verdict; `None`: what it said is none, even when asked again."""
        for _ in range(_TRIES):
            said = await self._said(case)
            self.nano_usd += said.cost_nano_usd
            if isinstance(said, Failure):
                return said
            if grades := read_verdict(said.text):
                return grades
        return None

    async def _said(self, case: Case) -> Completion | Failure:
        self._asked += 1
        judge = self._judge
        call = Call(
            task_id=account(self._task_id, JUDGE),
            key_id=EVIDENCE_KEY,
            tier=judge.tier,
            model=judge.model,
            role=JUDGE,
            round=self._asked,
            prompt=brief(case, judge.texts),
            deadline_at=judge.clock() + VERDICT_S,
        )
        async with aclosing(judge.call(call)) as items:
            async for item in items:
                if isinstance(item, Retry):
                    self.nano_usd += item.failure.cost_nano_usd
                elif isinstance(item, Completion | Failure):
                    return item
        raise RuntimeError(f"the call to {judge.model} ended without an outcome")
