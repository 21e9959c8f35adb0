"""Text -> tokens -> the phrases of the lexicon in it, with how much each counts."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final

from router.evidence.finer import FINER
from router.evidence.lexicon import LEXICON

_TOKENS: Final = 90
"""Most tokens looked at, at either end of a message: bounds the time that dense text takes."""
_HITS: Final = 40
_HEAD_TOKENS: Final = 80
_TAIL_TOKENS: Final = 60
_MUTED_TOKENS: Final = 3
_WORD_CHARS: Final = 32
_MIDDLE_FORCE: Final = 0.4
"""What a phrase counts farther from both ends of a message than a request usually is."""
MATERIAL_FORCE: Final = 0.3
"""What a phrase counts in text that a request is about."""

_COMMA: Final = ","
_STOPS: Final = frozenset(".!?;:\n")
_MARKS: Final = _STOPS | {_COMMA}
_DEICTIC: Final = frozenset(
    (
        *("this", "these", "the", "that", "my", "our", "your", "diese", "dieser", "dieses"),
        *("diesen", "cette", "este", "esta", "этот", "эту", "это", "этой", "этому", "этом"),
        *("этих", "这个", "这段"),
    )
)
"""What stands before a thing that is already there, not one to be made."""
_FILLERS: Final = frozenset(("filler", "polite", "claim"))
_SAYING_NOTHING: Final = (("filler",), ("claim",))
_TROUBLE: Final = frozenset(("failure", "broken off"))
_ON_PASTED: Final = frozenset(("transform", "according", "as format"))
"""Requests that work on what is pasted below them."""
_ON_MATERIAL: Final = _ON_PASTED | {"convert", "fix", "review", "explain", "rename"}
"""Requests that work on what comes after their colon."""

_TOKEN: Final = re.compile(r"\w+(?:['.+;]\w+|\+\+)*|[,:;]|[.!?\n]+")
"""A word (`don't`, `app.py`, `c++`), a comma, colon or semicolon, or the end of a sentence."""
_SPELLINGS: Final[Mapping[str, str]] = {
    "\u2019": "'",
    "\u0451": "\u0435",
    "\uff1f": "?",
    "\uff01": "!",
    "\uff0c": ",",
    "\uff1a": ":",
    "\uff1b": ";",
    "。": ".",
    "、": ",",
}
"""Typographic apostrophes, the letter io and Chinese marks, as the lexicon spells them."""
HAN: Final = re.compile("[\u4e00-\u9fff]")
_HAN_HEAD_CHARS: Final = 220
_HAN_TAIL_CHARS: Final = 160

_Concepts = tuple[str, ...]
_Entry = tuple[tuple[str, ...], _Concepts]
"""The other words of a phrase, and what it means."""
_Entries = tuple[_Entry, ...]


@dataclass(slots=True)
class Hit:
    """A phrase of the lexicon, found in what is said."""

    at: int
    """Of its first token."""
    ends: int
    sentence: int
    concepts: tuple[str, ...]
    words: str
    opens: bool
    """Nothing but fillers stands before it in its clause."""
    force: float = 1.0
    """Share of a signal's weight that counts here."""


def concepts_of(hits: Iterable[Hit]) -> frozenset[str]:
    """Return every concept that one of the phrases may stand for."""
    return frozenset[str]().union(*[hit.concepts for hit in hits])


def word_count(tokens: Sequence[str]) -> int:
    """Return how many of the tokens are words."""
    return len([token for token in tokens if token[0] not in _MARKS])


def tokens_of(text: str) -> list[str]:
    """Return the tokens at both ends of a text, in lower case.

    Chinese is written without spaces; it is split at the phrases that are known.
    """
    text = text.lower()
    if not text.isascii():
        for foreign, plain in _SPELLINGS.items():
            text = text.replace(foreign, plain)
        if HAN.search(text):
            # A Chinese character says as much as a few letters, and takes longer to look up.
            if len(text) > _HAN_HEAD_CHARS + _HAN_TAIL_CHARS:
                text = f"{text[:_HAN_HEAD_CHARS]}\n{text[-_HAN_TAIL_CHARS:]}"
            text = _HAN_PHRASES.sub(r" \g<0> ", text)
    tokens = _TOKEN.findall(text)
    if len(tokens) > 2 * _TOKENS:
        return [*tokens[:_TOKENS], "\n", *tokens[-_TOKENS:]]
    return tokens


def hits_of(tokens: Sequence[str]) -> list[Hit]:
    """Return the phrases in a message; of sentences about routing, only that they are."""
    hits: list[Hit] = []
    force = 1.0
    for start, end, sentence in _spans(tokens):
        found = list(_hits_in(tokens[start:end], start, sentence))
        if not found:
            continue
        mentions = concepts_of(found)
        if "meta" in mentions:
            hits = [hit for hit in hits if hit.sentence != sentence]
            found = [hit for hit in found if "meta" in hit.concepts]
        for hit in found:
            is_near = hit.at < _HEAD_TOKENS or hit.at > len(tokens) - _TAIL_TOKENS
            hit.force = force if is_near else force * _MIDDLE_FORCE
        hits += found
        if end < len(tokens) and _is_lead(found, mentions, tokens[end]):
            force = MATERIAL_FORCE
    return hits if len(hits) <= 2 * _HITS else hits[:_HITS] + hits[-_HITS:]


def _is_lead(found: Sequence[Hit], mentions: frozenset[str], stop: str) -> bool:
    """Whether what comes after these words is material for them: "Translate to German: ..."."""
    if stop != ":" and "\n" not in stop:
        return False
    leads = _ON_MATERIAL if stop == ":" else _ON_PASTED
    return "below" in mentions or any(
        hit.opens and not leads.isdisjoint(hit.concepts) for hit in found
    )


def _spans(tokens: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Yield where words between stops start and end, and their sentence; a colon ends none."""
    start = sentence = 0
    for at, word in enumerate(tokens):
        if word[0] in _STOPS:
            if at > start:
                yield start, at, sentence
            start = at + 1
            sentence += word != ":"
    if start < len(tokens):
        yield start, len(tokens), sentence


def _hits_in(words: Sequence[str], offset: int, sentence: int) -> Iterator[Hit]:
    opens, ends, muted_to = True, 0, -1
    for at, next_at, concepts in _phrases_in(words):
        opens = opens and at == ends
        ends = next_at
        if _COMMA in concepts:
            opens, muted_to = True, -1
        elif "not" in concepts:
            muted_to = ends + _MUTED_TOKENS
        elif at >= muted_to or not _TROUBLE.isdisjoint(concepts):
            if concepts not in _SAYING_NOTHING:
                is_there = "code" in concepts and at > 0 and words[at - 1] in _DEICTIC
                meant = ("target",) if is_there else concepts
                said = " ".join(words[at:ends])
                yield Hit(offset + at, offset + ends, sentence, meant, said, opens)
            opens = opens and not _FILLERS.isdisjoint(concepts)


def _phrases_in(words: Sequence[str]) -> Iterator[tuple[int, int, _Concepts]]:
    """Yield where known phrases start and end, and what they mean; the longest of several."""
    ends = 0
    for at, word in enumerate(words):
        entries = _entries_of(word[:_WORD_CHARS])
        if not entries or at < ends:
            continue
        following = words[at + 1] if at + 1 < len(words) else ""
        for rest, concepts in entries:
            if rest and rest[0] != following:
                continue
            after = at + 1 + len(rest)
            if not rest or tuple(words[at + 1 : after]) == rest:
                ends = after
                yield at, ends, concepts
                break


# The same few thousand words make up nearly all texts.
@lru_cache(maxsize=8192)
def _entries_of(word: str) -> _Entries:
    """Return what may begin with a word: phrases before stems, longer before shorter."""
    if word == _COMMA:
        return _COMMA_ENTRIES
    stems = (entry for stem, entry in _WORDS.stems.get(word[:3], ()) if word.startswith(stem))
    return (*_WORDS.whole.get(word, ()), *islice(stems, 1))


def spaced(text: str) -> str:
    """Return a text in which known Chinese phrases stand apart."""
    return _HAN_PHRASES.sub(r" \g<0> ", text) if HAN.search(text) else text


def spoken_in(sentence: str, concepts: frozenset[str]) -> set[str]:
    """Return which of the concepts phrases in a sentence in lower case stand for, and their likes.

    Nothing is left out for where it stands: what is denied, quoted or an aside is spoken of too.
    """
    words = _TOKEN.findall(sentence)
    found: set[str] = set()
    for at, word in enumerate(words):
        if word < ":":  # A number or a mark: nothing begins with one.
            continue
        for rest, meant in _entries_for(word[:_WORD_CHARS], concepts):
            if not rest or tuple(words[at + 1 : at + 1 + len(rest)]) == rest:
                found.update(meant)
                break
    return found


@lru_cache(maxsize=8192)
def _entries_for(word: str, concepts: frozenset[str]) -> _Entries:
    return tuple(entry for entry in _entries_of(word) if not concepts.isdisjoint(entry[1]))


def finer_of(tokens: Sequence[str]) -> frozenset[str]:
    """Return the concepts of the finer lexicon whose words are there."""
    found: set[str] = set()
    for at, word in enumerate(tokens):
        for rest, concepts in _finer_entries_of(word[:_WORD_CHARS]):
            if not rest or tuple(tokens[at + 1 : at + 1 + len(rest)]) == rest:
                found.update(concepts)
    return frozenset(found)


@lru_cache(maxsize=8192)
def _finer_entries_of(word: str) -> _Entries:
    stems = (entry for stem, entry in _FINER.stems.get(word[:3], ()) if word.startswith(stem))
    return (*_FINER.whole.get(word, ()), *stems)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    whole: Mapping[str, _Entries]
    """Phrases by first word, longest first."""
    stems: Mapping[str, Sequence[tuple[str, _Entry]]]
    """Beginnings of words by their first three letters, longest first."""
    phrases: Sequence[str]


def _indexed(lexicon: Mapping[str, str]) -> _Index:
    phrases: dict[str, _Concepts] = {}
    for concept, listed in lexicon.items():
        for phrase in " ".join(listed.split()).split(", "):
            phrases[phrase] = (*phrases.get(phrase, ()), concept)
    whole: dict[str, _Entries] = {}
    stems: dict[str, list[tuple[str, _Entry]]] = {}
    for phrase, concepts in sorted(phrases.items(), key=lambda item: -len(item[0])):
        first, *rest = _TOKEN.findall(phrase)
        if phrase.endswith("*"):
            stems.setdefault(first[:3], []).append((first, ((), concepts)))
        else:
            whole[first] = (*whole.get(first, ()), (tuple(rest), concepts))
    return _Index(whole=whole, stems=stems, phrases=tuple(phrases))


_WORDS: Final = _indexed(LEXICON)
_FINER: Final = _indexed(FINER)
_COMMA_ENTRIES: Final[_Entries] = (((), (_COMMA,)),)
_HAN_PHRASES: Final = re.compile(
    "|".join(sorted(filter(HAN.match, {*_WORDS.phrases, *_FINER.phrases}), key=len)[::-1])
)
