"""What a conversation asks for: the user's last message, and what it goes on with.

The last message is read first. When it makes no request of its own ("ok go on", "yes, do it",
"and what about failure modes?"), it is about the most recent request before it. What a client
writes as system message counts little, and only then.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from router.evidence.reading import Clue, Excerpt, Reading, excerpts, read
from router.evidence.weighing import BROAD, REQUEST, totals
from tercet.task import Message, TaskKind

_SHORT_WORDS: Final = 30
_LONG_WORDS: Final = 60
_NEAR: Final = 2
"""Excerpts in which a long text without a request finds the one that it answers."""
_ASSISTANT_SHARE: Final = 0.2
_SYSTEM_SHARE: Final = 0.1
_TOPIC_SHARE: Final = 0.8
_ASIDE_SHARE: Final = 0.3
"""What the topic counts for a question about it, unless the topic is a design: the questions
asked during a design are the design; those asked during other work are questions."""
_BACK_REFERENCE_SHARE: Final = 0.5
"""What a question that refers back counts as a question."""
_CAPABLE: Final = frozenset[TaskKind](("architecture", "security"))
_OFFERED: Final = frozenset[TaskKind](("architecture", "code_review", "bug_fix", "implementation"))
"""What an assistant's words may tell of the work that goes on."""
_CONTINUED: Final = Clue("implementation", 2.0, "goes on with work on software")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was read of a conversation."""

    excerpt: Excerpt
    """The user's last message."""
    earlier: tuple[Excerpt, ...]
    """What was said before, most recent first."""
    last: Reading
    clues: tuple[Clue, ...]
    topic: str = ""
    """The request that the last message goes on with; empty where it makes its own."""


def hear(messages: Sequence[Message]) -> Heard:
    """Return the user's last message, and the clues to what the conversation asks for."""
    newest, *earlier = excerpts(messages)
    return hear_after(newest, tuple(earlier))


def hear_after(newest: Excerpt, earlier: tuple[Excerpt, ...]) -> Heard:
    """Return what is heard where this is the last message, after those before it."""
    last = read(newest)
    if not earlier or not _follows_up(last):
        return Heard(excerpt=newest, earlier=earlier, last=last, clues=last.clues)
    topic, clues = _topic(earlier if last.words <= _LONG_WORDS else earlier[:_NEAR], last)
    clues = [*_as_follow_up(last), *clues]
    return Heard(excerpt=newest, earlier=earlier, last=last, clues=tuple(clues), topic=topic)


def _follows_up(reading: Reading) -> bool:
    """Whether a message makes no request of its own, or only refers to an earlier one."""
    scores = totals(reading.clues)
    if max(scores[kind] for kind in BROAD if kind != "question") >= REQUEST:
        return False
    if "go on" in reading.opening:
        return True
    if "thanks" in reading.opening:
        return False
    refers = reading.words <= _SHORT_WORDS and "refers" in reading.mentions
    return refers or "ask" not in reading.opening


def _as_follow_up(last: Reading) -> Iterator[Clue]:
    refers_back = "refers" in last.mentions or "go on" in last.opening
    for clue in last.clues:
        is_doubtful = refers_back and clue.kind == "question"
        yield _scaled(clue, _BACK_REFERENCE_SHARE if is_doubtful else 1.0)


def _topic(earlier: Iterable[Excerpt], last: Reading) -> tuple[str, list[Clue]]:
    """Return the last request of a user before, and the clues from there on."""
    clues: list[Clue] = []
    is_about_software = False
    for excerpt in earlier:
        reading = read(excerpt)
        scores = totals(reading.clues)
        top = max(BROAD, key=scores.__getitem__)
        if excerpt.speaker == "user" and scores[top] >= REQUEST and not _follows_up(reading):
            return excerpt.head, [*clues, *_continued(reading, top, last)]
        if excerpt.speaker != "system":
            is_about_software = is_about_software or "no software" not in reading.mentions
        if excerpt.speaker != "user":
            share = _SYSTEM_SHARE if excerpt.speaker == "system" else _ASSISTANT_SHARE
            clues += [_scaled(clue, share) for clue in reading.clues if clue.kind in _OFFERED]
    if is_about_software and "ask" not in last.opening:
        clues.append(_CONTINUED)
    return "", clues


def _continued(topic: Reading, top: TaskKind, last: Reading) -> Iterator[Clue]:
    share = _TOPIC_SHARE
    if top in _CAPABLE:
        share = 1.0
    elif "ask" in last.opening:
        share = _ASIDE_SHARE
    for clue in topic.clues:
        if clue.kind == top or clue.kind != "question":
            yield Clue(clue.kind, clue.weight * share, f"continues: {clue.said}")


def _scaled(clue: Clue, share: float) -> Clue:
    return Clue(clue.kind, clue.weight * share, clue.said)
