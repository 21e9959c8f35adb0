"""Text -> its sentences, without the padding between them."""

import re
from collections.abc import Iterator
from typing import Final

from router.evidence.lexicon import LEXICON

_CAPITAL: Final = "A-Z\u00c0-\u00de\u0410-\u042f"
_SMALL: Final = "a-z\u00df-\u00ff\u0430-\u044f"
# Of this pattern and others below, what stands first tells most places apart, all ways at once.
_BOUNDARY: Final = re.compile(
    r"(?=[\n\t !?;.\u3002\uff01\uff1f\uff1b])"
    rf"(?:[\n\t]+|[!?;]+\s*|\.(?=[\s{_CAPITAL}\u4e00-\u9fff]|$)\s*|[\u3002\uff01\uff1f\uff1b]\s*"
    rf"| +(?:(?:--|[\u2013\u2014|]) +|(?=[{_CAPITAL}][{_SMALL}']|A [a-z]|[A-Z]{{4,}}:|[Xx]-\w"
    rf"|[\u4e00-\u9fff]{{2}})))"
)
"""Where a sentence may begin: after a stop, with a capital letter, before a claim."""
_WORD: Final = re.compile(r"\w+")
_GLUED: Final = re.compile(
    rf"(?=[.:;!?])(?:[.:;](?=[{_CAPITAL}])(?<=\w.)|[!?;](?=\w)(?<=\w.)"
    r"|\.(?=[a-z]{2,} [a-z]|[\u0430-\u044f]{2})(?<=[^\W\d_]{3}.))"
)
"""Where a sentence stands right behind the stop of another."""
_JUNK: Final = re.compile(
    r"(?=[!-~]{20})(?:(?<!\S)(?!\w+[.?!])|(?<=\w[.?!]))"
    r"(?:[!-~]{19,}[!-&(-@\[-`{-~](?!\s)|[!-~]{20,}(?=\s|$))"
)
"""What is no word and no sentence: base64, a key, a long path."""
_MARKUP: Final = re.compile(r"</?[A-Za-z][\w-]*>|<!--|-->")
_CLAIM: Final = re.compile(
    r"(?:system|assistant|note to\b.*|\w+-[\w-]+):|x-\w|\w+_\w+ ?=|.*\b(?:classifier|small talk"
    r"|(?:cheap|small|fast|local)\w* model|send everything|prompt|instructions)\b",
    re.IGNORECASE,
)
"""A sentence about how the message is to be handled."""
_CLAIMS: Final = " ".join(f"{LEXICON['meta']}, {LEXICON['claim']}".split()).split(", ")
_FIRST: Final = "ct" + "".join(sorted({claim[0] for claim in _CLAIMS if claim.isascii()}))
_FIRST_WIDE: Final = "\u0451" + "".join(sorted({c[0] for c in _CLAIMS if not c.isascii()}))
"""Letters that begin one of them; those with wide letters may begin within a word."""
_META: Final = re.compile(
    rf"(?=\b[{_FIRST}]|[{_FIRST_WIDE}])"
    r"(?:\b(?:classify this|treat (?:this|it)) as(?: \w+){1,3}(?=[,.;:!?\n]|$)|"
    + "|".join(
        rf"\b{claim}\b" if claim.isascii() else claim.replace("\u0435", "[\u0435\u0451]")
        for claim in sorted(_CLAIMS, key=len, reverse=True)
    ).replace(" ", r"[\s-]+")
    + r")(?:\s+for\s+this(?:\s+one)?)?(?:\s+please\b)?",
    re.IGNORECASE,
)
"""What the lexicon has as claims about routing, and what ends them."""
_REPEATED: Final = re.compile(r"\b(\w+)(?:\W+\1\b){6,}|\b(\w+ \w+)(?: +\2\b){6,}")
_META_MARKS: Final = (
    *("tier", "route ", "classify", "treat", "requires_", "is_", "ignor", "tercet", "not critical"),
    *("security relevant", "no design", "routin", "priority", "quick q", "trivial", "simple q"),
    *("escalate", "premium", "cheap", "small", "kritisch", "billig", "g\u00fcnstig", "critique"),
    *("cher", "cr\u00edtico", "rutin", "barato", "rotina", "\u043d\u0435 \u043a\u0440\u0438\u0442"),
    *("\u0440\u0443\u0442\u0438\u043d", "\u0434\u0435\u0448", "\u0438\u0433\u043d\u043e\u0440"),
    *("\u4e0d\u91cd\u8981", "\u5e38\u89c4", "\u4fbf\u5b9c", "\u5ffd\u7565"),
)
"""Letters that each of them has some of."""
_CLAIM_CHARS: Final = 60
_JUNK_CHARS: Final = 20
_FENCE: Final = "```"
_MUCH_CHARS: Final = 4_000
_LEAST_WORDS: Final = 3
_LONG_CHARS: Final = 400
_PIECE_CHARS: Final = 160
"""A sentence longer than the first is cut into pieces of about the second."""
_MANY_WORDS: Final = 40
_REPEATS: Final = 3
"""How often words come on average from which some are padding."""
Span = tuple[int, int]
"""Where a piece of a text begins and ends."""


def is_claim(text: str, span: Span) -> bool:
    """Whether a sentence is about how the message is to be handled."""
    return _CLAIM.match(text, *span) is not None


def without_padding(text: str) -> str:
    """Return a text without what says nothing: junk, claims about routing, words on end."""
    words = text.split()
    if max(map(len, words), default=0) >= _JUNK_CHARS:
        text = _JUNK.sub("\n", text)
    if "<" in text:
        text = _MARKUP.sub("\n", text)
    text = _without_claims(text)
    if len(words) > _MANY_WORDS and _REPEATS * len(set(words)) < len(words):
        text = _REPEATED.sub("\n", text)
    return _GLUED.sub("\\g<0>\n", text)


def _without_claims(text: str) -> str:
    """Return a text without claims about routing; only around their marks is it looked at."""
    lower = text.lower()
    marks = [mark for mark in _META_MARKS if mark in lower]
    if not marks or len(lower) != len(text):
        return _META.sub("\n", text) if marks else text
    near: list[Span] = []
    for mark in re.compile("|".join(map(re.escape, marks))).finditer(lower):
        start, end = max(0, mark.start() - _CLAIM_CHARS), mark.end() + _CLAIM_CHARS
        if near and start <= near[-1][1]:
            start = near.pop()[0]
        near.append((start, end))
    for start, end in reversed(near):
        text = text[:start] + _META.sub("\n", text[start:end]) + text[end:]
    return text


def sentences_of(text: str) -> tuple[str, list[Span]]:
    """Return a text without what it repeats, and where its sentences begin and end."""
    if len(text) > _MUCH_CHARS:
        text = "\n".join(dict.fromkeys(text.split("\n")))
    kept: list[str] = []
    spans: list[Span] = []
    known: set[str] = set()
    start = size = 0
    blocks = _code_blocks(text)
    gaps = [gap.span() for gap in _BOUNDARY.finditer(text)]
    if blocks:
        gaps = [gap for gap in gaps if not _is_within(gap[0], blocks)]
    for end, following in (*gaps, (len(text), len(text))):
        sentence = text[start:end]
        if (sentence not in known or _FENCE in sentence) and _WORD.search(sentence):
            known.add(sentence)
            spans += _pieces(sentence, size)
            kept.append(text[start:following])
            size += following - start
        elif sentence not in known or not sentence:
            kept.append(text[start:following])
            size += following - start
        start = following
    return "".join(kept), spans


def _pieces(sentence: str, offset: int) -> Iterator[Span]:
    """Yield where the pieces of a long sentence are, cut between words: it may be several."""
    start = 0
    while len(sentence) - start > _LONG_CHARS:
        end = sentence.find(" ", start + _PIECE_CHARS)
        if end < 0:
            break
        yield offset + start, offset + end
        start = end + 1
    yield offset + start, offset + len(sentence)


def _code_blocks(text: str) -> list[Span]:
    """Return where code stands between fences; none where one is open, or nothing else is said."""
    if _FENCE not in text:
        return []
    pieces = text.split(_FENCE)
    if len(pieces) % 2 == 0 or len(" ".join(pieces[0::2]).split()) < _LEAST_WORDS:
        return []
    blocks: list[Span] = []
    at = len(pieces[0])
    for code, said in zip(pieces[1::2], pieces[2::2], strict=True):
        end = at + len(code) + 2 * len(_FENCE)
        blocks.append((at, end))
        at = end + len(said)
    return blocks


def _is_within(at: int, blocks: list[Span]) -> bool:
    return any(start < at < end for start, end in blocks)
