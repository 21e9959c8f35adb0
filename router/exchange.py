"""One task being answered: its composition in a job, its events in a queue, its row written."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from router.answering import Answering, Decision
from router.compositions.stage import Event
from router.lessons import conversation_of
from router.observing import Observing
from tercet.answer import Answer, NoAnswer
from tercet.call import Raw
from tercet.ledger import RequestClosed, RequestOpened
from tercet.task import Task

logger = logging.getLogger(__name__)

Ending = Callable[[Answer | NoAnswer | None], Awaitable[None]]
"""Told how an exchange ended before its reader is: whoever asks again must find it done."""

Onlooker = Callable[[Task, Decision, Answer, float], None]
"""Told of an answer, and how many seconds it took, after its reader; it returns at once."""


class Records(Protocol):
    """The part of the ledger an exchange writes."""

    def open_request(self, row: RequestOpened) -> None:
        """Record a task and its route, before `close_request` does its end."""
        ...

    def close_request(self, row: RequestClosed) -> None:
        """Record how it ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What every exchange of a replica works with."""

    answering: Answering
    records: Records
    clock: Callable[[], float]
    """Unix seconds."""
    jobs: set[asyncio.Task[Any]]
    """What is under way; the set keeps the jobs alive."""
    onlooker: Onlooker | None = None
    observing: Observing = field(default_factory=Observing)

    def keep(self, job: asyncio.Task[Any]) -> None:
        """Keep a job alive until it is done."""
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)


class Exchange:
    """A task that is being answered. Whoever reads its events may abandon it at any time."""

    def __init__(
        self,
        task: Task,
        decision: Decision,
        office: Office,
        endings: tuple[Ending, ...] = (),
        *,
        is_promised: bool = False,
    ) -> None:
        """Start answering; needs a running event loop.

        One that `is_promised` goes on when it is abandoned: its caller may come back for what was
        paid.
        """
        self.task = task
        self.decision = decision
        self._office = office
        self._endings = endings
        self._is_promised = is_promised
        self._began_at = office.clock()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._job = asyncio.create_task(self._run())
        office.keep(self._job)

    async def next(self) -> Event:
        """Return the next event; after `Answer` or `NoAnswer` there is none.

        Raises:
            Exception: the bug that ended the composition.
        """
        event = await self._events.get()
        if event is None:
            await self._job
            raise RuntimeError("the composition ended without an answer")
        return event

    async def ending(self) -> tuple[Answer | NoAnswer, bytes]:
        """Wait for the last event; with it goes all that came raw."""
        raw: list[bytes] = []
        while True:
            event = await self.next()
            if isinstance(event, Raw):
                raw.append(event.data)
            elif isinstance(event, Answer | NoAnswer):
                return event, b"".join(raw)

    def abandon(self) -> None:
        """Stop asking, because nobody waits any more; calls already made are settled regardless."""
        if not self._is_promised:
            self._job.cancel()

    async def _run(self) -> None:
        office, task = self._office, self.task
        office.records.open_request(self._opening_row())
        outcome, answer = "abandoned", "{}"
        last: Answer | NoAnswer | None = None
        try:
            async for event in office.answering.compose(task, self.decision.route):
                if isinstance(event, Answer | NoAnswer):
                    last = event
                    outcome = "answered" if isinstance(event, Answer) else "failed"
                    answer = json.dumps(summary(event))
                else:
                    self._events.put_nowait(event)
        except Exception:
            outcome = "failed"
            raise
        finally:
            self._close(outcome, answer)
            try:
                await self._end(last)
            finally:
                self._events.put_nowait(last)
                if isinstance(last, Answer):
                    self._tell(last)

    async def _end(self, last: Answer | NoAnswer | None) -> None:
        """Tell the endings: in a job of its own, all of which is done if the caller goes too."""
        if not self._endings:
            return

        async def told() -> None:
            for ending in self._endings:
                await ending(last)

        ending = asyncio.create_task(told())
        self._office.keep(ending)
        await asyncio.shield(ending)

    def _tell(self, answer: Answer) -> None:
        office = self._office
        if office.onlooker is None:
            return
        try:
            office.onlooker(self.task, self.decision, answer, office.clock() - self._began_at)
        except Exception:
            logger.exception("the onlooker failed", extra={"task": self.task.id})

    def _close(self, outcome: str, answer: str) -> None:
        office = self._office
        row = RequestClosed(task_id=self.task.id, outcome=outcome, answer=answer, at=office.clock())
        office.records.close_request(row)

    def _opening_row(self) -> RequestOpened:
        conversation = {"conversation": conversation_of(self.task)}
        return RequestOpened(
            task_id=self.task.id,
            key_id=self.task.key_id,
            asked_model=self.task.model,
            profile=_JSON.encode(_fields(self.decision.profile) | conversation),
            route=_JSON.encode(self.decision.route),
            at=self._office.clock(),
        )


def _fields(value: Any) -> dict[str, object]:  # noqa: ANN401  any dataclass
    """Return the fields of a dataclass as they are: `asdict` copies all there is in them."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


_JSON = json.JSONEncoder(default=_fields)


def summary(event: Answer | NoAnswer) -> dict[str, object]:
    """Return what a receipt says of an ending; never the text itself."""
    if isinstance(event, NoAnswer):
        return {"failures": [asdict(failure) for failure in event.failures]}
    return {
        "model": event.model,
        "finish": event.finish,
        "settled_by": event.settled_by,
        "degraded": event.degraded,
        "changed_outcome": event.changed_outcome,
        "agreement": event.agreement,
        "agreed_in_round": event.agreed_in_round,
        "escalated": event.is_escalated,
    }
