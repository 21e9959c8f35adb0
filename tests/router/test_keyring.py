import asyncio
import hmac
import sys
from dataclasses import dataclass, field, replace

import pytest

from router.keyring import Keyring
from router.surfaces.refusal import LEDGER_UNAVAILABLE, Refusal
from router.turnstile import Turnstile
from tercet.keys import Key, sha256

DEFAULT = "tercet_mine_0123456789"
TEXT, NEW_TEXT = (f"tct_team2345_{letter * 43}".encode() for letter in "ab")
TEAM = Key(id="team", handle="team2345", sha256=sha256(TEXT))
ROTATED = replace(TEAM, sha256=sha256(NEW_TEXT), old_sha256=sha256(TEXT), old_until=1_100.0)


@dataclass
class Books:
    """What the ledger has of keys; it may be made to wait."""

    keys: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    gate: asyncio.Event | None = None
    now: float = 1_000.0

    async def key(self, handle):
        self.asked.append(handle)
        if self.gate is not None:
            await self.gate.wait()
        return next((key for key in self.keys if key.handle == handle), None)

    def clock(self) -> float:
        return self.now


def ring(books: Books, default: str | None = DEFAULT) -> Keyring:
    known = None if default is None else sha256(default.encode())
    return Keyring(known, books, Turnstile(), books.clock)


def owner(keyring: Keyring, presented: bytes) -> str | int:
    """Return the id of the key, or the status of the refusal."""
    found = asyncio.run(keyring.find(presented))
    return found.status if isinstance(found, Refusal) else found.id


def test_the_environments_key_is_default_and_may_use_everything() -> None:
    keyring = ring(Books())
    found = asyncio.run(keyring.find(DEFAULT.encode()))
    assert found == Key(id="default", sha256=sha256(DEFAULT.encode()))


@pytest.mark.parametrize(
    "given",
    [b"", b"team", DEFAULT[:-1].encode(), b"\xff\x00", b"x" * 100_000, TEXT[:-1], TEXT + b"a"],
)
def test_nobody_owns_a_wrong_key(given: bytes) -> None:
    keyring = ring(Books())
    keyring.replace([TEAM])
    assert owner(keyring, given) == 401


def test_a_hash_does_not_open() -> None:
    keyring = ring(Books())
    keyring.replace([TEAM])
    assert owner(keyring, TEAM.sha256.encode()) == 401


def test_a_keyring_of_nothing_opens_to_nobody() -> None:
    keyring = ring(Books(), default=None)
    keyring.replace([])
    assert (owner(keyring, b""), owner(keyring, TEXT)) == (401, 401)


def test_a_new_key_opens_at_once_and_is_looked_up_once() -> None:
    books = Books(keys=[TEAM])
    keyring = ring(books)
    keyring.replace([])
    assert [owner(keyring, TEXT) for _ in range(3)] == ["team"] * 3
    assert (books.asked, keyring.keys) == (["team2345"], {"team": TEAM})


def test_a_key_that_is_gone_from_the_ledger_is_refused_after_the_next_look() -> None:
    books = Books()
    keyring = ring(books)
    known = keyring.keys
    keyring.replace([TEAM])
    assert owner(keyring, TEXT) == "team"
    keyring.replace([])
    assert owner(keyring, TEXT) == 401
    assert known == {}


def test_the_last_secret_opens_until_its_time_is_over() -> None:
    books = Books(keys=[ROTATED])
    keyring = ring(books)
    keyring.replace([ROTATED])
    books.now = 1_099.9
    assert (owner(keyring, TEXT), owner(keyring, NEW_TEXT)) == ("team", "team")
    books.now = 1_100.0
    assert (owner(keyring, TEXT), owner(keyring, NEW_TEXT)) == (401, "team")


def test_a_new_secret_opens_at_once() -> None:
    keyring = ring(Books(keys=[ROTATED]))
    keyring.replace([TEAM])
    assert (owner(keyring, NEW_TEXT), owner(keyring, TEXT)) == ("team", "team")


def test_guesses_are_looked_up_five_times_a_second() -> None:
    books = Books()
    keyring = ring(books)
    keyring.replace([])
    guesses = [f"tct_aaaaaa{a}{b}_{'a' * 43}".encode() for a in "abcd" for b in "abcde"]
    assert {owner(keyring, guess) for guess in guesses} == {401}
    assert len(books.asked) == 5
    books.now += 1
    owner(keyring, guesses[0])
    assert len(books.asked) == 6


def test_what_is_not_spelt_like_a_key_is_not_looked_up() -> None:
    books = Books()
    assert (owner(ring(books), b"sk-12345678"), books.asked) == (401, [])


def test_many_requests_with_one_new_key_wait_for_one_look_up() -> None:
    books = Books(keys=[TEAM])
    keyring = ring(books)

    async def scenario() -> list[Key | Refusal]:
        books.gate = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            jobs = [group.create_task(keyring.find(TEXT)) for _ in range(50)]
            gone = group.create_task(keyring.find(TEXT))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            gone.cancel()
            books.gate.set()
        return [job.result() for job in jobs]

    assert asyncio.run(scenario()) == [TEAM] * 50
    assert books.asked == ["team2345"]


def test_before_the_keys_were_ever_read_nobody_is_told_that_a_key_is_wrong_unasked() -> None:
    keyring = ring(Books())
    for _ in range(5):
        assert owner(keyring, TEXT) == 401
    assert asyncio.run(keyring.find(TEXT)) == LEDGER_UNAVAILABLE
    keyring.replace([])
    assert owner(keyring, TEXT) == 401


@pytest.mark.parametrize("presented", [DEFAULT.encode(), TEXT, NEW_TEXT, b"", b"nobody's"])
def test_whoever_asks_is_compared_with_as_many_hashes(presented: bytes) -> None:
    keyring = ring(Books())
    keyring.replace([ROTATED])
    called = []
    sys.setprofile(lambda _, event, made: called.append(made) if event == "c_call" else None)
    try:
        keyring._owner(presented)
    finally:
        sys.setprofile(None)
    assert called.count(hmac.compare_digest) == 3


def test_a_keyring_does_not_show_a_key() -> None:
    keyring = ring(Books())
    keyring.replace([TEAM])
    assert DEFAULT not in repr(vars(keyring))
    assert TEXT.decode() not in repr(vars(keyring))
