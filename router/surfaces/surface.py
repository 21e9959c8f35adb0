"""What a surface is: one foreign format, as pure functions between it and our own words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from router.surfaces.refusal import Refusal
from tercet.answer import Answer
from tercet.call import Piece
from tercet.content import JsonObject
from tercet.task import Task, TaskKind
from tercet.taxonomy import BUILT_IN

Resolve = Callable[[str], str | None]
"""Maps a model's name as a client says it to the one we know it by; `None`: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the gateway knows of a request and its body cannot say."""

    task_id: str
    key_id: str
    deadline_at: float
    """Unix seconds."""
    kinds: tuple[TaskKind, ...] = BUILT_IN.names
    """What a task may be, by the taxonomy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request as it came, its body parsed."""

    body: JsonObject
    raw: bytes
    """The body before it was parsed."""
    headers: Mapping[str, str]
    """By lower-case name."""
    query: Mapping[str, str]
    earlier: JsonObject | None = None
    """What was remembered of the answer that this request continues; see `Surface.continues`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a reply says of itself before anything is answered."""

    task_id: str
    route: str
    created: int
    """Unix seconds."""


class Stream(Protocol):
    """One reply as server-sent events: `opening`, pieces, then `closing` or `failing`.

    Made when the first content is there, because only then is the model that answers known.
    """

    def opening(self) -> bytes:
        """Return the events that say who speaks."""
        ...

    def piece(self, piece: Piece) -> bytes:
        """Return the events for a piece; it is never `Raw`, and may be empty."""
        ...

    def closing(self, answer: Answer) -> bytes:
        """Return why the answer ended, its usage, and the terminal marker."""
        ...

    def failing(self, refusal: Refusal) -> bytes:
        """Return the events that end a broken stream, which must not look like a whole one."""
        ...


class Writer(Protocol):
    """How the answer to one request is written; made with the request, whose wishes it knows."""

    def body(self, frame: Frame, answer: Answer) -> bytes:
        """Return the whole answer in one piece."""
        ...

    def stream(self, frame: Frame, model: str) -> Stream:
        """Begin a stream in which `model` speaks."""
        ...

    def failed(self, frame: Frame, refusal: Refusal) -> bytes:
        """Return the events of a stream that fails before anything was said."""
        ...

    def comment(self, note: str) -> bytes:
        """Return something that keeps a stream alive and that clients skip."""
        ...

    def again(self, body: bytes) -> bytes:
        """Return the whole stream that says what `body`, made by `body`, says."""
        ...

    def memory(self, frame: Frame, answer: Answer) -> str | None:
        """Return the JSON document a later request may continue from; `None`: nothing is kept."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request that can be answered, and how its answer is to be written."""

    task: Task
    stream: bool
    writer: Writer
    ignored: tuple[str, ...] = ()
    """Fields that were given and have no effect; safe in a response header."""


ReadOrder = Callable[[Incoming, Resolve, Identity], Order | Refusal]
"""Reads a body. Total: any JSON object is an order or a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One foreign format."""

    read: ReadOrder
    error_body: Callable[[Refusal], bytes]
    """Returns the envelope of an error."""
    continues: Callable[[JsonObject], str | None] = lambda _: None
    """Returns the id of the answer that a body says it continues."""
