import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.attempt import Books, Desk, attempt, most_input_tokens
from deployments.ledger import Ledger
from deployments.prices import GENAI_PRICES, PriceBook
from deployments.provider import Ended, Failed, Metered, ProviderEvent
from tercet.call import Call, Completion, Delta, Failure, FailureKind, FinishReason, Prompt
from tercet.catalog import Model, ProviderName
from tercet.config import load
from tercet.ledger import Reservation, Settlement
from tercet.rules import Limits
from tercet.task import Message
from tercet.usage import Usage

AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC
NOT_IN_THIS_TEST_S = 3_600.0
AT_ONCE_S = 0.02
PRICES = PriceBook(load().prices)
PROMPT = Prompt(
    system="Be brief.", messages=(Message(speaker="user", text="Hi"),), max_output_tokens=1_000
)
OPENING = Metered(usage=Usage(fresh_input=10, output=1), upstream_id="msg_1")
FINAL = Metered(usage=Usage(fresh_input=1_000, output=1_000), upstream_id="msg_1")
COMPLETE = (OPENING, Delta("Hel"), Delta("lo"), FINAL, Ended(finish="stop"))


def model(name: str, provider: ProviderName = "anthropic") -> Model:
    return Model(name=name, provider=provider, window_tokens=1_000_000, max_output_tokens=128_000)


OPUS = model("claude-opus-5-5")


class Clock:
    def __init__(self, now: float = AT) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A provider that says its events, letting seconds pass where a number stands, then nothing."""

    def __init__(self, *script: ProviderEvent | float, clock: Clock | None = None) -> None:
        self.asked: list[tuple[str, Prompt]] = []
        self.left = 0
        self._script = script
        self._clock = clock or Clock()

    async def stream(self, model: str, prompt: Prompt) -> AsyncGenerator[ProviderEvent, None]:
        self.asked.append((model, prompt))
        try:
            for item in self._script:
                if isinstance(item, int | float):
                    self._clock.now += item
                else:
                    yield item
            await asyncio.Event().wait()
        finally:
            self.left += 1

    async def close(self) -> None: ...


class Refusing:
    """A ledger that cannot write."""

    async def reserve(self, row: Reservation) -> None:
        raise sqlite3.OperationalError("database is locked")

    async def settle(self, row: Settlement) -> None:
        raise AssertionError("nothing was reserved")


class Forgetting:
    """A ledger that breaks between the two writes."""

    async def reserve(self, row: Reservation) -> None: ...

    async def settle(self, row: Settlement) -> None:
        raise sqlite3.OperationalError("disk I/O error")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with closing(Ledger(path)) as opened:
        yield opened


def desk(
    books: Books,
    *,
    clock: Clock | None = None,
    first_event_s: float = NOT_IN_THIS_TEST_S,
    between_events_s: float = NOT_IN_THIS_TEST_S,
) -> Desk:
    return Desk(
        books=books,
        prices=PRICES,
        limits=Limits(
            deadline_s=NOT_IN_THIS_TEST_S,
            connect_s=NOT_IN_THIS_TEST_S,
            first_event_s=first_event_s,
            between_events_s=between_events_s,
        ),
        simulated=True,
        clock=clock or Clock(),
        new_id=lambda: "att_1",
    )


CALL = Call(
    task_id="req_1",
    key_id="default",
    tier="tier1",
    model="claude-opus-5-5",
    role="brain",
    round=2,
    prompt=PROMPT,
    deadline_at=AT + 600,
)


def run(
    provider: Scripted, at: Desk, call: Call = CALL, asked: Model = OPUS
) -> list[Delta | Completion | Failure]:
    sent: list[Delta | Completion | Failure] = []
    asyncio.run(attempt(call, asked, provider, at, sent.append))
    return sent


def rows(path: Path) -> list[dict[str, object]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM attempts")]


def settled(path: Path) -> tuple[object, ...]:
    """Return what a reader of the books wants of the only row."""
    (row,) = rows(path)
    names = ("state", "outcome", "usage_source", "fresh_input", "output", "settled_nano_usd")
    return tuple(row[name] for name in names)


def test_a_completion_carries_the_whole_text_its_usage_and_its_exact_cost(
    ledger: Ledger, path: Path
) -> None:
    clock = Clock()
    provider = Scripted(OPENING, 0.5, Delta("Hel"), 0.25, *COMPLETE[2:], clock=clock)
    assert run(provider, desk(ledger, clock=clock)) == [
        Completion(
            attempt_id="att_1",
            model="claude-opus-5-5",
            text="Hello",
            finish="stop",
            usage=Usage(fresh_input=1_000, output=1_000),
            cost_nano_usd=24_000_000,
            first_token_s=0.5,
            latency_s=0.75,
            simulated=True,
        )
    ]
    assert settled(path) == ("settled", "complete", "provider", 1_000, 1_000, 24_000_000)


def test_the_row_says_who_asked_whom_for_what(ledger: Ledger, path: Path) -> None:
    run(Scripted(*COMPLETE), desk(ledger))
    (row,) = rows(path)
    expected = {
        "attempt_id": "att_1",
        "task_id": "req_1",
        "key_id": "default",
        "month": "2026-11",
        "tier": "tier1",
        "provider": "anthropic",
        "model": "claude-opus-5-5",
        "role": "brain",
        "round": 2,
        "price_source": GENAI_PRICES,
        "upstream_id": "msg_1",
        "simulated": 1,
    }
    assert {name: row[name] for name in expected} == expected


def test_the_provider_is_asked_once_for_the_model_and_the_prompt(ledger: Ledger) -> None:
    provider = Scripted(*COMPLETE)
    run(provider, desk(ledger))
    assert provider.asked == [("claude-opus-5-5", PROMPT)]


def test_deltas_are_sent_as_they_come_only_to_a_call_that_wants_them(ledger: Ledger) -> None:
    *deltas, last = run(Scripted(*COMPLETE), desk(ledger), replace(CALL, wants_deltas=True))
    assert deltas == [Delta("Hel"), Delta("lo")]
    assert isinstance(last, Completion)
    assert last.text == "Hello"


def test_the_row_is_durable_before_the_provider_answers_and_settled_before_the_last_word(
    ledger: Ledger, path: Path
) -> None:
    seen: list[tuple[str, object]] = []

    def send(item: Delta | Completion | Failure) -> None:
        seen.append((type(item).__name__, rows(path)[0]["state"]))

    call = replace(CALL, wants_deltas=True)
    asyncio.run(attempt(call, OPUS, Scripted(*COMPLETE), desk(ledger), send))
    assert seen == [("Delta", "reserved"), ("Delta", "reserved"), ("Completion", "settled")]


def test_the_bound_counts_one_token_a_byte_and_an_overhead_for_each_message() -> None:
    prompt = Prompt(
        system="",
        messages=(
            Message(speaker="user", text="é"),
            Message(speaker="assistant", text="ab"),
            Message(speaker="user", text="🌍"),
        ),
        max_output_tokens=1,
    )
    assert most_input_tokens(prompt) == 2 + 2 + 4 + 4 * 32


def test_the_upper_bound_of_the_call_is_reserved(ledger: Ledger, path: Path) -> None:
    run(Scripted(*COMPLETE), desk(ledger))
    # 9 + 2 bytes and 2 x 32 tokens at 8,000 nano-USD, 1,000 tokens at 20,000.
    assert rows(path)[0]["reserved_nano_usd"] == 20_600_000


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
def test_the_way_a_completion_ended_is_passed_on(ledger: Ledger, finish: FinishReason) -> None:
    (last,) = run(Scripted(FINAL, Delta("Hi"), Ended(finish=finish)), desk(ledger))
    assert isinstance(last, Completion)
    assert last.finish == finish


def test_a_completion_without_text_has_its_first_token_at_its_end(ledger: Ledger) -> None:
    clock = Clock()
    provider = Scripted(2.0, FINAL, Ended(finish="length"), clock=clock)
    (last,) = run(provider, desk(ledger, clock=clock))
    assert isinstance(last, Completion)
    assert (last.text, last.first_token_s, last.latency_s) == ("", 2.0, 2.0)


def test_an_attempt_is_charged_at_the_price_of_the_moment_it_was_made(
    ledger: Ledger, path: Path
) -> None:
    clock = Clock(1_796_083_199.0)  # 2026-11-30 23:59:59 UTC; the price doubles at midnight
    provider = Scripted(2.0, FINAL, Delta("Hi"), Ended(finish="stop"), clock=clock)
    call = replace(CALL, model="gemini-4-argon", deadline_at=clock.now + 600)
    run(provider, desk(ledger, clock=clock), call, model("gemini-4-argon", "google"))
    (row,) = rows(path)
    assert (row["month"], row["settled_nano_usd"]) == ("2026-11", 12_000_000)


def test_a_failure_that_bills_nothing_voids_the_attempt(ledger: Ledger, path: Path) -> None:
    failed = Failed(kind="rate_limited", message="slow down", billed="no", retry_after_s=3.0)
    assert run(Scripted(failed), desk(ledger)) == [
        Failure(
            model="claude-opus-5-5",
            kind="rate_limited",
            message="slow down",
            attempt_id="att_1",
            cost_nano_usd=0,
            retry_after_s=3.0,
        )
    ]
    assert settled(path) == ("void", "rate_limited", "none", 0, 0, 0)


@pytest.mark.parametrize(
    ("said", "output", "nano_usd"),
    [
        ("", 1, 60_000),
        ("Hello world", 3, 100_000),  # 11 bytes at four a token
        ("éééé", 2, 80_000),  # 8 bytes
    ],
)
def test_a_broken_answer_is_estimated_from_counted_input_and_heard_output(
    ledger: Ledger, path: Path, said: str, output: int, nano_usd: int
) -> None:
    deltas = [Delta(letter) for letter in said]
    broken = Failed(kind="truncated", message="cut", billed="maybe")
    (failure,) = run(Scripted(OPENING, *deltas, broken), desk(ledger))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.cost_nano_usd) == ("truncated", nano_usd)
    assert settled(path) == ("estimated", "truncated", "estimated", 10, output, nano_usd)


def test_an_estimate_is_never_below_what_the_provider_counted(ledger: Ledger, path: Path) -> None:
    broken = Failed(kind="truncated", message="cut", billed="maybe")
    run(Scripted(FINAL, Delta("Hi"), broken), desk(ledger))
    assert settled(path) == ("estimated", "truncated", "estimated", 1_000, 1_000, 24_000_000)


def test_an_attempt_nobody_counted_is_charged_its_prompt(ledger: Ledger, path: Path) -> None:
    lost = Failed(kind="unreachable", message="reset", billed="maybe")
    run(Scripted(lost), desk(ledger))
    # 9 + 2 bytes at four a token, rounded up, at 4,000 nano-USD.
    assert settled(path) == ("estimated", "unreachable", "estimated", 3, 0, 12_000)


def test_an_unusable_answer_that_was_counted_is_settled_as_counted(
    ledger: Ledger, path: Path
) -> None:
    empty = Failed(kind="empty", message="no text", billed="as_metered")
    (failure,) = run(Scripted(FINAL, empty), desk(ledger))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.cost_nano_usd) == ("empty", 24_000_000)
    assert settled(path) == ("settled", "empty", "provider", 1_000, 1_000, 24_000_000)


def test_a_whole_answer_without_a_count_is_estimated_and_not_free(
    ledger: Ledger, path: Path
) -> None:
    (last,) = run(Scripted(Delta("Hello"), Ended(finish="stop")), desk(ledger))
    assert isinstance(last, Completion)
    assert (last.text, last.cost_nano_usd) == ("Hello", 3 * 4_000 + 2 * 20_000)
    assert settled(path) == ("estimated", "complete", "estimated", 3, 2, 52_000)


def test_a_model_without_a_price_is_not_asked_and_leaves_no_row(ledger: Ledger, path: Path) -> None:
    provider = Scripted(*COMPLETE)
    call = replace(CALL, model="claude-opus-99")
    assert run(provider, desk(ledger), call, model("claude-opus-99")) == [
        Failure(
            model="claude-opus-99",
            kind="unpriced",
            message="no price is known for claude-opus-99; add one to config/prices.yaml",
        )
    ]
    assert provider.asked == []
    assert rows(path) == []


def test_a_provider_is_not_asked_when_the_attempt_cannot_be_recorded() -> None:
    provider = Scripted(*COMPLETE)
    assert run(provider, desk(Refusing())) == [
        Failure(
            model="claude-opus-5-5",
            kind="ledger",
            message="not recorded: database is locked",
        )
    ]
    assert provider.asked == []


def test_an_answer_that_was_paid_for_is_sent_also_when_it_cannot_be_settled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (last,) = run(Scripted(*COMPLETE), desk(Forgetting()))
    assert isinstance(last, Completion)
    assert (last.text, last.cost_nano_usd) == ("Hello", 24_000_000)
    assert [record.getMessage() for record in caplog.records] == ["attempt not settled"]


def test_silence_before_the_first_event_times_out(ledger: Ledger, path: Path) -> None:
    provider = Scripted()
    (failure,) = run(provider, desk(ledger, first_event_s=AT_ONCE_S))
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.attempt_id) == ("timeout", "att_1")
    assert settled(path)[:2] == ("estimated", "timeout")


def test_silence_between_two_events_times_out(ledger: Ledger, path: Path) -> None:
    provider = Scripted(OPENING, Delta("Hel"))
    (failure,) = run(provider, desk(ledger, between_events_s=AT_ONCE_S))
    assert isinstance(failure, Failure)
    assert failure.kind == "timeout"
    assert settled(path) == ("estimated", "timeout", "estimated", 10, 1, 60_000)


@pytest.mark.parametrize("script", [(), (OPENING, Delta("Hel"))])
def test_the_deadline_ends_an_attempt_before_its_other_limits(
    ledger: Ledger, path: Path, script: tuple[ProviderEvent, ...]
) -> None:
    call = replace(CALL, deadline_at=AT + AT_ONCE_S)
    (failure,) = run(Scripted(*script), desk(ledger), call)
    assert isinstance(failure, Failure)
    assert failure.kind == "timeout"
    assert settled(path)[:2] == ("estimated", "timeout")


def test_the_stream_of_a_silent_provider_is_closed(ledger: Ledger) -> None:
    provider = Scripted(OPENING)
    run(provider, desk(ledger, between_events_s=AT_ONCE_S))
    assert provider.left == 1


@pytest.mark.parametrize("deadline_at", [AT, AT - 1])
def test_a_call_that_comes_too_late_is_not_made(
    ledger: Ledger, path: Path, deadline_at: float
) -> None:
    provider = Scripted(*COMPLETE)
    assert run(provider, desk(ledger), replace(CALL, deadline_at=deadline_at)) == [
        Failure(model="claude-opus-5-5", kind="timeout", message="no time is left to ask")
    ]
    assert provider.asked == []
    assert rows(path) == []


@pytest.mark.parametrize("kind", ["overloaded", "exhausted", "too_long", "unauthorised"])
def test_the_kind_of_a_failure_is_its_outcome_in_the_books(
    ledger: Ledger, path: Path, kind: FailureKind
) -> None:
    run(Scripted(Failed(kind=kind, message="no", billed="no")), desk(ledger))
    assert rows(path)[0]["outcome"] == kind
