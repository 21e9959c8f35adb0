import pytest
from fakes.patience import upstream_rules

from deployments.gate import Gate, Purse, Shut, refused
from tercet.call import Completion, Failure, FailureKind
from tercet.content import Text
from tercet.usage import Usage

WELL = Completion(
    attempt_id="att_1",
    model="opus",
    parts=(Text("Hi"),),
    finish="stop",
    usage=Usage(),
    cost_nano_usd=1,
    first_token_s=0.1,
    latency_s=0.2,
)


def failure(kind: FailureKind, *, made: bool = True, retry_after_s: float | None = None) -> Failure:
    attempt_id = "att_1" if made else None
    return Failure(
        model="opus", kind=kind, message="", attempt_id=attempt_id, retry_after_s=retry_after_s
    )


def gate(chance: float = 1.0, **changes: object) -> Gate:
    return Gate(model="opus", rules=upstream_rules(**changes), chance=lambda: chance)


def fail(at: Gate, times: int, now: float = 0.0, kind: FailureKind = "overloaded") -> None:
    for _ in range(times):
        at.ask(now)
        at.heard(failure(kind), now)


def test_a_model_that_failed_five_times_in_a_row_is_not_asked() -> None:
    opus = gate()
    fail(opus, 4)
    assert opus.ask(0) is None
    opus.heard(failure("overloaded"), 0)
    assert opus.ask(1) == Shut(kind="overloaded", why="5 failures in a row", opens_in_s=4.0)


def test_one_success_between_failures_keeps_it_open() -> None:
    opus = gate()
    fail(opus, 4)
    opus.heard(WELL, 0)
    fail(opus, 4)
    assert opus.ask(0) is None


def test_an_open_breaker_lets_a_probe_through_less_and_less_often() -> None:
    opus = gate()
    fail(opus, 5)
    asked = [second / 2 for second in range(160) if opus.ask(second / 2) is None]
    assert asked == [5.0, 15.0, 35.0, 55.0, 75.0]


def test_a_probe_that_succeeds_closes_it_for_everyone() -> None:
    opus = gate()
    fail(opus, 200)
    assert opus.ask(5.0) is None
    opus.heard(WELL, 5.1)
    assert [opus.ask(5.2) for _ in range(100)] == [None] * 100


@pytest.mark.parametrize(
    "kind", ["bad_request", "too_long", "unauthorised", "refused", "empty", "over_budget"]
)
def test_what_the_client_did_wrong_is_not_the_models_illness(kind: FailureKind) -> None:
    opus = gate()
    fail(opus, 1_000, kind=kind)
    assert not opus.is_open
    assert opus.ask(0) is None


def test_calls_that_were_abandoned_say_nothing_of_the_model() -> None:
    opus = gate()
    fail(opus, 4)
    fail(opus, 1_000, kind="abandoned")
    fail(opus, 1)
    assert opus.is_open


@pytest.mark.parametrize("kind", ["unavailable", "timeout", "truncated", "unreachable"])
def test_what_the_provider_did_wrong_is(kind: FailureKind) -> None:
    opus = gate()
    fail(opus, 5, kind=kind)
    assert opus.is_open


def test_a_provider_that_says_when_is_not_asked_before() -> None:
    opus = gate()
    opus.heard(failure("rate_limited", retry_after_s=20.0), 100.0)
    shut = opus.ask(110.0)
    assert shut == Shut(kind="rate_limited", why="its provider asked to wait", opens_in_s=10.0)
    assert opus.ask(120.0) is None


def test_an_exhausted_provider_is_not_asked_until_its_month_ends() -> None:
    opus = gate()
    opus.exhaust(1_000.0)
    shut = opus.ask(400.0)
    assert shut is not None
    assert (shut.kind, shut.opens_in_s) == ("exhausted", 600.0)
    assert opus.ask(1_000.0) is None


def test_an_operator_can_lift_the_exhaustion() -> None:
    opus = gate()
    opus.exhaust(1_000.0)
    opus.exhaust(0.0)
    assert opus.ask(1.0) is None


def test_a_provider_that_accepts_less_than_half_is_asked_less() -> None:
    opus = gate(breaker_failures=10_000)
    for number in range(100):
        opus.ask(0)
        opus.heard(WELL if number % 4 == 0 else failure("overloaded"), 0)
    # 100 ended, 25 accepted: (100 - 2 x 25 - 10) / 101 of the next are refused here.
    opus.chance = lambda: 0.39
    assert opus.ask(0) is not None
    opus.chance = lambda: 0.40
    assert opus.ask(0) is None


def test_a_handful_of_failures_throttles_nobody() -> None:
    opus = gate(0.0, breaker_failures=10_000)
    fail(opus, 10)
    assert opus.ask(0) is None


def test_attempts_under_way_never_sent_or_abandoned_throttle_nobody() -> None:
    opus = gate(0.0)
    for _ in range(1_000):
        assert opus.ask(0) is None
    for _ in range(100):
        opus.heard(failure("over_budget", made=False), 0)
        opus.heard(failure("abandoned"), 0)
    assert opus.ask(0) is None


def test_what_is_older_than_the_window_is_forgotten() -> None:
    opus = gate(0.0, breaker_failures=10_000)
    fail(opus, 50)
    assert opus.ask(119.0) is not None
    assert opus.ask(121.0) is None


def test_a_purse_pays_what_it_holds_and_earns_a_fraction_of_each_call() -> None:
    purse = Purse(rules=upstream_rules(purse_capacity=3, purse_per_s=0), at=0.0)
    assert [purse.pay(0) for _ in range(4)] == [True, True, True, False]
    for _ in range(11):
        purse.earn(0)
    assert [purse.pay(0), purse.pay(0)] == [True, False]


def test_time_earns_too_and_a_clock_that_jumps_back_takes_nothing() -> None:
    purse = Purse(rules=upstream_rules(purse_capacity=1, purse_per_s=1), at=10.0)
    assert purse.pay(10.0)
    assert not purse.pay(5.0)
    assert purse.pay(6.0)
    assert [purse.pay(1_000.0), purse.pay(1_000.0)] == [True, False]


def test_a_refusal_of_ours_says_why_and_when() -> None:
    shut = Shut(kind="overloaded", why="5 failures in a row", opens_in_s=4.0)
    assert refused("opus", shut) == Failure(
        model="opus",
        kind="overloaded",
        message="not asked: 5 failures in a row; again in 4 s",
        retry_after_s=4.0,
    )
