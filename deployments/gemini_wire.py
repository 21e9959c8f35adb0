"""A prompt as the JSON that the Gemini API takes; `deployments.gemini` sends it and reads replies.

The API has no place for cache breakpoints (it caches by itself), names of media, strict tools, or a
limit to one tool at a time: these are left out.
"""

from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import asdict
from itertools import groupby

from deployments.provider import json_object
from tercet.call import Prompt
from tercet.content import (
    Controls,
    Effort,
    JsonObject,
    JsonValue,
    Media,
    OutputFormat,
    Part,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    text_of,
)
from tercet.task import Message

MOST_STOPS = 5

# Google's word for calls that its models did not make, without which a turn that has one ends in
# MISSING_THOUGHT_SIGNATURE. Source: "FAQs" of ai.google.dev/gemini-api/docs/thought-signatures.
# It is known by these letters and refused as their base64 (langchain-google, pull request 1972).
FOREIGN_SIGNATURE = "skip_thought_signature_validator"

_MODES: Mapping[str, str] = {"auto": "AUTO", "none": "NONE", "required": "ANY", "one": "ANY"}

_LEVELS: Mapping[Effort, str] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
    "max": "XHIGH",
}

_SAMPLING: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
}

_STANDARD_ALPHABET = str.maketrans("-_", "+/")


class UnsendableError(Exception):
    """The prompt holds what the API has no words for; the message says what."""


def request_of(prompt: Prompt) -> JsonObject:
    """Return the body of a generateContent request.

    Raises:
        UnsendableError: part of the prompt cannot be said.
    """
    request: JsonObject = {"contents": [*_contents(prompt.messages)]}
    if prompt.system:
        request["systemInstruction"] = {"role": "user", "parts": [{"text": prompt.system}]}
    if prompt.controls.tools:
        declared: list[JsonValue] = [_declaration(tool) for tool in prompt.controls.tools]
        request["tools"] = [{"functionDeclarations": declared}]
        calling = _calling(prompt.controls.tool_choice)
        request["toolConfig"] = {"functionCallingConfig": calling}
    request["generationConfig"] = _generation(prompt)
    return request


def _contents(messages: tuple[Message, ...]) -> list[JsonObject]:
    names: dict[str, str] = {}
    said = [(_role(message), _parts(message, names)) for message in messages]
    contents: list[JsonObject] = []
    # A turn of nothing that can be sent is none, and must not keep its neighbours apart.
    for role, turns in groupby((turn for turn in said if turn[1]), key=lambda turn: turn[0]):
        parts = [part for _, turn in turns for part in turn]
        _sign_first_call(parts)
        contents.append({"role": role, "parts": [*parts]})
    if not contents:
        raise UnsendableError("there is nothing in the messages that this model can be sent")
    return contents


def _role(message: Message) -> str:
    return "model" if message.speaker == "assistant" else "user"


def _parts(message: Message, names: dict[str, str]) -> list[JsonObject]:
    """Return a turn's parts; `names` are those of the tools used so far, by the uses' ids."""
    return [part for said in message.parts for part in _part(said, names)]


def _part(part: Part, names: dict[str, str]) -> list[JsonObject]:
    match part:
        case Text():
            # An empty text is refused.
            return [{"text": part.text}] if part.text else []
        case Media():
            return [_media(part)]
        case ToolUse():
            names[part.id] = part.name
            return [_call(part)]
        case ToolResult():
            return _result(part, names)
        case Thought():
            return _thought(part)


def _media(media: Media) -> JsonObject:
    if media.data is None:
        file: JsonObject = {"fileUri": media.url}
        return {"fileData": {**file, "mimeType": media.mime} if media.mime else file}
    data = _base64(media.data)
    if data is None:
        raise UnsendableError(f"the data of the {media.kind} is not base64")
    return {"inlineData": {"mimeType": media.mime, "data": data}}


def _call(use: ToolUse) -> JsonObject:
    call: JsonObject = {"id": use.id, "name": use.name, "args": _arguments(use.arguments)}
    signature = _base64(use.signature) if use.signature and use.by == "google" else None
    signed: JsonObject = {} if signature is None else {"thoughtSignature": signature}
    return {"functionCall": call, **signed}


def _sign_first_call(parts: list[JsonObject]) -> None:
    # Of a step's parallel calls the model signs the first alone, and only that one is checked.
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", FOREIGN_SIGNATURE)


def _arguments(text: str) -> JsonObject:
    """Read arguments, which the API wants as an object; what is none is kept as text."""
    arguments = json_object(text.strip() or "{}")
    return {"_raw": text} if arguments is None else arguments


def _result(result: ToolResult, names: Mapping[str, str]) -> list[JsonObject]:
    name = names.get(result.id)
    if name is None:
        raise UnsendableError(f"no tool use before it has the id {result.id[:100]!r} of a result")
    outcome = "error" if result.is_error else "output"
    response: JsonObject = {
        "id": result.id,
        "name": name,
        "response": {outcome: text_of(result.parts)},
    }
    media = [_media(part) for part in result.parts if isinstance(part, Media)]
    inline = [part for part in media if "inlineData" in part]
    if inline:
        response["parts"] = [*inline]
    # Inside a response the Gemini API takes no addresses (kotlin-genai, `FunctionResponsePart`).
    return [{"functionResponse": response}, *(part for part in media if "fileData" in part)]


def _thought(thought: Thought) -> list[JsonObject]:
    """Return Google's own signed thought; no other would be understood."""
    signature = _base64(thought.signature) if thought.signature else None
    if thought.by != "google" or signature is None:
        return []
    # A signature without a thought came after text, on a part that may be empty.
    shown: JsonObject = {"thought": True} if thought.text else {}
    return [{"text": thought.text, **shown, "thoughtSignature": signature}]


def _declaration(tool: Tool) -> JsonObject:
    declaration: JsonObject = {"name": tool.name}
    if tool.description:
        declaration["description"] = tool.description
    if tool.schema:
        declaration["parametersJsonSchema"] = dict(tool.schema)
    return declaration


def _calling(choice: ToolChoice) -> JsonObject:
    calling: JsonObject = {"mode": _MODES[choice.mode]}
    if choice.mode == "one":
        calling["allowedFunctionNames"] = [choice.name]
    return calling


def _generation(prompt: Prompt) -> JsonObject:
    if len(prompt.stop) > MOST_STOPS:
        raise UnsendableError(f"this model takes at most {MOST_STOPS} stop sequences")
    generation: JsonObject = {"maxOutputTokens": prompt.max_output_tokens}
    if prompt.stop:
        generation["stopSequences"] = [*prompt.stop]
    for name, value in asdict(prompt.controls.sampling).items():
        if value is not None:
            generation[_SAMPLING[name]] = value
    return {**generation, **_output(prompt.controls.output), **_thinking(prompt.controls)}


def _output(output: OutputFormat | None) -> JsonObject:
    if output is None:
        return {}
    schema: JsonObject = {} if output.schema is None else {"responseJsonSchema": {**output.schema}}
    return {"responseMimeType": "application/json", **schema}


def _thinking(controls: Controls) -> JsonObject:
    thinking: JsonObject = {}
    if controls.effort is not None:
        thinking["thinkingLevel"] = _LEVELS[controls.effort]
    if controls.shows_thoughts:
        thinking["includeThoughts"] = True
    return {"thinkingConfig": thinking} if thinking else {}


def _base64(text: str) -> str | None:
    """Return base64 in the standard alphabet, padded; `None` if it is none."""
    standard = text.rstrip("=").translate(_STANDARD_ALPHABET)
    padded = standard + "=" * (-len(standard) % 4)
    try:
        a2b_base64(padded, strict_mode=True)
    except ValueError:
        return None
    return padded
