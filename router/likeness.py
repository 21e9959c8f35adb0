"""Whether two texts say the same, judged without a model by their words, facts and order.

Accepting a wrong agreement costs more than one more round, so this asks for a lot: the same facts,
the same polarity, the same company for each word, no word standing in another's place, and enough
words in common. The threshold was chosen on half of tests/router/agreement_pairs.jsonl.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Literal

from router.wording import (
    CLAUSE_OPENERS,
    HARD_LIMITS,
    JOINS,
    LIMITS,
    NEGATORS,
    NUMBER_WORDS,
    OPPOSITES,
    SEQUENCE,
    SPACELESS,
    STOP_WORDS,
    VERDICTS,
    clipped,
    folded,
    stem,
)

LIKENESS = 0.84
"""Least cosine of two sets of content words that may mean the same."""

_SHORT_WORDS = 4  # an answer this short is looked for in the other's first clause
_OPENING_CHARS = 20
_LEAD_EXTRAS = 3  # words of that clause that need not be in the short answer
_COMPANY = 4  # how many words back a word still keeps company with
_PROSE_WORDS = 4  # mean words of a sentence below which lines are a list, not prose
_HARD_LIMITS = HARD_LIMITS | frozenset(stem(word) for word in HARD_LIMITS)
_LINKS = frozenset(("of", "to", "from", "by"))
_NEGATING_PREFIXES = ("un", "in", "im", "il", "ir", "non", "non-", "dis", "de", "a")

_EDGES = " .,;:!?'\"[]{}<>*…।《》「」『』【】"
_LATE_NEGATION = re.compile("ません|ない|않|없|못")
_NO_ONE = re.compile(r"(?i)\bno one\b")
_CHUNK = re.compile(rf"`[^`\n]{{1,200}}`|{SPACELESS.pattern}|(?:(?!{SPACELESS.pattern})[^\s`])+")
_SENTENCE_END = re.compile(r"\n+|(?<!\s[A-Z]\.)(?<=[.!?])\s+(?=[^\sa-z])")
_BULLET = re.compile(r"(?m)^[ \t>]*(?:[-*•+]|#{1,6}|\d{1,3}[.)])[ \t]+")
_NUMBERED = re.compile(r"(?m)^[ \t>]*\d{1,3}[.)][ \t]")
_TIGHT = re.compile(r"(?<=\w)\([^()\n]{0,40}\)|[(\[][-\w.']{1,30}(?:, ?[-\w.']{1,30}){1,20}[)\]]")
_NUMBER = re.compile(r"([$€£¥]?)([-+]?\d[\d,_]*(?:\.\d+)?)(%|[a-zA-Z]{0,4})")
_CODE_LIKE = re.compile(
    r"[_()\[\]{}<>≤≥+*/\\@#^~|&%$→\d]|::|--|\w\.\w|[a-z][A-Z]|^[A-Z]{2,}s?$|^[B-HJ-Z]$"
)
_IN_ORDER = re.compile(r"(?i)\b(?:order|sort|rank|steps?|sequence|порядк|шаг)")
_ASIDE = re.compile(
    r"(?i)[;:](?=\s)|\s\(| - |,\s+(?:which|who|where|because|as|since|so|not|but|on|with|whose"
    r"|while|whereas|specifically|namely|from|having|chosen|written|known|\w{3,20}(?:ed|ing))\b"
    r"|\s(?:because|while|whereas|since|which)\b"
    r"|\s(?:in|on|since|during|around)\s(?:the\s)?(?:early\s|late\s|mid-?\s?)?(?:(?:january|february"
    r"|march|april|may|june|july|august|september|october|november|december)\s)?\d"
)


_Kind = Literal["word", "fact", "stop", "join"]
_Spelling = tuple[str, _Kind]


@dataclass(frozen=True, slots=True)
class _Token:
    key: str
    kind: _Kind
    clause: int
    """Counted on at every comma, "and" or "because"."""
    span: int = 0
    """Counted on where what follows may as well come first: not at a bare "and"."""


@dataclass(frozen=True, slots=True)
class _Reading:
    raw: tuple[_Token, ...]
    tokens: tuple[_Token, ...]
    """The words and facts of `raw`; all of it where there are none."""
    keys: frozenset[str]
    facts: frozenset[str]
    """Keys of numbers, names and identifiers."""
    words: frozenset[str]
    """Stems of `raw`."""


def alike(first: str, second: str, *, question: str) -> bool:
    """Whether two answers in prose mean the same, as far as words can tell; never raises.

    Long texts are judged by their heads and tails.
    """
    left, right = _sentences(first), _sentences(second)
    one, other = _read(left), _read(right)
    if not one.keys or not other.keys:
        return False
    asked = _read(_sentences(question)).keys
    known = frozenset(key for key in one.keys | other.keys if _is_asked(key, asked))
    in_order = bool(_IN_ORDER.search(question)) or all(map(_NUMBERED.search, (first, second)))
    if _contradict(one, other, known) or _reordered(one, other, known, in_order=in_order):
        return False
    return (
        _similar(one, other, known)
        or _covers(right, left, one, known)
        or _covers(left, right, other, known)
    )


def _covers(
    sentences: Sequence[str], shorter: Sequence[str], answer: _Reading, known: Set[str]
) -> bool:
    """Whether a text says what the shorter one does and then goes into detail."""
    if _tells(sentences, answer, known):
        return True
    said, rest = sentences[: len(shorter)], sentences[len(shorter) :]
    is_detail = bool(rest) and _is_prose(sentences) and not is_limited(rest[0][:_OPENING_CHARS])
    return is_detail and _similar(answer, _read(said), known)


def clash(first: str, second: str) -> bool:
    """Whether two sentences hold opposites: more and less, or a word and its denial."""
    return _opposed(_read(_sentences(first)), _read(_sentences(second)))


def _sentences(text: str) -> list[str]:
    text = _BULLET.sub("", folded(clipped(text)))
    text = _NO_ONE.sub("nobody", _LATE_NEGATION.sub("否", text))
    text = _TIGHT.sub(lambda group: group[0].replace(" ", ""), text)
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip(_EDGES)]


def _is_prose(sentences: Sequence[str]) -> bool:
    return len(_read(sentences).tokens) >= _PROSE_WORDS * len(sentences)


def _read(sentences: Iterable[str]) -> _Reading:
    raw: list[_Token] = []
    for sentence in sentences:
        raw.extend(_tokens(sentence, len(raw)))
    tokens = tuple(token for token in raw if token.kind in ("word", "fact")) or tuple(raw)
    return _Reading(
        raw=tuple(raw),
        tokens=tokens,
        keys=frozenset(token.key for token in tokens),
        facts=frozenset(token.key for token in tokens if token.kind == "fact"),
        words=frozenset(stem(t.key) if t.kind == "stop" else t.key for t in raw),
    )


def _tokens(sentence: str, clause: int) -> Iterator[_Token]:
    span = clause
    chunks = _CHUNK.findall(sentence)
    words = [chunk.strip(_EDGES).casefold() for chunk in chunks]
    negated, opens = False, True
    for chunk, word, following in zip(chunks, words, [*words[1:], ""], strict=False):
        if _negates(chunk, word, following):
            negated = True
            yield _Token("no", "join", clause, span)
            continue
        if word in CLAUSE_OPENERS and following != "then":
            clause += 1
            span += word not in JOINS
        for key, kind in _units(chunk, word, opens=opens):
            is_content = kind in ("word", "fact")
            yield _Token(f"¬{key}" if negated and is_content else key, kind, clause, span)
            negated = negated and not is_content
        opens = chunk.endswith((":", '"', "-"))
        if chunk.endswith((",", ";", ")", "-")):
            clause += 1
            span += following not in JOINS
            yield _Token(",", "join" if chunk[-1] in ",;" else "stop", clause, span)
    if negated:
        yield _Token("¬", "fact", clause, span)


def _negates(chunk: str, word: str, following: str) -> bool:
    if word.endswith("n't"):
        return True
    is_verdict = word in VERDICTS and chunk.endswith((",", ".", ":"))
    return word in NEGATORS and not is_verdict and following not in ("only", "just", "только")


def _units(chunk: str, word: str, *, opens: bool) -> Iterator[_Spelling]:
    """Spell what stands between two blanks; after an opening a capital letter means nothing."""
    if chunk.startswith("`"):
        for piece in chunk.strip("`").casefold().split():
            yield stem(piece) if piece.isalpha() else piece, "fact"
        return
    bare = chunk.strip(_EDGES if "(" in chunk.lstrip("(") else f"{_EDGES}()")
    lower = bare.casefold().removesuffix("'s")
    if number := _NUMBER.fullmatch(bare):
        for part in _number_parts(*number.groups()):
            yield part, "fact"
    elif _CODE_LIKE.search(bare) or lower in NUMBER_WORDS:
        yield NUMBER_WORDS.get(lower, stem(lower) if lower.isalpha() else lower), "fact"
    elif lower in STOP_WORDS or word in JOINS:
        yield lower, "join" if word in JOINS else "stop"
    elif lower.strip("-"):
        yield stem(lower), "fact" if bare[0].isupper() and not opens else "word"


def _number_parts(currency: str, digits: str, unit: str) -> Iterator[str]:
    digits = digits.replace(",", "").replace("_", "").lstrip("+")
    yield digits.rstrip("0").rstrip(".") if "." in digits else digits
    yield from filter(None, (currency, unit.casefold()))


def _is_asked(key: str, asked: Set[str]) -> bool:
    """Whether the question has this word or one it is derived from (Japan, Japanese)."""
    return key in asked or any(key[:end] in asked for end in range(5, len(key)))


def _contradict(one: _Reading, other: _Reading, known: Set[str]) -> bool:
    strange = (one.facts - other.keys) - known, (other.facts - one.keys) - known
    return all(strange) or _opposed(one, other)


def _opposed(one: _Reading, other: _Reading) -> bool:
    only_one, only_other = one.words - other.words, other.words - one.words
    return (
        any(_denies(key, only_other) for key in only_one)
        or any(_denies(key, only_one) for key in only_other)
        or any(only_one & group and only_other & group for group in OPPOSITES)
    )


def _denies(key: str, others: Set[str]) -> bool:
    return f"¬{key}" in others or any(prefix + key in others for prefix in _NEGATING_PREFIXES)


def _reordered(one: _Reading, other: _Reading, known: Set[str], *, in_order: bool) -> bool:
    """Whether shared words changed places in a way that may change what is said."""
    if _relinked(one, other):
        return True
    shared = one.keys & other.keys
    if in_order or not SEQUENCE.isdisjoint(one.words | other.words):
        telling = shared - known or shared
        first, second = (
            [*dict.fromkeys(token.key for token in reading.tokens if token.key in telling)]
            for reading in (one, other)
        )
        return first != second
    return (
        _swapped(one, other)
        or _crossed(one, other)
        or _crossed(other, one)
        or (_is_passive(one) == _is_passive(other) and _turned(one, other))
    )


def _turned(one: _Reading, other: _Reading) -> bool:
    """Whether the words on both sides of a third changed sides: "A beats B" and "B beats A"."""
    mine, theirs = _sides(one), _sides(other)
    return any(
        mine[word][0] & theirs[word][1] and mine[word][1] & theirs[word][0]
        for word in mine.keys() & theirs.keys()
    )


def _sides(reading: _Reading) -> Mapping[str, tuple[set[str], set[str]]]:
    """Say for each word which words stand close before and close after it."""
    sides: dict[str, tuple[set[str], set[str]]] = {key: (set(), set()) for key in reading.keys}
    for place, token in enumerate(reading.tokens):
        for before in reading.tokens[max(place - _COMPANY, 0) : place]:
            if before.span == token.span and before.key != token.key:
                sides[token.key][0].add(before.key)
                sides[before.key][1].add(token.key)
    return sides


def _is_passive(reading: _Reading) -> bool:
    return any(token.key == "by" for token in reading.raw)


def _crossed(one: _Reading, other: _Reading) -> bool:
    """Whether phrases joined by a bare "and" come in another order; single names may."""
    tokens = [token for token in one.tokens if token.key in other.keys]
    items: dict[int, list[_Token]] = {}
    for token in tokens:
        items.setdefault(token.clause, []).append(token)
    short = {
        n for n, item in items.items() if len(item) == 1 or all(t.kind == "fact" for t in item)
    }
    last = {token.key: place for place, token in enumerate(other.tokens)}
    first = {key: [t.key for t in other.tokens].index(key) for key in other.keys}
    return any(
        last[later.key] < first[earlier.key]
        for earlier, later in pairwise(tokens)
        if earlier.span == later.span
        and earlier.clause != later.clause
        and not {earlier.clause, later.clause} <= short
    )


def _relinked(one: _Reading, other: _Reading) -> bool:
    """Whether a word is tied to another word than in the other text: "of A", "to A", "by A"."""
    mine, theirs = _links(one), _links(other)
    shared = one.keys & other.keys
    return any(
        mine[tie] & shared and theirs[tie] & shared and not mine[tie] & theirs[tie]
        for tie in mine.keys() & theirs.keys()
        if tie[1]
    ) or any(
        words & objects.get((head, ""), set()) - objects.get((head, "by"), set())
        for agents, objects in ((mine, theirs), (theirs, mine))
        for (head, link), words in agents.items()
        if link == "by"
    )


def _links(reading: _Reading) -> Mapping[tuple[str, str], set[str]]:
    links: dict[tuple[str, str], set[str]] = {}
    head, link = "", ""
    for token in reading.raw:
        if token.kind in ("word", "fact"):
            if head:
                links.setdefault((head, link), set()).add(token.key)
            head, link = token.key, ""
        elif token.kind == "join":
            head = ""
        elif token.key in _LINKS:
            link = token.key
    return links


def _swapped(one: _Reading, other: _Reading) -> bool:
    """Whether two words stand in each other's company: "x = 3, y = 4" and "x = 4, y = 3"."""
    shared = one.keys & other.keys
    mine, theirs = _company(one, shared), _company(other, shared)
    left, arrived = _moved(mine, theirs), _moved(theirs, mine)
    swaps = {
        (word, taker)
        for place, words in left.items()
        for word in words
        for taker in arrived.get(place, ())
        if word != taker
    }
    return any((taker, word) in swaps for word, taker in swaps)


_Place = tuple[str, str]


def _company(reading: _Reading, shared: Set[str]) -> Mapping[str, set[_Place]]:
    """Say for each shared word what it follows, precedes and stands near within its clause."""
    company: dict[str, set[_Place]] = {key: set() for key in shared}
    tokens = [token for token in reading.tokens if token.key in shared]
    for place, token in enumerate(tokens):
        for before in tokens[max(place - _COMPANY, 0) : place]:
            if before.clause == token.clause and before.key != token.key:
                company[token.key].add(("near", before.key))
                company[before.key].add(("near", token.key))
    for before, token in pairwise(tokens):
        if before.clause == token.clause:
            company[token.key].add(("after", before.key))
            company[before.key].add(("before", token.key))
    return company


def _moved(
    mine: Mapping[str, set[_Place]], theirs: Mapping[str, set[_Place]]
) -> Mapping[_Place, set[str]]:
    """Return the places held in `mine` by words that no longer hold them in `theirs`."""
    places: dict[_Place, set[str]] = {}
    for word, held in mine.items():
        for place in held - theirs[word]:
            places.setdefault(place, set()).add(word)
    return places


def _tells(sentences: Sequence[str], answer: _Reading, known: Set[str]) -> bool:
    """Whether the first clause of a text gives a short answer, with nothing that alters it."""
    if is_limited(sentences[0]) or (len(sentences) > 1 and is_limited(sentences[1][:_OPENING_CHARS])):
        return False
    lead = _lead(sentences)
    wanted = [token.key for token in answer.tokens if token.key not in known]
    if not wanted:  # the answer is one of the question's own words: it has to come first
        wanted = [token.key for token in answer.tokens]
        said = [token.key for token in lead.tokens]
        return said[: len(wanted)] == wanted and not set(said) - known
    places = [
        place
        for place, token in enumerate(lead.raw)
        if token.kind in ("word", "fact") and token.key not in known
    ]
    if len(wanted) > _SHORT_WORDS or len(places) - len(wanted) > _LEAD_EXTRAS:
        return False
    windows = (places[start : start + len(wanted)] for start in range(len(places)))
    return any(
        [lead.raw[place].key for place in window] == wanted
        and _stands_alone(lead, window[0], window[-1], known)
        and all(lead.raw[place].kind == "word" for place in set(places) - set(window))
        for window in windows
    )


def _stands_alone(lead: _Reading, start: int, end: int, known: Set[str]) -> bool:
    """Whether no neighbour of the span modifies it, denies it or makes it part of a list."""
    neighbours = (*lead.raw[max(start - 1, 0) : start], *lead.raw[end + 1 : end + 2])
    return all(
        (token.kind == "stop" and token.key != "of") or token.key in known for token in neighbours
    )


def _lead(sentences: Sequence[str]) -> _Reading:
    aside = _ASIDE.search(sentences[0])
    lead = _read([sentences[0][: aside.start()] if aside else sentences[0]])
    return lead if lead.tokens else _read(sentences[:1])


def is_limited(sentence: str) -> bool:
    """Whether a sentence restricts what it says: only, unless, but."""
    return not LIMITS.isdisjoint(word.strip(_EDGES) for word in sentence.casefold().split())


def _similar(one: _Reading, other: _Reading, known: Set[str]) -> bool:
    if (one.facts ^ other.facts) - (one.keys & other.keys) - known:
        return False
    if _HARD_LIMITS & (one.words ^ other.words) or _replaced(one, other):
        return False
    left, right = _scored(one, known), _scored(other, known)
    if not left or not right:
        left, right = one.keys, other.keys
    if min(len(left), len(right)) < _SHORT_WORDS:
        return left == right
    return len(left & right) / sqrt(len(left) * len(right)) >= LIKENESS


def _replaced(one: _Reading, other: _Reading) -> bool:
    """Whether a word of one text stands where the other has a different word."""
    shared = one.keys & other.keys
    return bool(_strangers(one, shared) & _strangers(other, shared))


def _strangers(reading: _Reading, shared: Set[str]) -> set[_Place]:
    """Where the words stand that only this text has: after which shared word, before which."""
    places: set[_Place] = set()
    for tokens, side in ((reading.tokens, "after"), (reading.tokens[::-1], "before")):
        neighbour = ""
        for token in tokens:
            if token.key in shared:
                neighbour = token.key
            elif neighbour:
                places.add((side, neighbour))
    return places


def _scored(reading: _Reading, known: Set[str]) -> Set[str]:
    """Words to score by: characters of scripts without blanks count in pairs."""
    keys = [token.key for token in reading.tokens if token.key not in known]
    pairs = {
        left + right
        for left, right in pairwise(keys)
        if SPACELESS.match(left) and SPACELESS.match(right)
    }
    return pairs | {key for key in keys if not (pairs and SPACELESS.match(key))}
