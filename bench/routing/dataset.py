"""What is measured on: questions, and what each arm's answer to each of them was worth and cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Questions:
    """What a policy may look at: no outcome, no cost, and a type only if the policy is told it.

    Attributes:
        ids: The rows' own ids.
        tasks: True types; empty strings for a policy that must find them out.
        prompts: The texts.
        in_tok: Tokens of each prompt (n).
        arms: What is chosen among (A).
        price: USD per token of each arm, input and output (A x 2).
        embeddings: Sentence embeddings (n x d), where every row has one.
    """

    ids: tuple[str, ...]
    tasks: tuple[str, ...]
    prompts: tuple[str, ...]
    in_tok: Array
    arms: tuple[str, ...]
    price: Array
    embeddings: Array | None

    def __len__(self) -> int:
        """Count the questions."""
        return len(self.prompts)

    def cost(self, out_tok: Array) -> Array:
        """Return USD by question and arm for these output tokens (n x A)."""
        return self.in_tok[:, None] * self.price[:, 0] + out_tok * self.price[:, 1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Questions with their outcomes.

    Attributes:
        asked: The questions, with their true types.
        quality: In [0, 1]; nan where the arm's outcome is unknown (n x A).
        out_tok: Output tokens, filled by the median where unknown (n x A).
        answers: Extracted answers, or None (n x A, of objects).
        groups: Rows of one number are (nearly) the same question (n).
    """

    asked: Questions
    quality: Array
    out_tok: Array
    answers: NDArray[Any]
    groups: Index

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.asked)

    @property
    def arms(self) -> tuple[str, ...]:
        """Whose outcomes the columns are."""
        return self.asked.arms

    @property
    def cost(self) -> Array:
        """USD of each answer (n x A)."""
        return self.asked.cost(self.out_tok)

    @property
    def blind(self) -> Questions:
        """The questions without their types."""
        return replace(self.asked, tasks=("",) * len(self))

    def rows(self, index: Index) -> "Dataset":
        """Return some of the rows."""
        return replace(
            self,
            asked=some(self.asked, index),
            quality=self.quality[index],
            out_tok=self.out_tok[index],
            answers=self.answers[index],
            groups=self.groups[index],
        )

    def columns(self, arms: Sequence[str]) -> "Dataset":
        """Return some of the arms, in this order."""
        index = [self.arms.index(arm) for arm in arms]
        asked = replace(self.asked, arms=tuple(arms), price=self.asked.price[index])
        return replace(
            self,
            asked=asked,
            quality=self.quality[:, index],
            out_tok=self.out_tok[:, index],
            answers=self.answers[:, index],
        )

    def about(self, arms: Sequence[str]) -> "Dataset":
        """Return what is known of these arms: their columns, and the rows with an outcome.

        Where one of them has no outcome, others may tell of it: then everything is returned.
        """
        seen = [arm for arm, column in zip(self.arms, self.quality.T, strict=True) if known(column)]
        wanted = [arm for arm in seen if arm in arms] if set(arms) <= set(seen) else seen
        mine = self.columns(wanted)
        return mine.rows(np.flatnonzero((~np.isnan(mine.quality)).any(axis=1)))


def some(asked: Questions, index: Index) -> Questions:
    """Return some of the questions."""
    return replace(
        asked,
        ids=tuple(asked.ids[i] for i in index),
        tasks=tuple(asked.tasks[i] for i in index),
        prompts=tuple(asked.prompts[i] for i in index),
        in_tok=asked.in_tok[index],
        embeddings=None if asked.embeddings is None else asked.embeddings[index],
    )


def known(column: Array) -> bool:
    """Say whether an arm has any outcome."""
    return not bool(np.isnan(column).all())
