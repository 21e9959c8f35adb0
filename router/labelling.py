"""A label of an answer: made where the text is known, which the label does not keep."""

from dataclasses import dataclass

from router.answering import opening
from router.classify import task_text
from router.learning.features import sketch_of
from router.lessons import conversation_of
from tercet.drawing import Draw
from tercet.learning import Label, LabelSource
from tercet.task import Profile, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """How good one arm's answer was, and who says so."""

    arm: str
    quality: float
    """From 0 to 1."""
    source: LabelSource
    cost_nano_usd: int | None = None
    """Of that answer."""
    seconds: float | None = None
    """How long that answer took."""
    policy_version: str | None = None
    """The version that routed the task."""
    draw: Draw | None = None
    """How the task's arm was chosen; `None`: by the plan's rule."""


def label_of(task: Task, profile: Profile, opinion: Opinion, at: float) -> Label:
    """Return the label of an answer to a task; `at` is Unix seconds."""
    return Label(
        task_id=task.id,
        group_id=conversation_of(task),
        kind=profile.kind,
        kinds=profile.kinds,
        is_declared=task.hints.kind is not None,
        arm=opinion.arm,
        quality=opinion.quality,
        source=opinion.source,
        cost_nano_usd=opinion.cost_nano_usd,
        seconds=opinion.seconds,
        size_tokens=profile.size_tokens,
        sketch=sketch_of(task_text(opening(task))).to_bytes(),
        policy_version=opinion.policy_version,
        propensity=propensity_of(opinion.arm, opinion.draw),
        at=at,
    )


def propensity_of(arm: str, draw: Draw | None) -> float | None:
    """Return with what probability an arm was drawn; `None`: it was not this draw's, or forced."""
    if draw is None or draw.is_forced or draw.arm != arm:
        return None
    return draw.propensities.get(arm) or None
