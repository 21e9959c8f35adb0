"""Task -> Profile: rules over a bounded excerpt of the conversation, explained.

The user's last message is read first. When it makes no request of its own ("ok go on", "yes, do
it", "and what about failure modes?"), it is about the most recent request before it. What a client
writes as system message counts little, and only then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from router.evidence.reading import Clue, Excerpt, Reading, excerpts, read
from tercet.task import Hints, Message, Profile, Task, TaskKind

_DESIGN: Final = frozenset[TaskKind](("architecture",))
_CRITICAL: Final = frozenset[TaskKind](("security",))
_IMPLEMENTATION: Final = frozenset[TaskKind](("code_review", "bug_fix", "implementation"))
_ROUTINE: Final = frozenset[TaskKind](("routine_code", "lookup"))

KINDS: Final[tuple[TaskKind, ...]] = (
    "security",
    "architecture",
    "code_review",
    "bug_fix",
    "implementation",
    "routine_code",
    "lookup",
    "transformation",
    "question",
)
"""Every kind; of two with equal evidence the earlier wins."""

_CRITICAL_FROM: Final[Mapping[TaskKind, float]] = {
    "security": 0.0,
    "architecture": 0.5,
    "code_review": 3.5,
    "bug_fix": 3.5,
    "implementation": 3.5,
}
"""Evidence of `security` that makes work of this kind critical: any at all for a design."""

_REQUEST: Final = 2.0
"""Evidence from which a message makes a request of its own."""
_REQUEST_ON_CODE: Final = 1.0
"""The same where code, a diff or an error is shown: some work on it is wanted."""
_SHOWN: Final = frozenset(("code shown", "diff shown", "error shown"))
_SHORT_WORDS: Final = 30
_LONG_WORDS: Final = 60
_NEAR: Final = 2
"""Excerpts in which a long text without a request finds the one that it answers."""
_REASONS: Final = 6

_ASSISTANT_SHARE: Final = 0.2
_SYSTEM_SHARE: Final = 0.1
_TOPIC_SHARE: Final = 0.8
_ASIDE_SHARE: Final = 0.3
"""What the topic counts for a question about it, unless the topic is a design: the questions
asked during a design are the design; those asked during other work are questions."""
_BACK_REFERENCE_SHARE: Final = 0.5
"""What a question that refers back counts as a question."""
_OFFERED: Final = _DESIGN | _IMPLEMENTATION
"""What an assistant's words may tell of the work that goes on."""
_CONTINUED: Final = Clue("implementation", 2.0, "goes on with work on software")

_BYTES_PER_TOKEN: Final = 4
_EXACT_CHARS: Final = 8_000
_SAMPLES: Final = 8
_SAMPLE_CHARS: Final = 256


def classify(task: Task) -> Profile:
    """Profile a task from at most `router.evidence.reading.READ_CHARS` characters of it.

    What the caller said in `task.hints` replaces what was found. `confidence` is
    (best - next) / (best + 1) over the evidence for each kind, and 1 when the caller said the kind.
    """
    hints = task.hints
    last, clues = _clues(task.messages)
    scores = _totals(clues)
    kind = hints.kind or _best(scores, last, _left_open(hints))
    is_critical = kind in _CRITICAL
    if hints.kind is None and kind in _CRITICAL_FROM:
        is_critical = scores["security"] >= _CRITICAL_FROM[kind]
    return Profile(
        kind=kind,
        requires_design=_flag(said=hints.requires_design, otherwise=kind in _DESIGN),
        is_critical=_flag(said=hints.is_critical, otherwise=is_critical),
        requires_implementation=_flag(
            said=hints.requires_implementation, otherwise=kind in _IMPLEMENTATION
        ),
        is_routine=_flag(said=hints.is_routine, otherwise=kind in _ROUTINE),
        size_tokens=_size_tokens([message.text for message in task.messages]),
        confidence=1.0 if hints.kind else _confidence(scores, kind),
        reasons=(*_said_by_caller(hints), *_reasons(clues, kind, is_critical=is_critical))[
            :_REASONS
        ],
    )


def _clues(messages: Sequence[Message]) -> tuple[Reading, tuple[Clue, ...]]:
    """Return the user's last message, and the clues to what the conversation asks for."""
    newest, *earlier = excerpts(messages)
    last = read(newest)
    if not earlier or not _follows_up(last):
        return last, last.clues
    near = earlier if last.words <= _LONG_WORDS else earlier[:_NEAR]
    return last, (*_as_follow_up(last), *_topic(near, last))


def _follows_up(reading: Reading) -> bool:
    """Whether a message makes no request of its own, or only refers to an earlier one."""
    scores = _totals(reading.clues)
    if max(scores[kind] for kind in KINDS if kind != "question") >= _REQUEST:
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


def _topic(earlier: Iterable[Excerpt], last: Reading) -> Iterator[Clue]:
    """Yield what was said before, most recent first, back to the last request of a user."""
    is_about_software = False
    for excerpt in earlier:
        reading = read(excerpt)
        scores = _totals(reading.clues)
        top = max(KINDS, key=scores.__getitem__)
        if excerpt.speaker == "user" and scores[top] >= _REQUEST and not _follows_up(reading):
            yield from _continued(reading, top, last)
            return
        if excerpt.speaker != "system":
            is_about_software = is_about_software or "no software" not in reading.mentions
        if excerpt.speaker != "user":
            share = _SYSTEM_SHARE if excerpt.speaker == "system" else _ASSISTANT_SHARE
            yield from (_scaled(clue, share) for clue in reading.clues if clue.kind in _OFFERED)
    if is_about_software and "ask" not in last.opening:
        yield _CONTINUED


def _continued(topic: Reading, top: TaskKind, last: Reading) -> Iterator[Clue]:
    share = _TOPIC_SHARE
    if top in _DESIGN | _CRITICAL:
        share = 1.0
    elif "ask" in last.opening:
        share = _ASIDE_SHARE
    for clue in topic.clues:
        if clue.kind == top or clue.kind != "question":
            yield Clue(clue.kind, clue.weight * share, f"continues: {clue.said}")


def _scaled(clue: Clue, share: float) -> Clue:
    return Clue(clue.kind, clue.weight * share, clue.said)


def _totals(clues: Iterable[Clue]) -> dict[TaskKind, float]:
    scores = dict.fromkeys(KINDS, 0.0)
    for clue in clues:
        scores[clue.kind] += clue.weight
    return scores


def _left_open(hints: Hints) -> tuple[TaskKind, ...]:
    """Return the kinds that go with the flags the caller set; all, if none goes with them all.

    Work of any kind can be critical, so only a false `is_critical` rules a kind out.
    """
    said = (
        (hints.requires_design, _DESIGN),
        (hints.requires_implementation, _IMPLEMENTATION),
        (hints.is_routine, _ROUTINE),
        (None if hints.is_critical else hints.is_critical, _CRITICAL),
    )
    fitting: list[TaskKind] = [
        kind for kind in KINDS if all(flag in {None, kind in kinds} for flag, kinds in said)
    ]
    return tuple(fitting) or KINDS


def _best(scores: Mapping[TaskKind, float], last: Reading, kinds: Sequence[TaskKind]) -> TaskKind:
    best = max(kinds, key=scores.__getitem__)
    needed = _REQUEST if _SHOWN.isdisjoint(last.mentions) else _REQUEST_ON_CODE
    if scores[best] < needed and "question" in kinds:
        return "question"
    return best


def _confidence(scores: Mapping[TaskKind, float], kind: TaskKind) -> float:
    following = max(score for other, score in scores.items() if other != kind)
    return max(0.0, (scores[kind] - following) / (scores[kind] + 1.0))


def _reasons(clues: Iterable[Clue], kind: TaskKind, *, is_critical: bool) -> Iterator[str]:
    """Yield what speaks for the kind, and for its being critical, strongest first."""
    told = {kind, "security"} if is_critical else {kind}
    found = sorted((c for c in clues if c.kind in told and c.weight), key=lambda c: -c.weight)
    yield from dict.fromkeys(clue.said for clue in found)
    if not found:
        yield f"nothing else found: taken for {kind}"


def _said_by_caller(hints: Hints) -> Iterator[str]:
    said = {
        "kind": hints.kind,
        "requires_design": hints.requires_design,
        "is_critical": hints.is_critical,
        "requires_implementation": hints.requires_implementation,
        "is_routine": hints.is_routine,
    }
    yield from (f"caller said {name}={value}" for name, value in said.items() if value is not None)


def _flag(*, said: bool | None, otherwise: bool) -> bool:
    return otherwise if said is None else said


def _size_tokens(texts: Sequence[str]) -> int:
    """Estimate the tokens of all texts, rounded up, at four UTF-8 bytes a token.

    Short conversations are counted exactly. In long ones, ASCII is counted exactly and the bytes
    of other texts are estimated from samples: encoding 8 MB takes milliseconds.
    """
    size = sum(map(len, texts))
    if not all(map(str.isascii, texts)):
        wide = [text for text in texts if not text.isascii()]
        if size <= _EXACT_CHARS:
            size = sum(len(text.encode(errors="surrogatepass")) for text in texts)
        else:
            size += int(sum(map(len, wide)) * (_bytes_per_char(wide) - 1))
    return -(-size // _BYTES_PER_TOKEN)


def _bytes_per_char(texts: Sequence[str]) -> float:
    """Estimate from the head, middle and tail of texts spread over the conversation."""
    sample = "".join(
        text[at : at + _SAMPLE_CHARS]
        for text in texts[:: -(-len(texts) // _SAMPLES)]
        for at in (0, len(text) // 2, max(0, len(text) - _SAMPLE_CHARS))
    )
    return len(sample.encode(errors="surrogatepass")) / len(sample)
