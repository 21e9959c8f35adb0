"""The anthropic SDK over the Messages API, against the running system."""

import pytest
from anthropic import (
    Anthropic,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
)
from clients.scene import (
    BREAKS,
    CALLS,
    CALLS_TWO,
    CLAUDE,
    GEMINI,
    LASTS,
    ON_EITHER,
    QUESTION,
    SLOWLY,
    THINKS,
    TOO_LONG,
    WEATHER,
    Verdict,
    is_drained,
    png,
    used,
)
from fakes.running import KEY

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

CLIENT = "anthropic SDK"
TOOL = {"name": "get_weather", "description": "Today's weather.", "input_schema": WEATHER}
SUMMARIZED = {"type": "adaptive", "display": "summarized"}


@pytest.fixture(scope="module")
def claude(system):
    with Anthropic(base_url=system.url, api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


def user(content) -> dict:
    return {"role": "user", "content": content}


def ask(claude, model, content, **options):
    options = {"max_tokens": 1024} | options
    return claude.messages.create(model=model, messages=[user(content)], **options)


def text_of(message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def uses_of(message) -> list:
    return [block for block in message.content if block.type == "tool_use"]


def results(uses, said: str) -> dict:
    return user(
        [
            {"type": "tool_result", "tool_use_id": use.id, "content": f"{said} {n}"}
            for n, use in enumerate(uses)
        ]
    )


def go_on(claude, model, asked, message, said, **options):
    turns = [
        user(asked),
        {"role": "assistant", "content": message.content},
        results(uses_of(message), said),
    ]
    return claude.messages.create(model=model, max_tokens=1024, messages=turns, **options)


@pytest.mark.cell(CLIENT, "chat")
@ON_EITHER
def test_a_question_is_answered(claude, model) -> None:
    message = ask(claude, model, QUESTION, system="Be brief.")

    assert "391" in text_of(message)
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")


@pytest.mark.cell(CLIENT, "chat")
def test_names_that_clients_remember_reach_a_model_of_today(claude) -> None:
    assert "391" in text_of(ask(claude, "claude-opus-4-8", QUESTION))
    assert "391" in text_of(ask(claude, "claude-haiku-4-5-20251001", QUESTION))


@pytest.mark.cell(CLIENT, "chat")
def test_models_are_listed_as_anthropic_lists_them(claude) -> None:
    assert {"auto", "tier1", CLAUDE, GEMINI} <= {model.id for model in claude.models.list()}


@pytest.mark.cell(CLIENT, "stream")
@ON_EITHER
def test_an_answer_streams_in_pieces(claude, model) -> None:
    with claude.messages.stream(model=model, max_tokens=1024, messages=[user(SLOWLY)]) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()

    assert len(pieces) > 1
    assert "391" in "".join(pieces)
    assert text_of(final) == "".join(pieces)
    assert final.stop_reason == "end_turn"


@pytest.mark.cell(CLIENT, "stream")
def test_the_events_of_a_stream_come_in_the_order_of_the_format(claude) -> None:
    kinds = [event.type for event in ask(claude, GEMINI, QUESTION, stream=True)]

    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.cell(CLIENT, "tools")
@ON_EITHER
def test_a_tool_is_called_and_its_result_is_read(claude, model) -> None:
    first = ask(claude, model, CALLS, tools=[TOOL])
    second = go_on(claude, model, CALLS, first, "12 degrees", tools=[TOOL])

    assert first.stop_reason == "tool_use"
    assert [(use.name, use.input) for use in uses_of(first)] == [("get_weather", {"city": "Oslo"})]
    assert "The tool said: 12 degrees 0" in text_of(second)


@pytest.mark.cell(CLIENT, "tools")
@ON_EITHER
def test_two_tools_are_called_in_one_turn(claude, model) -> None:
    first = ask(claude, model, CALLS_TWO, tools=[TOOL])
    second = go_on(claude, model, CALLS_TWO, first, "it is", tools=[TOOL])

    assert [use.input["city"] for use in uses_of(first)] == ["Oslo", "Rome"]
    assert "it is 0" in text_of(second)
    assert "it is 1" in text_of(second)


@pytest.mark.cell(CLIENT, "tools")
@ON_EITHER
def test_a_tool_is_demanded_and_called(claude, model) -> None:
    chosen = {"type": "tool", "name": "get_weather"}
    message = ask(claude, model, "Hello.", tools=[TOOL], tool_choice=chosen)

    assert [use.name for use in uses_of(message)] == ["get_weather"]


@pytest.mark.cell(CLIENT, "tool stream")
@ON_EITHER
def test_a_tool_call_streams(claude, model) -> None:
    with claude.messages.stream(
        model=model, max_tokens=1024, messages=[user(CALLS_TWO)], tools=[TOOL]
    ) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        final = stream.get_final_message()

    assert "".join(pieces).replace(" ", "") == '{"city":"Oslo"}{"city":"Rome"}'
    assert [use.input for use in uses_of(final)] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert final.stop_reason == "tool_use"


@pytest.mark.cell(CLIENT, "images")
@ON_EITHER
def test_an_image_reaches_the_model(claude, model) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": png()}
    content = [{"type": "image", "source": source}, {"type": "text", "text": QUESTION}]
    message = ask(claude, model, content)

    assert "391" in text_of(message)
    assert message.usage.input_tokens > ask(claude, model, QUESTION).usage.input_tokens


@pytest.mark.cell(CLIENT, "structured output")
@ON_EITHER
def test_an_answer_keeps_to_a_schema(claude, model) -> None:
    message = claude.messages.parse(
        model=model, max_tokens=1024, messages=[user("Judge this.")], output_format=Verdict
    )

    assert message.parsed_output.summary.startswith("[simulated]")


@pytest.mark.cell(CLIENT, "thinking")
@ON_EITHER
def test_signed_thinking_goes_back_to_the_model_that_thought_it(claude, model) -> None:
    asked = f"{CALLS} sim:think"
    options = {"tools": [TOOL], "thinking": SUMMARIZED}
    first = ask(claude, model, asked, **options)
    second = go_on(claude, model, asked, first, "12 degrees", **options)

    thoughts = [block for block in first.content if block.type == "thinking"]
    assert [bool(block.thinking) for block in thoughts] == [True]
    assert thoughts[0].signature
    assert "The tool said: 12 degrees 0" in text_of(second)


@pytest.mark.cell(CLIENT, "thinking")
def test_thinking_of_one_model_does_not_reach_another(claude) -> None:
    asked = f"{CALLS} sim:think"
    options = {"tools": [TOOL], "thinking": SUMMARIZED}
    first = ask(claude, CLAUDE, asked, **options)
    second = go_on(claude, GEMINI, asked, first, "12 degrees", **options)

    assert "The tool said: 12 degrees 0" in text_of(second)


@pytest.mark.cell(CLIENT, "thinking")
def test_thinking_streams(claude) -> None:
    with claude.messages.stream(
        model=CLAUDE, max_tokens=1024, messages=[user(THINKS)], thinking=SUMMARIZED
    ) as stream:
        kinds = [event.type for event in stream]

    assert kinds.index("thinking") < kinds.index("signature") < kinds.index("text")


@pytest.mark.cell(CLIENT, "usage")
@ON_EITHER
def test_usage_is_what_the_receipt_says(system, claude, model) -> None:
    with claude.messages.stream(
        model=model, max_tokens=1024, messages=[user(THINKS)], thinking=SUMMARIZED
    ) as stream:
        usage = stream.get_final_message().usage
        task_id = stream.response.headers["x-tercet-request-id"]

    read, written = used(system.receipt(task_id))
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    assert (usage.input_tokens + cached, usage.output_tokens) == (read, written)
    assert written > 0


@pytest.mark.cell(CLIENT, "usage")
def test_a_cache_breakpoint_is_kept(claude) -> None:
    system = [
        {"type": "text", "text": "Be brief. " * 50, "cache_control": {"type": "ephemeral"}},
    ]
    first = ask(claude, CLAUDE, "Hello. (a cache breakpoint)", system=system).usage
    second = ask(claude, CLAUDE, "Hello again. (a cache breakpoint)", system=system).usage

    assert first.cache_creation_input_tokens + first.cache_read_input_tokens > 100
    assert second.cache_read_input_tokens > 100


@pytest.mark.cell(CLIENT, "usage")
@ON_EITHER
def test_tokens_are_counted_before_they_are_sent(claude, model) -> None:
    counted = claude.messages.count_tokens(model=model, messages=[user(QUESTION * 10)])

    assert counted.input_tokens > 10


@pytest.mark.cell(CLIENT, "errors")
def test_errors_before_an_answer_have_the_types_of_the_sdk(claude) -> None:
    with pytest.raises(AuthenticationError):
        ask(claude.with_options(api_key="wrong"), CLAUDE, QUESTION)
    with pytest.raises(NotFoundError):
        ask(claude, "no-such-model", QUESTION)
    with pytest.raises(BadRequestError) as caught:
        ask(claude, GEMINI, 5)
    with pytest.raises(BadRequestError):
        ask(claude, CLAUDE, TOO_LONG)

    assert caught.value.type == "invalid_request_error"
    assert "messages[0].content" in str(caught.value)


@pytest.mark.cell(CLIENT, "errors")
@ON_EITHER
def test_a_stream_that_breaks_raises(claude, model) -> None:
    seen = []
    with pytest.raises(APIStatusError):
        seen.extend(event.type for event in ask(claude, model, BREAKS, stream=True))

    assert "content_block_delta" in seen
    assert "message_stop" not in seen


@pytest.mark.cell(CLIENT, "cancel")
@ON_EITHER
def test_an_answer_that_is_cancelled_is_read_to_its_end(system, claude, model) -> None:
    with claude.messages.stream(model=model, max_tokens=1024, messages=[user(LASTS)]) as stream:
        next(iter(stream.text_stream))
        task_id = stream.response.headers["x-tercet-request-id"]

    assert is_drained(system, task_id)
