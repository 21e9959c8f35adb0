import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.surfaces.openai_chat_reply import error_body
from router.surfaces.refusal import failure_refusal, policy_refusal, refusal_headers
from tercet.call import Failure, FailureKind
from tercet.route import Refused

KINDS: tuple[FailureKind, ...] = (
    "overloaded",
    "rate_limited",
    "exhausted",
    "unavailable",
    "timeout",
    "truncated",
    "refused",
    "empty",
    "too_long",
    "bad_request",
    "unauthorised",
    "unreachable",
    "unpriced",
    "over_budget",
    "ledger",
    "abandoned",
)
AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC
RESETS_AT = 1_796_083_200.0  # 2026-12-01 00:00 UTC


def failure(
    kind: FailureKind, message: str = "it failed", retry_after_s: float | None = None
) -> Failure:
    return Failure(model="m", kind=kind, message=message, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("kinds", "status", "code"),
    [
        (("rate_limited",), 429, "rate_limit_exceeded"),
        (("rate_limited", "rate_limited"), 429, "rate_limit_exceeded"),
        (("rate_limited", "overloaded"), 502, "no_answer"),
        (("too_long",), 400, "context_length_exceeded"),
        (("too_long", "too_long"), 400, "context_length_exceeded"),
        (("bad_request",), 400, "invalid_request"),
        (("too_long", "bad_request"), 400, "invalid_request"),
        (("too_long", "unavailable"), 502, "no_answer"),
        (("refused",), 400, "content_filter"),
        (("refused", "overloaded"), 502, "no_answer"),
        (("unauthorised",), 503, "service_unavailable"),
        (("exhausted",), 503, "service_unavailable"),
        (("unpriced",), 503, "service_unavailable"),
        (("ledger",), 503, "ledger_unavailable"),
        (("ledger", "ledger"), 503, "ledger_unavailable"),
        (("ledger", "exhausted"), 503, "service_unavailable"),
        (("ledger", "overloaded"), 502, "no_answer"),
        (("over_budget",), 429, "insufficient_quota"),
        (("over_budget", "over_budget"), 429, "insufficient_quota"),
        (("over_budget", "exhausted"), 503, "service_unavailable"),
        (("over_budget", "overloaded"), 502, "no_answer"),
        (("over_budget", "rate_limited"), 502, "no_answer"),
        (("abandoned",), 502, "no_answer"),
        (("exhausted", "unauthorised"), 503, "service_unavailable"),
        (("exhausted", "timeout"), 502, "no_answer"),
        (("timeout", "timeout"), 504, "timeout"),
        (("timeout", "overloaded"), 502, "no_answer"),
        (("overloaded",), 502, "no_answer"),
        (("unavailable",), 502, "no_answer"),
        (("truncated",), 502, "no_answer"),
        (("empty",), 502, "no_answer"),
        (("unreachable",), 502, "no_answer"),
        ((), 502, "no_answer"),
    ],
)
def test_what_the_caller_is_told_depends_on_every_failure(
    kinds: tuple[FailureKind, ...], status: int, code: str
) -> None:
    refusal = failure_refusal(tuple(failure(kind) for kind in kinds), AT)
    assert (refusal.status, refusal.code) == (status, code)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rate_limited", "rate_limit_error"),
        ("too_long", "invalid_request_error"),
        ("refused", "invalid_request_error"),
        ("ledger", "server_error"),
        ("over_budget", "rate_limit_error"),
        ("timeout", "server_error"),
        ("overloaded", "server_error"),
    ],
)
def test_the_type_of_an_error_follows_who_can_mend_it(kind: FailureKind, expected: str) -> None:
    assert failure_refusal((failure(kind),), AT).type == expected


def test_the_caller_may_come_back_at_the_soonest_time_any_provider_gave() -> None:
    failures = (
        failure("rate_limited", retry_after_s=30.0),
        failure("rate_limited"),
        failure("rate_limited", retry_after_s=4.5),
    )
    assert failure_refusal(failures, AT).retry_after_s == 4.5


def test_no_time_is_made_up_when_no_provider_gave_one() -> None:
    assert failure_refusal((failure("rate_limited"),), AT).retry_after_s is None


def test_a_budget_that_is_spent_comes_back_with_the_month() -> None:
    refusal = failure_refusal((failure("over_budget"),), AT)
    assert (refusal.reset_at, refusal.retry_after_s) == (RESETS_AT, RESETS_AT - AT)
    assert refusal_headers(refusal) == {"retry-after": "658800", "x-should-retry": "false"}


def test_a_budget_that_is_held_comes_back_when_the_first_hold_ends() -> None:
    failures = (failure("over_budget"), failure("over_budget", retry_after_s=2.0))
    refusal = failure_refusal(failures, AT)
    assert (refusal.reset_at, refusal.retry_after_s) == (None, 2.0)
    assert refusal_headers(refusal) == {"retry-after": "2"}


def test_a_ledger_that_cannot_be_written_is_asked_again_in_five_seconds() -> None:
    refusal = failure_refusal((failure("ledger"),), AT)
    assert refusal_headers(refusal) == {"retry-after": "5"}


def test_a_policy_names_the_reset_where_the_budget_has_one() -> None:
    refusal = policy_refusal(Refused(reason="spent", resets_at=RESETS_AT), AT)
    assert (refusal.status, refusal.code) == (429, "insufficient_quota")
    assert (refusal.message, refusal.reset_at) == ("spent", RESETS_AT)
    assert refusal_headers(refusal) == {"retry-after": "658800", "x-should-retry": "false"}


def test_what_a_key_may_never_use_is_forbidden() -> None:
    refusal = policy_refusal(Refused(reason="the key team may not use tier1"), AT)
    assert (refusal.status, refusal.type) == (403, "permission_error")
    assert (refusal.code, refusal_headers(refusal)) == ("model_not_allowed", {})


def test_the_message_names_each_model_and_its_fault() -> None:
    failures = (
        Failure(model="claude-opus-5-5", kind="overloaded", message="busy"),
        Failure(model="gemini-4-argon", kind="timeout", message="no content in 30 s"),
    )
    assert failure_refusal(failures, AT).message == (
        "No model of the route answered; retry. "
        "claude-opus-5-5 (overloaded): busy; gemini-4-argon (timeout): no content in 30 s"
    )


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("POST https://api.anthropic.com/v1/messages failed", "POST [removed] failed"),
        ("see http://10.0.0.7:8000/x?key=abc.", "see [removed]"),
        ("key sk-ant-api03-CANARY_key-0123456789 is revoked", "key [removed] is revoked"),
        ("API key not valid: AIzaSyCANARY0123456789abcdef", "API key not valid: [removed]"),
        ("header Authorization: Bearer CANARY", "header Authorization: [removed]"),
        ("header x-api-key: CANARY", "header x-[removed]"),
        ("GET /v1/models/m:generate?key=CANARY&alt=sse", "GET /v1/models/m:generate[removed]"),
        ("GEMINI_API_KEY is not set", "GEMINI_API_KEY is not set"),
        ("the task-key sk-1 is fine", "the task-key sk-1 is fine"),
    ],
)
def test_keys_and_addresses_do_not_reach_the_caller(said: str, sent: str) -> None:
    refusal = failure_refusal((failure("unauthorised", message=said),), AT)
    assert refusal.message.endswith(f"m (unauthorised): {sent}")


def test_a_long_upstream_text_is_cut_to_2000_characters() -> None:
    failures = (failure("bad_request", message="x" * 9_000),) * 3
    assert len(failure_refusal(failures, AT).message) == 2_000


@given(
    st.lists(
        st.builds(
            Failure,
            model=st.text(),
            kind=st.sampled_from(KINDS),
            message=st.text(alphabet=st.characters()) | st.just("\ud800" * 3_000),
            retry_after_s=st.none() | st.floats(min_value=0),
        ),
        max_size=6,
    )
)
def test_any_failures_become_an_error_that_can_be_sent(failures: list[Failure]) -> None:
    refusal = failure_refusal(tuple(failures), AT)
    assert refusal.status in (400, 429, 502, 503, 504)
    assert len(refusal.message) <= 2_000
    assert error_body(refusal).decode()
