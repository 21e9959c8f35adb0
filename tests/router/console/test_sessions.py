"""Who is signed in."""

import pytest

from router.console.sessions import FAILURES, HOURS, Refused, Sessions

KEY = "the-admin-key"
ISSUED = f"tct_abcdefgh_{'x' * 43}"


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_424_400.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock, key: str = KEY) -> str:
    cookie = Sessions(key, clock).sign_in(key)
    assert isinstance(cookie, str)
    return cookie


def test_the_admin_key_signs_in_also_where_it_was_pasted_with_spaces() -> None:
    sessions = Sessions(KEY, Clock())
    cookie = sessions.sign_in(f"  {KEY}\n")
    assert isinstance(cookie, str)
    assert sessions.is_open(cookie)
    assert KEY not in cookie


def test_another_process_with_the_same_key_knows_the_cookie() -> None:
    assert Sessions(KEY, Clock()).is_open(opened(Clock()))


def test_a_new_key_signs_everybody_out() -> None:
    assert not Sessions("another", Clock()).is_open(opened(Clock()))


def test_a_cookie_expires() -> None:
    clock = Clock()
    sessions, cookie = Sessions(KEY, clock), opened(clock)
    clock.now += HOURS * 3600 - 1
    assert sessions.is_open(cookie)
    clock.now += 1
    assert not sessions.is_open(cookie)


@pytest.mark.parametrize("changed", ["9{}", "{}x", "", "é", "1", "9999999999.", "9999999999"])
def test_a_tampered_cookie_opens_nothing(changed: str) -> None:
    assert not Sessions(KEY, Clock()).is_open(changed.format(opened(Clock())))


def test_without_a_key_nobody_signs_in_and_no_cookie_opens() -> None:
    sessions = Sessions(None, Clock())
    refused = sessions.sign_in("")
    assert isinstance(refused, Refused)
    assert "TERCET_ADMIN_KEY" in refused.why
    assert not sessions.is_open(opened(Clock(), key=""))


def test_an_issued_key_is_told_that_it_does_not_sign_in() -> None:
    refused = Sessions(KEY, Clock()).sign_in(ISSUED)
    assert isinstance(refused, Refused)
    assert "tercet keys" in refused.why


def test_after_five_failures_even_the_right_key_waits_a_minute() -> None:
    clock = Clock()
    sessions = Sessions(KEY, clock)
    for _ in range(FAILURES):
        assert sessions.sign_in("wrong") == Refused(why=_wrong(sessions, clock), wait_s=0)
    refused = sessions.sign_in(KEY)
    assert isinstance(refused, Refused)
    assert refused.wait_s == 61
    clock.now += 60
    assert isinstance(sessions.sign_in(KEY), str)
    assert isinstance(sessions.sign_in("wrong"), Refused)
    assert isinstance(sessions.sign_in(KEY), str)


def _wrong(sessions: Sessions, clock: Clock) -> str:
    refused = Sessions(KEY, clock).sign_in("wrong")
    assert isinstance(refused, Refused)
    return refused.why
