"""A provider that is made when it is first asked."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from deployments.lazy_provider import LazyProvider
from deployments.provider import Ended, Failed, ProviderEvent
from tercet.call import Prompt

PROMPT = Prompt(system="", messages=(), max_output_tokens=1)


class Echo:
    """Answers at once."""

    closed = 0
    listened_to = 0

    async def stream(
        self, model: str, prompt: Prompt, attempt_id: str
    ) -> AsyncGenerator[ProviderEvent, None]:
        self.listened_to += 1
        try:
            yield Ended(finish="stop")
            yield Ended(finish="length")
        finally:
            self.listened_to -= 1

    async def count(self, model: str, prompt: Prompt) -> int | Failed:
        return 7

    async def close(self) -> None:
        self.closed += 1


async def heard(provider: LazyProvider) -> list[ProviderEvent]:
    return [event async for event in provider.stream("m", PROMPT, "att_1")]


def test_it_is_made_once_off_the_loop_and_by_the_first_of_many() -> None:
    made: list[int] = []

    def make() -> Echo:
        made.append(threading.get_ident())
        return Echo()

    async def main() -> None:
        provider = LazyProvider(make)
        assert made == []
        async with asyncio.TaskGroup() as together:
            jobs = [together.create_task(heard(provider)) for _ in range(5)]
        assert [len(job.result()) for job in jobs] == [2] * 5
        assert await provider.count("m", PROMPT) == 7

    asyncio.run(main())
    assert len(made) == 1
    assert made[0] != threading.get_ident()


def test_a_stream_that_is_left_is_left_behind_it_too() -> None:
    echo = Echo()

    async def main() -> None:
        provider = LazyProvider(lambda: echo)
        async with aclosing(provider.stream("m", PROMPT, "att_1")) as events:
            await anext(events)
            assert echo.listened_to == 1
        assert echo.listened_to == 0
        await provider.close()
        assert echo.closed == 1

    asyncio.run(main())


def test_closing_makes_nothing() -> None:
    asyncio.run(LazyProvider(lambda: pytest.fail("it was made")).close())


def test_one_that_cannot_be_made_fails_unbilled_without_quoting_and_is_tried_again() -> None:
    tried: list[int] = []

    def make() -> Echo:
        tried.append(1)
        if len(tried) < 3:
            raise ValueError("sk-secret")
        return Echo()

    async def main() -> None:
        provider = LazyProvider(make)
        failed = Failed(
            kind="unavailable", message="its client cannot be made: ValueError", billed="no"
        )
        assert await heard(provider) == [failed]
        assert await provider.count("m", PROMPT) == failed
        assert await provider.count("m", PROMPT) == 7

    asyncio.run(main())
