"""The openai SDK over chat completions, against the running system."""

import pytest
from clients.scene import (
    BREAKS,
    CALLS,
    CALLS_TWO,
    CLAUDE,
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
from openai import (
    APIError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
)

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

CLIENT = "openai SDK, chat"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Today's weather.",
        "parameters": WEATHER,
        "strict": True,
    },
}


def user(content) -> dict:
    return {"role": "user", "content": content}


def ask(system, model, content, **options):
    return system.client.chat.completions.create(model=model, messages=[user(content)], **options)


def results(message, said: str) -> list[dict]:
    return [
        {"role": "tool", "tool_call_id": call.id, "content": f"{said} {n}"}
        for n, call in enumerate(message.tool_calls)
    ]


@pytest.mark.cell(CLIENT, "chat")
@ON_EITHER
def test_a_question_is_answered(system, model) -> None:
    completion = ask(system, model, QUESTION)

    assert "391" in completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"
    assert completion.object == "chat.completion"


@pytest.mark.cell(CLIENT, "chat")
def test_what_was_said_before_and_a_system_prompt_are_read(system) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        user("Hello."),
        {"role": "assistant", "content": "Hello!"},
        user(QUESTION),
    ]
    completion = system.client.chat.completions.create(model=CLAUDE, messages=messages)

    assert "391" in completion.choices[0].message.content
    assert completion.usage.prompt_tokens > ask(system, CLAUDE, QUESTION).usage.prompt_tokens


@pytest.mark.cell(CLIENT, "stream")
@ON_EITHER
def test_an_answer_streams_in_pieces(system, model) -> None:
    chunks = list(ask(system, model, SLOWLY, stream=True))

    pieces = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
    assert len(pieces) > 1
    assert "391" in "".join(pieces)
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.cell(CLIENT, "tools")
@ON_EITHER
def test_a_tool_is_called_and_its_result_is_read(system, model) -> None:
    first = ask(system, model, CALLS, tools=[TOOL])
    called = first.choices[0].message
    messages = [user(CALLS), called.model_dump(exclude_none=True), *results(called, "12 degrees")]
    second = system.client.chat.completions.create(model=model, messages=messages, tools=[TOOL])

    assert first.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in called.tool_calls] == ["get_weather"]
    assert called.tool_calls[0].function.arguments.replace(" ", "") == '{"city":"Oslo"}'
    assert "The tool said: 12 degrees 0" in second.choices[0].message.content


@pytest.mark.cell(CLIENT, "tools")
@ON_EITHER
def test_two_tools_are_called_in_one_turn(system, model) -> None:
    called = ask(system, model, CALLS_TWO, tools=[TOOL]).choices[0].message
    messages = [user(CALLS_TWO), called.model_dump(exclude_none=True), *results(called, "it is")]
    second = system.client.chat.completions.create(model=model, messages=messages, tools=[TOOL])

    assert [("Oslo" in c.function.arguments) for c in called.tool_calls] == [True, False]
    assert len({call.id for call in called.tool_calls}) == 2
    assert "it is 0" in second.choices[0].message.content
    assert "it is 1" in second.choices[0].message.content


@pytest.mark.cell(CLIENT, "tools")
def test_a_tool_is_demanded_and_called(system) -> None:
    chosen = {"type": "function", "function": {"name": "get_weather"}}
    completion = ask(system, CLAUDE, "Hello.", tools=[TOOL], tool_choice=chosen)

    assert completion.choices[0].message.tool_calls[0].function.name == "get_weather"


@pytest.mark.cell(CLIENT, "tool stream")
@ON_EITHER
def test_a_tool_call_streams(system, model) -> None:
    with system.client.chat.completions.stream(
        model=model, messages=[user(CALLS_TWO)], tools=[TOOL]
    ) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()

    assert [event.parsed_arguments for event in done] in ([], [{"city": "Oslo"}, {"city": "Rome"}])
    calls = final.choices[0].message.tool_calls
    assert [c.function.parsed_arguments for c in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert final.choices[0].finish_reason == "tool_calls"


@pytest.mark.cell(CLIENT, "images")
@ON_EITHER
def test_an_image_reaches_the_model(system, model) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png()}"}}
    completion = ask(system, model, [{"type": "text", "text": QUESTION}, image])

    assert "391" in completion.choices[0].message.content
    assert completion.usage.prompt_tokens > ask(system, model, QUESTION).usage.prompt_tokens


@pytest.mark.cell(CLIENT, "structured output")
@ON_EITHER
def test_an_answer_keeps_to_a_schema(system, model) -> None:
    completion = system.client.chat.completions.parse(
        model=model, messages=[user("Judge this.")], response_format=Verdict
    )

    assert completion.choices[0].message.parsed.summary.startswith("[simulated]")


@pytest.mark.cell(CLIENT, "thinking")
@ON_EITHER
def test_thinking_is_counted(system, model) -> None:
    completion = ask(system, model, THINKS, reasoning_effort="high")

    assert completion.usage.completion_tokens_details.reasoning_tokens > 0
    assert "391" in completion.choices[0].message.content


@pytest.mark.cell(CLIENT, "usage")
@ON_EITHER
def test_usage_is_what_the_receipt_says(system, model) -> None:
    raw = system.client.chat.completions.with_raw_response.create(
        model=model, messages=[user(THINKS)], reasoning_effort="high"
    )
    usage = raw.parse().usage

    read, written = used(system.receipt(raw.headers["x-tercet-request-id"]))
    assert (usage.prompt_tokens, usage.completion_tokens) == (read, written)
    assert usage.total_tokens == read + written > 0


@pytest.mark.cell(CLIENT, "usage")
def test_usage_ends_a_stream_that_asks_for_it(system) -> None:
    options = {"include_usage": True}
    chunks = list(ask(system, CLAUDE, QUESTION, stream=True, stream_options=options))

    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0


@pytest.mark.cell(CLIENT, "errors")
def test_errors_before_an_answer_have_the_types_of_the_sdk(system) -> None:
    with pytest.raises(AuthenticationError):
        system.client.with_options(api_key="wrong").models.list()
    with pytest.raises(NotFoundError):
        ask(system, "no-such-model", QUESTION)
    with pytest.raises(BadRequestError) as caught:
        ask(system, CLAUDE, [{"type": "text", "text": 5}])
    with pytest.raises(BadRequestError) as too_long:
        ask(system, CLAUDE, TOO_LONG)

    assert caught.value.param == "messages[0].content[0].text"
    assert too_long.value.code == "context_length_exceeded"


@pytest.mark.cell(CLIENT, "errors")
def test_a_stream_that_breaks_raises(system) -> None:
    seen = []
    with pytest.raises(APIError):
        seen.extend(ask(system, CLAUDE, BREAKS, stream=True))

    assert seen
    assert {chunk.choices[0].finish_reason for chunk in seen} == {None}


@pytest.mark.cell(CLIENT, "cancel")
def test_an_answer_that_is_cancelled_is_read_to_its_end(system) -> None:
    raw = system.client.chat.completions.with_raw_response.create(
        model=CLAUDE, messages=[user(LASTS)], stream=True
    )
    stream = raw.parse()
    next(iter(stream))
    stream.close()

    assert is_drained(system, raw.headers["x-tercet-request-id"])
