"""What is asked in a message, apart from what an agent or a client wraps around it.

Agents put reminders, environments, files and search results into the user's message, as blocks of
tags; some put the request itself into one. Long code is shortened: its shape tells enough.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from router.evidence.canonical import canonical

WINDOW_CHARS: Final = 11_000
"""Most characters that are looked through at either end of a message."""
_BLOCKS: Final = 48
"""Most tags looked at from either end: bounds the time that markup takes."""
_UNCLOSED: Final = 8
"""Tags that nothing closes after which no more are looked for: each costs a search to the end."""
_SAMPLE_CHARS: Final = 240
"""What is kept of a block of material, and of either end of long code."""
_LONG_CODE_CHARS: Final = 3 * _SAMPLE_CHARS
_WORD: Final = re.compile(r"\w")
_FENCE: Final = "```"
_TAG: Final = re.compile(r"<([A-Za-z][\w.-]{0,40})(?:\s[^<>\n]{0,300})?>")
_TAGS: Final = re.compile(r"</?[A-Za-z][\w.-]{0,40}(?:\s[^<>\n]{0,300})?>")
_REQUESTS: Final = frozenset(
    (
        *("task", "user_query", "user-query", "query", "question", "request", "user_request"),
        *("user_message", "message", "prompt", "user_prompt", "user_input", "goal", "ask"),
        *("objective", "feedback", "instruction", "user_instruction"),
    )
)
"""Tags around a request."""
_HARNESS: Final = re.compile(
    r"system[-_]?(?:reminder|prompt|message)|environment[-_]\w+|(?:user_)?instructions|ide_\w+"
    r"|command-\w+|local-command-\w+|workspace\w*|rules|user_(?:rules|info|memory)|memory|memories"
    r"|additional_data|project_layout|git_?status|open_(?:files|tabs)|tools?|functions?|permissions"
    r"|slash_\w+|attached_files|current_file|editor\w*|reminder\w*|todo\w*|budget\w*",
    re.IGNORECASE,
)
"""Tags around what a client tells its model, which is no part of the task."""
_HARNESS_STARTS: Final = ("<system", "<environment", "<command-", "<ide_")
"""How tags begin that are looked for within lines too: clients join parts without a line's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A message without its wrapping."""

    text: str
    """What is read for the request: what stands in tags for requests, or else everything."""
    whole: str
    """What stands outside of any block, and requests: what the guard reads."""
    is_cut: bool = False
    """Its middle was not looked at."""


@dataclass(slots=True)
class _Unwrapped:
    said: list[str] = field(default_factory=list[str])
    """What stands outside of blocks."""
    outside: list[str] = field(default_factory=list[str])
    """The same, with samples of the blocks of material."""
    requests: list[str] = field(default_factory=list[str])
    is_cut: bool = False

    def add(self, text: str, start: int, end: int) -> None:
        """Add what stands outside of any block."""
        piece = _between(text, start, end)
        self.is_cut = self.is_cut or len(piece) < end - start
        self.said.append(piece)
        self.outside.append(piece)


def asked(message: str) -> Asked:
    """Return what a message asks, as it reads, at most twice `WINDOW_CHARS` of it."""
    if len(message) <= 2 * WINDOW_CHARS and not message.isascii():
        message = canonical(message)  # So that tags are read as they read.
    if "<" not in message:
        whole = _readable(message)
        return Asked(text=whole, whole=whole, is_cut=len(message) > 2 * WINDOW_CHARS)
    unwrapped = _unwrapped(message)
    said, request = _readable("".join(unwrapped.said)), _readable("\n".join(unwrapped.requests))
    is_cut = unwrapped.is_cut or sum(map(len, unwrapped.said)) > 2 * WINDOW_CHARS
    if not _WORD.search(said) and not request:
        # Nothing stands outside of blocks: what is in them is all there is.
        whole = _readable(_TAGS.sub("", message))
        return Asked(text=whole, whole=whole, is_cut=is_cut)
    if request:
        return Asked(text=request, whole=f"{said}\n{request}", is_cut=is_cut)
    text = _readable("".join(unwrapped.outside))
    return Asked(text=text, whole=said, is_cut=is_cut)


def _readable(text: str) -> str:
    return _shortened(canonical(_ends(text)))


def _ends(text: str) -> str:
    return _between(text, 0, len(text))


def _unwrapped(text: str) -> _Unwrapped:
    """Take a text apart at its blocks."""
    unwrapped = _Unwrapped()
    at = 0
    for start, opened, ends, tag in _blocks(text):
        unwrapped.add(text, at, start)
        inner = _between(text, opened, ends)
        at = ends + len(tag) + len("</>")
        if tag.lower() in _REQUESTS:
            unwrapped.requests.append(inner)
        elif not _HARNESS.fullmatch(tag):
            sample = inner.strip()[:_SAMPLE_CHARS]
            unwrapped.outside.append(f"\n<{tag}>\n{sample}\n</{tag}>\n")
    unwrapped.add(text, at, len(text))
    return unwrapped


def _between(text: str, start: int, end: int) -> str:
    """Return a piece of a text, or both ends of a long one: copying a megabyte takes time."""
    if end - start <= 2 * WINDOW_CHARS:
        return text[start:end]
    return f"{text[start : start + WINDOW_CHARS]}\n{text[end - WINDOW_CHARS : end]}"


def _blocks(text: str) -> Iterator[tuple[int, int, int, str]]:
    """Yield the blocks of tags: where each begins, its content begins and ends, and its tag."""
    unclosed: set[str] = set()
    at = tried = 0
    while tried < 2 * _BLOCKS and len(unclosed) < _UNCLOSED:
        at = text.find("<", at)
        if at < 0:
            return
        tried += 1
        if tried == _BLOCKS:
            at = max(at, text.find("<", len(text) - WINDOW_CHARS))
        found = _TAG.match(text, at) if _may_open(text, at) else None
        if found is None or found[1] in unclosed:
            at += 1
            continue
        ends = text.find(f"</{found[1]}>", found.end())
        if ends < 0:
            unclosed.add(found[1])
            at += 1
            continue
        yield at, found.end(), ends, found[1]
        at = ends + len(found[1]) + len("</>")


def _may_open(text: str, at: int) -> bool:
    """Whether a block may open here: at the start of a line, or where clients join parts."""
    before = text[max(0, at - 8) : at].rstrip(" \t")
    if not before or before[-1] in "\n>":
        return True
    return text.startswith(_HARNESS_STARTS, at)


def _shortened(text: str) -> str:
    """Return a text with long code cut to its ends; what an odd fence opens is no code."""
    if _FENCE not in text or len(text) <= _LONG_CODE_CHARS:
        return text
    pieces = text.split(_FENCE)
    for at in range(1, len(pieces) - 1, 2):
        code = pieces[at]
        if len(code) > _LONG_CODE_CHARS:
            pieces[at] = f"{code[:_SAMPLE_CHARS]}\n...\n{code[-_SAMPLE_CHARS:]}"
    return _FENCE.join(pieces)
