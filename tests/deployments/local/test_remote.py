"""The relay's side of vLLM's OpenAI server, over real HTTP."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest
import uvicorn
from fakes.openai_server import TOO_LONG, USAGE, Server, config
from fakes.running import wait_until

from deployments.local.remote import LostError, Remote
from deployments.local_wire import Reading

KEY = "the-leases-own"
HEADERS = {"x-request-id": "a1", "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}


@dataclass(kw_only=True)
class There:
    server: Server
    url: str

    def ask(self, content: str, key: str = KEY, most: int | None = None) -> list[dict]:
        """Return the chunks of an answer, `most` at most, and leave."""

        async def asked() -> list[dict]:
            remote = Remote(self.url, key, quiet_s=0.2, within_s=0.3)
            request = {"model": "tiny", "messages": [{"role": "user", "content": content}]}
            chunks = []
            try:
                async with aclosing(remote.stream(request, HEADERS)) as said:
                    async for chunk in said:
                        chunks.append(chunk)
                        if len(chunks) == most:
                            break
                return chunks
            finally:
                await remote.close()

        return asyncio.run(asked())


@pytest.fixture
def there() -> Iterator[There]:
    server = Server(KEY)
    running = uvicorn.Server(config(server, 0))
    thread = threading.Thread(target=running.run)
    thread.start()
    assert wait_until(lambda: running.started)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield There(server=server, url=f"http://127.0.0.1:{port}")
    running.force_exit = running.should_exit = True
    thread.join(10)


def text(chunks: list[dict]) -> str:
    return "".join(row["delta"]["content"] for one in chunks for row in one["choices"])


def test_an_answer_comes_in_chunks_with_the_usage_last(there):
    chunks = there.ask("Hi")
    assert text(chunks) == "first last"
    assert chunks[-1]["usage"] == USAGE


def test_it_is_asked_for_a_stream_with_usage_with_the_key_and_the_callers_trace(there):
    there.ask("Hi")
    (seen,) = there.server.seen
    assert seen["headers"]["authorization"] == f"Bearer {KEY}"
    assert HEADERS.items() <= seen["headers"].items()
    assert (seen["body"]["stream"], seen["body"]["stream_options"]) == (
        True,
        {"include_usage": True},
    )


def test_a_prompt_that_is_too_long_is_refused_as_the_engine_refuses_it(there):
    (chunk,) = there.ask("too long")
    assert chunk == {"error": {"code": 400, "message": TOO_LONG, "type": "BadRequestError"}}
    assert failure(chunk) == "too_long"


def test_a_refusal_that_is_no_json_keeps_its_status(there):
    (chunk,) = there.ask("busy")
    assert chunk["error"]["code"] == 429
    assert failure(chunk) == "overloaded"


def test_an_error_in_the_middle_is_spelt_as_the_engine_spells_it(there):
    error = {"code": 500, "message": "EngineDeadError", "type": "InternalServerError"}
    assert {"error": error} in there.ask("fail")


def failure(chunk: dict) -> str:
    reading = Reading("a1")
    reading.take(chunk)
    return reading.end().kind


@pytest.mark.parametrize("broken", ["break", "nonsense", "flood"])
def test_a_stream_that_breaks_or_makes_no_sense_is_lost(there, broken):
    with pytest.raises(LostError):
        there.ask(broken)


def test_a_server_that_hangs_is_lost_within_the_time_it_has_to_say_that_it_is_there(there):
    began = time.monotonic()
    with pytest.raises(LostError, match="does not answer"):
        there.ask("hang")
    assert time.monotonic() - began < 5


def test_a_server_that_is_there_may_be_silent_for_longer(there):
    assert text(there.ask("think")) == "first last"


def test_a_caller_who_leaves_closes_the_stream_upstream(there):
    assert len(there.ask("for ever", most=3)) == 3
    assert wait_until(lambda: there.server.closed == 1)


def test_a_server_with_another_key_is_none_of_ours(there):
    with pytest.raises(LostError, match="key"):
        there.ask("Hi", key="of the lease before")


def test_where_nobody_listens_a_call_fails_at_once(there):
    began = time.monotonic()
    gone = There(server=there.server, url="http://127.0.0.1:9")
    with pytest.raises(LostError, match="ConnectError"):
        gone.ask("Hi")
    assert time.monotonic() - began < 3
