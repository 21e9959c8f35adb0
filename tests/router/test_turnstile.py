from dataclasses import dataclass

from router.turnstile import Turnstile
from tercet.keys import Key

LIMITED = Key(id="limited", sha256="", requests_per_minute=3)
NARROW = Key(id="narrow", sha256="", concurrent=2)
FREE = Key(id="free", sha256="")


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def entering(turnstile: Turnstile, key: Key) -> float | None:
    """Ask and be done; return when to retry, or `None`: it was let in."""
    refusal = turnstile.enter(key)
    if refusal is None:
        turnstile.leave(key)
        return None
    return refusal.retry_after_s


def test_in_any_minute_a_key_makes_as_many_requests_as_it_may() -> None:
    clock = Clock()
    turnstile = Turnstile(lambda: 1, clock)
    told = []
    for now in (0.0, 10.5, 20.0, 30.0, 59.9, 60.0, 60.1, 70.5):
        clock.now = now
        told.append(entering(turnstile, LIMITED))
    assert told == [None, None, None, 30, 1, None, 11, None]


def test_requests_under_way_are_counted_until_they_end() -> None:
    turnstile = Turnstile()
    assert [turnstile.enter(NARROW) is None for _ in range(3)] == [True, True, False]
    turnstile.leave(NARROW)
    assert [turnstile.enter(NARROW) is None for _ in range(2)] == [True, False]


def test_what_is_refused_uses_nothing_up() -> None:
    clock = Clock()
    turnstile = Turnstile(lambda: 1, clock)
    both = Key(id="both", sha256="", requests_per_minute=2, concurrent=1)
    assert turnstile.enter(both) is None
    assert [turnstile.enter(both) is None for _ in range(5)] == [False] * 5
    turnstile.leave(both)
    assert turnstile.enter(both) is None


def test_one_key_at_its_limit_is_nothing_to_another() -> None:
    turnstile = Turnstile(lambda: 1, Clock())
    for _ in range(4):
        entering(turnstile, LIMITED)
    other = Key(id="other", sha256="", requests_per_minute=3)
    assert (entering(turnstile, LIMITED), entering(turnstile, other)) == (60, None)


def test_a_key_without_limits_passes_as_often_as_it_likes() -> None:
    turnstile = Turnstile(lambda: 1, Clock())
    assert {turnstile.enter(FREE) for _ in range(1_000)} == {None}


def test_replicas_share_a_limit_rounded_up() -> None:
    turnstile = Turnstile(lambda: 2, Clock())
    assert [entering(turnstile, LIMITED) is None for _ in range(3)] == [True, True, False]
    assert [turnstile.enter(NARROW) is None for _ in range(2)] == [True, False]


def test_a_refusal_says_which_limit_and_when_to_retry() -> None:
    turnstile = Turnstile(lambda: 1, Clock())
    for _ in range(3):
        entering(turnstile, LIMITED)
    refusal = turnstile.enter(LIMITED)
    assert refusal is not None
    assert (refusal.status, refusal.type, refusal.code, refusal.message) == (
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
        "the key limited may make 3 requests a minute; retry in 60 s",
    )
