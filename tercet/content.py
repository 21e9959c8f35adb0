"""What is said and asked for, in the project's own words; every surface and provider maps to these.

A conversation that crosses from one foreign format to another passes through these values, so
whatever they cannot hold is lost. What only one provider knows goes along as `Verbatim`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tercet.catalog import ProviderName

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

CacheFor = Literal["5m", "1h"]
"""A prompt-cache breakpoint: everything up to and including the part is kept that long."""

MediaKind = Literal["image", "document"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text."""

    text: str
    cache: CacheFor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image or a PDF: its bytes, or an address that the provider may fetch; never we."""

    kind: MediaKind
    mime: str
    """Such as `image/png`; empty if only the address is known."""
    data: str | None = None
    """Base64, or `None` when there is a `url`."""
    url: str | None = None
    name: str | None = None
    cache: CacheFor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A model's wish that a tool of the caller be run."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it; it may be broken."""
    signature: str | None = None
    """What `by` wants to see again with it: base64, opaque."""
    by: ProviderName | None = None
    """Whose `signature` it is."""
    cache: CacheFor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool said, from the caller."""

    id: str
    """Of the `ToolUse` it answers."""
    parts: tuple[Text | Media, ...]
    is_error: bool = False
    cache: CacheFor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """What a model thought before it spoke. Only the provider that signed it takes it back."""

    text: str
    signature: str | None = None
    by: ProviderName
    is_redacted: bool = False
    """Withheld by its provider, which reads it from the signature; not merely left out."""


Part = Text | Media | ToolUse | ToolResult | Thought
Said = Text | ToolUse | Thought
"""What a model can say."""


def text_of(parts: tuple[Part, ...]) -> str:
    """Return the text among the parts, joined; tools, results and thoughts are not text."""
    if len(parts) == 1:  # nearly every message; a classifier reads thousands within a millisecond
        (only,) = parts
        return only.text if isinstance(only, Text) else ""
    return "".join(part.text for part in parts if isinstance(part, Text))


def media_in(parts: Iterable[Part]) -> list[Media]:
    """Return the media among the parts, those that tools gave included."""
    found: list[Media] = []
    for part in parts:
        if isinstance(part, Media):
            found.append(part)
        elif isinstance(part, ToolResult):
            found += [inner for inner in part.parts if isinstance(inner, Media)]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the caller can run."""

    name: str
    description: str = ""
    schema: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """JSON Schema of its arguments."""
    strict: bool = False
    cache: CacheFor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice:
    """Whether a tool has to be used: `one` names which."""

    mode: Literal["auto", "none", "required", "one"] = "auto"
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """JSON is wanted: any object, or one of a schema."""

    name: str = "answer"
    schema: Mapping[str, JsonValue] | None = None
    """`None`: any JSON object."""
    strict: bool = False


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is picked; `None` leaves it to the model."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """How an answer is wanted, beside its text, its length and its stop sequences."""

    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    parallel_tools: bool = True
    """Several tools may be used in one turn."""
    output: OutputFormat | None = None
    effort: Effort | None = None
    """How hard to think; `None`: the model's default."""
    shows_thoughts: bool = False
    """The caller wants to see the thinking."""
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbatim:
    """A request in the words of one provider, to be passed to it as it came."""

    provider: ProviderName
    body: bytes
    headers: Mapping[str, str]
    """Those of the format alone, such as `anthropic-beta`; no key and no cookie."""
    stream: bool
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    is_needed: bool = False
    """It asks for what our own words lack, such as a tool that the provider runs itself."""
    without: tuple[str, ...] = ()
    """Top-level fields that the model does not take and is not sent; see `tercet.fitting`."""
