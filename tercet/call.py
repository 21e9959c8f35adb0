"""One call to one seat: what is asked, and the two things that can come back."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from tercet.task import Message
from tercet.usage import Usage

FinishReason = Literal["stop", "length", "content_filter"]
"""How a completion ended: by itself, at its token limit, or withheld by the provider's policy."""

FailureKind = Literal[
    "overloaded",
    "rate_limited",
    "exhausted",
    "unavailable",
    "timeout",
    "truncated",
    "refused",
    "empty",
    "too_long",
    "bad_request",
    "unauthorised",
    "unreachable",
    "unpriced",
    "over_budget",
    "ledger",
    "abandoned",
]
"""Why a model said nothing usable. `exhausted`: the provider's own spending limit is reached.
`unavailable`: the provider answered with a server error. `truncated`: its stream ended without the
terminal marker. `unpriced`: no price is known, so the call was not made. `over_budget`: a budget
has no room for it, so it was not made. `ledger`: the attempt could not be recorded, so it was not
made. `abandoned`: nobody waited any more, and its answer was not read to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What one seat is sent."""

    system: str
    messages: tuple[Message, ...]
    """User and assistant turns only, beginning with a user turn."""
    max_output_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One question to one model, with everything the tier proxy needs to account for it."""

    task_id: str
    key_id: str
    tier: str
    """The tier whose proxy makes the call."""
    model: str
    alternates: tuple[str, ...] = ()
    """Models of the same tier asked, in order, when `model` fails before its first content."""
    role: str
    round: int
    """Counted from 1 within a task; whoever is asked after a failure stays in the round."""
    prompt: Prompt
    deadline_at: float
    """Unix seconds."""
    wants_deltas: bool = False
    """Send text as it comes, not only the completion."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a completion's text, in order."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What one model said, whole: its provider's terminal marker was seen."""

    attempt_id: str
    model: str
    text: str
    finish: FinishReason
    usage: Usage
    cost_nano_usd: int
    first_token_s: float
    """Seconds from sending to the first content."""
    latency_s: float
    """Seconds from sending to the terminal marker."""
    simulated: bool = False
    """The text came from the project's own simulated upstreams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a model said nothing usable. A value, because exceptions do not cross Ray intact."""

    model: str
    kind: FailureKind
    message: str
    """For the operator and, cut to length, for the caller: no keys, no upstream address."""
    attempt_id: str | None = None
    """`None` when no attempt was recorded."""
    cost_nano_usd: int = 0
    """What the provider bills, or may bill, for the failed attempt."""
    retry_after_s: float | None = None


Outcome = Completion | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """An attempt of a call failed before its first content, and `model` is asked next."""

    failure: Failure
    model: str


Item = Delta | Retry | Completion | Failure


class CallModel(Protocol):
    """The one effect of a composition: ask a seat.

    Yields a `Retry` for each attempt that another follows, then any number of `Delta` (none unless
    `call.wants_deltas`), then exactly one `Completion` or `Failure`. The deltas of a completion
    concatenate to its text.
    """

    def __call__(self, call: Call, /) -> AsyncGenerator[Item, None]:
        """Ask `call.model`, else its alternates, by `call.deadline_at` at the latest."""
        ...
