"""What a message shows: a bounded excerpt, taken apart, and the clues found in it.

Code, logs, quotations and pasted text are set apart from what the author says. They count by their
shape (an error is shown, a diff is shown), not by their words. Claims about routing count nothing.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

from router.evidence import PAIRS, SHAPES, SINGLES, SOFTWARE, Facts, Signal
from router.lexicon import COMMA, phrases_in, tokens_of
from tercet.task import Message, Speaker, TaskKind

LAST_HEAD_CHARS: Final = 1_600
LAST_TAIL_CHARS: Final = 1_200
EARLIER_HEAD_CHARS: Final = 400
EARLIER_CHARS: Final = 2_400
"""Most that is read of all messages before the last one together, most recent first."""
READ_CHARS: Final = LAST_HEAD_CHARS + LAST_TAIL_CHARS + EARLIER_CHARS
"""Most characters that are read of any conversation."""
_EARLIER_MESSAGES: Final = 40
_EARLIER_EXCERPTS: Final = 6
_LINES: Final = 60
"""Most lines looked at, at either end of a message."""
_SAID_CHARS: Final = 900
_TOKENS: Final = 110
"""Most tokens weighed at either end of a message: bounds the time that dense text takes."""

_HITS: Final = 50
_HEAD_TOKENS: Final = 80
_TAIL_TOKENS: Final = 60
_MIDDLE_FORCE: Final = 0.4
"""What a phrase counts farther from both ends of a message than a request usually is."""
_MATERIAL_FORCE: Final = 0.3
"""What a phrase counts in text that a request was made about."""
_FAINT: Final = 0.35
_MUTED_TOKENS: Final = 3
_REACH_AHEAD_TOKENS: Final = 12
_REACH_BACK_TOKENS: Final = 8
_SOURCE_REACH_TOKENS: Final = 3
_MUCH_TEXT_WORDS: Final = 60

_STOPS: Final = frozenset(".!?;:\n")
_MARKS: Final = _STOPS | {","}
_DEICTIC: Final = frozenset(
    "this these the that my our your diese dieser dieses diesen cette este esta "
    "этот эту это этой этому этом этих 这个 这段".split()
)
"""What stands before a thing that is already there, not one to be made."""
_FILLERS: Final = frozenset(("filler", "polite"))
_TROUBLE: Final = frozenset(("failure", "broken off"))
_ON_MATERIAL: Final = frozenset(
    ("transform", "convert", "as format", "according", "fix", "review", "explain", "rename")
)
"""Requests that work on what comes after their colon."""
_LEADS: Final = frozenset(("transform", "according", "as format"))
"""Requests that work on what is pasted below them."""
_WORK: Final = frozenset(("security", "architecture", "code_review", "bug_fix", "implementation"))

_CODE_LINE: Final = re.compile(
    r"(?:def|class|import|from|const|let|var|func|function|public|private|return|#include|package"
    r"|for|if|while|print|console)\b.*[:(){=;]|(?:import|from) [\w.]+$|[\w.]+ = \S|@\w+$|>>> "
)
_PASTED_LINE: Final = re.compile(
    r"[>|@+]|-{3}|diff --git|npm |\d{4}-\d\d-\d\d[ T]|(?:INFO|WARN|ERROR|DEBUG|FATAL)\b|File \""
    r"|at [\w.$]+\(|Traceback|<[\w/]|(?:[\w-]*-[\w-]*|[Kk]ind|[Tt]ier|[Pp]riority) ?: ?\S+$"
    r"|Step \d|\$ |\w*(?:Error|Exception)\b"
)
_TAG: Final = re.compile(r"<([A-Za-z][\w-]*)[^>]*>$")
_QUOTED: Final = re.compile(r'`[^`\n]{1,300}`|"[^"\n]{1,500}"|“[^“”\n]{1,500}”|«[^«»\n]{1,500}»')


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """The part of a message that is read."""

    speaker: Speaker
    head: str
    tail: str = ""
    """Empty unless the end of the message is read apart from its beginning."""


@dataclass(frozen=True, slots=True)
class Clue:
    """A signal that was found: how much it counts here, and how it reads."""

    kind: TaskKind
    weight: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One message, read."""

    clues: tuple[Clue, ...]
    mentions: frozenset[str]
    """Concepts that are spoken of, and shapes."""
    opening: frozenset[str]
    """Concepts that open a sentence or clause."""
    words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    said: str
    code: str
    pasted: str


@dataclass(slots=True)
class _Hit:
    """A phrase of the lexicon, found in what is said."""

    at: int
    ends: int
    sentence: int
    concepts: tuple[str, ...]
    words: str
    opens: bool
    """Nothing but fillers stands before it in its clause."""
    force: float = 1.0
    """Share of a signal's weight that counts here."""


@dataclass(slots=True)
class _Found:
    """A signal, in the phrases that give it."""

    signal: Signal
    hit: _Hit
    thing: _Hit | None
    weight: float

    @property
    def said(self) -> str:
        """Return what is said, with the words that say it."""
        if self.thing is None:
            return f"{self.signal.said} ('{self.hit.words}')"
        return f"{self.signal.said} ('{self.hit.words}', '{self.thing.words}')"


def excerpts(messages: Sequence[Message]) -> tuple[Excerpt, ...]:
    """Return what is read of a conversation, at most `READ_CHARS`: the user's last message first.

    Then the heads of what the user said before, of the answer to it, and of system messages, most
    recent first.
    """
    last = len(messages) - 1
    while last > 0 and messages[last].speaker != "user":
        last -= 1
    text = messages[last].text
    found = [Excerpt(speaker="user", head=text)]
    if len(text) > LAST_HEAD_CHARS + LAST_TAIL_CHARS:
        head, tail = text[:LAST_HEAD_CHARS], text[-LAST_TAIL_CHARS:]
        found = [Excerpt(speaker="user", head=head, tail=tail)]
    found += _earlier(messages[max(0, last - _EARLIER_MESSAGES) : last])
    return tuple(found)


def _earlier(messages: Sequence[Message]) -> Iterator[Excerpt]:
    """Yield the heads of what the user asked before, of the answer in between, of the system."""
    left = EARLIER_CHARS
    asked = 0
    for message in reversed(messages):
        is_wanted = message.speaker != "assistant" or message is messages[-1]
        if is_wanted and left > 0 and asked < _EARLIER_EXCERPTS:
            head = message.text[: min(EARLIER_HEAD_CHARS, left)]
            yield Excerpt(speaker=message.speaker, head=head)
            left -= len(head)
            asked += 1


def read(excerpt: Excerpt) -> Reading:
    """Return the clues of one message."""
    parts = _taken_apart(excerpt)
    tokens = _tokens(parts.said)
    hits = _hits(tokens)
    clues = _word_clues(hits)
    facts = _facts(excerpt, parts, tokens, hits, max((clue.weight for clue in clues), default=0.0))
    shapes = [shape for shape, holds in SHAPES.items() if holds(facts)]
    clues += [
        Clue(signal.kind, signal.weight, signal.said)
        for shape in shapes
        for signal in SINGLES.get(shape, ())
    ]
    return Reading(
        clues=tuple(_doubted(clue, facts) for clue in clues),
        mentions=facts.mentions.union(shapes),
        opening=facts.opening,
        words=facts.words,
    )


def _taken_apart(excerpt: Excerpt) -> _Parts:
    parts = _parted(excerpt.head.split("```"))
    if not excerpt.tail:
        return parts
    # The middle was not read: the tail is taken to end outside of any code.
    pieces = excerpt.tail.split("```")
    tail = _parted(pieces if len(pieces) % 2 else ["", *pieces])
    return _Parts(
        said=f"{parts.said}\n{tail.said}",
        code=f"{parts.code}\n{tail.code}",
        pasted=f"{parts.pasted}\n{tail.pasted}",
    )


def _parted(pieces: Sequence[str]) -> _Parts:
    """Take text apart that was split at its code fences: every second piece is code."""
    said: list[str] = []
    code = list(pieces[1::2])
    pasted: list[str] = []
    closing = ""
    lines = "\n\n".join(pieces[0::2]).split("\n")
    if len(lines) > 2 * _LINES:
        lines = lines[:_LINES] + lines[-_LINES:]
    for line in lines:
        stripped = line.strip()
        tag = None if closing else _TAG.match(stripped)
        closing = f"</{tag[1]}>" if tag else closing
        if closing or _PASTED_LINE.match(stripped):
            pasted.append(stripped)
        elif _CODE_LINE.match(stripped) or stripped.endswith(("{", "}", ";")):
            code.append(stripped)
        else:
            said.append(stripped)
        closing = "" if closing in stripped else closing
    return _Parts(said="\n".join(said), code="\n".join(code), pasted="\n".join(pasted))


def _tokens(said: str) -> list[str]:
    """Return the tokens at both ends of what is said."""
    if len(said) > 2 * _SAID_CHARS:
        said = f"{said[:_SAID_CHARS]}\n{said[-_SAID_CHARS:]}"
    tokens = tokens_of(_QUOTED.sub(" ¤ ", said))
    if len(tokens) > 2 * _TOKENS:
        return [*tokens[:_TOKENS], "\n", *tokens[-_TOKENS:]]
    return tokens


def _facts(
    excerpt: Excerpt,
    parts: _Parts,
    tokens: Sequence[str],
    hits: Sequence[_Hit],
    strongest: float,
) -> Facts:
    last = hits[-1].sentence if hits and hits[0].sentence != hits[-1].sentence else -1
    of_software = {
        hit.words for hit in hits if hit.force > _FAINT and not SOFTWARE.isdisjoint(hit.concepts)
    }
    return Facts(
        text=f"{excerpt.head}\n{excerpt.tail}",
        said=parts.said,
        code=parts.code.strip(),
        pasted=parts.pasted.strip(),
        words=len([token for token in tokens if token[0] not in _MARKS]),
        mentions=_concepts(hits),
        opening=_concepts(hit for hit in hits if hit.opens),
        last_sentence=_concepts(hit for hit in hits if hit.sentence == last),
        software_phrases=len(of_software),
        strongest=strongest,
    )


def _concepts(hits: Iterable[_Hit]) -> frozenset[str]:
    return frozenset(concept for hit in hits for concept in hit.concepts)


def _doubted(clue: Clue, facts: Facts) -> Clue:
    """Halve what does not go with the rest of the message.

    That is work on software where none is spoken of, and a design where a little text goes with
    code.
    """
    doubted = clue.kind in _WORK and not facts.is_about_software and not clue.said.startswith('asks to design')
    if facts.code and facts.words <= _MUCH_TEXT_WORDS:
        doubted = doubted or clue.kind == "architecture"
    return Clue(clue.kind, clue.weight / 2, clue.said) if doubted else clue


def _hits(tokens: Sequence[str]) -> list[_Hit]:
    """Return the phrases at both ends of what is said, without claims about routing."""
    hits: list[_Hit] = []
    force = 1.0
    for start, end, sentence in _spans(tokens):
        found = list(_hits_in(tokens[start:end], start, sentence))
        mentions = _concepts(found)
        if "meta" in mentions:
            hits = [hit for hit in hits if hit.sentence != sentence]
            found = [hit for hit in found if "meta" in hit.concepts]
        for hit in found:
            is_near = hit.at < _HEAD_TOKENS or hit.at > len(tokens) - _TAIL_TOKENS
            hit.force = force if is_near else force * _MIDDLE_FORCE
        hits += found
        if end < len(tokens) and _is_lead(found, mentions, tokens[end]):
            force = _MATERIAL_FORCE
    return hits if len(hits) <= 2 * _HITS else hits[:_HITS] + hits[-_HITS:]


def _is_lead(found: Sequence[_Hit], mentions: frozenset[str], stop: str) -> bool:
    """Whether what comes after these words is material for them: "Translate to German: ..."."""
    if stop != ":" and "\n" not in stop:
        return False
    leads = _ON_MATERIAL if stop == ":" else _LEADS
    return "below" in mentions or any(
        hit.opens and not leads.isdisjoint(hit.concepts) for hit in found
    )


def _spans(tokens: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Yield where words between stops start and end, and their sentence; a colon ends none."""
    start = sentence = 0
    for at, token in enumerate(tokens):
        if token[0] in _STOPS:
            if at > start:
                yield start, at, sentence
            start = at + 1
            sentence += token != ":"
    if start < len(tokens):
        yield start, len(tokens), sentence


def _hits_in(words: Sequence[str], offset: int, sentence: int) -> Iterator[_Hit]:
    opens, ends, muted_to = True, 0, -1
    for at, next_at, concepts in phrases_in(words):
        opens = opens and at == ends
        ends = next_at
        if COMMA in concepts:
            opens, muted_to = True, -1
        elif "not" in concepts:
            muted_to = ends + _MUTED_TOKENS
        elif at >= muted_to or not _TROUBLE.isdisjoint(concepts):
            if "code" in concepts and at > 0 and words[at - 1] in _DEICTIC:
                concepts = ("target",)
            if concepts != ("filler",):
                said = " ".join(words[at:ends])
                yield _Hit(offset + at, offset + ends, sentence, concepts, said, opens)
            opens = opens and not _FILLERS.isdisjoint(concepts)


def _word_clues(hits: Sequence[_Hit]) -> list[Clue]:
    """Return the strongest clues; of one phrase, and of one statement, only one for a kind."""
    clues: list[Clue] = []
    seen: set[tuple[str, int | str]] = set()
    for found in sorted(_found(hits), key=lambda found: -found.weight):
        of_phrase = (found.signal.kind, found.hit.at)
        of_statement = (found.signal.kind, found.signal.said)
        if found.weight > 0 and of_phrase not in seen and of_statement not in seen:
            seen |= {of_phrase, of_statement}
            clues.append(Clue(found.signal.kind, found.weight, found.said))
    return clues


def _found(hits: Sequence[_Hit]) -> Iterator[_Found]:
    for index, hit in enumerate(hits):
        for concept in hit.concepts:
            for signal in SINGLES.get(concept, ()):
                share = hit.force if hit.opens else hit.force * signal.aside
                yield _Found(signal, hit, None, signal.weight * share)
            if concept in PAIRS:
                for signal, thing in _pairs(hits, index, concept):
                    opens = hit.opens or (thing.opens and thing.at < hit.at)
                    share = min(hit.force, thing.force) * (1 if opens else signal.aside)
                    yield _Found(signal, hit, thing, signal.weight * share)


def _pairs(hits: Sequence[_Hit], index: int, concept: str) -> Iterator[tuple[Signal, _Hit]]:
    hit = hits[index]
    thing = _object_of(hits, index, _acted_on(hit.concepts, concept))
    if thing is None or (concept == "ask" and not hit.opens):
        return
    if concept == "source" and not 0 < thing.at - hit.at <= _SOURCE_REACH_TOKENS:
        return
    for candidate in thing.concepts:
        for signal in PAIRS[concept].get(candidate, ()):
            yield signal, thing


@cache
def _acted_on(concepts: tuple[str, ...], concept: str) -> frozenset[str]:
    """Return the concepts that `concept`, or another meaning of its phrase, may act on.

    "Add a docstring to the function" is about the docstring whatever "add" means; looking for
    weaknesses is apart, because "review this code for XSS" is about both.
    """
    rivals = [c for c in concepts if (c == "inspect") == (concept == "inspect")]
    return frozenset(thing for rival in rivals for thing in PAIRS.get(rival, ()))


def _object_of(hits: Sequence[_Hit], index: int, wanted: frozenset[str]) -> _Hit | None:
    """Return the nearest object after a phrase, or else before it, in the same sentence."""
    return _object_ahead(hits, index, wanted) or _object_behind(hits, index, wanted)


def _object_ahead(hits: Sequence[_Hit], index: int, wanted: frozenset[str]) -> _Hit | None:
    """Return the next object; of nouns side by side the last: a "payment architecture" is one."""
    found: _Hit | None = None
    for other in islice(hits, index + 1, None):
        is_far = other.at - hits[index].at > _REACH_AHEAD_TOKENS
        if is_far or other.sentence != hits[index].sentence:
            return found
        if found is not None and (other.at != found.ends or wanted.isdisjoint(other.concepts)):
            return found
        if not wanted.isdisjoint(other.concepts):
            found = other
    return found


def _object_behind(hits: Sequence[_Hit], index: int, wanted: frozenset[str]) -> _Hit | None:
    for at in range(index - 1, -1, -1):
        other = hits[at]
        is_far = hits[index].at - other.at > _REACH_BACK_TOKENS
        if is_far or other.sentence != hits[index].sentence:
            return None
        if not wanted.isdisjoint(other.concepts):
            return other
    return None
