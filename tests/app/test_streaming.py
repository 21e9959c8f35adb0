"""When a stream's headers leave, and what follows them; a scripted exchange, a real event loop."""

import asyncio
import json

from fakes.running import events_of

from router.reply import Letterhead
from router.streaming import PATIENCE, Pace, Patience, held, rendered
from router.surfaces import openai_chat
from router.surfaces.openai_chat_reply import ChatWriter
from router.surfaces.surface import Frame
from tercet.answer import Answer, NoAnswer, Progress, Speaking
from tercet.call import Delta, Failure, Raw
from tercet.content import Text

LETTERHEAD = Letterhead(
    frame=Frame(task_id="req_1", route="tier2", created=0),
    writer=ChatWriter(include_usage=False),
    error_body=openai_chat.SURFACE.error_body,
    headers={},
)
ANSWER = Answer(parts=(Text("Hi."),), model="m", finish="stop", steps=(), settled_by="test")
IMPATIENT = Patience(after_progress_s=0.02, silent_s=0.02)
PACE = Pace(patience=IMPATIENT, clock=lambda: 0.0)
NO_ANSWER = NoAnswer(failures=(Failure(model="m", kind="overloaded", message="busy"),), steps=())


class Scripted:
    """An exchange whose events come when they are let through; `None` waits to be let through."""

    def __init__(self, *events) -> None:
        self.events = list(events)
        self.gate = asyncio.Event()
        self.abandoned = False

    async def next(self):
        if self.events[0] is None:
            await self.gate.wait()
            self.events.pop(0)
        return self.events.pop(0)

    def abandon(self) -> None:
        self.abandoned = True


async def streamed(exchange) -> list[dict | str]:
    before = await held(exchange, IMPATIENT)
    exchange.gate.set()
    body = [part async for part in rendered(exchange, LETTERHEAD, before, PACE)]
    return events_of(b"".join(body).decode().splitlines())


def test_a_failure_before_any_content_is_known_before_the_headers_leave() -> None:
    async def scenario() -> None:
        before = await held(Scripted(Progress("reading"), NO_ANSWER), PATIENCE)
        assert before[-1] is NO_ANSWER

    asyncio.run(scenario())


def test_headers_do_not_wait_for_ever_for_content_after_progress() -> None:
    async def scenario() -> list[dict | str]:
        waiting = Scripted(Progress("reading"), None, Speaking(model="m"), Delta("Hi."), ANSWER)
        return await streamed(waiting)

    events = asyncio.run(scenario())

    assert events[0] == ": reading"
    assert events[2]["choices"][0]["delta"] == {"content": "Hi."}
    assert events[-1] == "[DONE]"


def test_a_silent_seat_is_covered_by_comments() -> None:
    async def scenario() -> list[dict | str]:
        exchange = Scripted(None, Speaking(model="m"), Delta("Hi."), ANSWER)
        before = await held(exchange, IMPATIENT)
        parts = []
        async for part in rendered(exchange, LETTERHEAD, before, PACE):
            parts.append(part)
            exchange.gate.set()
        return events_of(b"".join(parts).decode().splitlines())

    events = asyncio.run(scenario())

    assert events[0] == ": working"
    assert events[-1] == "[DONE]"


def test_a_failure_after_the_headers_left_ends_the_stream_without_the_terminal_marker() -> None:
    async def scenario() -> list[dict | str]:
        return await streamed(Scripted(Progress("reading"), None, NO_ANSWER))

    events = asyncio.run(scenario())

    assert events[-1]["error"]["code"]
    assert "[DONE]" not in json.dumps(events)


def test_a_reader_who_leaves_abandons_the_exchange() -> None:
    exchange = Scripted(Speaking(model="m"), Delta("Hi."), ANSWER)

    async def scenario() -> None:
        body = rendered(exchange, LETTERHEAD, await held(exchange, PATIENCE), PACE)
        await anext(body)
        await body.aclose()

    asyncio.run(scenario())

    assert exchange.abandoned


def test_raw_bytes_go_through_as_they_are_and_nothing_is_put_around_them() -> None:
    async def scenario() -> bytes:
        exchange = Scripted(Speaking(model="m"), Raw(b"event: a\n\n"), Raw(b"event: z\n\n"), ANSWER)
        before = await held(exchange, IMPATIENT)
        return b"".join([part async for part in rendered(exchange, LETTERHEAD, before, PACE)])

    assert asyncio.run(scenario()) == b"event: a\n\nevent: z\n\n"


def test_raw_bytes_that_break_off_are_followed_by_an_error() -> None:
    async def scenario() -> list[dict | str]:
        return await streamed(Scripted(Speaking(model="m"), Raw(b"data: {}\n\n"), NO_ANSWER))

    first, last = asyncio.run(scenario())

    assert first == {}
    assert last["error"]["code"]
