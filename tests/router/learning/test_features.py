import time

import numpy as np
import pytest

from router.learning.features import BUCKETS, Sketch, sketch_of


def test_case_blanks_digits_and_characters_of_no_width_make_no_difference() -> None:
    plain = sketch_of("add 17 to the total, then stop").to_bytes()
    for other in (
        "ADD 17 to the Total, then STOP",
        "  add 17\n\tto the   total, then stop ",
        "add 98 to the total, then stop",
        "a\u200bdd 17 to the to\u00adtal, then\u2060 stop\ufeff",
    ):
        assert sketch_of(other).to_bytes() == plain


def test_words_and_their_order_make_a_difference() -> None:
    assert sketch_of("a dog bites a man").to_bytes() != sketch_of("a man bites a dog").to_bytes()


def test_what_comes_of_a_text_is_the_same_on_every_machine() -> None:
    sketch = sketch_of("one two two")
    assert len(sketch.buckets) == 12
    assert sketch.buckets.tolist()[:3] == [1_846, 18_305, 21_863]
    assert int(sketch.counts.sum()) == 3 + 2 + 10  # words, pairs, runs of " one two two "


def test_buckets_ascend_and_counts_end_at_255() -> None:
    sketch = sketch_of("na " * 600)
    assert (np.diff(sketch.buckets.astype(int)) > 0).all()
    assert sketch.buckets.max() < BUCKETS
    assert sketch.counts.max() == 255


def test_bytes_make_the_sketch_again() -> None:
    sketch = sketch_of("write a parser for dates in Python")
    again = Sketch.from_bytes(sketch.to_bytes())
    assert again.buckets.tolist() == sketch.buckets.tolist()
    assert again.counts.tolist() == sketch.counts.tolist()
    assert len(sketch.to_bytes()) == 3 * len(sketch.buckets)


@pytest.mark.parametrize(
    "data",
    [b"\x01", b"\x02\x00\x01\x00\x01\x01", b"\x01\x00\x01\x00\x01\x01", b"\x01\x00\x00"],
    ids=["cut off", "descending", "twice the same", "a count of 0"],
)
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="a sketch has"):
        Sketch.from_bytes(data)


def test_of_a_long_text_only_the_head_and_the_tail_are_read() -> None:
    long = "x" * 1_300 + " middle " * 125_000 + "y" * 700
    began = time.process_time()
    sketch = sketch_of(long)
    assert time.process_time() - began < 0.1
    assert sketch.to_bytes() == sketch_of("x" * 1_300 + " " + "y" * 700).to_bytes()


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\n\t"])
def test_a_text_without_anything_has_an_empty_sketch(text: str) -> None:
    assert sketch_of(text).to_bytes() == b""
    assert Sketch.from_bytes(b"").buckets.tolist() == []


@pytest.mark.parametrize("text", ["\ud800 half a pair", "日本語のテキスト", "a", "\x00", "\u2028"])
def test_any_text_has_a_sketch(text: str) -> None:
    assert Sketch.from_bytes(sketch_of(text).to_bytes()).counts.all()
