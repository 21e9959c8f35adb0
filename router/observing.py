"""What is told of requests: counted when they end, and traced where a collector is named."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from router.answering import Decision
from tercet.answer import Answer, NoAnswer
from tercet.meters import Meters
from tercet.metrics import (
    Reading,
    decision_readings,
    ending_readings,
    in_flight,
    request_readings,
)
from tercet.route import Refused, Route
from tercet.task import Task
from tercet.telemetry import Traced, Tracer, reply_attributes, request_end, request_work


@dataclass(slots=True, kw_only=True)
class Observing:
    """The requests of one replica."""

    meters: Meters = field(init=False)
    tracer: Tracer | None = None
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    count: int = 0
    """Requests under way."""

    def __post_init__(self) -> None:
        """Count nothing yet."""
        self.meters = Meters(self.gauges)

    def begin(self, path: str, traceparent: str | None) -> "Observed":
        """Observe a request from now on; its caller's trace, if any, goes on in it."""
        self.count += 1
        traced = None
        if self.tracer is not None:
            traced = self.tracer.begin(request_work(path, traceparent))
        return Observed(self, path, traced)

    def gauges(self) -> Iterator[Reading]:
        """Yield what is so now."""
        yield in_flight(self.count)


class Observed:
    """One request: it is over when it was replied to and its exchange, if it has one, has ended."""

    def __init__(self, observing: Observing, path: str, traced: Traced | None) -> None:
        """Begin with nothing known but where it came in."""
        self._observing = observing
        self._path = path
        self._traced = traced
        self._began_at = observing.clock()
        self._task: Task | None = None
        self._route: Route | None = None
        self._outcome = "refused"
        self._ending: Answer | NoAnswer | None = None
        self._status: int | None = None
        self._has_replied = False
        self._is_asking = False
        self._is_over = False

    def read(self, task: Task) -> Task:
        """Take what is asked, and return it with the request's own trace for its caller's."""
        self._task = task
        if self._traced is None:
            return task
        return replace(task, traceparent=self._traced.traceparent)

    def decided(self, task: Task, decision: Decision | Refused) -> None:
        """Take what was decided; unless it is a refusal, an exchange follows."""
        note = self._observing.meters.note
        if isinstance(decision, Refused):
            note(decision_readings(task, None, decision))
            return
        note(decision_readings(task, decision.profile, decision.route))
        self._route = decision.route
        self._is_asking = True

    def replayed(self) -> None:
        """Take that it was done before."""
        self._outcome = "replayed"

    async def ended(self, ending: Answer | NoAnswer | None) -> None:
        """Take how its exchange ended; see `router.exchange.Ending`."""
        self._is_asking = False
        self._ending = ending
        self._observing.meters.note(ending_readings(ending))
        self._outcome = "abandoned" if ending is None else "failed"
        if isinstance(ending, Answer):
            self._outcome = "answered"
        self._finish()

    def replied(self, status: int | None) -> None:
        """Take that its response has begun; `None`: its caller left before, or it met a bug."""
        self._has_replied = True
        self._status = status
        if status is None and self._route is None:
            self._outcome = "abandoned"
        self._finish()

    def _finish(self) -> None:
        if self._is_over or self._is_asking or not self._has_replied:
            return
        self._is_over = True
        observing = self._observing
        observing.count -= 1
        seconds = observing.clock() - self._began_at
        observing.meters.note(request_readings(self._path, self._route, self._outcome, seconds))
        if self._traced is not None:
            ending = self._ending
            said = request_end(self._task, self._route, ending)
            error = ending.failures[-1].kind if isinstance(ending, NoAnswer) else None
            self._traced.end({**said, **reply_attributes(self._outcome, self._status)}, error)
