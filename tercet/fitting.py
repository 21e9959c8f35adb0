"""A prompt made fit for one model: what the model does not take is left out, and named."""

from dataclasses import fields, replace

from tercet.call import Prompt
from tercet.catalog import Model, Skill
from tercet.content import Controls, Media, Part, Sampling, Text, ToolChoice, ToolResult, media_in
from tercet.task import Message

_MEDIA: dict[str, Skill] = {"image": "images", "document": "documents"}
_SAMPLING: tuple[Skill, ...] = (
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)


def unmet(controls: Controls, messages: tuple[Message, ...], model: Model) -> tuple[str, ...]:
    """Name what was asked for and `model` does not take, in the words of the OpenAI surface."""
    lacking = [name for name in _SAMPLING if _is_lacking(controls, name, model)]
    if controls.tools and "tools" not in model.takes:
        lacking.append("tools")
    elif _is_demanding(controls) and "forced_tools" not in model.takes:
        lacking.append("tool_choice")
    if controls.tools and not controls.parallel_tools and "serial_tools" not in model.takes:
        lacking.append("parallel_tool_calls")
    if controls.output is not None and "schemas" not in model.takes:
        lacking.append("response_format")
    if controls.effort is not None and "effort" not in model.takes:
        lacking.append("reasoning_effort")
    kinds = {_MEDIA[part.kind] for message in messages for part in media_in(message.parts)}
    return (*lacking, *sorted(kinds - model.takes))


def fitted(prompt: Prompt, model: Model) -> Prompt:
    """Return the prompt as `model` can be sent it."""
    lacking = unmet(prompt.controls, prompt.messages, model)
    if not lacking:
        return prompt
    verbatim = prompt.verbatim
    if verbatim is not None:
        verbatim = replace(verbatim, without=(*verbatim.without, *lacking))
    messages = prompt.messages
    if {"images", "documents"} & set(lacking):
        messages = tuple(_without_media(message, model) for message in messages)
    controls = _fitted(prompt.controls, lacking)
    return replace(prompt, messages=messages, controls=controls, verbatim=verbatim)


def _fitted(controls: Controls, lacking: tuple[str, ...]) -> Controls:
    sampling = Sampling(
        **{
            field.name: None if field.name in lacking else getattr(controls.sampling, field.name)
            for field in fields(Sampling)
        }
    )
    return replace(
        controls,
        sampling=sampling,
        tools=() if "tools" in lacking else controls.tools,
        tool_choice=ToolChoice() if "tool_choice" in lacking else controls.tool_choice,
        output=None if "response_format" in lacking else controls.output,
        effort=None if "reasoning_effort" in lacking else controls.effort,
    )


def _is_lacking(controls: Controls, name: Skill, model: Model) -> bool:
    return getattr(controls.sampling, name) is not None and name not in model.takes


def _is_demanding(controls: Controls) -> bool:
    return bool(controls.tools) and controls.tool_choice.mode in ("required", "one")


def _without_media(message: Message, model: Model) -> Message:
    return replace(message, parts=tuple(_told(part, model) for part in message.parts))


def _told(part: Part, model: Model) -> Part:
    """Say in words that something was there: an answer that does not know would be a wrong one."""
    if isinstance(part, ToolResult):
        shown = (_told_media(inner, model) for inner in part.parts)
        return replace(part, parts=tuple(shown))
    return _told_media(part, model) if isinstance(part, Media) else part


def _told_media(part: Text | Media, model: Model) -> Text | Media:
    if isinstance(part, Text) or _MEDIA[part.kind] in model.takes:
        return part
    return Text(f"[{part.kind} left out: {model.name} reads text alone]")
