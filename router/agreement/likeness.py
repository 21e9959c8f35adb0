"""Whether two texts say the same, judged without a model by their words, facts and order.

Accepting a wrong agreement costs more than one more round, so this asks for a lot: the same facts,
the same polarity, the same company for each word, no word standing in another's place, and enough
words in common. The threshold was chosen on half of tests/router/agreement_pairs.jsonl.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from itertools import pairwise
from math import sqrt

from router.agreement.wording import (
    HARD_LIMITS,
    LIMITS,
    OPPOSITES,
    POLAR,
    SEQUENCE,
    SPACELESS,
    Reading,
    Token,
    clipped,
    reading_of,
    sentences_of,
)

LIKENESS = 0.9
"""Least cosine of two sets of content words that may mean the same."""

_SHORT_WORDS = 4  # an answer this short is looked for in the other's first clause
_FEW_WORDS = 10  # among so few, one word more or less changes what is said
_OPENING_CHARS = 20
_LEAD_EXTRAS = 2  # words of that clause that need not be in the short answer
_COMPANY = 4  # how many words back a word still keeps company with
_PROSE_WORDS = 4  # mean words of a sentence below which lines are a list, not prose
_LINKS = frozenset(("of", "to", "from", "by", "for", "with", "on", "over", "under"))
_RELATIONS = frozenset(("makes", "gives", "provides", "has", "have", "uses", "gets", "lets"))
_ARTICLES = frozenset(("a", "an", "the"))
_NEGATING_PREFIXES = ("un", "in", "im", "il", "ir", "non", "non-", "dis", "de", "a")

_NUMBERED = re.compile(r"(?m)^[ \t>]*\d{1,3}[.)][ \t]")
_RELATIVE = re.compile(r",\s+(?:which|who|whose|because|since)\b")
_IN_ORDER = re.compile(r"(?i)\b(?:order|sort|rank|steps?|sequence|порядк|шаг)")
_ASIDE = re.compile(
    r"(?i),\s+(?:an?|the)\s(?![^.]{0,200}(?:,|\band\b|\bor\b))|[;:](?=\s)|\s\(| - "
    r"|,\s+(?:which|who|where|because|as|since|so|not|but|on|with|whose|while|whereas|specifically"
    r"|namely|from|having|chosen|written|known|\w{3,20}(?:ed|ing))\b"
    r"|\s(?:because|while|whereas|since|which)\b"
    r"|\s(?:in|on|since|during|around)\s(?:the\s)?(?:early\s|late\s|mid-?\s?)?(?:(?:january|february"
    r"|march|april|may|june|july|august|september|october|november|december)\s)?\d"
)


def alike(first: str, second: str, *, question: str) -> bool:
    """Whether two answers in prose mean the same, as far as words can tell; never raises.

    Long texts are judged by their heads and tails.
    """
    left, right = sentences_of(first), sentences_of(second)
    one, other = reading_of(left), reading_of(right)
    if not one.keys or not other.keys:
        return False
    asked = reading_of(sentences_of(question)).keys
    known = frozenset(key for key in one.keys | other.keys if _is_asked(key, asked))
    in_order = bool(_IN_ORDER.search(clipped(question))) or all(
        map(_NUMBERED.search, (first, second))
    )
    if _contradict(one, other, known) or _reordered(one, other, known, in_order=in_order):
        return False
    pairs = (one, left, right), (other, right, left)
    return (
        _similar(one, other, known)
        or any(_goes_on(there, len(here), said, known) for said, here, there in pairs)
        or (
            not POLAR.search(clipped(question))
            and any(_tells(t, said, known) for said, _, t in pairs)
        )
    )


def _goes_on(sentences: Sequence[str], length: int, answer: Reading, known: Set[str]) -> bool:
    """Whether a text says what a shorter one does and then goes into detail."""
    said, rest = sentences[:length], sentences[length:]
    is_detail = bool(rest) and _is_prose(sentences) and not is_limited(rest[0][:_OPENING_CHARS])
    return is_detail and _similar(answer, reading_of(said), known)


def clash(first: str, second: str) -> bool:
    """Whether two sentences hold opposites: more and less, or a word and its denial."""
    return _opposed(reading_of(sentences_of(first)), reading_of(sentences_of(second)))


def _is_prose(sentences: Sequence[str]) -> bool:
    return len(reading_of(sentences).tokens) >= _PROSE_WORDS * len(sentences)


def _is_asked(key: str, asked: Set[str]) -> bool:
    """Whether the question has this word or one it is derived from (Japan, Japanese)."""
    return key in asked or any(key[:end] in asked for end in range(5, len(key)))


def _contradict(one: Reading, other: Reading, known: Set[str]) -> bool:
    strange = (one.facts - other.keys) - known, (other.facts - one.keys) - known
    return all(strange) or _opposed(one, other)


def _opposed(one: Reading, other: Reading) -> bool:
    only_one, only_other = one.words - other.words, other.words - one.words
    return (
        any(_denies(key, only_other) for key in only_one)
        or any(_denies(key, only_one) for key in only_other)
        or any(only_one & group and only_other & group for group in OPPOSITES)
    )


def _denies(key: str, others: Set[str]) -> bool:
    is_prefixed = len(key) > 3 and any(prefix + key in others for prefix in _NEGATING_PREFIXES)
    return is_prefixed or f"¬{key}" in others


def _reordered(one: Reading, other: Reading, known: Set[str], *, in_order: bool) -> bool:
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
    counts, others = (Counter(t.key for t in reading.tokens) for reading in (one, other))
    even = {key for key, count in counts.items() if count == others[key] > 1}
    one, other = _told_apart(one, even), _told_apart(other, even)
    return (
        _swapped(one, other)
        or _crossed(one, other)
        or _crossed(other, one)
        or (_is_passive(one) == _is_passive(other) and _turned(one, other))
    )


def _told_apart(reading: Reading, repeated: Set[str]) -> Reading:
    """Number the mentions of words that both texts repeat equally often."""
    seen: Counter[str] = Counter()
    tokens: list[Token] = []
    for token in reading.tokens:
        seen[token.key] += 1
        is_told = token.key in repeated
        tokens.append(replace(token, key=f"{token.key}#{seen[token.key]}") if is_told else token)
    return replace(reading, tokens=tuple(tokens), keys=frozenset(token.key for token in tokens))


def _turned(one: Reading, other: Reading) -> bool:
    """Whether the words on both sides of a third changed sides: "A beats B" and "B beats A"."""
    mine, theirs = _sides(one), _sides(other)
    return any(
        mine[word][0] & theirs[word][1] and mine[word][1] & theirs[word][0]
        for word in mine.keys() & theirs.keys()
    )


def _sides(reading: Reading) -> Mapping[str, tuple[set[str], set[str]]]:
    """Say for each word which words stand close before and close after it."""
    sides: dict[str, tuple[set[str], set[str]]] = {key: (set(), set()) for key in reading.keys}
    for place, token in enumerate(reading.tokens):
        for before in reading.tokens[max(place - _COMPANY, 0) : place]:
            if before.span == token.span and before.key != token.key:
                sides[token.key][0].add(before.key)
                sides[before.key][1].add(token.key)
    return sides


def _is_passive(reading: Reading) -> bool:
    return any(token.key == "by" for token in reading.raw)


def _crossed(one: Reading, other: Reading) -> bool:
    """Whether phrases joined by a bare "and" come in another order; single names may."""
    tokens = [token for token in one.tokens if token.key in other.keys]
    items: dict[int, list[Token]] = {}
    for token in tokens:
        items.setdefault(token.clause, []).append(token)
    short = {
        n for n, item in items.items() if len(item) == 1 or all(t.kind == "fact" for t in item)
    }
    last = {token.key: place for place, token in enumerate(other.tokens)}
    first = {token.key: place for place, token in reversed([*enumerate(other.tokens)])}
    return any(
        last[later.key] < first[earlier.key]
        for earlier, later in pairwise(tokens)
        if earlier.span == later.span
        and earlier.clause != later.clause
        and not {earlier.clause, later.clause} <= short
    )


def _relinked(one: Reading, other: Reading) -> bool:
    """Whether words are tied otherwise than in the other text: "sum of squares", "killed by"."""
    mine, theirs = _ties(one), _ties(other)
    shared = one.keys & other.keys
    for (head, word), link in mine.items():
        back = theirs.get((head, word), link)
        if back != link and ({back, link} <= _LINKS or "by" in (back, link)):
            return True
        if link and theirs.get((word, head)) == link:
            return True
    places, others = _complements(mine, shared), _complements(theirs, shared)
    return any(places[tie].isdisjoint(others[tie]) for tie in places.keys() & others.keys())


def _ties(reading: Reading) -> Mapping[tuple[str, str], str]:
    """Return the preposition or slight verb, or nothing, between each two neighbouring words."""
    ties: dict[tuple[str, str], str] = {}
    head, link = "", ""
    for token in reading.raw:
        if token.kind in ("word", "fact"):
            if head:
                ties[head, token.key] = link
            head, link = token.key, ""
        elif token.kind == "join":
            head = ""
        elif token.key in _LINKS or token.key in _RELATIONS:
            link = token.key
    return ties


def _complements(
    ties: Mapping[tuple[str, str], str], shared: Set[str]
) -> Mapping[tuple[str, str], set[str]]:
    """Return what stands behind each word and its preposition, of the shared words."""
    complements: dict[tuple[str, str], set[str]] = {}
    for (head, word), link in ties.items():
        if link in _LINKS and word in shared:
            complements.setdefault((head, link), set()).add(word)
    return complements


def _swapped(one: Reading, other: Reading) -> bool:
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


def _company(reading: Reading, shared: Set[str]) -> Mapping[str, set[_Place]]:
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


def _tells(sentences: Sequence[str], answer: Reading, known: Set[str]) -> bool:
    """Whether the first clause of a text gives a short answer, with nothing that alters it."""
    if is_limited(_RELATIVE.split(sentences[0])[0]) or (
        len(sentences) > 1 and is_limited(sentences[1][:_OPENING_CHARS])
    ):
        return False
    lead = _lead(sentences)
    if not answer.keys <= lead.keys:
        return False
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
    is_sentence = len(answer.keys) - len(wanted) > 1  # which has to be told as a whole
    extras = len(places) - len(wanted)
    if is_sentence or len(wanted) > _SHORT_WORDS or extras > _LEAD_EXTRAS:
        return False
    windows = (places[start : start + len(wanted)] for start in range(len(places)))
    return any(
        [lead.raw[place].key for place in window] == wanted
        and _stands_alone(lead, window[0], window[-1], known)
        and not any(_is_telling(lead.raw[place]) for place in set(places) - set(window))
        for window in windows
    )


def _stands_alone(lead: Reading, start: int, end: int, known: Set[str]) -> bool:
    """Whether no neighbour of the span modifies it, denies it or makes it part of a list."""
    before = [token for token in lead.raw[:start] if token.key not in _ARTICLES]
    neighbours = (*before[-1:], *lead.raw[end + 1 : end + 2])
    return all(
        (token.kind == "stop" and token.key != "of") or token.key in known for token in neighbours
    )


def _is_telling(token: Token) -> bool:
    return token.kind == "fact" or token.key.startswith("¬")


def _lead(sentences: Sequence[str]) -> Reading:
    aside = _ASIDE.search(sentences[0])
    lead = reading_of([sentences[0][: aside.start()] if aside else sentences[0]])
    return lead if lead.tokens else reading_of(sentences[:1])


def is_limited(sentence: str) -> bool:
    """Whether a sentence restricts what it says: only, unless, but."""
    return not LIMITS.isdisjoint(word.strip(".,;:!?") for word in sentence.casefold().split())


def _similar(one: Reading, other: Reading, known: Set[str]) -> bool:
    if (one.facts ^ other.facts) - (one.keys & other.keys) - known:
        return False
    if HARD_LIMITS & (one.words ^ other.words) or _replaced(one, other):
        return False
    left, right = _scored(one, known), _scored(other, known)
    if not left or not right:
        left, right = one.keys, other.keys
    if min(len(left), len(right)) < _FEW_WORDS:
        return left == right
    return len(left & right) / sqrt(len(left) * len(right)) >= LIKENESS


def _replaced(one: Reading, other: Reading) -> bool:
    """Whether a word of one text stands where the other has a different word."""
    return bool(_strangers(one, other) & _strangers(other, one))


def _strangers(one: Reading, other: Reading) -> set[_Place]:
    """Where words stand that the other text has not, or not so often: after, before which word."""
    unmet = Counter(token.key for token in other.tokens)
    met: list[tuple[str, bool]] = []
    for token in one.tokens:
        unmet[token.key] -= 1
        met.append((token.key, unmet[token.key] >= 0))
    places: set[_Place] = set()
    for keys, side in ((met, "after"), (met[::-1], "before")):
        neighbour = ""
        for key, is_shared in keys:
            if is_shared:
                neighbour = key
            elif neighbour:
                places.add((side, neighbour))
    return places


def _scored(reading: Reading, known: Set[str]) -> Set[str]:
    """Words to score by: characters of scripts without blanks count in pairs."""
    keys = [token.key for token in reading.tokens if token.key not in known]
    pairs = {
        left + right
        for left, right in pairwise(keys)
        if SPACELESS.match(left) and SPACELESS.match(right)
    }
    return pairs | {key for key in keys if not (pairs and SPACELESS.match(key))}
