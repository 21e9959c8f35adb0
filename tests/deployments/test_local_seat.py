"""The local model's adapter: requests as vLLM 0.32 takes them, and chunks as it says them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.local_seat import LocalSeat
from deployments.provider import Alive, Ended, Failed, Metered, Provider, ProviderEvent
from tercet.call import Delta, FailureKind, FinishReason, Prompt, ThoughtDelta, ToolDelta
from tercet.content import (
    Controls,
    Effort,
    Media,
    OutputFormat,
    Part,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from tercet.task import Message, turn
from tercet.usage import Usage

ASKED = turn("user", "Hi")
READ = Tool(name="read", description="Reads.", schema={"type": "object"}, strict=True, cache="1h")
NOW = Tool(name="now")
USED = ToolUse(id="a", name="read", arguments='{"path": "x"}')
THOUGHT = Thought(text="Hm.", signature="c2ln", by="anthropic")
PICTURE = Media(kind="image", mime="image/png", data="aGk=")
EMPTY = Failed(kind="empty", message="finish reason stop", billed="as_metered")
ODD = "a chunk that cannot be read"


@dataclass
class Replica:
    """A replica that says what it was told to, raises the exceptions among it, and remembers."""

    chunks: tuple[Any, ...] = ()
    asked: list[tuple[Any, Any]] = field(default_factory=list)
    has_paused: asyncio.Event = field(default_factory=asyncio.Event)
    is_closed: bool = False

    async def chat(
        self, request: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        self.asked.append((request, headers))
        try:
            for chunk in self.chunks:
                if isinstance(chunk, Exception):
                    raise chunk
                if chunk is PAUSE:
                    self.has_paused.set()
                    await asyncio.Event().wait()
                yield chunk
        finally:
            self.is_closed = True


PAUSE = object()


def prompt(*messages: Message, **fields: Any) -> Prompt:
    return Prompt(system="", messages=messages or (ASKED,), max_output_tokens=7, **fields)


def user(*parts: Part) -> Message:
    return Message(speaker="user", parts=parts)


def model(*parts: Part) -> Message:
    return Message(speaker="assistant", parts=parts)


async def ask(replica: Replica, asked: Prompt) -> list[ProviderEvent]:
    return [event async for event in LocalSeat(replica.chat).stream("coder", asked, "att_1")]


def sent(asked: Prompt) -> Any:
    replica = Replica()
    asyncio.run(ask(replica, asked))
    ((request, _),) = replica.asked
    return request


def messages(*turns: Message) -> Any:
    return sent(prompt(*turns))["messages"]


def controlled(**controls: Any) -> Any:
    """Return what controls add to a bare request."""
    request = sent(prompt(controls=Controls(**controls)))
    return {name: value for name, value in request.items() if name not in sent(prompt())}


def heard(*chunks: Any) -> list[ProviderEvent]:
    return asyncio.run(ask(Replica(chunks), prompt()))


def chunk(finish: str | None = None, stop: Any = None, **delta: Any) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
    if finish is not None:
        choice["stop_reason"] = stop
    return {
        "id": "chatcmpl-att_1",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": "coder",
        "choices": [choice],
    }


def counted(**usage: Any) -> dict[str, Any]:
    return {**chunk(), "choices": [], "usage": usage}


def called(index: Any, arguments: str | None = None, **first: Any) -> dict[str, Any]:
    """Return a piece of a tool use; the first has its `id` and `name`."""
    function = {"name": first.pop("name", None), "arguments": arguments}
    named = {"type": "function"} if first else {}
    return {"index": index, **first, **named, "function": function}


ROLE = chunk(role="assistant", content="")


def test_it_is_a_provider() -> None:
    provider: Provider = LocalSeat(Replica().chat)
    assert asyncio.run(provider.close()) is None


def test_a_bare_prompt_is_a_bare_request_under_the_id_of_its_attempt() -> None:
    replica = Replica()
    asyncio.run(ask(replica, prompt()))
    assert replica.asked == [
        (
            {"model": "coder", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 7},
            {"x-request-id": "att_1"},
        )
    ]


def test_a_conversation_is_sent_with_the_system_prompt_first() -> None:
    told = prompt(ASKED, turn("assistant", "Hello"), turn("user", "Grüße"), stop=("END", "\n"))
    assert sent(replace(told, system="Be brief.", system_cache="1h")) == {
        "model": "coder",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Grüße"},
        ],
        "max_tokens": 7,
        "stop": ["END", "\n"],
    }


def test_turns_of_one_speaker_are_one_and_their_texts_stay_apart() -> None:
    turns = (turn("user", "a"), user(Text("b"), Text("")), turn("assistant", "c"), ASKED)
    assert messages(*turns) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "Hi"},
    ]


def test_thoughts_are_stripped_and_a_turn_of_nothing_else_does_not_part_its_neighbours() -> None:
    turns = (ASKED, model(THOUGHT, Text("")), ASKED, model(THOUGHT, Text("Hello")), ASKED)
    assert messages(*turns) == [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}] * 2},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Hi"},
    ]


def test_tools_used_and_their_results_are_sent_in_order_and_before_the_users_text() -> None:
    both = (ToolResult(id="a", parts=(Text("1"), Text("2"))), ToolResult(id="b", parts=()))
    second = ToolUse(id="b", name="now", arguments="")
    answered = user(Text("Go on."), *both)
    assert messages(ASKED, model(THOUGHT, Text("Wait."), USED, second), answered) == [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": "Wait.",
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "read", "arguments": '{"path": "x"}'},
                },
                {"id": "b", "type": "function", "function": {"name": "now", "arguments": "{}"}},
            ],
        },
        {
            "role": "tool",
            "tool_call_id": "a",
            "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}],
        },
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {"role": "user", "content": "Go on."},
    ]


def test_a_tool_use_alone_has_no_content_and_a_result_alone_no_user() -> None:
    _, use, *results = messages(ASKED, model(USED), user(ToolResult(id="a", parts=(Text("1"),))))
    assert "content" not in use
    assert results == [{"role": "tool", "tool_call_id": "a", "content": "1"}]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (' {"a": [1, "ü"]}', ' {"a": [1, "ü"]}'),
        (" \n", "{}"),
        ('{"a": ', r'{"_raw": "{\"a\": "}'),
        ("[1]", '{"_raw": "[1]"}'),
        ("\ud800", r'{"_raw": "\ud800"}'),
    ],
)
def test_arguments_are_the_text_of_an_object(arguments: str, shown: str) -> None:
    _, use, _ = messages(ASKED, model(replace(USED, arguments=arguments)), ASKED)
    assert use["tool_calls"][0]["function"]["arguments"] == shown


@pytest.mark.parametrize(
    "turns",
    [
        (user(Text("What is it?"), PICTURE),),
        (ASKED, model(USED), user(ToolResult(id="a", parts=(PICTURE,)))),
    ],
)
def test_media_that_nobody_turned_into_text_is_refused_before_anything_is_sent(
    turns: tuple[Message, ...],
) -> None:
    replica = Replica()
    refused = Failed(
        kind="bad_request",
        message="this model reads text alone: the image cannot be sent",
        billed="no",
    )
    assert asyncio.run(ask(replica, prompt(*turns))) == [refused]
    assert replica.asked == []


def test_a_prompt_of_nothing_is_refused() -> None:
    message = "there is nothing in the messages that this model can be sent"
    refused = Failed(kind="bad_request", message=message, billed="no")
    assert asyncio.run(ask(Replica(), prompt(user(Text(""))))) == [refused]


def test_sampling_is_sent_in_the_same_words_where_it_is_given() -> None:
    given_ = Sampling(
        temperature=0.0,
        top_p=0.9,
        top_k=40,
        presence_penalty=-1.0,
        frequency_penalty=0.5,
        seed=0,
    )
    assert controlled(sampling=given_) == {
        "temperature": 0.0,
        "top_p": 0.9,
        "top_k": 40,
        "presence_penalty": -1.0,
        "frequency_penalty": 0.5,
        "seed": 0,
    }


@pytest.mark.parametrize("effort", get_args(Effort))
def test_effort_has_the_same_words(effort: Effort) -> None:
    assert controlled(effort=effort, shows_thoughts=True) == {"reasoning_effort": effort}


def test_tools_are_offered_with_what_is_known_of_them() -> None:
    assert controlled(tools=(READ, NOW), parallel_tools=False) == {
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "read",
                    "description": "Reads.",
                    "parameters": {"type": "object"},
                    "strict": True,
                },
            },
            {"type": "function", "function": {"name": "now"}},
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
    }


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (ToolChoice(), "auto"),
        (ToolChoice(mode="none"), "none"),
        (ToolChoice(mode="required"), "required"),
        (ToolChoice(mode="one", name="now"), {"type": "function", "function": {"name": "now"}}),
    ],
)
def test_a_tool_can_be_demanded(choice: ToolChoice, said: object) -> None:
    assert controlled(tools=(NOW,), tool_choice=choice)["tool_choice"] == said


def test_without_tools_no_choice_is_sent_which_would_be_refused() -> None:
    assert controlled(tool_choice=ToolChoice(mode="none"), parallel_tools=False) == {}


def test_json_is_wanted_of_any_kind_or_by_its_schema() -> None:
    schema = {"type": "object", "required": ["a"]}
    assert controlled(output=OutputFormat()) == {"response_format": {"type": "json_object"}}
    assert controlled(output=OutputFormat(name="told", schema=schema, strict=True)) == {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "told", "schema": schema, "strict": True},
        }
    }


def test_an_answer_is_told_as_it_comes_and_counted_at_its_end() -> None:
    usage = counted(
        prompt_tokens=129,
        total_tokens=134,
        completion_tokens=5,
        prompt_tokens_details={"cached_tokens": 128, "created_cache_tokens": 1},
    )
    assert heard(ROLE, chunk(content="Hel"), chunk("stop", content="lo"), usage) == [
        Alive(),
        Delta("Hel"),
        Delta("lo"),
        Metered(usage=Usage(fresh_input=1, cache_read=128, output=5), upstream_id="chatcmpl-att_1"),
        Ended(finish="stop"),
    ]


def test_an_impossible_count_is_doubtful_and_no_failure() -> None:
    usage = counted(prompt_tokens=-3, completion_tokens="many")
    assert heard(chunk("stop", content="Hi"), usage) == [
        Delta("Hi"),
        Metered(usage=Usage(), upstream_id="chatcmpl-att_1", is_doubtful=True),
        Ended(finish="stop"),
    ]


@pytest.mark.parametrize("word", ["reasoning", "reasoning_content"])
def test_thinking_is_told_before_the_text_it_comes_with(word: str) -> None:
    both = chunk("stop", content="Yes.", **{word: " So."})
    assert heard(chunk(**{word: "Hm."}), both) == [
        ThoughtDelta(text="Hm."),
        ThoughtDelta(text=" So."),
        Delta("Yes."),
        Ended(finish="stop"),
    ]


def test_thinking_in_both_words_is_told_once() -> None:
    assert heard(chunk(reasoning="Hm.", reasoning_content="Hm."))[0] == ThoughtDelta(text="Hm.")


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter")],
)
def test_a_finish_reason_ends_an_answer(reason: str, finish: FinishReason) -> None:
    assert heard(chunk(content="Hi"), chunk(reason))[1:] == [Alive(), Ended(finish=finish)]


def test_a_finish_reason_stands_whatever_follows_it() -> None:
    assert heard(chunk("length", content="Hi"), chunk())[-1] == Ended(finish="length")


def test_of_several_answers_the_first_is_read() -> None:
    both = {**chunk(), "choices": [*chunk("stop", content="A")["choices"], *chunk()["choices"]]}
    assert heard(both) == [Delta("A"), Ended(finish="stop")]


def test_the_stop_sequence_that_was_met_is_told_and_a_tokens_id_is_none() -> None:
    ended = Ended(finish="stop", stop_sequence="END")
    assert heard(chunk("stop", stop="END", content="Hi"))[-1] == ended
    assert heard(chunk("stop", stop=151645, content="Hi"))[-1] == Ended(finish="stop")


@pytest.mark.parametrize(
    ("reason", "kind"), [("abort", "truncated"), ("error", "unavailable"), ("repetition", "empty")]
)
def test_other_finish_reasons_are_failures(reason: str, kind: FailureKind) -> None:
    last = heard(chunk(content="Hi"), chunk(reason))[-1]
    billed = "as_metered" if kind == "empty" else "maybe"
    assert last == Failed(kind=kind, message=f"finish reason {reason}", billed=billed)


def test_an_answer_of_nothing_is_empty() -> None:
    assert heard(ROLE, chunk("stop"))[-1] == EMPTY
    assert heard(chunk("stop", reasoning="Hm."))[-1] == EMPTY
    nothing_called = replace(EMPTY, message="finish reason tool_calls")
    assert heard(chunk("tool_calls", content="Hi"))[-1] == nothing_called


def test_an_answer_cut_at_its_limit_before_it_said_anything_is_one() -> None:
    assert heard(ROLE, chunk("length"))[-1] == Ended(finish="length")


@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
def test_tool_uses_come_in_pieces_that_each_repeat_the_id_and_the_name(reason: str) -> None:
    first = called(0, "", id="call_a", name="read")
    second = called(1, "{}", id="call_b", name="now")
    assert heard(
        ROLE,
        chunk(tool_calls=[first]),
        chunk(tool_calls=[called(0, '{"path"')]),
        chunk(content=""),
        chunk(tool_calls=[called(0, ': "x"}'), second]),
        chunk(reason, tool_calls=[{"index": 1}]),
    ) == [
        Alive(),
        ToolDelta(index=0, id="call_a", name="read", arguments=""),
        ToolDelta(index=0, id="call_a", name="read", arguments='{"path"'),
        Alive(),
        ToolDelta(index=0, id="call_a", name="read", arguments=': "x"}'),
        ToolDelta(index=1, id="call_b", name="now", arguments="{}"),
        Alive(),
        Ended(finish="tool_use"),
    ]


def test_a_tool_use_without_an_id_is_given_one_and_indices_are_counted_anew() -> None:
    begun = chunk(tool_calls=[called(3, "{", name="now")])
    assert heard(begun, chunk("length", tool_calls=[called(3, "}")])) == [
        ToolDelta(index=0, id="call_att_1_0", name="now", arguments="{"),
        ToolDelta(index=0, id="call_att_1_0", name="now", arguments="}"),
        Ended(finish="length"),
    ]


@pytest.mark.parametrize(
    "calls",
    [
        [called(0, "{}", id="a")],
        [called(0, id="a", name="now"), called(1, id="b", name="now"), called(0, name="now")],
        [called(-1, id="a", name="now")],
        [called(True, id="a", name="now")],
        [{"id": "a", "function": {"name": "now"}}],
    ],
)
def test_tool_uses_without_sense_are_an_answer_cut_short(calls: list[Any]) -> None:
    assert heard(ROLE, chunk(tool_calls=calls)) == [
        Alive(),
        Failed(kind="truncated", message=ODD, billed="no"),
    ]


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (400, "This model's maximum context length is 1024 tokens. However, ...", "too_long"),
        (400, "Input length (9) exceeds model's maximum context length (8).", "too_long"),
        (400, "The decoder prompt is longer than the maximum model length of 8.", "too_long"),
        (400, "max_tokens=9 cannot be greater than max_model_len=8.", "too_long"),
        (400, "not taken by the local model: n", "bad_request"),
        (404, "The model `x` does not exist.", "bad_request"),
        (429, "Slow down.", "overloaded"),
        (503, "Full.", "overloaded"),
        (500, "maximum context length", "unavailable"),
        ("400", "No.", "unavailable"),
        (None, "No.", "unavailable"),
    ],
)
def test_an_error_is_a_failure_by_its_code(code: object, message: str, kind: FailureKind) -> None:
    told = {"error": {"code": code, "message": message, "type": "Bad"}}
    failed = Failed(kind=kind, message=f"Bad: {message}", billed="no")
    assert heard(told) == [failed]
    assert heard(chunk(content="Hi"), told, chunk("stop")) == [
        Delta("Hi"),
        replace(failed, billed="maybe"),
    ]


def test_long_words_of_an_error_are_cut() -> None:
    (failed,) = heard({"error": {"code": 500, "message": "x" * 9_000, "type": None}})
    assert isinstance(failed, Failed)
    assert failed.message == "500: " + "x" * 495


def test_a_replica_that_dies_before_it_spoke_is_unreachable() -> None:
    lost = Failed(kind="unreachable", message="RuntimeError", billed="no")
    assert heard(RuntimeError("10.0.0.1:9")) == [lost]
    assert heard(ROLE, ValueError()) == [Alive(), replace(lost, message="ValueError")]


@pytest.mark.parametrize(
    "said",
    [
        {"content": "Hi"},
        {"reasoning": "Hm."},
        {"tool_calls": [called(0, "{}", id="a", name="now")]},
    ],
)
def test_a_replica_that_dies_after_it_spoke_leaves_an_answer_cut_short(said: Any) -> None:
    (_, last) = heard(chunk("stop", **said), RuntimeError())
    assert last == Failed(kind="truncated", message="RuntimeError", billed="maybe")


def test_a_call_that_is_refused_outright_is_unreachable() -> None:
    def refuses(request: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        raise KeyError("local")

    async def asked() -> list[ProviderEvent]:
        return [event async for event in LocalSeat(refuses).stream("coder", prompt(), "att_1")]

    lost = Failed(kind="unreachable", message="KeyError", billed="no")
    assert asyncio.run(asked()) == [lost]


def test_a_stream_that_ends_without_a_finish_reason_is_an_answer_cut_short() -> None:
    message = "the stream ended without a finish reason"
    cut = Failed(kind="truncated", message=message, billed="maybe")
    assert heard(chunk(content="Hi"), counted(prompt_tokens=1))[-1] == cut
    assert heard() == [replace(cut, billed="no")]


@pytest.mark.parametrize(
    "odd",
    [
        None,
        "data: {}",
        {"choices": {}},
        {"choices": [None]},
        {"choices": [{"delta": None}]},
        chunk(content=7),
        chunk(tool_calls="now"),
        chunk(finish=True),
        {**chunk(), "id": 7},
        {**chunk(), "usage": [1]},
        {"error": "No."},
        {"error": {"code": 500}},
    ],
)
def test_an_odd_chunk_is_an_answer_cut_short_and_nothing_is_read_after_it(odd: object) -> None:
    assert heard(chunk(content="Hi"), odd, chunk("stop")) == [
        Delta("Hi"),
        Failed(kind="truncated", message=ODD, billed="maybe"),
    ]


def test_a_failure_stands_whatever_happens_when_the_stream_is_closed() -> None:
    async def chat(
        request: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        try:
            yield {"error": {"code": 503, "message": "Full.", "type": "Busy"}}
        finally:
            raise RuntimeError

    async def asked() -> list[ProviderEvent]:
        return [event async for event in LocalSeat(chat).stream("coder", prompt(), "att_1")]

    failed = Failed(kind="overloaded", message="Busy: Full.", billed="no")
    assert asyncio.run(asked()) == [failed]


def test_who_leaves_closes_the_replicas_stream_at_once() -> None:
    async def leaves(replica: Replica) -> None:
        async with aclosing(LocalSeat(replica.chat).stream("coder", prompt(), "att_1")) as events:
            assert await anext(events) == Delta("Hi")
            assert not replica.is_closed
        assert replica.is_closed

    asyncio.run(leaves(Replica((chunk(content="Hi"), chunk(content="!")))))


def test_a_job_that_is_cancelled_stays_so_and_closes_the_replicas_stream() -> None:
    async def cancels(replica: Replica) -> None:
        job = asyncio.create_task(ask(replica, prompt()))
        await replica.has_paused.wait()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert replica.is_closed

    asyncio.run(cancels(Replica((chunk(content="Hi"), PAUSE))))


def test_an_error_closes_the_replicas_stream() -> None:
    replica = Replica(({"error": {"code": 500, "message": "No.", "type": "E"}}, PAUSE))
    asyncio.run(ask(replica, prompt()))
    assert replica.is_closed


def test_it_cannot_count() -> None:
    counted_ = asyncio.run(LocalSeat(Replica().chat).count("coder", prompt()))
    refused = Failed(kind="unavailable", message="the local model does not count", billed="no")
    assert counted_ == refused


WORDS = st.sampled_from(
    ["id", "choices", "usage", "error", "delta", "index", "finish_reason", "stop_reason", "code"]
) | st.sampled_from(
    ["content", "reasoning", "tool_calls", "function", "name", "arguments", "message", "type"]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=4), st.text(max_size=8)
)
JSONS = st.recursive(
    LEAVES | st.text(st.characters(categories=["Cs"]), max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)
CALLS = st.fixed_dictionaries(
    {"index": st.integers(-1, 2)}, optional={"id": LEAVES, "function": JSONS}
)
DELTAS = st.fixed_dictionaries(
    {}, optional={"content": LEAVES, "reasoning": LEAVES, "tool_calls": st.lists(CALLS) | JSONS}
)
CHOICES = st.fixed_dictionaries(
    {"delta": DELTAS | JSONS}, optional={"finish_reason": LEAVES, "stop_reason": LEAVES}
)
CHUNKS = st.fixed_dictionaries(
    {}, optional={"id": LEAVES, "choices": st.lists(CHOICES, max_size=2) | JSONS, "usage": JSONS}
)


@given(st.lists(CHUNKS | JSONS, max_size=4))
def test_any_chunks_at_all_end_in_exactly_one_ending(chunks: list[Any]) -> None:
    events = heard(*chunks)
    assert [isinstance(event, Ended | Failed) for event in events] == [False] * (
        len(events) - 1
    ) + [True]
