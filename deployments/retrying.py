"""The one owner of retries: which model of a seat is asked next, when, and when it is enough."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from deployments.attempt import Asking, Desk, Listening, attempt
from deployments.gate import Gate, Purse, refused
from deployments.provider import Provider
from tercet.call import (
    FINAL,
    Call,
    Completion,
    Failure,
    FailureKind,
    Item,
    Outcome,
    Piece,
    Retry,
)
from tercet.catalog import Model
from tercet.fitting import fitted
from tercet.rules import UpstreamRules

WORTH_REPEATING: frozenset[FailureKind] = frozenset(
    {"overloaded", "rate_limited", "unavailable", "unreachable", "truncated"}
)
"""Failures that may pass by themselves, so that the same model is worth another try."""
PROMPT: frozenset[FailureKind] = frozenset({"overloaded", "rate_limited", "unavailable"})
"""Failures that come fast, so that the seat's own model gets its second try before an alternate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One model as a replica sees it."""

    model: Model
    provider: Provider
    gate: Gate
    places: asyncio.Semaphore
    """Attempts that may be under way at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """What every call of a replica is persisted with."""

    upstreams: Mapping[str, Upstream]
    rules: UpstreamRules
    purse: Purse
    desk: Desk
    chance: Callable[[], float]
    """A random number in [0, 1)."""
    note_exhausted: Callable[[str, str], None]
    """Told the provider and its words when it says that its own spending limit is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Who is asked next, and after how long."""

    model: str
    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a decision depends on besides the failures."""

    left_s: float
    """Until the call's deadline."""
    chance: float
    """A random number in [0, 1)."""
    is_shut: bool = False
    """The model that failed last is not asked now: its breaker is open."""


def next_move(
    call: Call, failures: Sequence[Failure], rules: UpstreamRules, moment: Moment
) -> Next | None:
    """Decide after the failures so far; `None` when it is enough.

    A fast failure of the seat's own model is repeated once; then the alternates are asked in order;
    then whatever may pass by itself is repeated. Refusals of our own gates are not attempts.
    """
    if not failures:
        return Next(model=call.model)
    made = [failure for failure in failures if failure.attempt_id is not None]
    last = failures[-1]
    if last.kind in FINAL or len(made) >= rules.attempts_per_call:
        return None
    order = (call.model, *call.alternates)
    untried = [name for name in order if all(f.model != name for f in failures)]
    wait_s = None if moment.is_shut else _wait_s(last, len(made), rules, moment)
    is_second_try = last.attempt_id is not None and len(made) == 1 and last.kind in PROMPT
    if untried and not (is_second_try and wait_s is not None):
        return Next(model=untried[0])
    if wait_s is None or last.attempt_id is None or last.kind not in WORTH_REPEATING:
        return None
    return Next(model=last.model, after_s=wait_s)


def _wait_s(last: Failure, made: int, rules: UpstreamRules, moment: Moment) -> float | None:
    """Return how long to wait before the same model is asked again; `None` if that is too long."""
    ceiling = min(rules.backoff_cap_s, rules.backoff_base_s * 2 ** max(made - 1, 0))
    wait_s = moment.chance * ceiling  # full jitter
    if last.retry_after_s is not None:
        if last.retry_after_s > rules.longest_wait_s:
            return None
        wait_s = min(wait_s + last.retry_after_s, rules.longest_wait_s)
    return wait_s if wait_s < moment.left_s / 2 else None


@dataclass(slots=True)
class _Run:
    """One call under way."""

    call: Call
    listening: Listening
    send: Callable[[Item], None]
    failures: list[Failure] = field(default_factory=list[Failure])
    has_spoken: bool = False

    def say(self, piece: Piece) -> None:
        """Pass on a piece of the answer: from here on nobody else can give it."""
        self.has_spoken = True
        self.send(piece)


async def persist(
    call: Call, retrying: Retrying, listening: Listening, send: Callable[[Item], None]
) -> Outcome:
    """Ask the seat's models until one answers; `send` gets what `tercet.call.CallModel` yields.

    The outcome, which it was sent last, is returned too.
    """
    run = _Run(call, listening, send)
    retrying.purse.earn(retrying.desk.clock())
    outcome: Outcome | None = None
    while (move := _move(run, retrying)) is not None:
        if run.failures:
            run.send(Retry(failure=run.failures[-1], model=move.model))
        if move.after_s:
            await _pause(move.after_s, listening)
        outcome = await _try(move.model, run, retrying)
        if isinstance(outcome, Completion):
            break
        run.failures.append(outcome)
    if outcome is None:
        raise RuntimeError("a call has a first move")
    send(outcome)
    return outcome


def _move(run: _Run, retrying: Retrying) -> Next | None:
    if run.failures and (run.has_spoken or run.listening.has_left.is_set()):
        return None
    now = retrying.desk.clock()
    last = retrying.upstreams.get(run.failures[-1].model) if run.failures else None
    moment = Moment(
        left_s=run.call.deadline_at - now,
        chance=retrying.chance(),
        is_shut=last is not None and last.gate.is_open,
    )
    move = next_move(run.call, run.failures, retrying.rules, moment)
    if move is None or not run.failures or run.failures[-1].attempt_id is None:
        return move  # a refusal of our own cost the provider nothing, so it costs no token
    return move if retrying.purse.pay(now) else None


async def _try(name: str, run: _Run, retrying: Retrying) -> Outcome:
    upstream = retrying.upstreams.get(name)
    if upstream is None:
        message = f"{run.call.tier} has no client for {name}"
        return Failure(model=name, kind="unauthorised", message=message)
    async with _place(upstream, retrying.rules.concurrency_wait_s) as is_free:
        if not is_free:
            message = "not asked: too many calls to it are under way"
            return Failure(model=name, kind="overloaded", message=message, retry_after_s=1.0)
        shut = upstream.gate.ask(retrying.desk.clock())
        if shut is not None:
            return refused(name, shut)
        asking = Asking(
            call=replace(run.call, model=name, prompt=fitted(run.call.prompt, upstream.model)),
            model=upstream.model,
            provider=upstream.provider,
            listening=run.listening,
            send=run.say,
        )
        outcome = await attempt(asking, retrying.desk)
    upstream.gate.heard(outcome, retrying.desk.clock())
    if isinstance(outcome, Failure) and outcome.kind == "exhausted":
        retrying.note_exhausted(upstream.model.provider, outcome.message)
    return outcome


@asynccontextmanager
async def _place(upstream: Upstream, within_s: float) -> AsyncGenerator[bool, None]:
    """Take one of the model's places; False if none came free in time."""
    try:
        async with asyncio.timeout(within_s):
            await upstream.places.acquire()
    except TimeoutError:
        yield False
        return
    try:
        yield True
    finally:
        upstream.places.release()


async def _pause(seconds: float, listening: Listening) -> None:
    """Wait, unless nobody waits for the call any more."""
    try:
        async with asyncio.timeout(seconds):
            await listening.has_left.wait()
    except TimeoutError:
        return
