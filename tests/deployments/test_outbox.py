import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.outbox import COALESCE_CHARS, Item, Outbox
from tercet.call import Completion, Delta, Failure
from tercet.usage import Usage

LAST = Completion(
    attempt_id="att_1",
    model="claude-opus-5-5",
    parts=(),
    finish="stop",
    usage=Usage(),
    cost_nano_usd=0,
    first_token_s=0.0,
    latency_s=0.0,
)
FAILED = Failure(model="claude-opus-5-5", kind="truncated", message="cut")
BUG = Failure(
    model="claude-opus-5-5",
    kind="unavailable",
    message="internal error; the log of the tier's proxy has the trace",
)


async def others_run() -> None:
    """Let every task that can go on do so, without letting time pass."""
    for _ in range(20):
        await asyncio.sleep(0)


async def all_of(outbox: Outbox) -> list[Item]:
    return [item async for item in outbox.items()]


def collected(*bursts: Sequence[Item]) -> list[Item]:
    """Send each burst in one go, letting the reader run in between, and return what it read."""

    async def main() -> list[Item]:
        outbox = Outbox("claude-opus-5-5")
        reader = asyncio.create_task(all_of(outbox))
        for burst in bursts:
            for item in burst:
                outbox.send(item)
            await others_run()
        return await reader

    return asyncio.run(main())


def test_the_first_delta_is_handed_on_at_once() -> None:
    async def main() -> bool:
        outbox = Outbox("claude-opus-5-5")
        first = asyncio.create_task(anext(outbox.items()))
        outbox.send(Delta("Hel"))
        await others_run()
        return first.done() and first.result() == Delta("Hel")

    assert asyncio.run(main())


def test_deltas_after_the_first_are_joined_into_one() -> None:
    later = [Delta(text) for text in ("lo", ", ", "world")]
    assert collected([Delta("Hel")], [*later, LAST]) == [Delta("Hel"), Delta("lo, world"), LAST]


def test_a_delta_that_lingers_is_handed_on_without_further_news() -> None:
    async def main() -> list[Item]:
        outbox = Outbox("claude-opus-5-5")
        items = outbox.items()
        outbox.send(Delta("Hel"))
        read: list[Item] = [await anext(items)]
        outbox.send(Delta("lo"))
        read.append(await anext(items))
        outbox.send(LAST)
        return [*read, *[item async for item in items]]

    assert asyncio.run(main()) == [Delta("Hel"), Delta("lo"), LAST]


def test_a_large_delta_does_not_linger() -> None:
    async def main() -> bool:
        outbox = Outbox("claude-opus-5-5")
        items = outbox.items()
        outbox.send(Delta("Hel"))
        await anext(items)
        large = asyncio.create_task(anext(items))
        outbox.send(Delta("x" * COALESCE_CHARS))
        await others_run()
        return large.done() and large.result() == Delta("x" * 2_000)

    assert asyncio.run(main())


def test_an_empty_delta_is_no_news_to_anybody() -> None:
    assert collected([Delta("")], [Delta("Hi")], [Delta("")], [LAST]) == [Delta("Hi"), LAST]


@pytest.mark.parametrize("last", [LAST, FAILED])
def test_an_attempt_without_text_is_its_last_word_alone(last: Completion | Failure) -> None:
    assert collected([last]) == [last]


@given(st.lists(st.lists(st.text(max_size=900), max_size=4), max_size=8), st.booleans())
def test_no_text_is_lost_and_the_last_word_comes_last_and_once(
    bursts: list[list[str]], with_the_last_burst: bool
) -> None:
    sent: list[list[Item]] = [[Delta(text) for text in burst] for burst in bursts]
    if with_the_last_burst and sent:
        sent[-1].append(LAST)
    else:
        sent.append([LAST])
    *deltas, last = collected(*sent)
    texts = [item.text for item in deltas if isinstance(item, Delta)]
    assert len(texts) == len(deltas)
    assert "".join(texts) == "".join(text for burst in bursts for text in burst)
    assert "" not in texts
    assert last is LAST


async def crash(outbox: Outbox, *said: Item) -> None:
    for item in said:
        outbox.send(item)
    raise RuntimeError("a bug")


def test_an_attempt_that_crashes_ends_in_a_failure_after_what_it_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> list[Item]:
        outbox = Outbox("claude-opus-5-5")
        job = asyncio.create_task(crash(outbox, Delta("Hel")))
        job.add_done_callback(outbox.end)
        return await all_of(outbox)

    assert asyncio.run(main()) == [Delta("Hel"), BUG]
    (record,) = caplog.records
    assert record.getMessage() == "an attempt ended in a bug"
    assert str(record.exc_info[1] if record.exc_info else None) == "a bug"


def test_a_crash_after_the_last_word_adds_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> list[Item]:
        outbox = Outbox("claude-opus-5-5")
        job = asyncio.create_task(crash(outbox, LAST))
        job.add_done_callback(outbox.end)
        await asyncio.wait([job])
        return await all_of(outbox)

    assert asyncio.run(main()) == [LAST]
    assert len(caplog.records) == 1


def test_an_attempt_stopped_by_a_shutdown_ends_in_a_failure() -> None:
    async def speak(outbox: Outbox) -> None:
        outbox.send(Delta("Hel"))
        await asyncio.Event().wait()

    async def main() -> list[Item]:
        outbox = Outbox("claude-opus-5-5")
        job = asyncio.create_task(speak(outbox))
        job.add_done_callback(outbox.end)
        await others_run()
        job.cancel()
        return await all_of(outbox)

    assert asyncio.run(main()) == [Delta("Hel"), BUG]
