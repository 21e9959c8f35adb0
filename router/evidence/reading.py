"""Message -> clues: a bounded excerpt is taken apart, and the signals in it are found.

Code, logs, quotations and pasted text are set apart from what the author says. They count by their
shape (an error is shown, a diff is shown), not by their words.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from operator import attrgetter
from typing import Final

from router.evidence.asked import Asked, asked
from router.evidence.phrases import (
    MATERIAL_FORCE,
    Hit,
    concepts_of,
    finer_of,
    hits_of,
    tokens_of,
    word_count,
)
from router.evidence.shapes import SHAPES, SOFTWARE, Facts
from router.evidence.signals import FAMILIES, PAIRS, SINGLES, Signal
from tercet.task import Message, Speaker, TaskKind

LAST_HEAD_CHARS: Final = 1_600
LAST_TAIL_CHARS: Final = 1_200
EARLIER_HEAD_CHARS: Final = 300
EARLIER_CHARS: Final = 1_500
"""Most that is read of all messages before the last one together, most recent first."""
READ_CHARS: Final = LAST_HEAD_CHARS + LAST_TAIL_CHARS + EARLIER_CHARS
"""Most characters that are read of any conversation."""
_EARLIER_MESSAGES: Final = 40
_EARLIER_EXCERPTS: Final = 5
_LINES: Final = 60
"""Most lines looked at, at either end of a message."""
_SAID_CHARS: Final = 700
"""Most characters of what is said that are looked at, at either end."""

_REACH_AHEAD_TOKENS: Final = 12
_REACH_BACK_TOKENS: Final = 8
_SOURCE_REACH_TOKENS: Final = 3
_MUCH_TEXT_WORDS: Final = 60
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
_SAID_AFTER_TAG: Final = re.compile(r"<[A-Za-z][\w-]*>[^<>{}=]{24,}$")
"""A sentence behind a tag that nothing closes."""
_CODE_ENDS: Final = ("{", "}", ";")
_CODE_END: Final = re.compile(
    r"^(?!\s*(?:[\w',%.()-]+ ){6}|.*[\u4e00-\u9fff]{4}).*[{};]$|[=()].*[{};]$"
)
"""Ends as code does, and is not mostly words."""
_QUOTED: Final = re.compile(r'`[^`\n]{1,300}`|"[^"\n]{1,500}"|“[^“”\n]{1,500}”|«[^«»\n]{1,500}»')


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """The part of a message that is read."""

    speaker: Speaker
    head: str
    tail: str = ""
    """Empty unless the end of the message is read apart from its beginning."""
    message: Asked | None = None
    """All that was looked through, where this is the last message."""


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
class _Found:
    """A signal in words, and the phrases that give it."""

    signal: Signal
    hit: Hit
    thing: Hit | None
    weight: float

    @property
    def said(self) -> str:
        if self.thing is None:
            return f"{self.signal.said} ('{self.hit.words}')"
        return f"{self.signal.said} ('{self.hit.words}', '{self.thing.words}')"


def excerpts(messages: Sequence[Message]) -> tuple[Excerpt, ...]:
    """Return what is read of a conversation, at most `READ_CHARS`: the user's last message first.

    Then the heads of what the user said before, of the answer to it, and of system messages, most
    recent first.
    """
    last = len(messages) - 1
    while last > 0 and not (messages[last].speaker == "user" and messages[last].text):
        last -= 1
    said = asked(messages[last].text)
    text, tail = said.text, ""
    if len(text) > LAST_HEAD_CHARS + LAST_TAIL_CHARS:
        text, tail = text[:LAST_HEAD_CHARS], text[-LAST_TAIL_CHARS:]
    newest = Excerpt(speaker="user", head=text, tail=tail, message=said)
    return (newest, *_earlier(messages[max(0, last - _EARLIER_MESSAGES) : last]))


def _earlier(messages: Sequence[Message]) -> Iterator[Excerpt]:
    left = EARLIER_CHARS
    wanted = (m for m in reversed(messages) if m.speaker != "assistant" or m is messages[-1])
    for message in islice(wanted, _EARLIER_EXCERPTS):
        text = asked(message.text).text if message.speaker == "user" else message.text
        head = text[: min(EARLIER_HEAD_CHARS, left)]
        yield Excerpt(speaker=message.speaker, head=head)
        left -= len(head)


def read(excerpt: Excerpt) -> Reading:
    """Return the clues of one message."""
    parts = _taken_apart(excerpt)
    tokens = tokens_of(_ends(_QUOTED.sub(" ¤ ", parts.said)))
    hits = hits_of(tokens)
    found = _strongest(hits)
    last = hits[-1].sentence if hits and hits[0].sentence != hits[-1].sentence else -1
    facts = Facts(
        text=f"{excerpt.head}\n{excerpt.tail}",
        said=parts.said,
        code=parts.code.strip(),
        pasted=parts.pasted.strip(),
        words=word_count(tokens),
        finer=finer_of(tokens),
        mentions=concepts_of(hits),
        opening=concepts_of(hit for hit in hits if hit.opens),
        last_sentence=concepts_of(hit for hit in hits if hit.sentence == last),
        software_phrases=_software_phrases(hits),
        strongest=next((one.weight for one in found if one.signal.kind not in FAMILIES), 0.0),
    )
    shapes = [shape for shape, holds in SHAPES.items() if holds(facts)]
    shapes += sorted(facts.finer)
    return Reading(
        clues=(*_word_clues(found, facts), *_shape_clues(shapes, facts)),
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
    if len(pieces) % 2 == 0:  # What an odd fence opens may as well be said.
        pieces, code = [*pieces[:-2], f"{pieces[-2]}\n\n{pieces[-1]}"], code[:-1]
    pasted: list[str] = []
    closing = ""
    lines = "\n\n".join(pieces[0::2]).split("\n")
    if len(lines) > 2 * _LINES:
        lines = lines[:_LINES] + lines[-_LINES:]
    whole = pieces[0::2]
    for line in map(str.strip, lines):
        opens = not closing and line.startswith("<")
        tag = _TAG.match(line) if opens else None
        if tag and any(f"</{tag[1]}>" in piece for piece in whole):
            closing = f"</{tag[1]}>"
        if opens and not closing and _SAID_AFTER_TAG.match(line):
            said.append(line.split(">", 1)[1])
        elif closing or _PASTED_LINE.match(line):
            pasted.append(line)
        elif _CODE_LINE.match(line) or (line.endswith(_CODE_ENDS) and _CODE_END.search(line)):
            code.append(line)
        else:
            said.append(line)
        closing = "" if closing in line else closing
    return _Parts(said="\n".join(said), code="\n".join(code), pasted="\n".join(pasted))


def _ends(said: str) -> str:
    if len(said) <= 2 * _SAID_CHARS:
        return said
    return f"{said[:_SAID_CHARS]}\n{said[-_SAID_CHARS:]}"


def _software_phrases(hits: Sequence[Hit]) -> int:
    return len(
        {
            hit.words
            for hit in hits
            if hit.force > MATERIAL_FORCE and not SOFTWARE.isdisjoint(hit.concepts)
        }
    )


def _word_clues(found: Sequence[_Found], facts: Facts) -> Iterator[Clue]:
    for one in found:
        yield Clue(one.signal.kind, one.weight * _trust(one.signal, facts), one.said)


def _shape_clues(shapes: Sequence[str], facts: Facts) -> Iterator[Clue]:
    for shape in shapes:
        for signal in SINGLES.get(shape, ()):
            yield Clue(signal.kind, signal.weight * _trust(signal, facts), signal.said)


def _trust(signal: Signal, facts: Facts) -> float:
    """Return what a signal counts beside the rest of the message.

    Half, for work on software where none is spoken of ("fix my marriage"), and for a design where
    a little text goes with code. Who asks to design mostly means software.
    """
    is_elsewhere = signal.kind in _WORK and signal.concept != "design"
    if is_elsewhere and not facts.is_about_software:
        return 0.5
    if signal.kind == "architecture" and facts.code and facts.words <= _MUCH_TEXT_WORDS:
        return 0.5
    return 1.0


def _strongest(hits: Sequence[Hit]) -> list[_Found]:
    """Return the signals in words, strongest first; one a kind for each phrase and statement."""
    strongest: list[_Found] = []
    seen: set[tuple[str, int | str]] = set()
    telling = [found for found in _found(hits) if found.weight > 0]
    for found in sorted(telling, key=attrgetter("weight"), reverse=True):
        signal = found.signal
        of_phrase, of_statement = (signal.kind, found.hit.at), (signal.kind, signal.said)
        if of_phrase not in seen and of_statement not in seen:
            seen.add(of_phrase)
            seen.add(of_statement)
            strongest.append(found)
    return strongest


def _found(hits: Sequence[Hit]) -> Iterator[_Found]:
    for index, hit in enumerate(hits):
        for concept in hit.concepts:
            for signal in SINGLES.get(concept, ()):
                share = hit.force if hit.opens else hit.force * signal.aside
                yield _Found(signal, hit, None, signal.weight * share)
            if concept in PAIRS:
                for signal, thing in _acting(hits, index, concept):
                    opens = hit.opens or (thing.opens and thing.at < hit.at)
                    share = min(hit.force, thing.force) * (1 if opens else signal.aside)
                    yield _Found(signal, hit, thing, signal.weight * share)


def _acting(hits: Sequence[Hit], index: int, concept: str) -> Iterator[tuple[Signal, Hit]]:
    """Yield the signals of a concept that acts on another, with what it acts on."""
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


def _object_of(hits: Sequence[Hit], index: int, wanted: frozenset[str]) -> Hit | None:
    """Return the nearest object after a phrase, or else before it, in the same sentence."""
    return _object_ahead(hits, index, wanted) or _object_behind(hits, index, wanted)


def _object_ahead(hits: Sequence[Hit], index: int, wanted: frozenset[str]) -> Hit | None:
    """Return the next object; of nouns side by side the last: a "payment architecture" is one."""
    found: Hit | None = None
    sentence, reach = hits[index].sentence, hits[index].at + _REACH_AHEAD_TOKENS
    for at in range(index + 1, len(hits)):
        other = hits[at]
        if other.at > reach or other.sentence != sentence:
            return found
        if found is not None and (other.at != found.ends or wanted.isdisjoint(other.concepts)):
            return found
        if not wanted.isdisjoint(other.concepts):
            found = other
    return found


def _object_behind(hits: Sequence[Hit], index: int, wanted: frozenset[str]) -> Hit | None:
    sentence, reach = hits[index].sentence, hits[index].at - _REACH_BACK_TOKENS
    for at in range(index - 1, -1, -1):
        other = hits[at]
        if other.at < reach or other.sentence != sentence:
            return None
        if not wanted.isdisjoint(other.concepts):
            return other
    return None
