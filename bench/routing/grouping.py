"""Which rows are (nearly) the same question, so that none is both learned from and tested on."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from bench.routing.dataset import Index

HEAD_CHARS = 200
TEMPLATE_ROWS = 20


def normalised(prompt: str) -> str:
    """Return a prompt without what does not make it another one: case and white space."""
    return " ".join(prompt.lower().split())


def groups_of(prompts: Sequence[str]) -> list[int]:
    """Number prompts by group: equal when normalised, or equal in their first 200 characters.

    A beginning that more than `TEMPLATE_ROWS` rows share is a template, and says nothing: there the
    200 characters after the longest common beginning decide.
    """
    texts = [normalised(prompt) for prompt in prompts]
    numbers = [0] * len(texts)
    todo: list[tuple[list[int], int]] = [(list(range(len(texts))), 0)]
    count = 0
    while todo:
        rows, offset = todo.pop()
        heads: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            heads[texts[row][offset : offset + HEAD_CHARS]].append(row)
        for members in heads.values():
            shared = _common([texts[row] for row in members])
            if len(members) > TEMPLATE_ROWS and any(len(texts[row]) > shared for row in members):
                todo.append((members, shared))
                continue
            for row in members:
                numbers[row] = count
            count += 1
    return numbers


def split(groups: Sequence[int], share: float, seed: int) -> tuple[Index, Index]:
    """Return the rows to train on, about `share` of them, and the rest; groups stay whole."""
    numbers = np.array(groups, dtype=np.intp)
    order = np.random.default_rng(seed).permutation(np.unique(numbers))
    sizes = np.bincount(numbers)[order]
    is_early = np.cumsum(sizes) <= share * len(numbers)
    in_train = np.isin(numbers, order[is_early])
    return np.flatnonzero(in_train), np.flatnonzero(~in_train)


def _common(texts: Sequence[str]) -> int:
    """Return how many characters all texts begin with: as many as their first and last in order."""
    first, last = min(texts), max(texts)
    pairs = zip(first, last, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))
