import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
from ray.exceptions import RayActorError, RayTaskError

from deployments.serve import SENDS, _told
from tercet.call import Call, Delta, Failure, Item, Prompt, Retry
from tercet.task import turn

CALL = Call(
    task_id="req_1",
    key_id="default",
    tier="tier1",
    model="opus",
    role="brain",
    round=1,
    prompt=Prompt(system="", messages=(turn("user", "Hi"),), max_output_tokens=9),
    deadline_at=time.time() + 600,
)
LAST = Failure(model="opus", kind="overloaded", message="busy")
RETRY = Retry(failure=LAST, model="argon")


class Replies:
    """What one replica says until it dies, as Serve's generator."""

    def __init__(self, said: list[Item | Exception]) -> None:
        self.cancelled = False
        self._said = self._say(said)

    async def _say(self, said: list[Item | Exception]) -> AsyncGenerator[Item, None]:
        for item in said:
            if isinstance(item, Exception):
                raise item
            yield item

    def __aiter__(self) -> "Replies":
        return self

    async def __anext__(self) -> Item:
        return await anext(self._said)

    def cancel(self) -> None:
        self.cancelled = True


class Stream:
    """A handle whose replicas say what is written for them, one after the other."""

    def __init__(self, *replicas: list[Item | Exception]) -> None:
        self.replies = [Replies(said) for said in replicas]
        self.sent = 0

    def remote(self, call: Call) -> Replies:
        assert call is CALL
        self.sent += 1
        return self.replies[self.sent - 1]


def told(stream: Stream) -> list[Item]:
    async def main() -> list[Item]:
        return [item async for item in _told(stream.remote, CALL, SENDS)]

    return asyncio.run(main())


def test_a_call_whose_replica_dies_before_it_says_anything_is_sent_once_more() -> None:
    stream = Stream([RayActorError()], [Delta("Hi"), LAST])
    assert told(stream) == [Delta("Hi"), LAST]
    assert stream.sent == 2


def test_a_retry_is_not_an_answer_yet() -> None:
    stream = Stream([RETRY, RayActorError()], [LAST])
    assert told(stream) == [RETRY, LAST]


def test_after_the_first_content_a_dead_replica_is_a_failure() -> None:
    stream = Stream([Delta("Hi"), RayActorError()], [LAST])
    delta, failure = told(stream)
    assert delta == Delta("Hi")
    assert isinstance(failure, Failure)
    assert (failure.kind, stream.sent) == ("unreachable", 1)
    assert stream.replies[0].cancelled


def test_no_call_is_sent_a_third_time() -> None:
    stream = Stream([RayActorError()], [RayActorError()], [LAST])
    (failure,) = told(stream)
    assert isinstance(failure, Failure)
    assert (failure.kind, stream.sent) == ("unreachable", 2)


@pytest.mark.parametrize("error", [TimeoutError(), RayTaskError("call", "trace", ValueError())])
def test_nothing_else_is_sent_again(error: Exception) -> None:
    stream = Stream([error], [LAST])
    (failure,) = told(stream)
    assert isinstance(failure, Failure)
    assert stream.sent == 1


def test_a_replica_that_dies_after_its_last_word_has_said_it() -> None:
    stream = Stream([LAST, RayActorError()])
    assert told(stream) == [LAST]
