"""What the playground tells of a question, with a gateway and a ledger that are scripted."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx2
from fakes.rows import closed, opened, reservation

from deployments.ledger import Ledger, LedgerError
from router.console.playground import Playground
from router.console.playground_events import MOST_CHARS, Question, read_question, told

QUESTION = Question(question="What is 6 * 7?", model="tier3", strict=True)


class Said(httpx2.AsyncByteStream):
    """The body of an answer, piece by piece; `None` never comes."""

    def __init__(self, *pieces: str | None) -> None:
        self.pieces = pieces
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if piece is None:
                await asyncio.sleep(60)
            yield (piece or "").encode()

    async def aclose(self) -> None:
        self.is_closed = True


def chunk(**delta: str) -> str:
    return f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n"


def events_of(raw: bytes) -> list[tuple[str, dict]]:
    found = []
    for one in raw.decode().split("\n\n")[:-1]:
        name, data = one.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def gateway(said: Said, *, status: int = 200, seen: list | None = None) -> httpx2.AsyncClient:
    def handle(request: httpx2.Request) -> httpx2.Response:
        if seen is not None:
            seen.append(json.loads(request.content))
        return httpx2.Response(status, headers={"x-tercet-request-id": "req_1"}, stream=said)

    return httpx2.AsyncClient(transport=httpx2.MockTransport(handle), base_url="http://gateway")


async def nothing_found(_: str) -> None:
    return None


async def played(said: Said, find, **options) -> list[tuple[str, dict]]:
    async with gateway(said, **options) as http:
        parts = [part async for part in Playground(http, find, every_s=0.001).events(QUESTION)]
    return events_of(b"".join(parts))


def test_the_answer_and_its_notes_come_in_order_and_the_end_last() -> None:
    seen: list[dict] = []
    said = Said(
        ": round 1: a and b are answering\n\n", chunk(content="4"), chunk(content="2\n\x85")
    )

    events = asyncio.run(played(said, nothing_found, seen=seen))

    assert events == [
        ("note", {"text": "round 1: a and b are answering"}),
        ("text", {"text": "4"}),
        ("text", {"text": "2\n\x85"}),
        ("end", {}),
    ]
    assert seen == [
        {
            "model": "tier3",
            "stream": True,
            "messages": [{"role": "user", "content": "What is 6 * 7?"}],
            "metadata": {"strict": "true"},
        }
    ]


def test_the_ledgers_rows_are_told_when_they_change_and_until_they_are_whole(tmp_path) -> None:
    async def scenario() -> list[tuple[str, dict]]:
        ledger = Ledger(tmp_path / "ledger.sqlite3")
        ledger.open_request(opened())
        await ledger.reserve(reservation("a1"))
        looks = 0

        async def find(task_id: str):
            nonlocal looks
            looks += 1
            if looks == 3:
                ledger.close_request(closed("answered"))
            return await ledger.task(task_id)

        try:
            return await played(Said(chunk(content="42")), find)
        finally:
            ledger.close()

    told_rows = [data for name, data in asyncio.run(scenario()) if name == "receipt"]

    assert [receipt["outcome"] for receipt in told_rows] == ["under_way", "answered"]
    assert told_rows[0]["attempts"][0]["state"] == "reserved"


def test_an_answer_goes_on_without_a_ledger() -> None:
    async def find(_: str):
        raise LedgerError("locked")

    events = asyncio.run(played(Said(chunk(content="42")), find))

    assert [name for name, _ in events] == ["text", "end"]


def test_a_refusal_is_told_in_the_gateways_words() -> None:
    said = Said(json.dumps({"error": {"message": "the month's budget is spent"}}))

    events = asyncio.run(played(said, nothing_found, status=429))

    assert events == [("problem", {"text": "429: the month's budget is spent"}), ("end", {})]


def test_a_gateway_that_is_not_there_is_told() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    async def scenario() -> bytes:
        transport = httpx2.MockTransport(refuse)
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
            parts = [part async for part in Playground(http, nothing_found).events(QUESTION)]
        return b"".join(parts)

    (name, data), end = events_of(asyncio.run(scenario()))

    assert (name, end) == ("problem", ("end", {}))
    assert "ConnectError" in data["text"]


def test_who_leaves_ends_it() -> None:
    said = Said(chunk(content="4"), None)

    async def scenario() -> None:
        async with gateway(said) as http:
            events = Playground(http, nothing_found).events(QUESTION)
            await anext(events)
            assert not said.is_closed
            await events.aclose()

    asyncio.run(scenario())

    assert said.is_closed


def test_a_question_that_is_none_is_refused_with_its_field() -> None:
    assert "question" in str(read_question(b'{"question": "  "}'))
    assert "question" in str(
        read_question(json.dumps({"question": "x" * (MOST_CHARS + 1)}).encode())
    )
    assert "surprise" in str(read_question(b'{"question": "x", "surprise": 1}'))
    assert read_question(b"[") != ""
    assert read_question(b'{"question": " x "}') == Question(question="x")


def test_what_is_no_chunk_is_a_problem_and_an_error_has_its_own_words() -> None:
    assert b"event: problem" in told("data: {not json")
    assert b"overloaded" in told('data: {"error": {"message": "overloaded"}}')
    assert told("data: [DONE]") == told("") == b""
    assert b"event: thought" in told(chunk(reasoning_content="hm").strip())
