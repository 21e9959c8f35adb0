"""What the Messages API takes, field by field; `anthropic_rules` has what goes across fields."""

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
)

from tercet.task import Speaker

MOST_OUTPUT = 128_000
_NAME = Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class _Open(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class CacheControl(_Strict):
    """A breakpoint of the prompt cache."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class _Cached(_Strict):
    cache_control: CacheControl | None = None


def _is_base64(data: str) -> str:
    try:
        base64.b64decode(data, validate=True)
    except binascii.Error as bad:
        raise ValueError("invalid base64 data") from bad
    return data


_Base64 = Annotated[str, Field(min_length=1), AfterValidator(_is_base64)]


class _Url(_Strict):
    type: Literal["url"]
    url: str = Field(min_length=1)


class _File(_Strict):
    type: Literal["file"]
    file_id: str


class _ImageBytes(_Strict):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: _Base64


class _PdfBytes(_Strict):
    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: _Base64


class _PlainText(_Strict):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class _Pages(_Strict):
    type: Literal["content"]
    content: str | list[dict[str, JsonValue]]


class Text(_Cached):
    """A text block."""

    type: Literal["text"]
    text: str
    citations: list[object] | None = None


class Image(_Cached):
    """An image block."""

    type: Literal["image"]
    source: Annotated[_ImageBytes | _Url | _File, Field(discriminator="type")]


class Document(_Cached):
    """A document block."""

    type: Literal["document"]
    source: Annotated[_PdfBytes | _Url | _File | _PlainText | _Pages, Field(discriminator="type")]


class ToolUse(_Cached):
    """A tool used by the model."""

    type: Literal["tool_use"]
    id: str = _NAME
    name: str = _NAME
    input: dict[str, JsonValue]


class Thinking(_Strict):
    """A thinking block, which nothing may be added to."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinking(_Strict):
    """Thinking that may not be read."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["redacted_thinking"]
    data: str


class Other(_Open):
    """A block of a server tool or a beta: accepted as it is."""

    type: str
    cache_control: CacheControl | None = None


def _tag(block: object) -> str:
    kind = _type_of(block)
    return kind if kind in _KNOWN else "other"


def _inner_tag(block: object) -> str:
    kind = _type_of(block)
    return kind if kind in _MEDIA else "other"


def _type_of(sent: object) -> str | None:
    """Return the type of what is read, or of what was built."""
    if isinstance(sent, BaseModel):
        return getattr(sent, "type", None)
    kind = cast("dict[str, object]", sent).get("type") if isinstance(sent, dict) else None
    return kind if isinstance(kind, str) else None


def _as_blocks(content: object) -> object:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


_Inner = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[Image, Tag("image")]
    | Annotated[Document, Tag("document")]
    | Annotated[Other, Tag("other")],
    Discriminator(_inner_tag),
]


class ToolResult(_Cached):
    """What a tool said."""

    type: Literal["tool_result"]
    tool_use_id: str = _NAME
    content: Annotated[list[_Inner] | None, BeforeValidator(_as_blocks)] = None
    is_error: bool | None = None


_KNOWN = frozenset(
    {"text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"}
)
_MEDIA = frozenset({"text", "image", "document"})

Block = Text | Image | Document | ToolUse | ToolResult | Thinking | RedactedThinking | Other
_Block = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[Image, Tag("image")]
    | Annotated[Document, Tag("document")]
    | Annotated[ToolUse, Tag("tool_use")]
    | Annotated[ToolResult, Tag("tool_result")]
    | Annotated[Thinking, Tag("thinking")]
    | Annotated[RedactedThinking, Tag("redacted_thinking")]
    | Annotated[Other, Tag("other")],
    Discriminator(_tag),
]


class Turn(_Strict):
    """A message."""

    role: Speaker
    content: Annotated[list[_Block], BeforeValidator(_as_blocks)]


class InputSchema(_Open):
    """The JSON Schema of a tool's arguments."""

    type: Literal["object"]


class CustomTool(_Cached):
    """A tool of the caller's."""

    type: Literal["custom"] | None = None
    name: str = _NAME
    description: str = ""
    input_schema: InputSchema
    strict: bool = False


class TypedTool(_Open):
    """A tool that the API knows: its own, or one that the caller runs for it."""

    type: str
    name: str = ""
    cache_control: CacheControl | None = None


def _tool_tag(tool: object) -> str:
    return "custom" if _type_of(tool) in (None, "custom") else "typed"


_Tool = Annotated[
    Annotated[CustomTool, Tag("custom")] | Annotated[TypedTool, Tag("typed")],
    Discriminator(_tool_tag),
]


class ToolChoice(_Strict):
    """Whether a tool has to be used."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class ThinkingConfig(_Strict):
    """How to think."""

    type: Literal["adaptive", "enabled", "disabled", "between_tools"]
    budget_tokens: int | None = Field(default=None, ge=1_024)
    display: Literal["summarized", "omitted"] | None = None


class JsonFormat(_Strict):
    """The answer is JSON."""

    type: Literal["json_schema"]
    json_schema: dict[str, JsonValue] = Field(alias="schema")


class OutputConfig(_Strict):
    """How the answer is wanted."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None


class Conversation(_Strict):
    """What count_tokens takes; unknown fields pass."""

    model: str = Field(min_length=1)
    messages: list[Turn] = Field(min_length=1)
    system: Annotated[list[Text], BeforeValidator(_as_blocks)] = []
    tools: list[_Tool] = []
    tool_choice: ToolChoice | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    context_management: dict[str, JsonValue] | None = None
    metadata: dict[str, JsonValue] | None = None
    cache_control: CacheControl | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)


class Request(Conversation):
    """What /v1/messages takes."""

    max_tokens: int = Field(ge=1, le=MOST_OUTPUT)
    stop_sequences: list[str] = []
    stream: bool = False


def blocks(request: Conversation) -> Iterator[tuple[str, str, Block]]:
    """Yield each block of the messages with its place and who said it."""
    for n, turn in enumerate(request.messages):
        for k, block in enumerate(turn.content):
            yield f"messages.{n}.content.{k}", turn.role, block
