import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from deployments.attempt import Asking, Books, Desk, Listening, attempt
from deployments.evidence import most_input_tokens
from deployments.prices import GENAI_PRICES, PriceBook
from deployments.provider import Alive, Ended, Failed, Metered, ProviderEvent
from tercet.budget import Admission, Denied, Granted
from tercet.call import Call, Completion, Delta, Failure, FailureKind, FinishReason, Outcome, Prompt
from tercet.catalog import Model, ProviderName
from tercet.config import load
from tercet.content import Text
from tercet.ledger import Reservation, Sent, Settlement, month_of
from tercet.rules import Limits
from tercet.task import turn
from tercet.usage import Usage

AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC
NOT_IN_THIS_TEST_S = 3_600.0
AT_ONCE_S = 0.02
PRICES = PriceBook(load().prices)
PROMPT = Prompt(system="Be brief.", messages=(turn("user", "Hi"),), max_output_tokens=1_000)
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

    async def stream(
        self, model: str, prompt: Prompt, attempt_id: str
    ) -> AsyncGenerator[ProviderEvent, None]:
        assert attempt_id == "att_1"
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


class Notebook:
    """Books in memory that say yes, or what they are told to say."""

    def __init__(self, admission: Admission | None = None) -> None:
        self.admission = admission
        self.reserved: list[Reservation] = []
        self.sent: list[Sent] = []
        self.settled: list[Settlement] = []

    async def reserve(self, row: Reservation) -> Admission:
        if isinstance(self.admission, Denied):
            return self.admission
        self.reserved.append(row)
        whole = Granted(nano_usd=0, output_tokens=row.ask.output_tokens)
        return self.admission or whole

    def mark_sent(self, row: Sent) -> None:
        self.sent.append(row)

    async def settle(self, row: Settlement) -> None:
        self.settled.append(row)

    @property
    def only(self) -> tuple[object, ...]:
        """What a reader of the books wants of the only settlement."""
        (row,) = self.settled
        usage = row.usage
        counts = (usage.fresh_input, usage.output, row.settled_nano_usd)
        return (row.state, row.outcome, row.usage_source, *counts)


class Refusing(Notebook):
    """A ledger that cannot write a reservation."""

    async def reserve(self, row: Reservation) -> Admission:
        raise OSError("database is locked")


class Forgetting(Notebook):
    """A ledger that breaks between the two writes."""

    async def settle(self, row: Settlement) -> None:
        raise OSError("disk I/O error")


@pytest.fixture
def books() -> Notebook:
    return Notebook()


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
    provider: Scripted,
    at: Desk,
    call: Call = CALL,
    asked: Model = OPUS,
    listening: Listening | None = None,
) -> tuple[list[Delta], Outcome]:
    sent: list[Delta] = []

    async def main() -> Outcome:
        asking = Asking(
            call=call,
            model=asked,
            provider=provider,
            listening=listening or Listening(),
            send=sent.append,
        )
        return await attempt(asking, at)

    return sent, asyncio.run(main())


def failing(provider: Scripted, at: Desk, call: Call = CALL) -> Failure:
    _, outcome = run(provider, at, call)
    assert isinstance(outcome, Failure)
    return outcome


def completing(provider: Scripted, at: Desk, call: Call = CALL) -> Completion:
    _, outcome = run(provider, at, call)
    assert isinstance(outcome, Completion)
    return outcome


def test_a_completion_carries_the_whole_text_its_usage_and_its_exact_cost(books: Notebook) -> None:
    clock = Clock()
    provider = Scripted(OPENING, 0.5, Delta("Hel"), 0.25, *COMPLETE[2:], clock=clock)
    assert completing(provider, desk(books, clock=clock)) == Completion(
        attempt_id="att_1",
        model="claude-opus-5-5",
        parts=(Text("Hello"),),
        finish="stop",
        usage=Usage(fresh_input=1_000, output=1_000),
        cost_nano_usd=24_000_000,
        first_token_s=0.5,
        latency_s=0.75,
        simulated=True,
    )
    assert books.only == ("settled", "complete", "provider", 1_000, 1_000, 24_000_000)


def test_the_row_says_who_asked_whom_for_what(books: Notebook) -> None:
    run(Scripted(*COMPLETE), desk(books))
    (row,) = books.reserved
    assert (row.attempt_id, row.task_id, row.key_id) == ("att_1", "req_1", "default")
    assert (row.tier, row.provider, row.model) == ("tier1", "anthropic", "claude-opus-5-5")
    assert (row.role, row.round, row.price_source) == ("brain", 2, GENAI_PRICES)
    assert row.simulated
    (settlement,) = books.settled
    assert (settlement.attempt_id, settlement.upstream_id) == ("att_1", "msg_1")


def test_the_provider_is_asked_once_for_the_model_and_the_prompt(books: Notebook) -> None:
    provider = Scripted(*COMPLETE)
    run(provider, desk(books))
    assert provider.asked == [("claude-opus-5-5", PROMPT)]


def test_deltas_are_sent_as_they_come_only_to_a_call_that_wants_them(books: Notebook) -> None:
    deltas, last = run(Scripted(*COMPLETE), desk(books), replace(CALL, wants_deltas=True))
    assert deltas == [Delta("Hel"), Delta("lo")]
    assert isinstance(last, Completion)
    assert last.text == "Hello"
    assert run(Scripted(*COMPLETE), desk(books))[0] == []


def test_nothing_is_sent_before_the_row_is_durable(books: Notebook) -> None:
    class Slow(Notebook):
        async def reserve(self, row: Reservation) -> Admission:
            await asyncio.sleep(0)
            assert provider.asked == []
            return await super().reserve(row)

    provider = Scripted(*COMPLETE)
    run(provider, desk(Slow()))
    assert len(provider.asked) == 1


def test_the_providers_opening_count_lowers_what_is_held(books: Notebook) -> None:
    run(Scripted(*COMPLETE), desk(books))
    # 10 tokens read at 4,000 nano-USD, and all 1,000 to be written at 20,000.
    usage = Usage(fresh_input=10, output=1)
    assert books.sent == [
        Sent(attempt_id="att_1", usage=usage, upstream_id="msg_1", bound_nano_usd=20_040_000)
    ]


def test_the_bound_counts_one_token_a_byte_and_an_overhead_for_each_message() -> None:
    prompt = Prompt(
        system="",
        messages=(
            turn("user", "é"),
            turn("assistant", "ab"),
            turn("user", "🌍"),
        ),
        max_output_tokens=1,
    )
    assert most_input_tokens(prompt, OPUS) == 2 + 2 + 4 + 4 * 32


def test_the_upper_bound_of_the_call_is_reserved(books: Notebook) -> None:
    run(Scripted(*COMPLETE), desk(books))
    # 9 + 2 bytes and 2 x 32 tokens at 8,000 nano-USD, 1,000 tokens at 20,000.
    (row,) = books.reserved
    assert row.ask.bound(row.ask.output_tokens) == 20_600_000


def test_a_call_asks_for_no_more_output_than_its_model_can_give(books: Notebook) -> None:
    run(
        Scripted(*COMPLETE),
        desk(books),
        replace(CALL, prompt=replace(PROMPT, max_output_tokens=10**9)),
    )
    assert books.reserved[0].ask.output_tokens == 128_000


def test_the_provider_is_asked_for_no_more_than_the_budget_grants() -> None:
    provider = Scripted(*COMPLETE)
    run(provider, desk(Notebook(Granted(nano_usd=5, output_tokens=300))))
    assert provider.asked == [("claude-opus-5-5", replace(PROMPT, max_output_tokens=300))]


@pytest.mark.parametrize(
    ("denied", "message", "retry_after_s"),
    [
        (
            Denied(scope="month", left_nano_usd=0, is_spent=True),
            "the month's budget is spent",
            None,
        ),
        (
            Denied(scope="key:default", left_nano_usd=7, is_spent=False),
            "the budget of key:default is held by calls under way",
            5.0,
        ),
    ],
)
def test_a_call_the_budget_denies_is_not_made(
    denied: Denied, message: str, retry_after_s: float | None
) -> None:
    provider, books = Scripted(*COMPLETE), Notebook(denied)
    assert failing(provider, desk(books)) == Failure(
        model="claude-opus-5-5", kind="over_budget", message=message, retry_after_s=retry_after_s
    )
    assert (provider.asked, books.settled) == ([], [])


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
def test_the_way_a_completion_ended_is_passed_on(books: Notebook, finish: FinishReason) -> None:
    last = completing(Scripted(FINAL, Delta("Hi"), Ended(finish=finish)), desk(books))
    assert last.finish == finish


def test_a_completion_without_text_has_its_first_token_at_its_end(books: Notebook) -> None:
    clock = Clock()
    provider = Scripted(2.0, FINAL, Ended(finish="length"), clock=clock)
    last = completing(provider, desk(books, clock=clock))
    assert (last.text, last.first_token_s, last.latency_s) == ("", 2.0, 2.0)


def test_an_attempt_is_charged_at_the_price_of_the_moment_it_was_made(books: Notebook) -> None:
    clock = Clock(1_796_083_199.0)  # 2026-11-30 23:59:59 UTC; the price doubles at midnight
    provider = Scripted(2.0, FINAL, Delta("Hi"), Ended(finish="stop"), clock=clock)
    call = replace(CALL, model="gemini-4-argon", deadline_at=clock.now + 600)
    run(provider, desk(books, clock=clock), call, model("gemini-4-argon", "google"))
    (reserved,), (settled,) = books.reserved, books.settled
    assert (month_of(reserved.at), settled.settled_nano_usd) == ("2026-11", 12_000_000)


def test_a_failure_that_bills_nothing_voids_the_attempt(books: Notebook) -> None:
    failed = Failed(kind="rate_limited", message="slow down", billed="no", retry_after_s=3.0)
    assert failing(Scripted(failed), desk(books)) == Failure(
        model="claude-opus-5-5",
        kind="rate_limited",
        message="slow down",
        attempt_id="att_1",
        cost_nano_usd=0,
        retry_after_s=3.0,
    )
    assert books.only == ("void", "rate_limited", "none", 0, 0, 0)


@pytest.mark.parametrize(
    ("said", "output", "nano_usd"),
    [
        ("", 1, 60_000),
        ("Hello world", 3, 100_000),  # 11 bytes at four a token
        ("éééé", 2, 80_000),  # 8 bytes
    ],
)
def test_a_broken_answer_is_estimated_from_counted_input_and_heard_output(
    books: Notebook, said: str, output: int, nano_usd: int
) -> None:
    deltas = [Delta(letter) for letter in said]
    broken = Failed(kind="truncated", message="cut", billed="maybe")
    failure = failing(Scripted(OPENING, *deltas, broken), desk(books))
    assert (failure.kind, failure.cost_nano_usd) == ("truncated", nano_usd)
    assert books.only == ("estimated", "truncated", "estimated", 10, output, nano_usd)


def test_an_estimate_is_never_below_what_the_provider_counted(books: Notebook) -> None:
    broken = Failed(kind="truncated", message="cut", billed="maybe")
    run(Scripted(FINAL, Delta("Hi"), broken), desk(books))
    assert books.only == ("estimated", "truncated", "estimated", 1_000, 1_000, 24_000_000)


def test_an_attempt_nobody_counted_is_charged_its_prompt(books: Notebook) -> None:
    lost = Failed(kind="unreachable", message="reset", billed="maybe")
    run(Scripted(lost), desk(books))
    # 9 + 2 bytes at four a token, rounded up, at 4,000 nano-USD.
    assert books.only == ("estimated", "unreachable", "estimated", 3, 0, 12_000)


def test_an_unusable_answer_that_was_counted_is_settled_as_counted(books: Notebook) -> None:
    empty = Failed(kind="empty", message="no text", billed="as_metered")
    failure = failing(Scripted(FINAL, empty), desk(books))
    assert (failure.kind, failure.cost_nano_usd) == ("empty", 24_000_000)
    assert books.only == ("settled", "empty", "provider", 1_000, 1_000, 24_000_000)


def test_a_whole_answer_without_a_count_is_estimated_and_not_free(books: Notebook) -> None:
    last = completing(Scripted(Delta("Hello"), Ended(finish="stop")), desk(books))
    assert (last.text, last.cost_nano_usd) == ("Hello", 3 * 4_000 + 2 * 20_000)
    assert books.only == ("estimated", "complete", "estimated", 3, 2, 52_000)


def test_a_model_without_a_price_is_not_asked_and_leaves_no_row(books: Notebook) -> None:
    provider = Scripted(*COMPLETE)
    call = replace(CALL, model="claude-opus-99")
    assert run(provider, desk(books), call, model("claude-opus-99"))[1] == Failure(
        model="claude-opus-99",
        kind="unpriced",
        message="no price is known for claude-opus-99; add one to config/prices.yaml",
    )
    assert (provider.asked, books.reserved) == ([], [])


def test_a_provider_is_not_asked_when_the_attempt_cannot_be_recorded() -> None:
    provider, books = Scripted(*COMPLETE), Refusing()
    assert failing(provider, desk(books)) == Failure(
        model="claude-opus-5-5",
        kind="ledger",
        message="not recorded: database is locked",
    )
    assert provider.asked == []
    # Whether the reservation was recorded is not known: if it was, it is void.
    assert books.only == ("void", "ledger", "none", 0, 0, 0)


def test_an_answer_that_was_paid_for_is_sent_also_when_it_cannot_be_settled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    last = completing(Scripted(*COMPLETE), desk(Forgetting()))
    assert (last.text, last.cost_nano_usd) == ("Hello", 24_000_000)
    assert [record.getMessage() for record in caplog.records] == ["attempt not settled"]


def test_silence_before_the_first_event_times_out(books: Notebook) -> None:
    provider = Scripted()
    failure = failing(provider, desk(books, first_event_s=AT_ONCE_S))
    assert (failure.kind, failure.attempt_id) == ("timeout", "att_1")
    assert books.only[:2] == ("estimated", "timeout")


def test_silence_between_two_events_times_out(books: Notebook) -> None:
    provider = Scripted(OPENING, Delta("Hel"))
    failure = failing(provider, desk(books, between_events_s=AT_ONCE_S))
    assert failure.kind == "timeout"
    assert books.only == ("estimated", "timeout", "estimated", 10, 1, 60_000)


@pytest.mark.parametrize("script", [(), (OPENING, Delta("Hel"))])
def test_the_deadline_ends_an_attempt_before_its_other_limits(
    books: Notebook, script: tuple[ProviderEvent, ...]
) -> None:
    call = replace(CALL, deadline_at=AT + AT_ONCE_S)
    failure = failing(Scripted(*script), desk(books), call)
    assert failure.kind == "timeout"
    assert books.only[:2] == ("estimated", "timeout")


def test_the_stream_of_a_silent_provider_is_closed(books: Notebook) -> None:
    provider = Scripted(OPENING)
    run(provider, desk(books, between_events_s=AT_ONCE_S))
    assert provider.left == 1


@pytest.mark.parametrize("deadline_at", [AT, AT - 1])
def test_a_call_that_comes_too_late_is_not_made(books: Notebook, deadline_at: float) -> None:
    provider = Scripted(*COMPLETE)
    assert failing(provider, desk(books), replace(CALL, deadline_at=deadline_at)) == Failure(
        model="claude-opus-5-5", kind="timeout", message="no time is left to ask"
    )
    assert (provider.asked, books.reserved) == ([], [])


@pytest.mark.parametrize("kind", ["overloaded", "exhausted", "too_long", "unauthorised"])
def test_the_kind_of_a_failure_is_its_outcome_in_the_books(
    books: Notebook, kind: FailureKind
) -> None:
    run(Scripted(Failed(kind=kind, message="no", billed="no")), desk(books))
    assert books.settled[0].outcome == kind


def test_a_model_that_thinks_is_not_silent(books: Notebook) -> None:
    class Thinking(Scripted):
        async def stream(
            self, model: str, prompt: Prompt, attempt_id: str
        ) -> AsyncGenerator[ProviderEvent, None]:
            for _ in range(10):
                await asyncio.sleep(AT_ONCE_S / 4)
                yield Alive()
            for event in COMPLETE:
                yield event

    assert completing(Thinking(), desk(books, between_events_s=AT_ONCE_S)).text == "Hello"


@pytest.mark.parametrize(
    ("count", "booked"),
    [
        # A count that shrinks: usage is cumulative.
        (Usage(fresh_input=10, output=0), ("estimated", "complete", "estimated", 10, 2, 80_000)),
        # More than the model can write.
        (
            Usage(fresh_input=10, output=1_170_000),
            ("settled", "complete", "provider", 10, 128_000, 2_560_040_000),
        ),
        # More than it can read: one token a byte is the most there was.
        (
            Usage(fresh_input=10**12, output=5),
            ("settled", "complete", "provider", 75, 5, 400_000),
        ),
    ],
)
def test_an_impossible_count_is_clamped_and_flagged(
    books: Notebook, count: Usage, booked: tuple[object, ...]
) -> None:
    wrong = Metered(usage=count, upstream_id="msg_1")
    run(Scripted(OPENING, Delta("Hello"), wrong, Ended(finish="stop")), desk(books))
    assert books.only == booked
    assert books.settled[0].flag in {"doubtful_usage", "over_reserved"}


def test_a_count_the_adapter_doubts_is_not_taken_for_the_bill(books: Notebook) -> None:
    doubtful = Metered(usage=Usage(output=5), upstream_id="msg_1", is_doubtful=True)
    run(Scripted(doubtful, Delta("Hello"), Ended(finish="stop")), desk(books))
    assert books.only == ("estimated", "complete", "estimated", 3, 5, 112_000)
    assert books.settled[0].flag == "doubtful_usage"


def test_more_than_was_reserved_is_booked_in_full_and_flagged(books: Notebook) -> None:
    more = Metered(usage=Usage(fresh_input=10, output=2_000), upstream_id="msg_1")
    run(Scripted(more, Delta("Hello"), Ended(finish="stop")), desk(books))
    assert books.only == ("settled", "complete", "provider", 10, 2_000, 40_040_000)
    assert books.settled[0].flag == "over_reserved"


def left(*script: ProviderEvent, cut: bool) -> tuple[Notebook, Outcome]:
    """Play a script whose caller leaves after its last event."""
    books, listening = Notebook(), Listening()

    class Leaving(Scripted):
        async def stream(
            self, model: str, prompt: Prompt, attempt_id: str
        ) -> AsyncGenerator[ProviderEvent, None]:
            for event in script:
                yield event
            loop = asyncio.get_running_loop()
            loop.call_soon(listening.cut if cut else lambda: listening.drain(AT + AT_ONCE_S))
            if not cut:
                await asyncio.sleep(0)
                yield Delta("lo")
            await asyncio.Event().wait()

    return books, run(Leaving(), desk(books), listening=listening)[1]


def test_an_answer_that_is_not_read_on_is_settled_from_what_was_heard() -> None:
    books, outcome = left(OPENING, Delta("Hello"), cut=True)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "abandoned"
    assert books.only == ("estimated", "abandoned", "estimated", 10, 2, 80_000)


def test_an_answer_is_read_on_no_longer_than_its_drain() -> None:
    books, outcome = left(OPENING, Delta("Hel"), cut=False)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "abandoned"
    assert books.only == ("estimated", "abandoned", "estimated", 10, 2, 80_000)


def test_a_call_nobody_waits_for_before_it_is_made_costs_nothing(books: Notebook) -> None:
    provider, listening = Scripted(*COMPLETE), Listening()
    listening.cut()
    _, outcome = run(provider, desk(books), listening=listening)
    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.cost_nano_usd) == ("abandoned", 0)
    assert provider.asked == []
    assert books.only == ("void", "abandoned", "none", 0, 0, 0)
