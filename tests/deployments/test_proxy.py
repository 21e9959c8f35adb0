import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deployments.proxy import TierProxy
from tercet.call import Call, Completion, Delta, Failure, Item, Prompt, Retry
from tercet.catalog import TierSeat
from tercet.config import load
from tercet.task import turn
from tercet.usage import Usage

if TYPE_CHECKING:
    from conftest import Listening, Provider

OPENING = (
    b"event: message_start\n"
    b'data: {"type": "message_start", "message":'
    b' {"id": "msg_1", "usage": {"input_tokens": 10, "output_tokens": 1}}}\n\n'
    b"event: content_block_delta\n"
    b'data: {"type": "content_block_delta", "index": 0,'
    b' "delta": {"type": "text_delta", "text": "Hello"}}\n\n'
)
ENDING = (
    b"event: message_delta\n"
    b'data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"},'
    b' "usage": {"output_tokens": 5}}\n\n'
    b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
)
WHAT_IT_COSTS = 10 * 4_000 + 5 * 20_000


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the process a ledger, a key for Claude and none for Gemini."""
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "ledger.sqlite3"))
    monkeypatch.setenv("TERCET_SIMULATED", "1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    return tmp_path / "ledger.sqlite3"


@asynccontextmanager
async def proxy_of(
    provider: "Provider", monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[TierProxy, None]:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
    proxy = TierProxy("tier1", load())
    yield proxy
    await proxy.close()


def call(model: str = "claude-opus-5-5") -> Call:
    return Call(
        task_id="req_1",
        key_id="default",
        tier="tier1",
        model=model,
        role="brain",
        round=1,
        prompt=Prompt(system="", messages=(turn("user", "Hi"),), max_output_tokens=100),
        deadline_at=time.time() + 600,
        wants_deltas=True,
    )


def states(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT state, outcome, settled_nano_usd, simulated FROM attempts"
        ).fetchall()


async def all_of(items: AsyncGenerator[Item, None]) -> list[Item]:
    return [item async for item in items]


def test_a_call_is_answered_by_the_model_and_booked(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> list[Item]:
        async with listening() as provider, proxy_of(provider, monkeypatch) as proxy:
            provider.answers(OPENING, ENDING)
            return await all_of(proxy.call(call()))

    delta, last = asyncio.run(main())
    assert delta == Delta("Hello")
    assert isinstance(last, Completion)
    assert (last.text, last.finish, last.simulated) == ("Hello", "stop", True)
    assert last.usage == Usage(fresh_input=10, output=5)
    assert last.attempt_id.startswith("att_")
    assert states(path) == [("settled", "complete", WHAT_IT_COSTS, 1)]


def test_a_key_of_a_file_is_sent_and_the_files_of_other_providers_are_not_read(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch
) -> None:
    file = path.parent / "key"
    file.touch(mode=0o600)
    file.write_text("of-a-file\n")
    monkeypatch.setenv("ANTHROPIC_API_KEY_FILE", str(file))
    monkeypatch.setenv("GEMINI_API_KEY_FILE", str(path.parent / "none"))
    config = load()
    tier = config.catalog.tiers["tier1"]
    claude = replace(
        tier, composition="single", seats=(TierSeat(role="single", model="claude-opus-5-5"),)
    )
    catalog = replace(config.catalog, tiers={**config.catalog.tiers, "tier1": claude})

    async def main() -> "Provider":
        async with listening() as provider:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
            provider.answers(OPENING, ENDING)
            proxy = TierProxy("tier1", replace(config, catalog=catalog))
            await all_of(proxy.call(call()))
            await proxy.close()
            return provider

    (post,) = asyncio.run(main()).posts
    assert post.headers["authorization"].removeprefix("Bearer ") == "of-a-file"


def test_the_other_seat_of_the_tier_is_asked_through_its_own_sdk(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> list[Item]:
        async with listening() as provider:
            monkeypatch.setenv("GEMINI_API_KEY", "g-key")
            monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", provider.url)
            provider.answers(
                b'data: {"candidates": [{"content": {"parts": [{"text": "Hi"}]},'
                b' "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 10}}\r\n\r\n'
            )
            async with proxy_of(provider, monkeypatch) as proxy:
                return await all_of(proxy.call(call("gemini-4-argon")))

    delta, last = asyncio.run(main())
    assert delta == Delta("Hi")
    assert isinstance(last, Completion)
    assert (last.model, last.usage) == ("gemini-4-argon", Usage(fresh_input=10))
    assert [row[:2] for row in states(path)] == [("settled", "complete")]


def test_each_call_is_an_attempt_of_its_own(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> set[str | None]:
        async with listening() as provider, proxy_of(provider, monkeypatch) as proxy:
            provider.answers(OPENING, ENDING)
            async with asyncio.TaskGroup() as together:
                calls = [together.create_task(all_of(proxy.call(call()))) for _ in range(5)]
            lasts = [task.result()[-1] for task in calls]
            return {last.attempt_id for last in lasts if not isinstance(last, Delta)}

    assert len(asyncio.run(main())) == 5
    assert states(path) == [("settled", "complete", WHAT_IT_COSTS, 1)] * 5


@pytest.mark.parametrize("heard", [0, 1])
def test_a_caller_who_stops_listening_does_not_stop_the_attempt(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch, heard: int
) -> None:
    async def main() -> None:
        rest = asyncio.Event()
        async with listening() as provider, proxy_of(provider, monkeypatch) as proxy:
            provider.answers(OPENING, rest, ENDING)
            items = proxy.call(call())
            for _ in range(heard):
                assert await anext(items) == Delta("Hello")
            caller = asyncio.create_task(all_of(items))
            await asyncio.sleep(0)
            caller.cancel()
            await asyncio.wait([caller])
            assert caller.cancelled()
            rest.set()

    asyncio.run(main())
    assert states(path) == [("settled", "complete", WHAT_IT_COSTS, 1)]


def test_a_proxy_that_closes_lets_running_attempts_settle(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        rest = asyncio.Event()
        async with listening() as provider, proxy_of(provider, monkeypatch) as proxy:
            provider.answers(OPENING, rest, ENDING)
            items = proxy.call(call())
            await anext(items)
            closing_down = asyncio.create_task(proxy.close())
            await asyncio.sleep(0)
            assert not closing_down.done()
            rest.set()
            await closing_down

    asyncio.run(main())
    assert states(path) == [("settled", "complete", WHAT_IT_COSTS, 1)]


@pytest.mark.parametrize("model", ["gemini-4-argon", "claude-haiku-5-5", "nobody"])
def test_a_model_without_a_key_or_of_another_tier_is_not_asked(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    async def main() -> list[Item]:
        async with listening() as provider, proxy_of(provider, monkeypatch) as proxy:
            items = await all_of(proxy.call(call(model)))
            assert provider.posts == []
            return items

    assert asyncio.run(main()) == [
        Failure(model=model, kind="unauthorised", message=f"tier1 has no client for {model}")
    ]
    assert states(path) == []


def test_an_outage_of_the_provider_is_a_failure_and_the_proxy_stays_ready(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> tuple[list[Item], bool]:
        async with listening() as provider, proxy_of(provider, monkeypatch) as proxy:
            provider.answers(b'{"error": {"type": "overloaded_error"}}', status=529)
            return await all_of(proxy.call(call())), await proxy.ready()

    items, ready = asyncio.run(main())
    assert [type(item) for item in items] == [Retry, Retry, Failure]
    failure = items[-1]
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.cost_nano_usd) == ("overloaded", 0)
    assert states(path) == [("void", "overloaded", 0, 1)] * 3
    assert ready


def test_the_alternate_of_the_seat_answers_for_a_provider_that_is_down(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> list[Item]:
        async with listening() as well, listening() as down:
            monkeypatch.setenv("GEMINI_API_KEY", "g-key")
            monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", well.url)
            well.answers(
                b'data: {"candidates": [{"content": {"parts": [{"text": "Hi"}]},'
                b' "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 10}}\r\n\r\n'
            )
            down.answers(end="reset")
            async with proxy_of(down, monkeypatch) as proxy:
                return await all_of(proxy.call(replace(call(), alternates=("gemini-4-argon",))))

    retry, delta, last = asyncio.run(main())
    assert isinstance(retry, Retry)
    assert (retry.failure.kind, retry.model) == ("unreachable", "gemini-4-argon")
    assert delta == Delta("Hi")
    assert isinstance(last, Completion)
    assert [row[0] for row in states(path)] == ["estimated", "settled"]


def test_a_provider_that_is_out_of_money_is_not_asked_again_by_anyone(
    path: Path, listening: "Listening", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with listening() as provider:
            body = b'{"error": {"type": "billing_error", "message": "no credit"}}'
            provider.answers(body, status=402)
            async with proxy_of(provider, monkeypatch) as proxy:
                for _ in range(20):
                    (failure,) = await all_of(proxy.call(call()))
                    assert isinstance(failure, Failure)
                    assert failure.kind == "exhausted"
            assert len(provider.posts) == 1
            async with proxy_of(provider, monkeypatch) as restarted:
                (failure,) = await all_of(restarted.call(call()))
                assert isinstance(failure, Failure)
                assert failure.kind == "exhausted"
            assert len(provider.posts) == 1

    asyncio.run(main())


@pytest.mark.parametrize(("drains", "state"), [(0, "estimated"), (1, "settled")])
def test_no_more_answers_are_read_on_for_nobody_than_are_allowed(
    path: Path,
    listening: "Listening",
    monkeypatch: pytest.MonkeyPatch,
    drains: int,
    state: str,
) -> None:
    async def main() -> None:
        rest = asyncio.Event()
        async with listening() as provider:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
            config = load()
            upstreams = replace(config.rules.upstreams, drains=drains)
            config = replace(config, rules=replace(config.rules, upstreams=upstreams))
            proxy = TierProxy("tier1", config)
            provider.answers(OPENING, rest, ENDING)
            items = proxy.call(call())
            assert await anext(items) == Delta("Hello")
            await items.aclose()
            rest.set()
            await proxy.close()

    asyncio.run(main())
    assert [row[0] for row in states(path)] == [state]


def test_no_sdk_is_imported_before_a_tier_needs_it() -> None:
    code = (
        "import sys, deployments.proxy; print({'anthropic', 'google.genai'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
