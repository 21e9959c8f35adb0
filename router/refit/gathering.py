"""Labels and tasks -> examples that a policy is fitted on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from router.learning.examples import Array, Examples
from router.learning.features import Sketch
from router.refit.tasks import Came
from tercet.learning import BY_TRUST, Label

MOST_WEIGHT: Final = 20.0
"""Of one label that was drawn with little probability."""
_PROOF: Final = frozenset({"shadow", "test"})
"""Sources whose labels count although nobody drew the arm: nothing but the answer speaks there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The kinds and the arms that are learned of, each in its order."""

    kinds: tuple[str, ...]
    arms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathered:
    """Examples, and what they do not say of their rows."""

    examples: Examples
    task_ids: tuple[str, ...]
    """In the order of the rows, which is that of time."""
    at: Array
    """N: of the latest label."""


def gathered(labels: Iterable[Label], frame: Frame) -> Gathered:
    """Return a row for each task with labels that count, the oldest first."""
    by_task: dict[str, dict[str, Label]] = {}
    for label in sorted(labels, key=lambda one: -BY_TRUST.index(one.source)):
        if label.kind in frame.kinds and label.arm in frame.arms:
            by_task.setdefault(label.task_id, {})[label.arm] = label
    rows = [kept for kept in map(_counting, by_task.values()) if kept]
    rows.sort(key=lambda row: max(label.at for label in row.values()))
    return Gathered(
        examples=_examples(rows, frame),
        task_ids=tuple(next(iter(row.values())).task_id for row in rows),
        at=np.array([max(label.at for label in row.values()) for row in rows]),
    )


def sizes(tasks: Sequence[Came], frame: Frame) -> Examples:
    """Return tasks as they came, with what they cost and without any label."""
    cost = np.full((len(tasks), len(frame.arms)), np.nan)
    for row, task in enumerate(tasks):
        if task.is_answered and task.nano_usd is not None and task.arm in frame.arms:
            cost[row, frame.arms.index(task.arm)] = task.nano_usd
    return Examples(
        kinds=frame.kinds,
        arms=frame.arms,
        shares=_shares([task.kinds for task in tasks], frame.kinds),
        quality=np.full_like(cost, np.nan),
        cost_nano_usd=cost,
        weights=np.ones_like(cost),
        size_tokens=np.array([task.size_tokens for task in tasks], float),
        groups=np.arange(len(tasks)),
        sketches=[None] * len(tasks),
    )


def together(first: Examples, second: Examples) -> Examples:
    """Return the rows of both."""
    return Examples(
        kinds=first.kinds,
        arms=first.arms,
        shares=np.vstack([first.shares, second.shares]),
        quality=np.vstack([first.quality, second.quality]),
        cost_nano_usd=np.vstack([first.cost_nano_usd, second.cost_nano_usd]),
        weights=np.vstack([first.weights, second.weights]),
        size_tokens=np.concatenate([first.size_tokens, second.size_tokens]),
        groups=np.concatenate([first.groups, second.groups + first.groups.max(initial=-1) + 1]),
        sketches=[*first.sketches, *second.sketches],
    )


def _counting(row: Mapping[str, Label]) -> Mapping[str, Label]:
    """Return the labels of a task that count: an opinion of an arm that was forced does not.

    Callers and judges speak of what they were given, and who is given what is no chance.
    """
    return {
        arm: label
        for arm, label in row.items()
        if label.source in _PROOF or label.propensity is not None
    }


def _examples(rows: Sequence[Mapping[str, Label]], frame: Frame) -> Examples:
    quality = np.full((len(rows), len(frame.arms)), np.nan)
    cost, weights = quality.copy(), np.ones_like(quality)
    for at, row in enumerate(rows):
        for arm, label in row.items():
            place = at, frame.arms.index(arm)
            quality[place] = label.quality
            weights[place] = 1.0 if len(row) > 1 else _weight(label)
            if label.cost_nano_usd is not None:
                cost[place] = label.cost_nano_usd
    heads = [next(iter(row.values())) for row in rows]
    names = {group: at for at, group in enumerate(dict.fromkeys(h.group_id for h in heads))}
    return Examples(
        kinds=frame.kinds,
        arms=frame.arms,
        shares=_shares(
            [{head.kind: 1.0} if head.is_declared else head.kinds for head in heads], frame.kinds
        ),
        quality=quality,
        cost_nano_usd=cost,
        weights=_honest(weights, quality),
        size_tokens=np.array([head.size_tokens for head in heads], float),
        groups=np.array([names[head.group_id] for head in heads], np.intp),
        sketches=[_sketch(head.sketch) for head in heads],
    )


def _weight(label: Label) -> float:
    return 1.0 if label.propensity is None else min(1 / label.propensity, MOST_WEIGHT)


def _honest(weights: Array, quality: Array) -> Array:
    """Scale an arm's weights so that they come to as many labels as they are worth.

    A label of weight 20 stands for 20 tasks, but it is one label, and no arm may look sure on it.
    """
    seen = np.where(np.isnan(quality), 0.0, weights)
    worth = seen.sum(axis=0) / np.maximum((seen**2).sum(axis=0), 1e-12)
    return weights * np.where(seen.any(axis=0), worth, 1.0)


def _shares(kinds: Sequence[Mapping[str, float]], names: Sequence[str]) -> Array:
    shares = np.array([[one.get(name, 0.0) for name in names] for one in kinds], float)
    shares = shares.reshape(len(kinds), len(names))
    total = shares.sum(axis=1, keepdims=True)
    return np.where(total > 0, shares / np.maximum(total, 1e-12), 1 / len(names))


def _sketch(data: bytes | None) -> Sketch | None:
    if data is None:
        return None
    try:
        return Sketch.from_bytes(data)
    except ValueError:
        return None
