"""One call to one seat: what is asked, and the two things that can come back."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tercet.catalog import ProviderName
from tercet.content import CacheFor, Controls, Said, Text, Thought, ToolUse, Verbatim, text_of
from tercet.task import Message
from tercet.usage import Usage

FinishReason = Literal["stop", "length", "content_filter", "tool_use", "pause"]
"""How a completion ended: by itself, at its token limit, withheld by the provider's policy, waiting
for the results of tools, or paused by the provider to be sent back as it is (verbatim only)."""

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

FINAL: frozenset[FailureKind] = frozenset({"ledger", "abandoned"})
"""Failures after which nobody else is asked: the gateway cannot write, or nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What one seat is sent."""

    system: str
    system_cache: CacheFor | None = None
    """A cache breakpoint at the end of `system`."""
    messages: tuple[Message, ...]
    """User and assistant turns only, beginning with a user turn."""
    max_output_tokens: int
    stop: tuple[str, ...] = ()
    controls: Controls = field(default_factory=Controls)
    verbatim: Verbatim | None = None
    """The same in the words of one provider, which is sent these; another is sent the rest."""
    traceparent: str | None = None
    """The W3C trace context of who asks: of the request on its way to a proxy, of the attempt on
    its way to the local model, which is ours. No API is sent it."""


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
    """Send what is said as it comes, not only the completion."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a completion's text, in order."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThoughtDelta:
    """A piece of a completion's thinking; its signature comes last, if at all, and ends it."""

    text: str
    signature: str | None = None
    by: ProviderName | None = None
    """Whose thought it is; set where an attempt passes it on."""
    is_redacted: bool = False
    """Of the piece with the signature: nothing else of the thought may be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDelta:
    """A piece of one `ToolUse`; pieces of two are never mixed."""

    index: int
    """Of the tool uses of the completion, from 0."""
    id: str
    name: str
    arguments: str
    """More of the JSON text; empty in the first piece where a provider sends it so."""
    signature: str | None = None
    """In the first piece alone; see `ToolUse`."""
    by: ProviderName | None = None
    """Whose `signature` it is; set where an attempt passes it on."""


@dataclass(frozen=True, slots=True)
class Raw:
    """The next bytes of a response to a `Verbatim`: what its client is sent, and nothing else is.

    A completion that came so has the same content as parts.
    """

    data: bytes


Piece = Delta | ThoughtDelta | ToolDelta | Raw
"""What a model says, as it says it."""


def pieces_of(parts: tuple[Said, ...]) -> tuple[Piece, ...]:
    """Return what is said whole, as pieces."""
    pieces: list[Piece] = []
    uses = 0
    for part in parts:
        match part:
            case Text():
                pieces.append(Delta(part.text))
            case Thought():
                pieces.append(
                    ThoughtDelta(
                        text=part.text,
                        signature=part.signature,
                        by=part.by,
                        is_redacted=part.is_redacted,
                    )
                )
            case ToolUse():
                pieces.append(
                    ToolDelta(
                        index=uses,
                        id=part.id,
                        name=part.name,
                        arguments=part.arguments,
                        signature=part.signature,
                        by=part.by,
                    )
                )
                uses += 1
    return tuple(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What one model said, whole: its provider's terminal marker was seen."""

    attempt_id: str
    model: str
    parts: tuple[Said, ...]
    finish: FinishReason
    stop_sequence: str | None = None
    """The caller's stop sequence that ended it, where the provider says so."""
    usage: Usage
    cost_nano_usd: int
    first_token_s: float
    """Seconds from sending to the first content."""
    latency_s: float
    """Seconds from sending to the terminal marker."""
    simulated: bool = False
    """The text came from the project's own simulated upstreams."""

    @property
    def text(self) -> str:
        """What was said in text, joined."""
        return text_of(self.parts)


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


Item = Piece | Retry | Completion | Failure


class CallModel(Protocol):
    """The one effect of a composition: ask a seat.

    Yields a `Retry` for each attempt that another follows, then any number of `Piece` (none unless
    `call.wants_deltas`), then exactly one `Completion` or `Failure`. The pieces of a completion
    concatenate to its parts.
    """

    def __call__(self, call: Call, /) -> AsyncGenerator[Item, None]:
        """Ask `call.model`, else its alternates, by `call.deadline_at` at the latest."""
        ...
