import base64
import re

import pytest

from tercet.keys import Key, capped, handle_of, new_handle, new_text, sha256


def zeros(count: int) -> bytes:
    return bytes(count)


def ones(count: int) -> bytes:
    return b"\xff" * count


def test_a_key_is_known_by_its_hash() -> None:
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_key_is_spelt_with_a_public_part_and_32_secret_bytes() -> None:
    handle = new_handle(zeros)
    text = new_text(handle, ones)

    assert (handle, text) == ("aaaaaaaa", f"tct_aaaaaaaa_{'_' * 42}8")
    assert base64.urlsafe_b64decode(f"{text[13:]}=") == b"\xff" * 32
    assert re.fullmatch("[a-z2-7]{8}", new_handle(ones))


def test_the_public_part_is_found_in_what_is_presented() -> None:
    assert handle_of(new_text("team2345", zeros).encode()) == "team2345"


@pytest.mark.parametrize(
    "presented",
    [
        b"",
        b"tct_",
        b"tct_team2345_",
        b"tct_TEAM2345_" + b"A" * 43,
        b"tct_team2345_" + b"A" * 42,
        b"tct_team2345_" + b"A" * 44,
        b"tct_team2345_" + b"A" * 43 + b"\n",
        b" tct_team2345_" + b"A" * 43,
        b"tct_team2345_" + b"\xe9" * 43,
        b"tct_' OR 1_" + b"A" * 43,
        b"tct_" * 10_000,
    ],
)
def test_what_is_not_spelt_like_a_key_has_no_public_part(presented: bytes) -> None:
    assert handle_of(presented) is None


def test_a_keys_cap_is_put_to_the_others() -> None:
    batch = Key(id="batch", sha256="", month_cap_nano_usd=5)

    assert capped({"month": 9}, batch) == {"month": 9, "key:batch": 5}
    assert capped({"month": 9}, Key(id="batch", sha256="")) == {"month": 9}
