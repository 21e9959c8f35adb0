"""The openai SDK over the Responses API, against the running system."""

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
from openai import APIError, AuthenticationError, BadRequestError, NotFoundError

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

CLIENT = "openai SDK, Responses"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Today's weather.",
    "parameters": WEATHER,
    "strict": True,
}


def user(content) -> dict:
    return {"role": "user", "content": content}


def ask(system, model, said, **options):
    return system.client.responses.create(model=model, input=said, **options)


def calls_of(response) -> list:
    return [item for item in response.output if item.type == "function_call"]


def results(calls, said: str) -> list[dict]:
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{said} {n}"}
        for n, call in enumerate(calls)
    ]


@pytest.mark.cell(CLIENT, "chat")
@ON_EITHER
def test_a_question_is_answered(system, model) -> None:
    response = ask(system, model, QUESTION, instructions="Be brief.")

    assert "391" in response.output_text
    assert response.status == "completed"


@pytest.mark.cell(CLIENT, "chat")
def test_a_conversation_goes_on_from_its_last_response(system) -> None:
    first = ask(system, CLAUDE, QUESTION)
    second = ask(system, CLAUDE, "What is 6 * 7?", previous_response_id=first.id)
    alone = ask(system, CLAUDE, "What is 6 * 7?")

    assert "42" in second.output_text
    assert second.usage.input_tokens > alone.usage.input_tokens


@pytest.mark.cell(CLIENT, "chat")
def test_a_response_that_is_not_stored_cannot_be_continued(system) -> None:
    first = ask(system, CLAUDE, QUESTION, store=False)

    with pytest.raises((BadRequestError, NotFoundError)):
        ask(system, CLAUDE, "And now?", previous_response_id=first.id)


@pytest.mark.cell(CLIENT, "stream")
@ON_EITHER
def test_an_answer_streams_as_typed_events(system, model) -> None:
    events = list(ask(system, model, SLOWLY, stream=True))

    kinds = [event.type for event in events]
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert len(pieces) > 1
    assert "391" in "".join(pieces)
    assert events[-1].response.output_text == "".join(pieces)
    assert [event.sequence_number for event in events] == list(range(len(events)))


@pytest.mark.cell(CLIENT, "tools")
@ON_EITHER
def test_a_tool_is_called_and_its_result_is_read(system, model) -> None:
    first = ask(system, model, CALLS, tools=[TOOL], store=False)
    said = [user(CALLS), *first.output, *results(calls_of(first), "12 degrees")]
    second = ask(system, model, said, tools=[TOOL], store=False)

    assert [call.name for call in calls_of(first)] == ["get_weather"]
    assert calls_of(first)[0].arguments.replace(" ", "") == '{"city":"Oslo"}'
    assert "The tool said: 12 degrees 0" in second.output_text


@pytest.mark.cell(CLIENT, "tools")
@ON_EITHER
def test_two_results_continue_a_stored_response(system, model) -> None:
    first = ask(system, model, CALLS_TWO, tools=[TOOL])
    found = results(calls_of(first), "it is")
    second = ask(system, model, found, tools=[TOOL], previous_response_id=first.id)

    assert [("Oslo" in call.arguments) for call in calls_of(first)] == [True, False]
    assert "it is 0" in second.output_text
    assert "it is 1" in second.output_text


@pytest.mark.cell(CLIENT, "tool stream")
@ON_EITHER
def test_a_tool_call_streams(system, model) -> None:
    with system.client.responses.stream(model=model, input=CALLS_TWO, tools=[TOOL]) as stream:
        done = [e.arguments for e in stream if e.type == "response.function_call_arguments.done"]
        final = stream.get_final_response()

    assert [text.replace(" ", "") for text in done] == ['{"city":"Oslo"}', '{"city":"Rome"}']
    assert [call.arguments for call in calls_of(final)] == done


@pytest.mark.cell(CLIENT, "images")
@ON_EITHER
def test_an_image_reaches_the_model(system, model) -> None:
    content = [
        {"type": "input_text", "text": QUESTION},
        {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{png()}"},
    ]
    response = ask(system, model, [user(content)])

    assert "391" in response.output_text
    assert response.usage.input_tokens > ask(system, model, QUESTION).usage.input_tokens


@pytest.mark.cell(CLIENT, "structured output")
@ON_EITHER
def test_an_answer_keeps_to_a_schema(system, model) -> None:
    response = system.client.responses.parse(model=model, input="Judge this.", text_format=Verdict)

    assert response.output_parsed.summary.startswith("[simulated]")


@pytest.mark.cell(CLIENT, "thinking")
@ON_EITHER
def test_encrypted_reasoning_goes_back_to_the_model_that_thought_it(system, model) -> None:
    wanted = {"effort": "high", "summary": "auto"}
    options = {
        "reasoning": wanted, "include": ["reasoning.encrypted_content"],
        "store": False, "tools": [TOOL],
    }  # fmt: skip
    said = f"{CALLS} sim:think"
    first = ask(system, model, said, **options)
    again = [user(said), *first.output, *results(calls_of(first), "12 degrees")]
    second = ask(system, model, again, **options)

    reasoning = [item for item in first.output if item.type == "reasoning"]
    assert any(item.encrypted_content for item in reasoning)
    assert first.usage.output_tokens_details.reasoning_tokens > 0
    assert "12 degrees 0" in second.output_text


@pytest.mark.cell(CLIENT, "usage")
@ON_EITHER
def test_usage_is_what_the_receipt_says(system, model) -> None:
    raw = system.client.responses.with_raw_response.create(
        model=model, input=THINKS, reasoning={"effort": "high"}
    )
    usage = raw.parse().usage

    read, written = used(system.receipt(raw.headers["x-tercet-request-id"]))
    assert (usage.input_tokens, usage.output_tokens) == (read, written)
    assert usage.total_tokens == read + written > 0


@pytest.mark.cell(CLIENT, "errors")
def test_errors_before_an_answer_have_the_types_of_the_sdk(system) -> None:
    with pytest.raises(AuthenticationError):
        system.client.with_options(api_key="wrong").responses.create(model=CLAUDE, input="hello")
    with pytest.raises(NotFoundError):
        ask(system, "no-such-model", QUESTION)
    with pytest.raises(BadRequestError) as caught:
        ask(system, CLAUDE, [user(5)])
    with pytest.raises(BadRequestError):
        ask(system, CLAUDE, TOO_LONG)

    assert caught.value.param == "input[0].content"


@pytest.mark.cell(CLIENT, "errors")
def test_a_stream_that_breaks_fails_and_never_completes(system) -> None:
    kinds = []
    try:
        kinds.extend(event.type for event in ask(system, CLAUDE, BREAKS, stream=True))
    except APIError:
        kinds.append("raised")

    assert "response.output_text.delta" in kinds
    assert kinds[-1] in {"response.failed", "error", "raised"}
    assert "response.completed" not in kinds


@pytest.mark.cell(CLIENT, "cancel")
def test_an_answer_that_is_cancelled_is_read_to_its_end(system) -> None:
    raw = system.client.responses.with_raw_response.create(model=CLAUDE, input=LASTS, stream=True)
    stream = raw.parse()
    next(iter(stream))
    stream.close()

    assert is_drained(system, raw.headers["x-tercet-request-id"])
