"""What a run is expected to cost, before anything is asked: by prices and public results."""

from collections.abc import Callable

from router.classify import classify
from router.golden.arms import Arm
from router.golden.tasks import GoldenTask, Rubric
from router.learning.estimates import Estimates
from tercet.catalog import LOCAL
from tercet.errors import ConfigError
from tercet.keys import DEFAULT_KEY
from tercet.task import Hints, Profile, Task
from tercet.taxonomy import Taxonomy

Expected = Callable[[GoldenTask, Arm], int]


def task_of(golden: GoldenTask, now: float) -> Task:
    """Return a golden task as the gateway would have it."""
    return Task(
        id=golden.id,
        key_id=DEFAULT_KEY,
        model="auto",
        messages=golden.messages,
        hints=Hints(kind=golden.kind),
        deadline_at=now,
    )


def profile_of(golden: GoldenTask, taxonomy: Taxonomy) -> Profile:
    """Return its profile; its kind was said."""
    return classify(task_of(golden, 0.0), taxonomy)


def expected_by(
    estimates: Estimates, taxonomy: Taxonomy, judge_of: Callable[[Arm], Arm]
) -> Expected:
    """Return what a task is expected to cost by an arm, its judge included, nano-USD."""

    def answer(task: GoldenTask, arm: Arm) -> float:
        if arm.spec.tier == LOCAL:
            return 0.0  # its GPU is paid by the hour
        if arm.spec.id not in estimates.arms:
            raise ConfigError(f"{arm.id} has no price; write one in config/prices.yaml")
        place = estimates.kinds.index(task.kind), estimates.arms.index(arm.spec.id)
        table, size = estimates.table, profile_of(task, taxonomy).size_tokens
        one = float(table.cost_fixed[place]) + float(table.cost_per_token[place]) * size
        return arm.answers * one

    def expected(task: GoldenTask, arm: Arm) -> int:
        judged = 0.0
        if isinstance(task.checker, Rubric):
            judged = 2 * answer(task, judge_of(arm))  # both orders
        return round(answer(task, arm) + judged)

    return expected
