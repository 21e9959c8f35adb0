import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace

import pytest
from fakes.patience import upstream_rules

from deployments.attempt import Desk, Listening
from deployments.gate import Gate, Purse
from deployments.prices import PriceBook
from deployments.provider import Ended, Failed, Metered, ProviderEvent
from deployments.retrying import Moment, Next, Retrying, Upstream, next_move, persist
from tercet.budget import Admission, Denied, Granted
from tercet.call import Call, Completion, Delta, Failure, FailureKind, Item, Prompt, Retry
from tercet.catalog import Model
from tercet.config import load
from tercet.ledger import Reservation, Sent, Settlement
from tercet.rules import UpstreamRules
from tercet.task import turn
from tercet.usage import Usage

AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC
CONFIG = load()
RULES = upstream_rules()
OPUS, ARGON = "claude-opus-5-5", "gemini-4-argon"
CALL = Call(
    task_id="req_1",
    key_id="default",
    tier="tier1",
    model=OPUS,
    alternates=(ARGON,),
    role="brain",
    round=1,
    prompt=Prompt(system="", messages=(turn("user", "Hi"),), max_output_tokens=100),
    deadline_at=AT + 600,
    wants_deltas=True,
)
ALONE = replace(CALL, alternates=())
WELL = (
    Metered(usage=Usage(fresh_input=10, output=5), upstream_id="msg_1"),
    Delta("Hello"),
    Ended(finish="stop"),
)


def failure(
    kind: FailureKind, model: str = OPUS, *, made: bool = True, retry_after_s: float | None = None
) -> Failure:
    return Failure(
        model=model,
        kind=kind,
        message="",
        attempt_id="att" if made else None,
        retry_after_s=retry_after_s,
    )


def move(call: Call, *failures: Failure, rules: UpstreamRules = RULES) -> Next | None:
    moment = Moment(left_s=call.deadline_at - AT, chance=0.5)
    return next_move(call, failures, rules, moment)


def test_the_seats_own_model_is_asked_first_and_at_once() -> None:
    assert move(CALL) == Next(model=OPUS)


def test_a_fast_failure_is_repeated_once_before_the_alternate_is_asked() -> None:
    first = failure("overloaded")
    assert move(CALL, first) == Next(model=OPUS, after_s=0.125)
    assert move(CALL, first, first) == Next(model=ARGON)
    assert move(CALL, first, first, failure("overloaded", ARGON)) is None


@pytest.mark.parametrize("kind", ["unreachable", "timeout", "truncated", "exhausted", "empty"])
def test_any_other_failure_goes_to_the_alternate_at_once(kind: FailureKind) -> None:
    assert move(CALL, failure(kind)) == Next(model=ARGON)


def test_back_off_doubles_under_a_cap_with_full_jitter() -> None:
    rules = upstream_rules(backoff_base_s=0.25, backoff_cap_s=0.4)
    one = failure("overloaded")
    most = Moment(left_s=600, chance=1.0)
    waits = [next_move(ALONE, [one] * n, rules, most) for n in (1, 2)]
    assert waits == [Next(model=OPUS, after_s=0.25), Next(model=OPUS, after_s=0.4)]
    least = Moment(left_s=600, chance=0.0)
    assert next_move(ALONE, [one], rules, least) == Next(model=OPUS)


def test_a_model_whose_breaker_has_opened_is_not_waited_for() -> None:
    shut = Moment(left_s=600, chance=0.5, is_shut=True)
    assert next_move(CALL, [failure("overloaded")], RULES, shut) == Next(model=ARGON)
    assert next_move(ALONE, [failure("overloaded")], RULES, shut) is None


def test_no_call_is_attempted_more_than_three_times() -> None:
    assert move(ALONE, *[failure("unavailable")] * 3) is None


@pytest.mark.parametrize("kind", ["bad_request", "too_long", "unauthorised", "timeout", "unpriced"])
def test_what_would_fail_again_is_not_repeated(kind: FailureKind) -> None:
    assert move(ALONE, failure(kind)) is None


@pytest.mark.parametrize("kind", ["ledger", "abandoned"])
def test_nobody_is_asked_after_a_final_failure(kind: FailureKind) -> None:
    assert move(CALL, failure(kind)) is None


@pytest.mark.parametrize(
    ("retry_after_s", "after_s"), [(0.0, 0.125), (1.0, 1.125), (6.0, 6.125), (30.0, 30.0)]
)
def test_a_short_retry_after_is_honoured(retry_after_s: float, after_s: float) -> None:
    limited = failure("rate_limited", retry_after_s=retry_after_s)
    assert move(CALL, limited) == Next(model=OPUS, after_s=after_s)


def test_a_long_retry_after_goes_to_the_alternate_at_once() -> None:
    assert move(CALL, failure("rate_limited", retry_after_s=3_600.0)) == Next(model=ARGON)
    assert move(ALONE, failure("rate_limited", retry_after_s=3_600.0)) is None


def test_nothing_is_waited_for_that_would_eat_half_of_what_time_is_left() -> None:
    hurried = replace(ALONE, deadline_at=AT + 2)
    assert move(hurried, failure("rate_limited", retry_after_s=1.0)) is None


def test_a_refusal_of_our_own_gate_is_not_an_attempt() -> None:
    shut = failure("overloaded", made=False, retry_after_s=4.0)
    assert move(CALL, shut) == Next(model=ARGON)
    assert move(CALL, shut, failure("overloaded", ARGON, made=False)) is None


def test_a_cheaper_alternate_may_fit_a_budget_the_seat_does_not() -> None:
    assert move(CALL, failure("over_budget", made=False)) == Next(model=ARGON)


class Books:
    """Books that grant everything, or deny it."""

    def __init__(self, denied: Denied | None = None) -> None:
        self.denied = denied
        self.settled: list[Settlement] = []
        self.first_settled = asyncio.Event()

    async def reserve(self, row: Reservation) -> Admission:
        return self.denied or Granted(nano_usd=0, output_tokens=row.ask.output_tokens)

    def mark_sent(self, row: Sent) -> None: ...

    async def settle(self, row: Settlement) -> None:
        self.settled.append(row)
        self.first_settled.set()


class Scripted:
    """A provider that plays its answers in turn; the last is repeated."""

    def __init__(self, *answers: tuple[ProviderEvent, ...]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def stream(
        self, model: str, prompt: Prompt, attempt_id: str
    ) -> AsyncGenerator[ProviderEvent, None]:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(attempt_id)
        for event in answer:
            yield event
        await asyncio.Event().wait()

    async def close(self) -> None: ...


def down(kind: FailureKind = "unavailable") -> tuple[ProviderEvent, ...]:
    return (Failed(kind=kind, message="down", billed="no"),)


class House:
    """A replica without Ray: two providers, its gates, purse and books."""

    def __init__(self, a: Scripted, b: Scripted, **rules: object) -> None:
        self.books = Books()
        self.a, self.b = a, b
        self.exhausted: list[tuple[str, str]] = []
        chosen = upstream_rules(**({"backoff_base_s": 0.001, "backoff_cap_s": 0.001} | rules))
        self.purse = Purse(rules=chosen, at=AT)
        numbers = iter(range(10**6))
        self.retrying = Retrying(
            upstreams=self._upstreams({OPUS: a, ARGON: b}, chosen),
            rules=chosen,
            purse=self.purse,
            desk=Desk(
                books=self.books,
                prices=PriceBook(CONFIG.prices),
                limits=CONFIG.rules.limits,
                simulated=True,
                clock=lambda: AT,
                new_id=lambda: f"att_{next(numbers)}",
            ),
            chance=lambda: 0.5,
            note_exhausted=lambda provider, why: self.exhausted.append((provider, why)),
        )

    def _upstreams(
        self, providers: Mapping[str, Scripted], rules: UpstreamRules
    ) -> dict[str, Upstream]:
        return {
            name: Upstream(
                model=self._model(name),
                provider=provider,
                gate=Gate(model=name, rules=rules, chance=lambda: 1.0),
                places=asyncio.Semaphore(rules.concurrency),
            )
            for name, provider in providers.items()
        }

    def _model(self, name: str) -> Model:
        return CONFIG.catalog.models[name]

    def ask(self, call: Call = CALL) -> list[Item]:
        return asyncio.run(self.asking(call))

    async def asking(self, call: Call = CALL, listening: Listening | None = None) -> list[Item]:
        items: list[Item] = []
        await persist(call, self.retrying, listening or Listening(), items.append)
        return items


def test_every_attempt_has_a_row_and_an_id_of_its_own() -> None:
    house = House(Scripted(down(), WELL), Scripted(WELL))
    retry, delta, last = house.ask()
    assert isinstance(retry, Retry)
    assert (retry.model, retry.failure.attempt_id) == (OPUS, "att_0")
    assert delta == Delta("Hello")
    assert isinstance(last, Completion)
    assert (last.model, last.attempt_id) == (OPUS, "att_1")
    assert [row.state for row in house.books.settled] == ["void", "settled"]


def test_the_alternate_answers_for_a_seat_whose_provider_is_down() -> None:
    house = House(Scripted(down("unreachable")), Scripted(WELL))
    *_, last = house.ask()
    assert isinstance(last, Completion)
    assert last.model == ARGON
    assert (len(house.a.asked), len(house.b.asked)) == (1, 1)


def test_once_the_breaker_is_open_the_alternate_is_asked_without_a_post_to_the_first() -> None:
    house = House(Scripted(down("unreachable")), Scripted(WELL))
    lasts = [house.ask()[-1] for _ in range(100)]
    assert all(isinstance(last, Completion) for last in lasts)
    assert (len(house.a.asked), len(house.b.asked)) == (5, 100)


def test_nothing_is_retried_after_the_first_content() -> None:
    broken = (Delta("Hel"), Failed(kind="truncated", message="cut", billed="maybe"))
    house = House(Scripted(broken), Scripted(WELL))
    delta, last = house.ask()
    assert delta == Delta("Hel")
    assert isinstance(last, Failure)
    assert last.kind == "truncated"
    assert house.b.asked == []


def test_content_nobody_was_sent_yet_does_not_stand_in_the_way_of_a_retry() -> None:
    broken = (Delta("Hel"), Failed(kind="truncated", message="cut", billed="maybe"))
    house = House(Scripted(broken), Scripted(WELL))
    *_, last = house.ask(replace(CALL, wants_deltas=False))
    assert isinstance(last, Completion)
    assert (last.model, last.text) == (ARGON, "Hello")


def test_without_a_token_nothing_is_retried() -> None:
    house = House(Scripted(down()), Scripted(WELL), purse_capacity=1, purse_per_s=0)
    assert isinstance(house.ask()[-1], Failure)
    assert (len(house.a.asked), len(house.b.asked)) == (2, 0)
    assert isinstance(house.ask()[-1], Failure)
    assert (len(house.a.asked), len(house.b.asked)) == (3, 0)


def test_when_everything_is_down_the_posts_stay_a_fraction_of_the_calls() -> None:
    house = House(Scripted(down()), Scripted(down()), purse_per_s=0, breaker_failures=10**6)
    for _ in range(1_000):
        assert isinstance(house.ask()[-1], Failure)
    posts = len(house.a.asked) + len(house.b.asked)
    assert posts <= 1_000 * 1.1 + 50


def test_an_exhausted_provider_is_reported_and_the_alternate_answers() -> None:
    house = House(Scripted(down("exhausted")), Scripted(WELL))
    assert isinstance(house.ask()[-1], Completion)
    assert house.exhausted == [("anthropic", "down")]


def test_a_budget_that_denies_everything_asks_nobody() -> None:
    house = House(Scripted(WELL), Scripted(WELL))
    house.books.denied = Denied(scope="month", left_nano_usd=0, is_spent=True)
    assert [type(item) for item in house.ask()] == [Retry, Failure]
    assert (house.a.asked, house.b.asked) == ([], [])


def test_a_model_without_a_client_is_a_failure_and_the_alternate_answers() -> None:
    house = House(Scripted(WELL), Scripted(WELL))
    retry, *_, last = house.ask(replace(CALL, model="claude-haiku-5-5"))
    assert isinstance(retry, Retry)
    assert retry.failure.message == "tier1 has no client for claude-haiku-5-5"
    assert isinstance(last, Completion)


def test_more_calls_than_places_wait_and_then_go_elsewhere() -> None:
    async def main() -> list[list[Item]]:
        house = House(Scripted(()), Scripted(WELL), concurrency=2, concurrency_wait_s=0.01)
        waiting = [Listening(), Listening()]
        async with asyncio.TaskGroup() as together:
            stuck = [together.create_task(house.asking(ALONE, one)) for one in waiting]
            await asyncio.sleep(0)
            third = await house.asking()
            for one in waiting:
                one.cut()
        return [third, *(job.result() for job in stuck)]

    (retry, *_, last), *_ = asyncio.run(main())
    assert isinstance(retry, Retry)
    assert retry.failure.message == "not asked: too many calls to it are under way"
    assert isinstance(last, Completion)
    assert last.model == ARGON


def test_a_caller_who_leaves_during_the_wait_is_not_retried_for() -> None:
    async def main() -> tuple[House, list[Item]]:
        house = House(Scripted(down()), Scripted(WELL), backoff_base_s=600, backoff_cap_s=600)
        listening = Listening()
        call = replace(ALONE, deadline_at=AT + 3_600)
        asked = asyncio.create_task(house.asking(call, listening))
        await house.books.first_settled.wait()
        listening.cut()
        return house, await asked

    house, items = asyncio.run(main())
    last = items[-1]
    assert isinstance(last, Failure)
    assert last.kind == "abandoned"
    assert len(house.a.asked) == 1
