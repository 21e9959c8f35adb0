"""Design and critical work stays what it is, whatever stands before, after or around it.

The evidence of a message is weighed as a whole, so text around a request can outweigh it, and of
long messages the middle is not read. Therefore parts of a message are heard by themselves: all of
it but what stands around its subject, and the sentences that speak of a design, a threat or a
loss. This can raise a task and never lower one.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from router.evidence.conversation import Heard, hear_after
from router.evidence.phrases import spaced, spoken_in
from router.evidence.reading import Excerpt
from router.evidence.sentences import Span, is_claim, sentences_of, without_padding
from router.evidence.shapes import SOFTWARE
from router.evidence.signals import PAIRS, SINGLES
from router.evidence.weighing import broadest, totals
from tercet.task import TaskKind

_SPEAKS: Final = frozenset(
    (
        *("design", "architecture", "scheme", "reshape", "refactor", "scale", "whole"),
        *("advise", "threat", "breach", "incident", "harden", "loss", "what now", "live"),
    )
)
"""Concepts of which designs and critical work speak."""
_SUBJECT: Final = (_SPEAKS | SOFTWARE | {"failure", "bug", "data", "build"}) - {"code"}
_GOES_ON: Final = _SUBJECT | {"go on", "refers"}
"""Concepts of a subject; of one that was spoken of before."""
_OPENING: Final = " >#*-/{(\"'=:;.,|&]})"
_ENDING: Final = " \n\t.,;{([<|>*/#-"
"""Marks that open or end nothing of the part."""
_FEW_WORDS: Final = 8
_FENCE: Final = "```"
_OPEN_FENCE: Final = re.compile(r"```\w*\s*$")
_CLOSING_CHARS: Final = 5
"""A line's end and a fence, which close what the part has opened."""
_SENTENCES: Final = 20
"""Most sentences that are heard by themselves."""
_PARTS: Final = 16
"""Most runs of sentences that are heard together."""
_GAP: Final = 3
"""How far apart sentences of one run may stand."""
_PART_CHARS: Final = 1_600
_SHORT_CHARS: Final = 500
_CHARS: Final = 1_500
"""Most characters that are heard again, with so many for each part: bounds the time it takes."""
_FIXED_CHARS: Final = 80
_LEAST_CHARS: Final = 12
"""A shorter part is a heading or an exclamation."""
_SENTENCE_FROM: Final = 0.8
_RUN_FROM: Final = 1.5
"""Evidence from which a sentence, and a run of them, is looked at more closely."""
_REACH: Final = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (2, 2), (-1, 0), (-1, 1), (0, -1))
"""Sentences before and after a run that are heard with it, or left out."""

_CAPABLE: Final = frozenset[TaskKind](("architecture", "security"))


def _alone() -> Mapping[str, float]:
    return {
        concept: max(most)
        for concept, signals in SINGLES.items()
        if (most := [signal.weight for signal in signals if signal.kind in _CAPABLE])
    }


def _with() -> Mapping[str, Mapping[str, float]]:
    found: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for concept, things in PAIRS.items():
        for thing, signals in things.items():
            most = [signal.weight for signal in signals if signal.kind in _CAPABLE]
            if most:
                found[concept][thing] = max(most)
    return found


_ALONE: Final = _alone()
_WITH: Final = _with()
"""The most that a concept shows of capable work: alone, and with another."""
_TELLING: Final = _GOES_ON.union(_ALONE, _WITH, *_WITH.values(), ("ask",))
"""All the concepts that are looked for."""
_TROUBLE: Final = frozenset(("failure", "broken off", "bug"))
_CODE: Final = frozenset("`=({")
_DIGIT: Final = re.compile(r"\d")
_LONG_QUESTION: Final = 1.5
_OUTAGE: Final = 3.0
_CODE_AT_RISK: Final = 4.5
"""Weights of those shapes in `router.evidence.signals`."""
_NEAR: Final = 5
"""Sentences that one request may spread its words over."""
_MESSAGE_FROM: Final = 2.0
"""Most evidence below which no part of a message can be capable work."""

Judge = Callable[[Heard], bool]
"""Whether what was heard is a design or critical work."""


@dataclass(slots=True)
class _Sentences:
    text: str
    spans: Sequence[Span]
    all: Heard
    """The message as it was heard."""
    spoken: Mapping[int, set[str]]
    """The concepts of each sentence that has any."""
    most: Mapping[int, float]
    """The most evidence for capable work that each can be."""
    shapes: float
    """The most evidence that the shape of the message can be."""
    known: dict[Span, Heard | None] = field(default_factory=dict[Span, Heard | None])
    chars_left: int = _CHARS

    def heard(self, first: int, last: int) -> Heard | None:
        """Return a run of sentences as if it were all of the message, while there are any left."""
        if (first, last) not in self.known:
            self.known[first, last] = self._heard(first, last)
        return self.known[first, last]

    def _heard(self, first: int, last: int) -> Heard | None:
        if self.chars_left < 0:
            return None
        start, end = self.spans[first][0], self.spans[last][1] + _CLOSING_CHARS
        if last + 1 < len(self.spans):
            end = min(end, self.spans[last + 1][0])
        part = self.text[start : min(end, start + _PART_CHARS)].lstrip(_OPENING).rstrip(_ENDING)
        if part.count(_FENCE) % 2:
            part = _OPEN_FENCE.sub("", part).rstrip(_ENDING)
        is_heading = len(part) < _LEAST_CHARS and part.isascii() and not self.all.earlier
        self.chars_left -= len(part) + _FIXED_CHARS
        if is_heading or self.chars_left < 0 or part == self.all.excerpt.head:
            return None
        return hear_after(Excerpt(speaker="user", head=part), self.all.earlier)

    def parts(self) -> Iterator[Heard]:
        """Yield parts of the message that may be capable work, each once, as they are heard."""
        if self.all.earlier:
            yield from self.gone_on()
        for first, last in dict.fromkeys(islice(_parts(self), _PARTS)):
            part = self.heard(first, last)
            if part is not None:
                yield part

    def gone_on(self) -> Iterator[Heard]:
        """Yield what "go on" means here, where those words stand among others that ask nothing."""
        broad = broadest(totals(self.all.clues), self.all.last)
        is_padded = self.all.last.words > _FEW_WORDS and broad == "question"
        if is_padded and any("go on" in concepts for concepts in self.spoken.values()):
            yield hear_after(Excerpt(speaker="user", head="go on"), self.all.earlier)

    def size(self, first: int, last: int) -> int:
        """Return the characters of a run of sentences."""
        return self.spans[last][1] - self.spans[first][0]

    def subject(self) -> Span | None:
        """Return the first and the last sentence that speak of software, or go on with it."""
        concepts = _GOES_ON if self.all.earlier else _SUBJECT
        about = [at for at in sorted(self.spoken) if not concepts.isdisjoint(self.spoken[at])]
        if not about:
            return None
        first = next((at for at in about if self._is_meant(at)), about[0])
        return first, next((at for at in reversed(about) if self._is_meant(at)), about[-1])

    def _is_meant(self, at: int) -> bool:
        return not is_claim(self.text, self.spans[at])


def capable_part(heard: Heard, is_capable: Judge) -> Heard | None:
    """Return a part of the last message that is a design or critical by itself, if there is one."""
    message = heard.excerpt.message
    if message is None:
        return None
    text, spans = sentences_of(message.whole)
    plain = spaced(without_padding(text))
    if plain != text:
        text, spans = sentences_of(plain)
    sentences = _spoken(text, spans, heard) if spans else None
    if sentences is None:
        return None
    return next((part for part in sentences.parts() if is_capable(part)), None)


def _spoken(text: str, spans: Sequence[Span], heard: Heard) -> _Sentences | None:
    """Return the sentences with what they may show; none where no part can be capable work."""
    said = ((at, _said(text[start:end])) for at, (start, end) in enumerate(spans))
    told = ((at, spoken_in(sentence.lower(), _TELLING)) for at, sentence in said)
    spoken = {at: concepts for at, concepts in told if concepts}
    most = {at: _most_evidence(concepts) for at, concepts in spoken.items()}
    shapes = _shape_evidence(text, spoken)
    if not heard.earlier and _most_together(most) + shapes < _MESSAGE_FROM:
        return None
    return _Sentences(text, spans, heard, spoken, most, shapes)


def _said(sentence: str) -> str:
    """Return what is said in a sentence; code between fences says nothing."""
    if _FENCE not in sentence:
        return sentence
    pieces = sentence.split(_FENCE)
    return "\n".join(pieces[0::2]) if len(pieces) % 2 else sentence


def _most_evidence(concepts: set[str]) -> float:
    """Return the most evidence for capable work that phrases of these concepts can be."""
    most = 0.0
    for concept in concepts:
        things = _WITH.get(concept)
        acting = max([things.get(thing, 0.0) for thing in concepts]) if things else 0.0
        most += _ALONE.get(concept, 0.0) + acting
    return most


def _most_together(most: Mapping[int, float]) -> float:
    """Return the most that sentences near each other can be together."""
    begin = [at for at, first in most.items() if first]
    return max(
        [sum([most.get(at + step, 0.0) for step in range(_NEAR)]) for at in begin], default=0.0
    )


def _shape_evidence(text: str, spoken: Mapping[int, set[str]]) -> float:
    """Return what the shape of a message may add: trouble for a while, a long question."""
    mentioned = frozenset(concept for concepts in spoken.values() for concept in concepts)
    if SOFTWARE.isdisjoint(mentioned):
        return 0.0
    asks = "ours" in mentioned and ("ask" in mentioned or "?" in text)
    fails = not _TROUBLE.isdisjoint(mentioned) and _DIGIT.search(text) is not None
    shows = "threat" in mentioned and not _CODE.isdisjoint(text)
    return _LONG_QUESTION * asks + _OUTAGE * fails + _CODE_AT_RISK * shows


def _parts(sentences: _Sentences) -> Iterator[Span]:
    """Yield runs of the sentences that say most, and what may be all of the request."""
    end = len(sentences.spans) - 1
    subject = sentences.subject()
    is_short = subject is not None and sentences.size(*subject) <= _SHORT_CHARS
    if subject is not None and is_short:
        yield subject
    if sentences.all.earlier:
        yield from ((at, at) for at, said in sentences.spoken.items() if "go on" in said)
    weights = _weights(sentences)
    for first, last in _together([at for at in sorted(weights) if weights[at] >= _SENTENCE_FROM]):
        if sum(weights.get(at, 0.0) for at in range(first, last + 1)) >= _RUN_FROM:
            yield from _reached(first, last, end)
    told = sum({**sentences.most, **weights}.values()) + sentences.shapes
    if subject is not None and (sentences.all.earlier or told >= _MESSAGE_FROM):
        yield from _reached(*subject, end)


def _weights(sentences: _Sentences) -> dict[int, float]:
    """Return the evidence for capable work in the sentences that may have most."""
    weights: dict[int, float] = {}
    able = [at for at, most in sentences.most.items() if most >= _SENTENCE_FROM]
    for at in sorted(able, key=sentences.most.__getitem__, reverse=True)[:_SENTENCES]:
        part = sentences.heard(at, at) or sentences.heard(at, min(at + 2, len(sentences.spans) - 1))
        scores = totals(part.clues) if part else {}
        weights[at] = scores.get("architecture", 0.0) + scores.get("security", 0.0)
    return weights


def _reached(first: int, last: int, end: int) -> Iterator[Span]:
    for before, after in _REACH:
        start, stop = max(0, first - before), min(end, last + after)
        if start <= stop:
            yield start, stop


def _together(strong: Sequence[int]) -> Iterator[Span]:
    """Yield the runs of sentences that stand together, whole and then without their ends."""
    runs: list[list[int]] = []
    for at in strong:
        if runs and at - runs[-1][-1] <= _GAP:
            runs[-1].append(at)
        else:
            runs.append([at])
    yield from ((run[0], run[-1]) for run in runs)
    for run in runs:
        for cut in range(1, len(run)):
            yield run[cut], run[-1]
            yield run[0], run[-1 - cut]
            yield run[cut], run[cut]
