"""Task -> Profile: rules over a bounded excerpt of the conversation, explained.

What the caller said of the task wins. What the text says can raise a task and never lower one: see
`router.evidence.guard`. Where the evidence leaves it open, the more capable kind is taken.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from router.evidence.conversation import Heard, hear
from router.evidence.guard import capable_part
from router.evidence.reading import Clue
from router.evidence.signals import FAMILIES
from router.evidence.sizing import size_tokens
from router.evidence.weighing import (
    BROAD,
    KINDS,
    broadest,
    is_critical_by_text,
    probabilities,
    totals,
)
from tercet.task import Hints, Profile, Task, TaskKind
from tercet.taxonomy import BUILT_IN, Taxonomy

__all__ = ["KINDS", "classified", "classify", "task_text"]

RAISED_FROM: Final = 0.4
"""Probability that a task is of a more capable tier from which it is taken for one."""
CUT_RAISED_FROM: Final = 0.2
"""The same where the middle of the message was not looked at."""
SURE_FROM: Final = 0.5
"""Probability of the chosen tier below which the classifier is unsure."""
PART_FROM: Final = 0.4
"""The same for a part of a message heard by itself."""
_ON_TEXTS: Final = frozenset[TaskKind](("transformation", "lookup"))
_MATERIAL: Final = frozenset(("transform", "according", "summarise"))
_REASONS: Final = 6
_REQUEST_HEAD_CHARS: Final = 1_400
_REQUEST_TAIL_CHARS: Final = 600
_TOPIC_CHARS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What the text alone says of a task."""

    kind: TaskKind
    kinds: Mapping[TaskKind, float]
    clues: tuple[Clue, ...]
    is_critical: bool
    is_unsure: bool
    said: tuple[str, ...] = ()
    """Reasons that go before the evidence."""


def classify(task: Task, taxonomy: Taxonomy = BUILT_IN) -> Profile:
    """Profile a task from both ends of its last message, and little of what was before.

    What the caller said in `task.hints` replaces what was found. `confidence` is the calibrated
    probability of the kind, and 1 when the caller said it.
    """
    return _profile(task, hear(task.messages), taxonomy)


def classified(task: Task, taxonomy: Taxonomy = BUILT_IN) -> tuple[Profile, str]:
    """Return the profile and what is asked (see `task_text`), from one reading of the task."""
    heard = hear(task.messages)
    return _profile(task, heard, taxonomy), _text(heard)


def _profile(task: Task, heard: Heard, taxonomy: Taxonomy) -> Profile:
    hints = task.hints
    found = _said(hints.kind, heard, taxonomy) if hints.kind else _found(heard, hints, taxonomy)
    rules = taxonomy.rules_of(found.kind)
    reasons = _reasons(found.clues, found.kind, is_critical=found.is_critical)
    return Profile(
        kind=found.kind,
        requires_design=_flag(said=hints.requires_design, otherwise=rules.is_design),
        is_critical=_flag(said=hints.is_critical, otherwise=found.is_critical),
        requires_implementation=_flag(
            said=hints.requires_implementation, otherwise=rules.is_implementation
        ),
        is_routine=_flag(said=hints.is_routine, otherwise=rules.is_routine),
        size_tokens=size_tokens([message.text for message in task.messages]),
        confidence=1.0 if hints.kind else found.kinds[found.kind],
        reasons=(*_said_by_caller(hints), *found.said, *reasons)[:_REASONS],
        kinds=found.kinds,
        is_unsure=found.is_unsure,
    )


def task_text(task: Task) -> str:
    """Return what is asked, at most 3,000 characters: what a learned policy makes features of.

    The last message without its wrapping, and before it the request that it goes on with. Long
    code and pasted documents are cut to samples.
    """
    return _text(hear(task.messages))


def _text(heard: Heard) -> str:
    assert heard.excerpt.message is not None  # noqa: S101  it is the last message
    text = heard.excerpt.message.text
    if len(text) > _REQUEST_HEAD_CHARS + _REQUEST_TAIL_CHARS:
        text = f"{text[: _REQUEST_HEAD_CHARS - 1]}\n{text[-_REQUEST_TAIL_CHARS:]}"
    return f"{heard.topic[: _TOPIC_CHARS - 1]}\n{text}" if heard.topic else text


def _said(kind: TaskKind, heard: Heard, taxonomy: Taxonomy) -> _Finding:
    """Return the finding where the caller said the kind."""
    return _Finding(
        kind=kind,
        kinds={name: 1.0 if name == kind else 0.0 for name in taxonomy.names},
        clues=heard.clues,
        is_critical=taxonomy.rules_of(kind).is_critical,
        is_unsure=False,
    )


def _found(heard: Heard, hints: Hints, taxonomy: Taxonomy) -> _Finding:
    """Return what the text says, or a part of it where that is more capable work."""
    open_kinds = _left_open(hints, taxonomy)
    message = heard.excerpt.message
    is_cut = message is not None and message.is_cut
    floor = CUT_RAISED_FROM if is_cut else RAISED_FROM
    finding = _weighed(heard, open_kinds, taxonomy, floor)
    if _is_capable(finding, taxonomy) or _is_about_material(finding, heard):
        return finding

    def is_capable(part: Heard) -> bool:
        return _is_capable(_weighed(part, open_kinds, taxonomy, PART_FROM), taxonomy)

    part = capable_part(heard, is_capable)
    if part is None:
        return finding
    found = _weighed(part, open_kinds, taxonomy, PART_FROM)
    why = f"a part of the message is {found.kind}, whatever stands around it"
    return replace(found, is_unsure=True, said=(why,))


def _is_about_material(finding: _Finding, heard: Heard) -> bool:
    """Whether a text is to be rewritten or read: what it says is no work to be done."""
    family = FAMILIES.get(finding.kind, finding.kind)
    return family in _ON_TEXTS and not _MATERIAL.isdisjoint(heard.last.mentions)


def _weighed(
    heard: Heard, open_kinds: tuple[TaskKind, ...], taxonomy: Taxonomy, floor: float
) -> _Finding:
    scores = totals(heard.clues)
    broad = broadest(scores, heard.last, [kind for kind in BROAD if kind in open_kinds] or BROAD)
    kinds = _among(open_kinds, probabilities(scores, broad), taxonomy)
    best = max(kinds, key=kinds.__getitem__)
    kind = _raised(best, kinds, floor, taxonomy)
    return _Finding(
        kind=kind,
        kinds=kinds,
        clues=heard.clues,
        is_critical=_is_critical(kind, scores, taxonomy),
        is_unsure=kind != best or _mass(kinds, kind, taxonomy) < SURE_FROM,
        said=_doubt(kind, best, kinds),
    )


def _is_capable(finding: _Finding, taxonomy: Taxonomy) -> bool:
    """Whether the plan has its most capable tier do it."""
    return finding.is_critical or taxonomy.rules_of(finding.kind).rank == 0


def _is_critical(kind: TaskKind, scores: Mapping[TaskKind, float], taxonomy: Taxonomy) -> bool:
    return taxonomy.rules_of(kind).is_critical or is_critical_by_text(kind, scores)


def _among(
    open_kinds: tuple[TaskKind, ...], kinds: Mapping[TaskKind, float], taxonomy: Taxonomy
) -> dict[TaskKind, float]:
    """Return the probabilities given that the kind is an open one."""
    whole = sum([kinds.get(name, 0.0) for name in open_kinds])
    if whole and len(open_kinds) == len(taxonomy.kinds):
        return {name: kinds.get(name, 0.0) / whole for name in open_kinds}
    if not whole:
        return {name: 1 / len(open_kinds) if name in open_kinds else 0.0 for name in taxonomy.names}
    return {
        name: kinds.get(name, 0.0) / whole if name in open_kinds else 0.0 for name in taxonomy.names
    }


def _raised(
    best: TaskKind, kinds: Mapping[TaskKind, float], floor: float, taxonomy: Taxonomy
) -> TaskKind:
    """Return the most capable kind that is plausible: the likeliest, or one of a higher tier."""
    if kinds[best] > 1 - floor:
        return best
    ranks = {rules.name: rules.rank for rules in taxonomy.kinds}
    for rank in range(ranks[best]):
        able = [name for name in kinds if ranks[name] <= rank]
        if sum(kinds[name] for name in able) >= floor:
            return max(able, key=kinds.__getitem__)
    return best


def _mass(kinds: Mapping[TaskKind, float], kind: TaskKind, taxonomy: Taxonomy) -> float:
    """Return the probability of the kinds that need no more capable a tier."""
    rank = taxonomy.rules_of(kind).rank
    return sum([kinds[rules.name] for rules in taxonomy.kinds if rules.rank == rank])


def _doubt(kind: TaskKind, best: TaskKind, kinds: Mapping[TaskKind, float]) -> tuple[str, ...]:
    if kind == best:
        return ()
    return (
        f"unsure between {best} ({kinds[best]:.2f}) and {kind} ({kinds[kind]:.2f}): "
        "the more capable one is taken",
    )


def _left_open(hints: Hints, taxonomy: Taxonomy) -> tuple[TaskKind, ...]:
    """Return the kinds that go with the flags the caller set; all, if none goes with them all.

    Work of any kind can be critical, so only a false `is_critical` rules a kind out.
    """
    said = (hints.requires_design, hints.requires_implementation, hints.is_routine)
    if said == (None, None, None) and hints.is_critical is not False:
        return taxonomy.names
    fitting = tuple(
        rules.name
        for rules in taxonomy.kinds
        if hints.requires_design in {None, rules.is_design}
        and hints.requires_implementation in {None, rules.is_implementation}
        and hints.is_routine in {None, rules.is_routine}
        and (hints.is_critical is not False or not rules.is_critical)
    )
    return fitting or taxonomy.names


def _reasons(clues: Iterable[Clue], kind: TaskKind, *, is_critical: bool) -> Iterator[str]:
    """Yield what speaks for the kind, and for its being critical, strongest first."""
    told = {kind, FAMILIES.get(kind, kind)} | ({"security"} if is_critical else set[TaskKind]())
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
