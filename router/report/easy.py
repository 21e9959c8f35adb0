"""What the local model might take over: the work that is much, dear, and easy enough for it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from router.migrations.pairing import of_kind, pairs_of
from router.refit.tasks import Came
from router.report.measures import PLANNED, Measure, Window, mean_of, measured
from router.statistics.paired import paired_mean
from tercet.catalog import LOCAL
from tercet.learning import Label
from tercet.migration import Sample
from tercet.taxonomy import Taxonomy

Source = Literal["pairs: the API is 1", "golden tasks", "other labels", "public results"]
"""Where a quality is known from, the surest first. Pairs say how good it is beside the API, not how
good either is: of answers that agree nobody has judged the level."""

_SIZES: Final = ((500, "short"), (4_000, "medium"))
"""Input tokens up to which a task is called so; the others are long."""
_EXAMPLES: Final = 3
_RANK: Final = 2
"""Of kinds from which on the plan has tier 3 answer."""

Belief = Callable[[str], float]
"""The quality expected of the local model in a kind, by public results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalQuality:
    """How good the local model is, or is expected to be, in a kind."""

    quality: Measure
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Tasks of one kind and size."""

    kind: str
    size: str
    tasks: int
    """Answered by the API."""
    each_nano_usd: float
    """Mean cost of one."""
    local: LocalQuality
    worth_nano_usd: float
    """Tasks times cost times quality: what it is ranked by."""
    may_move: bool
    """Its kind is among those that `config/migrations.yaml` lets move."""
    examples: tuple[str, ...]
    """Ids of tasks, the latest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """How good one arm's answers to a kind were found."""

    kind: str
    arm: str
    source: str
    quality: Measure


def patterns(
    tasks: Iterable[Came], window: Window, local: Mapping[str, LocalQuality], moving: Iterable[str]
) -> tuple[Pattern, ...]:
    """Return the patterns of a window, the most worth moving first.

    Args:
        tasks: of any time.
        window: of what time.
        local: the local model's quality by kind; kinds that are not there are not for it.
        moving: the kinds that may move.
    """
    found: dict[tuple[str, str], list[Came]] = defaultdict(list)
    for task in tasks:
        if window.has(task.at) and task.is_answered and task.route != LOCAL and task.kind in local:
            found[task.kind, _size(task)].append(task)
    may_move = frozenset(moving)
    made = [
        _pattern(kind, size, of_it, local[kind], kind in may_move)
        for (kind, size), of_it in found.items()
    ]
    return tuple(sorted(made, key=lambda one: (-one.worth_nano_usd, one.kind, one.size)))


def local_qualities(
    samples: Iterable[Sample], labels: Iterable[Label], taxonomy: Taxonomy, belief: Belief
) -> Mapping[str, LocalQuality]:
    """Return how good the local model is by kind, of the kinds that the plan gives tier 3."""
    kinds = [rules.name for rules in taxonomy.kinds if rules.rank >= _RANK]
    paired = list(samples)
    golden: dict[str, list[float]] = defaultdict(list)
    other: dict[str, list[float]] = defaultdict(list)
    for label in labels:
        if is_local(label.arm):
            (golden if label.source == "test" else other)[label.kind].append(label.quality)
    return {
        kind: _paired(paired, kind) or _local((golden[kind], other[kind]), belief(kind))
        for kind in kinds
    }


def _paired(samples: Sequence[Sample], kind: str) -> LocalQuality | None:
    differences = pairs_of(of_kind(samples, kind, 0.0), ()).differences
    if not len(differences):
        return None
    beside = paired_mean(differences, PLANNED).shifted(1.0)
    return LocalQuality(quality=measured(beside, "quality", 0.0, 2.0), source="pairs: the API is 1")


def benchmarks(labels: Iterable[Label]) -> tuple[Benchmark, ...]:
    """Return the quality of every arm by kind and by who says so, the surest source first."""
    found: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(dict)
    for label in labels:
        groups = found[label.kind, label.source, label.arm]
        groups.setdefault(label.group_id, []).append(label.quality)
    order = ("test", "shadow", "judge", "feedback")
    return tuple(
        Benchmark(
            kind=kind,
            arm=arm,
            source=source,
            quality=mean_of(
                [float(np.mean(group)) for group in found[kind, source, arm].values()], "quality"
            ),
        )
        for kind, source, arm in sorted(found, key=lambda at: (at[0], order.index(at[1]), at[2]))
    )


def is_local(arm: str) -> bool:
    """Whether an arm is the local model alone."""
    return arm == LOCAL or arm.startswith(f"{LOCAL}(")


def _local(found: Sequence[Sequence[float]], believed: float) -> LocalQuality:
    sources: tuple[Source, ...] = ("golden tasks", "other labels")
    for source, qualities in zip(sources, found, strict=True):
        if qualities:
            return LocalQuality(quality=mean_of(qualities, "quality"), source=source)
    estimate = Measure(value=believed, unit="quality", basis="estimate")
    return LocalQuality(quality=estimate, source="public results")


def _size(task: Came) -> str:
    return next((name for most, name in _SIZES if task.size_tokens <= most), "long")


def _pattern(
    kind: str,
    size: str,
    tasks: Sequence[Came],
    local: LocalQuality,
    may_move: bool,  # noqa: FBT001
) -> Pattern:
    cost = sum(task.nano_usd or 0 for task in tasks)
    return Pattern(
        kind=kind,
        size=size,
        tasks=len(tasks),
        each_nano_usd=cost / len(tasks),
        local=local,
        worth_nano_usd=cost * (local.quality.value or 0.0),
        may_move=may_move,
        examples=tuple(task.task_id for task in reversed(tasks[-_EXAMPLES:])),
    )
