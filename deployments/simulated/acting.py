"""Which of the offered tools a simulated model uses, and what it makes of their results."""

import json
from dataclasses import dataclass
from itertools import groupby

from deployments.simulated.filling import arguments_for
from deployments.simulated.markers import (
    ToolOrder,
    last_count,
    markers,
    tool_orders,
    words_of,
)
from tercet.call import Prompt
from tercet.content import Text, ToolResult, ToolUse
from tercet.task import Message

_QUOTED_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A tool to be used; the wire gives it an id."""

    name: str
    arguments: str
    """JSON text."""


_FALLBACK = Action(name="get_weather", arguments='{"city": "Oslo", "days": 3}')


def results(prompt: Prompt) -> str | None:
    """Return what the tools said, if the newest turn is their results."""
    run = _runs(prompt)[-1]
    found = [part for message in run for part in message.parts if isinstance(part, ToolResult)]
    if not found:
        return None
    said = (part.text for result in found for part in result.parts if isinstance(part, Text))
    return "\n".join(said)[:_QUOTED_CHARACTERS]


def actions(model: str, prompt: Prompt) -> tuple[Action, ...]:
    """Return the tools used in this turn: those the user's markers or the tool choice name."""
    choice = prompt.controls.tool_choice
    offered = {tool.name: tool for tool in prompt.controls.tools}
    if not offered or choice.mode == "none":
        return ()
    asked, used = _asked(prompt)
    orders = [order for order in tool_orders(asked, model) if order.name in offered]
    if results(prompt) is not None:
        turns = last_count(markers(asked, model), "tool-loop") or 1
        orders = orders if used < turns else []
    elif choice.mode in ("required", "one"):
        wanted = choice.name or next(iter(offered))
        orders = [o for o in orders if choice.name in (None, o.name)] or [ToolOrder(name=wanted)]
    if not prompt.controls.parallel_tools:
        orders = orders[:1]
    return tuple(_action(order, prompt) for order in orders)


def mistakes(model: str, prompt: Prompt) -> tuple[Action, ...]:
    """Return the same with arguments that break off, and at least one of them."""
    first = prompt.controls.tools[:1]
    meant = actions(model, prompt)
    meant = meant or tuple(_action(ToolOrder(name=tool.name), prompt) for tool in first)
    return tuple(
        Action(name=action.name, arguments=action.arguments[:-1])
        for action in meant or (_FALLBACK,)
    )


def _action(order: ToolOrder, prompt: Prompt) -> Action:
    (tool, *_) = (tool for tool in prompt.controls.tools if tool.name == order.name)
    arguments = arguments_for(tool.schema, order.arguments)
    return Action(name=order.name, arguments=json.dumps(arguments, ensure_ascii=False))


def _asked(prompt: Prompt) -> tuple[str, int]:
    """Return what the user last said between turns of tools, and how often tools were used since.

    Text that comes along with results is a client's remark, not a question.
    """
    used = 0
    for run in reversed(_runs(prompt)):
        parts = [part for message in run for part in message.parts]
        used += any(isinstance(part, ToolUse) for part in parts)
        if run[0].speaker == "user" and not any(isinstance(part, ToolResult) for part in parts):
            return "\n".join(words_of(message) for message in run), used
    return "", used


def _runs(prompt: Prompt) -> list[list[Message]]:
    """Return the messages, those of one speaker in a row together."""
    return [list(run) for _, run in groupby(prompt.messages, key=lambda said: said.speaker)]
