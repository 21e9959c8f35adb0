import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.surfaces.body import JsonObject, JsonValue, parse
from router.surfaces.openai_chat_request import ChatRequest, Identity, read_request
from router.surfaces.refusal import Refusal
from tercet.task import Hints, Message, Task

MODELS = ("auto", "tier1", "tier2", "tier3", "local", "claude-opus-5-5")
IDENTITY = Identity(task_id="task-1", key_id="key-1", deadline_at=1_800_000_000.0)
HELLO: JsonObject = {"role": "user", "content": "Hello"}
PART: JsonValue = {"type": "text", "text": "Hello"}
MANY_PARTS: list[JsonValue] = [PART] * 10_000


def body(**fields: JsonValue) -> JsonObject:
    return {"model": "auto", "messages": [HELLO], **fields}


def saying(*messages: JsonValue) -> JsonObject:
    return body(messages=list(messages))


def hinted(**metadata: JsonValue) -> JsonObject:
    return body(metadata=metadata)


def read(fields: JsonObject) -> ChatRequest:
    request = read_request(fields, MODELS, IDENTITY)
    assert isinstance(request, ChatRequest), request
    return request


def refused(fields: JsonObject) -> Refusal:
    refusal = read_request(fields, MODELS, IDENTITY)
    assert isinstance(refusal, Refusal), refusal
    return refusal


def user(content: JsonValue) -> JsonObject:
    return {"role": "user", "content": content}


def assistant(**fields: JsonValue) -> JsonObject:
    return {"role": "assistant"} | fields


BAD: dict[str, tuple[JsonObject, int, str]] = {
    "nothing": ({}, 400, "model"),
    "no model": ({"messages": [HELLO]}, 400, "model"),
    "model null": (body(model=None), 400, "model"),
    "model empty": (body(model=""), 400, "model"),
    "model a number": (body(model=4), 400, "model"),
    "model a list": (body(model=["auto"]), 400, "model"),
    "model of 257 characters": (body(model="m" * 257), 400, "model"),
    "model unknown": (body(model="gpt-4o"), 404, "model"),
    "model in the wrong case": (body(model="AUTO"), 404, "model"),
    "model with a space": (body(model="auto "), 404, "model"),
    "model with a newline": (body(model="auto\r\nx: y"), 404, "model"),
    "no messages": ({"model": "auto"}, 400, "messages"),
    "messages null": (body(messages=None), 400, "messages"),
    "messages empty": (body(messages=[]), 400, "messages"),
    "messages an object": (body(messages={"0": HELLO}), 400, "messages"),
    "messages a string": (body(messages="Hello"), 400, "messages"),
    "2,001 messages": (saying(*[HELLO] * 2_001), 400, "messages"),
    "10,001 parts": (saying(user(MANY_PARTS), user([PART])), 400, "messages"),
    "a message that is a string": (saying("Hello"), 400, "messages[0]"),
    "a message that is null": (saying(HELLO, None), 400, "messages[1]"),
    "a message that is a list": (saying([HELLO]), 400, "messages[0]"),
    "no role": (saying({"content": "Hello"}), 400, "messages[0].role"),
    "role a number": (saying({"role": 1, "content": "Hello"}), 400, "messages[0].role"),
    "role a list": (saying({"role": ["user"], "content": "Hello"}), 400, "messages[0].role"),
    "role unknown": (saying({"role": "model", "content": "Hello"}), 400, "messages[0].role"),
    "role in the wrong case": (saying({"role": "User", "content": "Hi"}), 400, "messages[0].role"),
    "role tool": (
        saying(HELLO, {"role": "tool", "content": "4", "tool_call_id": "c"}),
        400,
        "messages[1].role",
    ),
    "role function": (
        saying({"role": "function", "name": "f", "content": "4"}),
        400,
        "messages[0].role",
    ),
    "no content": (saying({"role": "user"}), 400, "messages[0].content"),
    "content null": (saying(user(None)), 400, "messages[0].content"),
    "content a number": (saying(user(7)), 400, "messages[0].content"),
    "content an object": (saying(user(PART)), 400, "messages[0].content"),
    "content without parts": (saying(user([])), 400, "messages[0].content"),
    "a part that is a string": (saying(user(["Hello"])), 400, "messages[0].content[0]"),
    "a part that is null": (saying(user([PART, None])), 400, "messages[0].content[1]"),
    "a part without type": (saying(user([{"text": "Hi"}])), 400, "messages[0].content[0].type"),
    "a part of unknown type": (
        saying(user([{"type": "video", "text": "Hi"}])),
        400,
        "messages[0].content[0].type",
    ),
    "a part whose type is a list": (
        saying(user([{"type": ["text"], "text": "Hi"}])),
        400,
        "messages[0].content[0].type",
    ),
    "an image": (
        saying(user([PART, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}])),
        400,
        "messages[0].content[1].type",
    ),
    "a sound": (
        saying(user([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}])),
        400,
        "messages[0].content[0].type",
    ),
    "a file": (
        saying(user([{"type": "file", "file": {"file_id": "f"}}])),
        400,
        "messages[0].content[0].type",
    ),
    "a refusal by the user": (
        saying(user([{"type": "refusal", "refusal": "No"}])),
        400,
        "messages[0].content[0].type",
    ),
    "a text part without text": (
        saying(user([{"type": "text"}])),
        400,
        "messages[0].content[0].text",
    ),
    "a text part whose text is a number": (
        saying(HELLO, user([PART, {"type": "text", "text": 5}])),
        400,
        "messages[1].content[1].text",
    ),
    "a refusal part without refusal": (
        saying(HELLO, assistant(content=[{"type": "refusal"}]), HELLO),
        400,
        "messages[1].content[0].refusal",
    ),
    "assistant content null": (
        saying(HELLO, assistant(content=None), HELLO),
        400,
        "messages[1].content",
    ),
    "tool calls": (
        saying(HELLO, assistant(content=None, tool_calls=[{"id": "c"}]), HELLO),
        400,
        "messages[1].tool_calls",
    ),
    "a function call": (
        saying(HELLO, assistant(content="x", function_call={"name": "f"}), HELLO),
        400,
        "messages[1].function_call",
    ),
    "a spoken answer": (
        saying(HELLO, assistant(content="x", audio={"id": "a"}), HELLO),
        400,
        "messages[1].audio",
    ),
    "name a number": (saying(HELLO | {"name": 1}), 400, "messages[0].name"),
    "name of 257 characters": (saying(HELLO | {"name": "n" * 257}), 400, "messages[0].name"),
    "nobody but the system": (saying({"role": "system", "content": "Be kind"}), 400, "messages"),
    "nobody but the assistant": (saying(assistant(content="Hi")), 400, "messages"),
    "the assistant last": (saying(HELLO, assistant(content="Hi")), 400, "messages[1].role"),
    "the assistant last but for the system": (
        saying(HELLO, assistant(content="Hi"), {"role": "system", "content": "Go on"}),
        400,
        "messages[1].role",
    ),
    "the last message empty": (saying(HELLO, user("")), 400, "messages[1].content"),
    "the last message blank": (saying(user(" \n\t\u00a0")), 400, "messages[0].content"),
    "the last message of blank parts": (
        saying(user([{"type": "text", "text": ""}, {"type": "text", "text": " "}])),
        400,
        "messages[0].content",
    ),
    "tools": (body(tools=[{"type": "function", "function": {"name": "f"}}]), 400, "tools"),
    "tools an object": (body(tools={}), 400, "tools"),
    "functions": (body(functions=[{"name": "f"}]), 400, "functions"),
    "tool_choice required": (body(tool_choice="required"), 400, "tool_choice"),
    "tool_choice an object": (body(tool_choice={"type": "function"}), 400, "tool_choice"),
    "function_call an object": (body(function_call={"name": "f"}), 400, "function_call"),
    "web search": (body(web_search_options={}), 400, "web_search_options"),
    "n 2": (body(n=2), 400, "n"),
    "n 0": (body(n=0), 400, "n"),
    "n true": (body(n=True), 400, "n"),
    "n a string": (body(n="1"), 400, "n"),
    "logprobs": (body(logprobs=True), 400, "logprobs"),
    "logprobs 0": (body(logprobs=0), 400, "logprobs"),
    "audio": (body(audio={"voice": "v", "format": "mp3"}), 400, "audio"),
    "spoken modality": (body(modalities=["text", "audio"]), 400, "modalities"),
    "no modality": (body(modalities=[]), 400, "modalities"),
    "JSON mode": (body(response_format={"type": "json_object"}), 400, "response_format"),
    "a JSON schema": (
        body(response_format={"type": "json_schema", "json_schema": {}}),
        400,
        "response_format",
    ),
    "response_format a string": (body(response_format="text"), 400, "response_format"),
    "temperature over 2": (body(temperature=2.1), 400, "temperature"),
    "temperature under 0": (body(temperature=-0.1), 400, "temperature"),
    "temperature a string": (body(temperature="1"), 400, "temperature"),
    "temperature true": (body(temperature=True), 400, "temperature"),
    "temperature of 4,000 digits": (body(temperature=10**4_000), 400, "temperature"),
    "top_p over 1": (body(top_p=1.01), 400, "top_p"),
    "presence_penalty under -2": (body(presence_penalty=-3), 400, "presence_penalty"),
    "frequency_penalty over 2": (body(frequency_penalty=2.5), 400, "frequency_penalty"),
    "seed a fraction": (body(seed=1.5), 400, "seed"),
    "seed true": (body(seed=True), 400, "seed"),
    "seed beyond 64 bits": (body(seed=2**63), 400, "seed"),
    "top_logprobs 21": (body(top_logprobs=21), 400, "top_logprobs"),
    "logit_bias a list": (body(logit_bias=[1]), 400, "logit_bias"),
    "logit_bias over 100": (body(logit_bias={"50256": 101}), 400, "logit_bias"),
    "logit_bias true": (body(logit_bias={"50256": True}), 400, "logit_bias"),
    "user a number": (body(user=1), 400, "user"),
    "store a string": (body(store="true"), 400, "store"),
    "parallel_tool_calls 1": (body(parallel_tool_calls=1), 400, "parallel_tool_calls"),
    "service_tier unknown": (body(service_tier="gold"), 400, "service_tier"),
    "reasoning_effort unknown": (body(reasoning_effort="huge"), 400, "reasoning_effort"),
    "verbosity a list": (body(verbosity=["low"]), 400, "verbosity"),
    "prompt_cache_key a number": (body(prompt_cache_key=1), 400, "prompt_cache_key"),
    "safety_identifier a list": (body(safety_identifier=[]), 400, "safety_identifier"),
    "max_tokens 0": (body(max_tokens=0), 400, "max_tokens"),
    "max_tokens negative": (body(max_tokens=-1), 400, "max_tokens"),
    "max_tokens true": (body(max_tokens=True), 400, "max_tokens"),
    "max_tokens a float": (body(max_tokens=100.0), 400, "max_tokens"),
    "max_tokens a string": (body(max_tokens="100"), 400, "max_tokens"),
    "max_tokens beyond 32 bits": (body(max_tokens=2**31), 400, "max_tokens"),
    "max_completion_tokens 0": (body(max_completion_tokens=0), 400, "max_completion_tokens"),
    "two limits": (body(max_tokens=1, max_completion_tokens=2), 400, "max_tokens"),
    "stop empty": (body(stop=""), 400, "stop"),
    "stop a number": (body(stop=1), 400, "stop"),
    "stop an object": (body(stop={}), 400, "stop"),
    "five stops": (body(stop=["a", "b", "c", "d", "e"]), 400, "stop"),
    "a stop that is empty": (body(stop=["a", ""]), 400, "stop[1]"),
    "a stop that is null": (body(stop=[None]), 400, "stop[0]"),
    "stream a string": (body(stream="true"), 400, "stream"),
    "stream 1": (body(stream=1), 400, "stream"),
    "stream_options without stream": (
        body(stream_options={"include_usage": True}),
        400,
        "stream_options",
    ),
    "stream_options with stream false": (
        body(stream=False, stream_options={}),
        400,
        "stream_options",
    ),
    "stream_options a list": (body(stream=True, stream_options=[]), 400, "stream_options"),
    "include_usage a number": (
        body(stream=True, stream_options={"include_usage": 1}),
        400,
        "stream_options.include_usage",
    ),
    "metadata a list": (body(metadata=[]), 400, "metadata"),
    "metadata of 17 pairs": (hinted(**{f"k{n}": "v" for n in range(17)}), 400, "metadata"),
    "a metadata key of 65 characters": (hinted(**{"k" * 65: "v"}), 400, "metadata"),
    "a metadata value of 513 characters": (hinted(note="v" * 513), 400, "metadata.note"),
    "a metadata value that is a number": (hinted(note=1), 400, "metadata.note"),
    "a metadata value that is null": (hinted(note=None), 400, "metadata.note"),
    "a boolean that is no hint": (hinted(note=True), 400, "metadata.note"),
    "a tier that is not ours": (hinted(tier="tier4"), 400, "metadata.tier"),
    "a tier that is true": (hinted(tier=True), 400, "metadata.tier"),
    "a kind that is not ours": (hinted(kind="poetry"), 400, "metadata.kind"),
    "a flag that is yes": (hinted(is_critical="yes"), 400, "metadata.is_critical"),
    "a flag in the wrong case": (hinted(strict="True"), 400, "metadata.strict"),
    "a flag that is 1": (hinted(is_routine=1), 400, "metadata.is_routine"),
    "a flag that is null": (hinted(requires_design=None), 400, "metadata.requires_design"),
    "a pinned tier beside another": (
        body(model="tier1", metadata={"tier": "tier2"}),
        400,
        "metadata.tier",
    ),
}


@pytest.mark.parametrize(("fields", "status", "param"), BAD.values(), ids=BAD.keys())
def test_a_bad_body_is_refused_at_its_field(fields: JsonObject, status: int, param: str) -> None:
    refusal = refused(fields)
    assert (refusal.status, refusal.param) == (status, param)
    assert refusal.message.startswith(f"{param} ")


def test_a_small_body_becomes_a_task() -> None:
    assert read(body()) == ChatRequest(
        task=Task(
            id="task-1",
            key_id="key-1",
            model="auto",
            messages=(Message(speaker="user", text="Hello"),),
            deadline_at=1_800_000_000.0,
        ),
        stream=False,
        include_usage=False,
        ignored=(),
    )


def test_a_full_body_becomes_a_task() -> None:
    request = read(
        {
            "model": "claude-opus-5-5",
            "messages": [
                {"role": "developer", "content": "Be brief", "name": "ops"},
                user([{"type": "text", "text": "One "}, {"type": "text", "text": "two"}]),
                assistant(content="Three", refusal=None, annotations=[], tool_calls=[]),
                assistant(content=[{"type": "refusal", "refusal": "No."}]),
                user("Four"),
            ],
            "max_completion_tokens": 100,
            "max_tokens": 100,
            "stop": ["END", "\n"],
            "stream": True,
            "stream_options": {"include_usage": True, "include_obfuscation": False},
            "metadata": {"tier": "tier2", "kind": "bug_fix", "strict": True, "ticket": "T-1"},
        }
    )
    assert request == ChatRequest(
        task=Task(
            id="task-1",
            key_id="key-1",
            model="claude-opus-5-5",
            messages=(
                Message(speaker="system", text="Be brief"),
                Message(speaker="user", text="One two"),
                Message(speaker="assistant", text="Three"),
                Message(speaker="assistant", text="No."),
                Message(speaker="user", text="Four"),
            ),
            max_output_tokens=100,
            stop=("END", "\n"),
            hints=Hints(tier="tier2", kind="bug_fix", strict=True),
            deadline_at=1_800_000_000.0,
        ),
        stream=True,
        include_usage=True,
        ignored=(),
    )


def test_every_hint_is_read() -> None:
    request = read(
        hinted(
            tier="local",
            kind="lookup",
            requires_design="true",
            is_critical="false",
            requires_implementation=True,
            is_routine=False,
            strict="true",
        )
    )
    assert request.task.hints == Hints(
        tier="local",
        kind="lookup",
        requires_design=True,
        is_critical=False,
        requires_implementation=True,
        is_routine=False,
        strict=True,
    )


def test_a_tier_may_be_pinned_to_the_one_that_model_names() -> None:
    request = read(body(model="tier1", metadata={"tier": "tier1"}))
    assert request.task.hints.tier == "tier1"


def test_a_field_that_is_null_is_not_given() -> None:
    nulls: JsonObject = dict.fromkeys(
        ("temperature", "tools", "n", "stop", "max_tokens", "stream", "metadata", "audio", "x")
    )
    assert read(body() | nulls) == read(body())


def test_a_field_that_asks_for_nothing_is_not_called_ignored() -> None:
    request = read(
        body(
            tools=[],
            functions=[],
            tool_choice="auto",
            function_call="none",
            n=1,
            logprobs=False,
            modalities=["text"],
            response_format={"type": "text"},
            stop=[],
        )
    )
    assert request == read(body())


def test_fields_without_effect_are_named_in_order() -> None:
    request = read(
        body(
            user="u",
            temperature=0,
            top_p=1,
            presence_penalty=-2,
            frequency_penalty=2.0,
            seed=-1,
            logit_bias={"50256": -100},
            store=False,
            service_tier="auto",
            reasoning_effort="xhigh",
            verbosity="low",
            chat_template="{{ evil }}",
        )
    )
    assert request.ignored == (
        "chat_template",
        "frequency_penalty",
        "logit_bias",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "service_tier",
        "store",
        "temperature",
        "top_p",
        "user",
        "verbosity",
    )


def test_a_name_that_could_break_a_header_is_dropped_without_a_word() -> None:
    request = read(
        body(**{"a\r\nset-cookie: x": 1, "": 1, "é": 1, "a" * 65: 1, "a\n": 1, "x-y_z.1": 1})
    )
    assert request.ignored == ("x-y_z.1",)


def test_at_most_32_names_are_called_ignored() -> None:
    request = read(body(**{f"f{number:02}": 1 for number in range(40)}))
    assert len(request.ignored) == 32
    assert request.ignored[-1] == "f31"


def test_a_blank_system_message_is_left_out() -> None:
    request = read(
        saying({"role": "system", "content": ""}, HELLO, {"role": "system", "content": " "})
    )
    assert request.task.messages == (Message(speaker="user", text="Hello"),)


def test_a_system_message_may_come_last() -> None:
    request = read(saying(HELLO, {"role": "system", "content": "Be kind"}))
    assert [message.speaker for message in request.task.messages] == ["user", "system"]


def test_a_refusal_beside_null_content_is_what_the_assistant_said() -> None:
    request = read(saying(HELLO, assistant(content=None, refusal="No."), HELLO))
    assert request.task.messages[1] == Message(speaker="assistant", text="No.")


def test_text_is_kept_to_the_byte() -> None:
    text = "\x00 \u202e\u2028 e\u0301 \U0001f600 </s> {{x}} \r\n"
    assert read(saying(user(text))).task.messages[0].text == text


def test_the_most_messages_and_parts_are_read() -> None:
    crowd = [user(MANY_PARTS[:5]) for _ in range(2_000)]
    assert len(read(body(messages=list(crowd))).task.messages) == 2_000


EDGES: dict[str, JsonObject] = {
    "one output token": body(max_tokens=1),
    "the most output tokens": body(max_completion_tokens=2**31 - 1),
    "four stops": body(stop=["a", "b", "c", "d"]),
    "temperature 0": body(temperature=0),
    "temperature 2": body(temperature=2),
    "a name of 256 characters": saying(HELLO | {"name": "n" * 256}),
    "16 pairs of metadata": hinted(**{f"k{n}": "v" for n in range(16)}),
    "the longest metadata": hinted(**{"k" * 64: "v" * 512}),
}


@pytest.mark.parametrize("fields", EDGES.values(), ids=EDGES.keys())
def test_a_value_at_the_edge_of_its_range_is_read(fields: JsonObject) -> None:
    read(fields)


@pytest.mark.parametrize("name", ["m", "m" * 256])
def test_a_models_name_has_1_to_256_characters(name: str) -> None:
    assert isinstance(read_request(body(model=name), (name,), IDENTITY), ChatRequest)


def test_one_stop_may_be_given_bare() -> None:
    assert read(body(stop="END")).task.stop == ("END",)


@pytest.mark.parametrize("name", ["model", "messages"])
def test_a_field_that_is_missing_is_called_missing(name: str) -> None:
    fields = body()
    del fields[name]
    assert refused(fields).code == "missing_required_parameter"


def test_a_tool_result_is_told_how_to_travel() -> None:
    assert refused(saying({"role": "tool", "content": "4"})).message == (
        "messages[0].role tool is not supported yet; send tool results as user text."
    )


def test_an_unknown_model_is_answered_as_openai_answers_it() -> None:
    assert refused(body(model="gpt-4o")) == Refusal(
        status=404,
        type="not_found_error",
        code="model_not_found",
        message=(
            "model 'gpt-4o' does not exist; "
            "use one of: auto, claude-opus-5-5, local, tier1, tier2, tier3."
        ),
        param="model",
    )


def test_a_field_that_is_not_supported_says_what_is() -> None:
    refusal = refused(body(tool_choice="required"))
    assert refusal.code == "unsupported_parameter"
    assert refusal.message == ('tool_choice is not supported yet: it must be "none" or "auto".')


def test_no_more_than_100_characters_of_a_value_come_back() -> None:
    fields = saying({"role": "r" * 5_000, "content": "Hello"})
    assert refused(fields).message.count("r" * 100) == 1
    assert "r" * 101 not in refused(fields).message


RICH = """{
  "model": "auto", "stream": true, "stream_options": {"include_usage": true},
  "messages": [
    {"role": "system", "content": "Be brief", "name": "ops"},
    {"role": "user", "content": [{"type": "text", "text": "One"}]},
    {"role": "assistant", "content": "Two", "tool_calls": null, "refusal": null},
    {"role": "user", "content": "Three"}
  ],
  "metadata": {"tier": "tier2", "kind": "bug_fix", "strict": "true", "is_routine": false},
  "max_tokens": 9, "stop": ["END"], "n": 1, "logprobs": false, "tools": [], "temperature": 0.5,
  "logit_bias": {"1": 1}, "response_format": {"type": "text"}, "modalities": ["text"], "seed": 1
}"""
TOKENS = re.findall(r'"[^"]*"|[\w.]+|\W', RICH)
WORDS = [at for at, token in enumerate(TOKENS) if token[0] == '"' or token[0].isalnum()]
NAMES = st.sampled_from([TOKENS[at].strip('"') for at in WORDS]) | st.text()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAMES,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, JSON))
def test_any_json_object_is_a_request_or_a_client_error(fields: JsonObject) -> None:
    assert_is_read_or_refused(fields)


@given(st.sampled_from(WORDS), JSON)
def test_a_valid_body_with_any_word_replaced_is_a_request_or_a_client_error(
    at: int, value: JsonValue
) -> None:
    raw = "".join([*TOKENS[:at], json.dumps(value), *TOKENS[at + 1 :]]).encode()
    fields = parse(raw)
    if isinstance(fields, dict):
        assert_is_read_or_refused(fields)


def assert_is_read_or_refused(fields: JsonObject) -> None:
    match read_request(fields, MODELS, IDENTITY):
        case Refusal(status=status, message=message, param=param):
            assert status in (400, 404)
            assert param is not None
            assert message.startswith(f"{param} ")
            assert len(message) < 1_500
        case ChatRequest(task=task, ignored=ignored):
            assert task.messages[-1].text.strip()
            assert any(message.speaker == "user" for message in task.messages)
            assert json.dumps(ignored).isascii()


def test_the_body_that_is_mutated_is_itself_valid() -> None:
    fields = parse(RICH.encode())
    assert isinstance(fields, dict)
    assert read(fields).ignored == ("logit_bias", "seed", "temperature")
