"""Whether an official SDK behind a gateway reads what the instant upstream said."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anthropic import Anthropic, NotFoundError
from anthropic.types import Message
from openai import OpenAI

ASKED: Any = [{"role": "user", "content": "How is the weather? [[3 chunks]]"}]
TEXT, USAGE = "word word word ", (25, 100)
TOOL, CALLED = "weather", {"city": "Paris"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": TOOL, "parameters": SCHEMA}}]
MESSAGES_TOOLS: Any = [{"name": TOOL, "input_schema": SCHEMA}]


@dataclass(frozen=True, slots=True)
class Score:
    """What was read rightly, and what became of the rest."""

    passed: tuple[str, ...]
    failed: Mapping[str, str]

    def __str__(self) -> str:
        passed = len(self.passed)
        told = [f"{name}: {why}" for name, why in self.failed.items()]
        return "; ".join([f"{passed}/{passed + len(told)}", *told])


@dataclass(frozen=True, slots=True)
class Asker:
    """The two SDKs, led to one gateway."""

    openai: OpenAI
    anthropic: Anthropic
    model: str

    def chat(self, **more: Any) -> Any:
        """Ask for a chat completion."""
        create: Any = self.openai.chat.completions.create
        return create(model=self.model, messages=ASKED, max_tokens=1000, **more)

    def message(self, **more: Any) -> Message:
        """Ask for a message."""
        create: Any = self.anthropic.messages.create
        return create(model=self.model, messages=ASKED, max_tokens=1000, **more)

    def streamed(self, **more: Any) -> Message:
        """Ask for a message in a stream; return what the SDK makes of the events."""
        ask = self.anthropic.messages.stream
        with ask(model=self.model, messages=ASKED, max_tokens=1000, **more) as events:
            return events.get_final_message()

    def lines(self) -> Iterator[str]:
        """Ask for a chat completion in a stream; yield its lines as they are."""
        create = self.openai.chat.completions.with_streaming_response.create
        with create(model=self.model, messages=ASKED, max_tokens=1000, stream=True) as reply:
            yield from reply.iter_lines()


def _chat_usage(asker: Asker) -> bool:
    usage = asker.chat().usage
    return (usage.prompt_tokens, usage.completion_tokens) == USAGE


def _chat_stream_text(asker: Asker) -> bool:
    parts = [chunk.choices[0].delta.content for chunk in asker.chat(stream=True) if chunk.choices]
    return "".join(part or "" for part in parts) == TEXT


def _chat_stream_usage(asker: Asker) -> bool:
    chunks = asker.chat(stream=True, stream_options={"include_usage": True})
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    return (usages[-1].prompt_tokens, usages[-1].completion_tokens) == USAGE


def _chat_stream_end(asker: Asker) -> bool:
    return [line for line in asker.lines() if line][-1] == "data: [DONE]"


def _chat_tool(asker: Asker) -> bool:
    (choice,) = asker.chat(tools=CHAT_TOOLS).choices
    (call,) = choice.message.tool_calls
    said = (choice.finish_reason, call.function.name, json.loads(call.function.arguments))
    return said == ("tool_calls", TOOL, CALLED)


def _chat_tool_streamed(asker: Asker) -> bool:
    chunks = asker.chat(tools=CHAT_TOOLS, stream=True)
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    calls = [call.function for choice in choices for call in choice.delta.tool_calls or ()]
    name = "".join(call.name or "" for call in calls)
    arguments = "".join(call.arguments or "" for call in calls)
    finish = [choice.finish_reason for choice in choices if choice.finish_reason]
    return (finish, name, json.loads(arguments)) == (["tool_calls"], TOOL, CALLED)


def _is_text(said: Message) -> bool:
    (block,) = said.content
    usage = (said.usage.input_tokens, said.usage.output_tokens)
    return block.type == "text" and (block.text, usage) == (TEXT, USAGE)


def _is_call(said: Message) -> bool:
    (block,) = said.content
    if block.type != "tool_use":
        return False
    return (said.stop_reason, block.name, block.input) == ("tool_use", TOOL, CALLED)


CHECKS: Mapping[str, Callable[[Asker], bool]] = {
    "chat usage": _chat_usage,
    "chat stream text": _chat_stream_text,
    "chat stream usage": _chat_stream_usage,
    "chat stream end": _chat_stream_end,
    "chat tool": _chat_tool,
    "chat tool streamed": _chat_tool_streamed,
    "message": lambda asker: _is_text(asker.message()),
    "message streamed": lambda asker: _is_text(asker.streamed()),
    "message tool": lambda asker: _is_call(asker.message(tools=MESSAGES_TOOLS)),
    "message tool streamed": lambda asker: _is_call(asker.streamed(tools=MESSAGES_TOOLS)),
}


def faithful(url: str, key: str, model: str) -> Score:
    """Ask a gateway everything once; a gateway without Messages is not judged by them."""
    passed: list[str] = []
    failed: dict[str, str] = {}
    with (
        OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=30) as chat,
        Anthropic(base_url=url, api_key=key, max_retries=0, timeout=30) as messages,
    ):
        asker = Asker(chat, messages, model)
        for name, check in CHECKS.items():
            try:
                if check(asker):
                    passed.append(name)
                else:
                    failed[name] = "another answer than the upstream's"
            except NotFoundError:
                continue
            except Exception as error:  # noqa: BLE001  a gateway may break an SDK in any way
                failed[name] = f"{type(error).__name__}: {str(error)[:200]}"
    return Score(tuple(passed), failed)
