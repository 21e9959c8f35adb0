import pytest

from router.guard import Keyring, sha256

MINE, THEIRS = "tercet_mine_0123456789", "tercet_theirs_0123456789"
KEYRING = Keyring([("mine", sha256(MINE.encode())), ("theirs", sha256(THEIRS.encode()).upper())])


def test_a_key_is_known_by_its_hash() -> None:
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (KEYRING.owner(MINE.encode()), KEYRING.owner(THEIRS.encode())) == ("mine", "theirs")


@pytest.mark.parametrize("given", [b"", b"mine", MINE[:-1].encode(), b"\xff\x00", b"x" * 100_000])
def test_nobody_owns_a_wrong_key(given: bytes) -> None:
    assert KEYRING.owner(given) is None


def test_a_hash_does_not_open() -> None:
    assert KEYRING.owner(sha256(MINE.encode()).encode()) is None


def test_an_empty_keyring_opens_to_nobody() -> None:
    assert Keyring([]).owner(b"") is None


def test_a_keyring_does_not_show_a_key() -> None:
    assert MINE not in repr(vars(KEYRING))
