"""What the Gemini API takes, field by field; `gemini_rules` has what goes across fields."""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

MOST_OUTPUT = 65_536
DUMMY_SIGNATURE = "skip_thought_signature_validator"
"""What Google documents for calls that another model made."""


class _Lenient(BaseModel):
    # The SDK sends some fields in camelCase and some in snake_case.
    model_config = ConfigDict(
        strict=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


def _decoded(data: str) -> bytes:
    """Decode either alphabet, with or without padding, as the API does."""
    text = data.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as bad:
        raise ValueError("Base64 decoding failed") from bad


def _is_base64(data: str) -> str:
    _decoded(data)
    return data


def _signature(sent: str) -> str:
    """Return a signature as its maker wrote it; the dummy is sent in clear or encoded."""
    return sent if sent == DUMMY_SIGNATURE else _decoded(sent).decode(errors="replace")


def _lower(name: object) -> object:
    return name.lower() if isinstance(name, str) else name


class Blob(_Lenient):
    """A picture or a document."""

    mime_type: str = Field(min_length=1)
    data: Annotated[str, Field(min_length=1), AfterValidator(_is_base64)]


class FileData(_Lenient):
    """The address of one."""

    mime_type: str = ""
    file_uri: str = Field(min_length=1)


class FunctionCall(_Lenient):
    """A tool used by the model."""

    id: str | None = None
    name: str = Field(min_length=1)
    args: dict[str, JsonValue] = {}


class FunctionResponse(_Lenient):
    """What a tool said."""

    id: str | None = None
    name: str = Field(min_length=1)
    response: dict[str, JsonValue] = {}
    parts: list["Part"] = []


class Part(_Lenient):
    """A piece of content: one of its kinds."""

    text: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: dict[str, JsonValue] | None = None
    code_execution_result: dict[str, JsonValue] | None = None
    thought: bool = False
    thought_signature: Annotated[str, AfterValidator(_signature)] | None = None


class Content(_Lenient):
    """A turn."""

    role: Literal["user", "model"] = "user"
    parts: list[Part] = Field(min_length=1)


class Instruction(_Lenient):
    """The system prompt."""

    parts: list[Part] = []


class Declaration(_Lenient):
    """A function of the caller's."""

    name: str = Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")
    description: str = ""
    parameters: dict[str, JsonValue] | None = None
    parameters_json_schema: dict[str, JsonValue] | None = None


class Tool(_Lenient):
    """Functions of the caller's, or a tool of the API's own."""

    model_config = ConfigDict(extra="allow")

    function_declarations: list[Declaration] = []


class CallingConfig(_Lenient):
    """Whether a function has to be called."""

    mode: Annotated[
        Literal["auto", "any", "none", "validated", "mode_unspecified"], BeforeValidator(_lower)
    ] = "auto"
    allowed_function_names: list[str] = []


class ToolConfig(_Lenient):
    """How the tools are used."""

    function_calling_config: CallingConfig = CallingConfig()


class ThinkingConfig(_Lenient):
    """How to think."""

    include_thoughts: bool = False
    thinking_budget: int | None = None
    thinking_level: Annotated[
        Literal["minimal", "low", "medium", "high", "xhigh", "thinking_level_unspecified"] | None,
        BeforeValidator(_lower),
    ] = None


class Config(_Lenient):
    """How the answer is wanted."""

    max_output_tokens: int = Field(default=MOST_OUTPUT, ge=1, le=MOST_OUTPUT)
    stop_sequences: list[str] = Field(default=[], max_length=5)
    candidate_count: int = Field(default=1, ge=1, le=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: float | None = Field(default=None, ge=1)
    response_mime_type: Literal["text/plain", "application/json", "text/x.enum"] = "text/plain"
    response_schema: dict[str, JsonValue] | None = None
    response_json_schema: dict[str, JsonValue] | None = None
    thinking_config: ThinkingConfig = ThinkingConfig()


class Request(_Lenient):
    """What generateContent takes; fields that change nothing here pass."""

    contents: list[Content] = Field(min_length=1)
    system_instruction: Instruction = Instruction()
    tools: list[Tool] = []
    tool_config: ToolConfig = ToolConfig()
    generation_config: Config = Config()
    continuation_token: str | None = None
