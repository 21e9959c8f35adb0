"""Token counts of the simulation: four UTF-8 bytes are a token, always."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tercet.content import MediaKind
from tercet.usage import Usage

BYTES_PER_TOKEN = 4
MEDIA_TOKENS: Mapping[MediaKind, int] = {"image": 1_600, "document": 3_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch of sent content; `kept` asks to cache everything up to its end for that long."""

    text: str
    media: tuple[MediaKind, ...] = ()
    seen: str = ""
    """What tells its media from others; it does not count."""
    kept: Literal["5m", "1h"] | None = None


def output_tokens(text: str) -> int:
    """Count produced text: one token for each started four bytes."""
    return tokens_started(len(text.encode()))


def tokens_started(size: int) -> int:
    """Count the tokens begun in `size` bytes of produced text."""
    return -(-size // BYTES_PER_TOKEN)


class PromptCache:
    """Remembers cached prefixes, so the first use is billed as a write and later ones as reads.

    Nothing expires, and no prefix is too short: a test needs neither a clock nor a long prompt.
    """

    def __init__(self) -> None:
        self._prefixes: set[bytes] = set()

    def count(self, model: str, blocks: Sequence[Block]) -> Usage:
        """Count what was sent, and remember the prefixes that ask for it."""
        prefix = hashlib.sha256(model.encode())
        size = covered = read = 0
        written = {"5m": 0, "1h": 0}
        for block in blocks:
            data = block.text.encode()
            prefix.update(b"\0%b\1%b" % (data, block.seen.encode()))
            size += len(data) + BYTES_PER_TOKEN * sum(MEDIA_TOKENS[kind] for kind in block.media)
            if block.kept is None:
                continue
            tokens = size // BYTES_PER_TOKEN
            if prefix.digest() in self._prefixes:
                read, written = tokens, {"5m": 0, "1h": 0}
            else:
                written[block.kept] += tokens - covered
                self._prefixes.add(prefix.digest())
            covered = tokens
        return Usage(
            fresh_input=max(1, size // BYTES_PER_TOKEN) - covered if size else 1,
            cache_read=read,
            cache_write_5m=written["5m"],
            cache_write_1h=written["1h"],
        )
