"""What the Gemini API refuses although every field is right by itself."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, pairwise

from deployments.simulated.gemini_shapes import DUMMY_SIGNATURE, Content, Part, Request
from deployments.simulated.signing import is_signed_by

MODELS: Mapping[str, str] = {
    "gemini-4-argon": "Gemini 4 Argon",
    "gemini-4-carbon": "Gemini 4 Carbon",
    "gemini-4-hydrogen": "Gemini 4 Hydrogen",
    "gemini-3.8-flash": "Gemini 3.8 Flash",
}
_KINDS = (
    "text",
    "inline_data",
    "file_data",
    "function_call",
    "function_response",
    "executable_code",
    "code_execution_result",
)
_BY_LEVEL = "gemini-4-"
"""These take a thinking level and no budget."""
_FAMILY = "gemini"


def fault(request: Request, model: str) -> str | None:
    """Return the first thing the API would refuse, in its way of saying so."""
    found = chain.from_iterable(check(request, model) for check in _CHECKS)
    return next(found, None)


def is_unsigned(request: Request) -> bool:
    """Tell whether a turn of calls since the user last spoke has no signature at all."""
    for content in reversed(request.contents):
        if content.role == "user" and not any(part.function_response for part in content.parts):
            return False
        calls = [part for part in content.parts if part.function_call is not None]
        if calls and not any(part.thought_signature for part in content.parts):
            return True
    return False


def _parts(request: Request, _model: str) -> Iterator[str]:
    for where, content, part in _placed(request):
        kinds = [kind for kind in _KINDS if getattr(part, kind) is not None]
        if len(kinds) != 1:
            yield f"{where}.data: required oneof field 'data' must have one initialized field"
        if part.function_call is not None and content.role != "model":
            yield f"{where}.function_call: belongs to role 'model'"
        if part.function_response is not None and content.role != "user":
            yield f"{where}.function_response: belongs to role 'user'"


def _signatures(request: Request, _model: str) -> Iterator[str]:
    for where, _content, part in _placed(request):
        signed = part.thought_signature
        if signed and signed != DUMMY_SIGNATURE and not is_signed_by(_FAMILY, signed):
            yield f"{where}.thought_signature: Thought signature is not valid."


def _pairs(request: Request, _model: str) -> Iterator[str]:
    """A turn of calls is followed by as many responses, and responses follow nothing else."""
    last = request.contents[-1]
    before = Content.model_construct(role="user", parts=[])
    for content, following in pairwise([before, *request.contents]):
        called = sorted(part.function_call.name for part in content.parts if part.function_call)
        answers = (part.function_response for part in following.parts)
        answered = sorted(answer.name for answer in answers if answer is not None)
        if answered and not called:
            yield (
                "Please ensure that function response turn comes immediately after a function call"
                " turn."
            )
        if called != answered:
            yield (
                "Please ensure that the number of function response parts is equal to the number"
                " of function call parts of the function call turn."
            )
    if any(part.function_call is not None for part in last.parts):
        yield "Please ensure that function call turn is followed by a function response turn."


def _tools(request: Request, _model: str) -> Iterator[str]:
    declared = [tool for tools in request.tools for tool in tools.function_declarations]
    names = [tool.name for tool in declared]
    if len(set(names)) < len(names):
        yield "Duplicate function declaration found."
    for tool in declared:
        if tool.parameters is not None and tool.parameters_json_schema is not None:
            yield f"{tool.name}: parameters and parameters_json_schema are mutually exclusive"
    config = request.tool_config.function_calling_config
    unknown = [name for name in config.allowed_function_names if name not in names]
    if unknown:
        yield f"allowed_function_names: {unknown[0]} is not a declared function"
    if config.allowed_function_names and config.mode not in ("any", "validated"):
        yield "allowed_function_names: should only be set when the mode is ANY or VALIDATED"
    if config.mode == "any" and not names:
        yield "Function calling config is set without function_declarations."


def _config(request: Request, model: str) -> Iterator[str]:
    config = request.generation_config
    schemas = [config.response_schema, config.response_json_schema]
    if schemas.count(None) == 0:
        yield "response_schema and response_json_schema are mutually exclusive"
    if schemas.count(None) < len(schemas) and config.response_mime_type == "text/plain":
        yield "A response schema requires response_mime_type application/json"
    thinking = config.thinking_config
    if thinking.thinking_budget is not None and thinking.thinking_level is not None:
        yield "You can only set only one of thinking budget and thinking level."
    if thinking.thinking_budget is not None and model.startswith(_BY_LEVEL):
        yield "Thinking budget is not supported for this model."


def _placed(request: Request) -> Iterator[tuple[str, Content, Part]]:
    for n, content in enumerate(request.contents):
        for k, part in enumerate(content.parts):
            yield f"contents[{n}].parts[{k}]", content, part


_CHECKS: tuple[Callable[[Request, str], Iterator[str]], ...] = (
    _parts,
    _signatures,
    _pairs,
    _tools,
    _config,
)
