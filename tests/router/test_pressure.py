"""What is refused when more is asked than the machine can answer."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from router.gateway import envelope
from router.pressure import WAITING, Pressure, Relief
from tercet.call import Call, Completion, Delta, Item, Prompt
from tercet.content import Text
from tercet.usage import Usage

CALL = Call(
    task_id="req_1",
    key_id="default",
    tier="tier2",
    model="claude-sonnet-5-5",
    role="lead",
    round=1,
    prompt=Prompt(system="", messages=(), max_output_tokens=10),
    deadline_at=600.0,
)


def late(pressure: Pressure, seconds: float) -> None:
    for _ in range(20):
        pressure.note(seconds)


def asked(pressure: Pressure, path: str = "/v1/chat/completions", method: str = "POST") -> list:
    """Return what a caller is sent; the application answers with two messages."""
    seen: list[int] = []

    async def app(scope, receive, send) -> None:
        seen.append(pressure.waiting)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        seen.append(pressure.waiting)
        await send({"type": "http.response.body", "body": b"hello"})

    sent: list = []

    async def send(message) -> None:
        sent.append(message)

    async def receive() -> dict:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(Relief(app, pressure, envelope)(scope, receive, send))
    return [sent[0]["status"], *seen, sent]


def test_a_request_waits_until_its_answer_begins() -> None:
    pressure = Pressure()
    assert asked(pressure)[:3] == [200, 1, 0]
    assert pressure.waiting == 0


def test_a_request_that_ends_in_a_bug_waits_no_more() -> None:
    async def app(scope, receive, send) -> None:
        raise ValueError("a bug")

    pressure = Pressure()
    scope = {"type": "http", "method": "POST", "path": "/v1/responses", "headers": []}
    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(Relief(app, pressure, envelope)(scope, None, None))
    assert pressure.waiting == 0


@pytest.mark.parametrize(
    ("waiting", "seconds", "status"),
    [(WAITING - 1, 9.0, 200), (WAITING, 0.1, 200), (1000, 0.1, 200), (WAITING, 0.5, 429)],
)
def test_it_is_refused_only_where_many_wait_and_things_are_late(
    waiting: int, seconds: float, status: int
) -> None:
    pressure = Pressure()
    pressure.waiting = waiting
    late(pressure, seconds)
    assert asked(pressure)[0] == status
    assert pressure.waiting == waiting


def test_a_refusal_says_when_to_come_again_in_the_words_of_the_path() -> None:
    pressure = Pressure()
    pressure.waiting = WAITING
    late(pressure, 1.0)
    _, sent = asked(pressure, "/v1/messages")
    headers = dict(sent[0]["headers"])
    body = json.loads(sent[1]["body"])
    assert headers[b"retry-after"] == b"1"
    assert (body["type"], body["error"]["type"]) == ("error", "rate_limit_error")


def test_what_only_looks_is_not_refused() -> None:
    pressure = Pressure()
    pressure.waiting = WAITING
    late(pressure, 1.0)
    assert asked(pressure, "/v1/models", "GET")[0] == 200


def test_a_proxy_is_late_by_what_its_answer_took_beyond_the_attempt() -> None:
    now = [0.0]

    async def call(_: Call, /) -> AsyncGenerator[Item, None]:
        yield Delta("hello")
        now[0] += 12.0
        yield Completion(
            attempt_id="att_1",
            model=CALL.model,
            parts=(Text("hello"),),
            finish="stop",
            usage=Usage(),
            cost_nano_usd=1,
            first_token_s=1.0,
            latency_s=seconds,
        )

    async def main() -> bool:
        pressure = Pressure(lambda: now[0])
        pressure.waiting = WAITING
        for _ in range(20):
            assert len([item async for item in pressure.through(call)(CALL)]) == 2
        return pressure.is_too_much

    seconds = 11.99
    assert asyncio.run(main()) is False
    seconds = 11.0
    assert asyncio.run(main()) is True


def test_lateness_is_forgotten_and_that_of_the_loop_is_seen() -> None:
    now, naps = [0.0], [0.05] * 60 + [0.9] * 10

    async def sleep(_: float) -> None:
        if not naps:
            raise asyncio.CancelledError
        now[0] += naps.pop(0)
        seen.append(pressure.is_too_much)

    seen: list[bool] = []
    pressure = Pressure(lambda: now[0], sleep)
    pressure.waiting = WAITING
    late(pressure, 1.0)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(pressure.run())
    assert (seen[0], seen[59], seen[69]) == (True, False, True)
