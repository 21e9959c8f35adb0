"""What a caller asks (`Task`) and how the classifier sees it (`Profile`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tercet.content import Controls, Part, Text, ToolUse, Verbatim, text_of

Speaker = Literal["system", "user", "assistant"]

TaskKind = str
"""What the work is: the name of a kind of the taxonomy, `tercet.taxonomy`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation; the results of tools are the user's."""

    speaker: Speaker
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """What is said in text, joined."""
        return text_of(self.parts)

    @property
    def says_something(self) -> bool:
        """Whether there is anything but blank text."""
        return any(not isinstance(part, Text) or part.text.strip() for part in self.parts)


def turn(speaker: Speaker, text: str) -> Message:
    """Return a turn of nothing but text."""
    return Message(speaker=speaker, parts=(Text(text),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the caller says about the task; `None` leaves the judgement to the classifier."""

    tier: str | None = None
    """A tier's name: the route is pinned to it."""
    kind: TaskKind | None = None
    requires_design: bool | None = None
    is_critical: bool | None = None
    requires_implementation: bool | None = None
    is_routine: bool | None = None
    strict: bool = False
    """Seat every voice and play every round, also where the route would save them."""
    batch: bool = False
    """Nobody waits at a screen: it may wait for a local model that loads."""
    deadline_s: float | None = None
    """Within so many seconds the answer is wanted, and it need not come much sooner; at most the
    gateway's own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a caller asks. It always has at least one message, and the last says something."""

    id: str
    """Made by the gateway, never taken from the client; also the receipt's id."""
    key_id: str
    """Public id of the API key that asked; never the key itself."""
    model: str
    """What the caller named: `auto`, a tier, or a model of the catalog."""
    messages: tuple[Message, ...]
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    controls: Controls = field(default_factory=Controls)
    hints: Hints = field(default_factory=Hints)
    verbatim: Verbatim | None = None
    """The request as it came, where a single model of its own provider could be sent that."""
    traceparent: str | None = None
    """The caller's W3C trace context."""
    is_streamed: bool = True
    """The caller reads the answer as it is said, so that nothing of it can be taken back."""
    deadline_at: float
    """Unix seconds after which nobody waits for the answer."""

    @property
    def is_agentic(self) -> bool:
        """Whether tools are offered or were used: one model has to see it through."""
        if self.controls.tools or (self.verbatim is not None and self.verbatim.is_needed):
            return True
        return any(isinstance(p, ToolUse) for message in self.messages for p in message.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The classifier's view of a task."""

    kind: TaskKind
    requires_design: bool
    is_critical: bool
    requires_implementation: bool
    is_routine: bool
    size_tokens: int
    """Estimated tokens of the whole conversation, at four UTF-8 bytes a token."""
    confidence: float
    """The calibrated probability of `kind`, from 0 to 1; 1 where the caller said it."""
    reasons: tuple[str, ...]
    """The evidence in words, strongest first."""
    kinds: Mapping[TaskKind, float] = field(default_factory=dict[TaskKind, float])
    """The calibrated probability of every kind of the taxonomy; together 1."""
    is_unsure: bool = False
    """The classifier abstains: `kind` is the most capable of those that are plausible."""
