"""One POST as data: what was asked, and the response as bytes with their timing and their end."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

from deployments.simulated.acting import Action
from deployments.simulated.counting import Block, tokens_started
from deployments.simulated.mind import Speech, pieces
from deployments.simulated.scenarios import BROKEN, Pace, Scenario
from tercet.call import Prompt
from tercet.usage import Usage

Fate = Literal["end", "cut", "reset", "hang"]
"""How a response ends: whole, with the connection closed or reset under it, or never."""

SpokenKind = Literal["thought", "text", "action"]

Json = Mapping[str, object]

_ARGUMENT_PIECE = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Bytes that are sent together."""

    data: bytes
    output: int = 0
    """Output tokens produced once this is sent: cumulative."""
    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A response, not yet sent. Without frames not even the status is."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    frames: Iterable[Frame] = ()
    """May be endless."""
    then: Fate = "end"
    outcome: str = "complete"
    """What the billing log says, unless the caller leaves before the end."""
    usage: Usage = field(default_factory=Usage)
    """The input that is billed; output comes from the last frame sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A POST as it came."""

    body: bytes
    headers: Mapping[str, str]
    """Case-insensitive."""
    query: Mapping[str, str]
    model: str = ""
    """From the path, where the wire puts it there."""
    stream: bool = False
    """From the path, where the wire puts it there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A valid POST, in the words of no wire."""

    model: str
    prompt: Prompt
    blocks: tuple[Block, ...]
    """All text that was sent, in order, for counting."""
    stream: bool
    continues: bool = False
    """It asks for the rest of an answer that was paused."""
    flaw: str | None = None
    """What makes the model end without an answer: a name that the wire knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a POST gets an error instead of an answer."""

    name: str
    """A scenario's, or `bad-request` or `unknown-model`."""
    message: str | None = None
    """`None` for the wire's usual words."""
    value: str | None = None
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Everything a wire needs to put an answer into its format."""

    ask: Ask
    speech: Speech
    scenario: Scenario
    pace: Pace
    usage: Usage
    """The input, counted."""
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """One provider's format."""

    provider: str
    read: Callable[[Incoming], Ask | Problem]
    """Checks a billable POST."""
    count: Callable[[Incoming], Ask | Problem]
    """Checks a POST that only counts tokens."""
    counted: Callable[[int], Json]
    """Returns the body that answers it."""
    error: Callable[[Problem, str], Script]
    """Takes the request id too."""
    frames: Callable[[Turn], Iterator[Frame]]
    """Yields the events of a stream."""
    body: Callable[[Turn], Frame]
    """Returns the body of an answer that is not a stream."""
    headers: Callable[[str], Mapping[str, str]]
    """Returns the headers that carry the request id, if any do."""
    key: Callable[[Incoming], str]
    """Returns the caller's key, or an empty string."""
    models: Callable[[], Json]
    """Returns the body of the list of models."""


def encoded(body: Json) -> bytes:
    """Return compact JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A piece of a thought, of the text or of a tool's arguments."""

    kind: SpokenKind
    text: str
    action: Action | None = None
    """Whose arguments the piece is of."""
    number: int = 0
    """Of the thought, the text or the action in its turn."""
    is_first: bool
    is_last: bool
    """It ends the thought, the text or the arguments."""
    said_tokens: int
    """Of all text and arguments so far."""
    thought_tokens: int
    after_s: float = 0.0

    @property
    def output(self) -> int:
        """Output tokens so far."""
        return self.said_tokens + self.thought_tokens


def spoken(turn: Turn) -> Iterator[Spoken]:
    """Yield what is said in the pieces of a stream, each with the wait before it."""
    said = _pieces(turn.speech, turn.pace.words)
    if turn.scenario.name in BROKEN:
        said = islice(said, turn.scenario.pieces_before_break)
    for n, piece in enumerate(said):
        yield replace(piece, after_s=turn.pace.between_s) if n else piece


def _pieces(speech: Speech, words: int) -> Iterator[Spoken]:
    size = 0
    for number, (kind, action, said) in enumerate(_parts(speech, words)):
        for n, text in enumerate(said):
            size += 0 if kind == "thought" else len(text.encode())
            yield Spoken(
                kind=kind,
                text=text,
                action=action,
                number=number,
                is_first=n == 0,
                is_last=n == len(said) - 1,
                said_tokens=tokens_started(size),
                thought_tokens=speech.thought_tokens,
            )


def _parts(speech: Speech, words: int) -> Iterator[tuple[SpokenKind, Action | None, list[str]]]:
    if speech.thinking is not None:
        yield "thought", None, pieces(speech.thinking.text, words) or [""]
    if speech.text:
        yield "text", None, pieces(speech.text, words)
    for action in speech.actions:
        starts = range(0, len(action.arguments), _ARGUMENT_PIECE)
        yield "action", action, [action.arguments[n : n + _ARGUMENT_PIECE] for n in starts]
