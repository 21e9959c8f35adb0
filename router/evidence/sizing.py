"""How large a conversation is, without encoding all of it."""

from collections.abc import Sequence
from typing import Final

_BYTES_PER_TOKEN: Final = 4
_EXACT_CHARS: Final = 8_000
_SAMPLES: Final = 8
_SAMPLE_CHARS: Final = 256


def size_tokens(texts: Sequence[str]) -> int:
    """Estimate the tokens of all texts, rounded up, at four UTF-8 bytes a token.

    Short conversations are counted exactly. In long ones, ASCII is counted exactly and the bytes
    of other texts are estimated from samples: encoding 8 MB takes milliseconds.
    """
    size = sum(map(len, texts))
    if not all(map(str.isascii, texts)):
        wide = [text for text in texts if not text.isascii()]
        if size <= _EXACT_CHARS:
            size = sum(len(text.encode(errors="surrogatepass")) for text in texts)
        else:
            size += int(sum(map(len, wide)) * (_bytes_per_char(wide) - 1))
    return -(-size // _BYTES_PER_TOKEN)


def _bytes_per_char(texts: Sequence[str]) -> float:
    """Estimate from the head, middle and tail of texts spread over the conversation."""
    sample = "".join(
        text[at : at + _SAMPLE_CHARS]
        for text in texts[:: -(-len(texts) // _SAMPLES)]
        for at in (0, len(text) // 2, max(0, len(text) - _SAMPLE_CHARS))
    )
    return len(sample.encode(errors="surrogatepass")) / len(sample)
