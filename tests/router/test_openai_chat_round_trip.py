"""What a caller of OpenAI's format says survives the way into our words and back."""

import base64
import json
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from router.surfaces.openai_chat import SURFACE
from router.surfaces.openai_chat_reply import SIGNATURES
from router.surfaces.surface import Frame, Identity, Incoming, Order
from tercet.answer import Answer, Step
from tercet.call import Completion, pieces_of
from tercet.content import (
    Controls,
    JsonObject,
    JsonValue,
    Media,
    Part,
    Said,
    Text,
    Thought,
    ToolResult,
    ToolUse,
)
from tercet.task import Message, Task
from tercet.usage import Usage

IDENTITY = Identity(task_id="task-1", key_id="key-1", deadline_at=1_800_000_000.0)
FRAME = Frame(task_id="task-1", route="tier1", created=1_800_000_000)

# Half a surrogate pair cannot come out of a parsed body.
WORDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
SAYING = WORDS.filter(str.strip)
BASE64 = st.binary(min_size=1, max_size=9).map(lambda data: base64.b64encode(data).decode())
CACHE = st.sampled_from([{}] * 2 + [{"cache_control": {"type": "ephemeral", "ttl": "5m"}}])
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,128}", fullmatch=True)
SCHEMA = st.dictionaries(WORDS, st.none() | st.integers() | WORDS, max_size=3)


def read(body: JsonObject) -> Order:
    incoming = Incoming(body=body, raw=b"", headers={}, query={})
    order = SURFACE.read(incoming, {"auto": "auto"}.get, IDENTITY)
    assert isinstance(order, Order), order
    return order


# Our words, written as a request of OpenAI's.


def cached(part: Text | Media | ToolUse) -> JsonObject:
    if part.cache is None:
        return {}
    return {"cache_control": {"type": "ephemeral", "ttl": part.cache}}


def part_of(part: Part) -> JsonObject:
    match part:
        case Text():
            return {"type": "text", "text": part.text, **cached(part)}
        case Media(kind="document"):
            file: JsonObject = {"file_data": f"data:{part.mime};base64,{part.data}"}
            if part.name is not None:
                file["filename"] = part.name
            return {"type": "file", "file": file, **cached(part)}
        case Media():
            url = part.url or f"data:{part.mime};base64,{part.data}"
            return {"type": "image_url", "image_url": {"url": url}, **cached(part)}
        case _:
            raise AssertionError(part)


def call_of(use: ToolUse) -> JsonObject:
    function: JsonObject = {"name": use.name, "arguments": use.arguments}
    call: JsonObject = {"id": use.id, "type": "function", "function": function, **cached(use)}
    if use.by is not None:
        call["extra_content"] = {use.by: {SIGNATURES[use.by]: use.signature}}
    return call


def assistant_of(parts: tuple[Part, ...]) -> JsonObject:
    texts: list[JsonValue] = [part_of(part) for part in parts if isinstance(part, Text)]
    calls: list[JsonValue] = [call_of(part) for part in parts if isinstance(part, ToolUse)]
    thoughts: list[JsonValue] = []
    slots: list[object] = []
    for part in parts:
        if isinstance(part, Thought):
            thoughts.append(
                {
                    "at": len(slots),
                    "text": part.text,
                    "signature": part.signature,
                    "by": part.by,
                    "is_redacted": part.is_redacted,
                }
            )
        elif isinstance(part, ToolUse) or "text" not in slots:
            slots.append(part if isinstance(part, ToolUse) else "text")
    message: JsonObject = {"role": "assistant"}
    if texts:
        message["content"] = texts
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message["extra_content"] = {"tercet": {"thoughts": thoughts}}
    return message


def messages_of(messages: tuple[Message, ...]) -> Iterator[JsonValue]:
    for message in messages:
        if message.speaker == "assistant":
            yield assistant_of(message.parts)
            continue
        for part in message.parts:
            if isinstance(part, ToolResult):
                content: list[JsonValue] = [part_of(inner) for inner in part.parts]
                yield {"role": "tool", "tool_call_id": part.id, "content": content}
        said: list[JsonValue] = [
            part_of(part) for part in message.parts if not isinstance(part, ToolResult)
        ]
        if said:
            yield {"role": message.speaker, "content": said}


def choice_of(controls: Controls) -> JsonValue:
    choice = controls.tool_choice
    if choice.mode == "one":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def controls_of(controls: Controls) -> JsonObject:
    tools: list[JsonValue] = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.schema),
                "strict": tool.strict,
            },
        }
        for tool in controls.tools
    ]
    output: JsonObject = {"type": "text"}
    if controls.output is not None:
        output = {"type": "json_object"}
        if controls.output.schema is not None:
            schema: JsonObject = {
                "name": controls.output.name,
                "schema": dict(controls.output.schema),
                "strict": controls.output.strict,
            }
            output = {"type": "json_schema", "json_schema": schema}
    return {
        "tools": tools,
        "tool_choice": choice_of(controls),
        "parallel_tool_calls": controls.parallel_tools,
        "response_format": output,
        "reasoning_effort": controls.effort,
        "temperature": controls.sampling.temperature,
        "top_p": controls.sampling.top_p,
        "presence_penalty": controls.sampling.presence_penalty,
        "frequency_penalty": controls.sampling.frequency_penalty,
        "seed": controls.sampling.seed,
    }


def body_of(task: Task) -> JsonObject:
    return {
        "model": task.model,
        "messages": list(messages_of(task.messages)),
        "max_completion_tokens": task.max_output_tokens,
        "stop": list(task.stop),
        "metadata": {} if task.hints.tier is None else {"tier": task.hints.tier},
        **controls_of(task.controls),
    }


# Requests as OpenAI's clients write them.

TEXTS = st.builds(lambda text, cache: {"type": "text", "text": text, **cache}, SAYING, CACHE)
URLS = st.just("https://example.com/a.png?b=c") | st.builds(
    lambda kind, data: f"data:image/{kind};base64,{data}",
    st.sampled_from(["png", "jpeg", "gif", "webp"]),
    BASE64,
)
IMAGES = st.builds(
    lambda url, cache: {"type": "image_url", "image_url": {"url": url}, **cache}, URLS, CACHE
)
FILES = st.builds(
    lambda data, name, cache: {
        "type": "file",
        "file": {"file_data": f"data:application/pdf;base64,{data}", **name},
        **cache,
    },
    BASE64,
    st.just({}) | st.builds(lambda name: {"filename": name}, WORDS),
    CACHE,
)
CONTENT = st.lists(TEXTS | IMAGES | FILES, min_size=1, max_size=3)
SIGNED = st.sampled_from(
    [
        {"anthropic": {"signature": "a-b"}},
        {"google": {"thought_signature": "AAA="}},
        {"local": {"signature": "x"}},
    ]
)
THOUGHTS = st.one_of(
    st.builds(
        lambda text: {"text": text, "signature": None, "by": "google", "is_redacted": False}, WORDS
    ),
    st.builds(
        lambda text, signature: {
            "text": text,
            "signature": signature,
            "by": "anthropic",
            "is_redacted": not text,
        },
        st.just("") | WORDS,
        WORDS,
    ),
)


@st.composite
def assistants(draw: st.DrawFn, turn: int) -> JsonObject:
    texts = draw(st.lists(TEXTS, max_size=2))
    calls: list[JsonValue] = [
        {
            "id": f"call_{turn}_{at}",
            "type": "function",
            "function": {"name": draw(NAMES), "arguments": draw(st.text(max_size=9))},
            **draw(CACHE),
            **draw(st.just({}) | SIGNED.map(lambda signed: {"extra_content": signed})),
        }
        for at in range(draw(st.integers(0 if texts else 1, 3)))
    ]
    places = draw(st.lists(st.integers(0, len(calls) + bool(texts)), max_size=3))
    thoughts: list[JsonValue] = [{"at": at, **draw(THOUGHTS)} for at in sorted(places)]
    message: JsonObject = {"role": "assistant"}
    if texts:
        message["content"] = texts
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message["extra_content"] = {"tercet": {"thoughts": thoughts}}
    return message


@st.composite
def conversations(draw: st.DrawFn) -> list[JsonValue]:
    messages: list[JsonValue] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(st.lists(TEXTS, min_size=1))})
    messages.append({"role": "user", "content": draw(CONTENT)})
    for turn in range(draw(st.integers(0, 3))):
        message = draw(assistants(turn))
        messages.append(message)
        calls = message.get("tool_calls", [])
        assert isinstance(calls, list)
        for call in draw(st.permutations(calls)):
            assert isinstance(call, dict)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": draw(CONTENT)})
        if not calls or draw(st.booleans()):
            messages.append({"role": "user", "content": draw(CONTENT)})
    return messages


@st.composite
def requests(draw: st.DrawFn) -> JsonObject:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    tools: list[JsonValue] = [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": draw(st.text(max_size=9)),
                "parameters": draw(SCHEMA),
                "strict": draw(st.booleans()),
            },
        }
        for name in names
    ]
    choices: list[JsonValue] = ["none", "auto"]
    if names:
        choices += ["required", {"type": "function", "function": {"name": names[-1]}}]
    formats = st.sampled_from([{"type": "text"}, {"type": "json_object"}]) | st.builds(
        lambda name, schema, strict: {
            "type": "json_schema",
            "json_schema": {"name": name, "schema": schema, "strict": strict},
        },
        NAMES,
        SCHEMA,
        st.booleans(),
    )
    return {
        "model": "auto",
        "messages": draw(conversations()),
        "max_completion_tokens": draw(st.none() | st.integers(1, 2**31 - 1)),
        "stop": draw(st.lists(WORDS, max_size=16)),
        "metadata": draw(st.sampled_from([{}, {"tier": "tier2"}])),
        "tools": tools,
        "tool_choice": draw(st.sampled_from(choices)),
        "parallel_tool_calls": draw(st.booleans()),
        "response_format": draw(formats),
        "reasoning_effort": draw(st.sampled_from([None, "none", "low", "xhigh", "max"])),
        "temperature": draw(st.none() | st.floats(0, 2)),
        "top_p": draw(st.none() | st.floats(0, 1)),
        "presence_penalty": draw(st.none() | st.floats(-2, 2)),
        "frequency_penalty": draw(st.none() | st.floats(-2, 2)),
        "seed": draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
    }


@given(requests())
def test_nothing_a_caller_says_is_lost(body: JsonObject) -> None:
    order = read(body)
    assert body_of(order.task) == body
    assert order.ignored == ()


# Answers, sent back as clients send them: as the message that they were given.


@st.composite
def answers(draw: st.DrawFn) -> tuple[Said, ...]:
    """Return parts as models say them: one text at most, before any tool."""
    said: list[Said] = draw(st.lists(st.builds(Text, WORDS), max_size=1))
    for at in range(draw(st.integers(0 if said else 1, 3))):
        use = ToolUse(id=f"call_{at}", name=draw(NAMES), arguments=draw(WORDS))
        signed = ToolUse(
            id=use.id, name=use.name, arguments=use.arguments, signature="AAA=", by="google"
        )
        said.append(draw(st.sampled_from([use, signed])))
    thoughts = st.builds(
        Thought, text=WORDS, signature=st.none() | WORDS, by=st.just("anthropic")
    ) | st.builds(
        Thought, text=st.just(""), signature=BASE64, by=st.just("google"), is_redacted=st.just(True)
    )
    for thought in draw(st.lists(thoughts, max_size=3)):
        said.insert(draw(st.integers(0, len(said))), thought)
    return tuple(said)


def answer(parts: tuple[Said, ...]) -> Answer:
    completion = Completion(
        attempt_id="attempt-1",
        model="m",
        parts=parts,
        finish="stop",
        usage=Usage(),
        cost_nano_usd=0,
        first_token_s=0.5,
        latency_s=1.0,
    )
    return Answer(
        parts=parts,
        model="m",
        finish="stop",
        steps=(Step(role="single", round=1, outcome=completion),),
        settled_by="one seat",
    )


HELLO: JsonObject = {"role": "user", "content": "Hello"}


def sent_back(message: JsonObject) -> tuple[Part, ...]:
    calls = message.get("tool_calls", [])
    assert isinstance(calls, list)
    results: list[JsonValue] = [
        {"role": "tool", "tool_call_id": call["id"], "content": "4"}
        for call in calls
        if isinstance(call, dict)
    ]
    task = read({"model": "auto", "messages": [HELLO, message, *results, HELLO]}).task
    return task.messages[1].parts


def message_in(events: bytes) -> JsonObject:
    """Put a stream together as a client does."""
    message: JsonObject = {"role": "assistant"}
    calls: dict[int, JsonObject] = {}
    for event in events.split(b"\n\n"):
        for choice in json.loads(event[6:])["choices"] if event.startswith(b"data: {") else []:
            delta = choice["delta"]
            for name in ("content", "reasoning_content"):
                if delta.get(name):
                    message[name] = f"{message.get(name, '')}{delta[name]}"
            for call in delta.get("tool_calls", ()):
                known = calls.setdefault(call.pop("index"), call)
                if known is not call:
                    known["function"]["arguments"] += call["function"]["arguments"]
            if "extra_content" in delta:
                message["extra_content"] = delta["extra_content"]
    return message | ({"tool_calls": list(calls.values())} if calls else {})


def assert_openais_types_accept(body: bytes, streamed: bytes) -> None:
    ChatCompletion.model_validate_json(body, strict=True)
    *chunks, done, end = streamed.split(b"\n\n")
    assert (done, end) == (b"data: [DONE]", b"")
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk.removeprefix(b"data: "), strict=True)


@given(answers())
def test_an_answer_that_is_sent_back_is_what_was_said(parts: tuple[Said, ...]) -> None:
    writer = read({"model": "auto", "messages": [HELLO]}).writer
    body = writer.body(FRAME, answer(parts))
    stream = writer.stream(FRAME, "m")
    pieces = b"".join(map(stream.piece, pieces_of(parts)))
    streamed = stream.opening() + pieces + stream.closing(answer(parts))
    assert_openais_types_accept(body, streamed)
    assert sent_back(json.loads(body)["choices"][0]["message"]) == parts
    assert sent_back(message_in(streamed)) == parts
    assert sent_back(message_in(writer.again(body))) == parts
