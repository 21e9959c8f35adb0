"""Text -> sketch: hashed words, pairs of words and runs of four letters, as counts by bucket.

A sketch is all that learning ever sees of a text, and all that a label keeps of one. It cannot be
read back, but who guesses a text can check the guess: it is stored with labels alone.
"""

import re
from dataclasses import dataclass
from typing import Final, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint16]

BUCKETS: Final = 1 << 16
HEAD_CHARS: Final = 1_300
TAIL_CHARS: Final = 700
"""Of a longer text only the head and the tail are read: 2,000 characters in all."""

_TOKEN: Final = re.compile(r"[^\W_]+|[^\w\s]")
_DIGIT: Final = re.compile(r"\d")
_UNSEEN: Final = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]+")
"""Characters of no width, by which words would fall apart."""
_RUN: Final = 4
_MOST: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketch:
    """How often the pieces of a text fall into which buckets."""

    buckets: Ids
    """Ascending, each once."""
    counts: NDArray[np.uint8]
    """Of the same length, from 1 to 255."""

    def to_bytes(self) -> bytes:
        """Return three bytes a bucket: the bucket, little-endian, of all, then the counts."""
        return self.buckets.astype("<u2").tobytes() + self.counts.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: it is something else.
        """
        size, rest = divmod(len(data), 3)
        if rest:
            raise ValueError(f"a sketch has three bytes a bucket; {len(data)} bytes are no sketch")
        buckets = np.frombuffer(data, "<u2", count=size).astype(np.uint16)
        counts = np.frombuffer(data, np.uint8, offset=2 * size)
        if (buckets[1:] <= buckets[:-1]).any() or not counts.all():
            raise ValueError("a sketch has ascending buckets and no count of 0; this is damaged")
        return cls(buckets=buckets, counts=counts)


def sketch_of(text: str) -> Sketch:
    """Return the sketch of a text, of at most 2,000 characters of it.

    Case, blanks beyond one, the values of digits and characters of no width make no difference.
    """
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]} {text[-TAIL_CHARS:]}"
    text = _DIGIT.sub("0", " ".join(_UNSEEN.sub("", text).lower().split()))
    words = np.fromiter(
        (crc32(token.encode(errors="surrogatepass")) for token in _TOKEN.findall(text)), np.uint32
    )
    pairs = (words[:-1] * np.uint32(0x27D4EB2F) ^ words[1:]) * np.uint32(0x165667B1)
    pieces = np.concatenate([words * np.uint32(0xC2B2AE35), pairs, _runs(text)])
    found, counts = np.unique((pieces >> np.uint32(16)).astype(np.uint16), return_counts=True)
    return Sketch(buckets=found, counts=np.minimum(counts, _MOST).astype(np.uint8))


def _runs(text: str) -> NDArray[np.uint32]:
    """Hash every four bytes in a row."""
    letters = np.frombuffer(f" {text} ".encode(errors="surrogatepass"), np.uint8).astype(np.uint32)
    if len(letters) < _RUN:
        return letters[:0]
    size = len(letters) - _RUN + 1
    runs = letters[:size].copy()
    for place in range(1, _RUN):
        runs = (runs * np.uint32(0x01000193)) ^ (letters[place : place + size] << np.uint32(7))
        runs ^= runs >> np.uint32(13)
    return runs * np.uint32(0x85EBCA6B)
