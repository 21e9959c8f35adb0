"""One replica's shadow runs, made of its configuration."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from router.choices import Choices
from router.compositions.stage import Stage
from router.learning.cold import arms_of_catalog
from router.shadowing.door import Door
from router.shadowing.runner import Means, Records, Shadowing
from router.shadowing.sampling import Sampling
from router.watch import Watch
from tercet.budget import Balance
from tercet.config import Config
from tercet.migration import EVIDENCE_KEY
from tercet.task import TaskKind

_SCOPE = f"key:{EVIDENCE_KEY}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What is read and written behind the comparisons."""

    records: Records
    watch: Watch
    suspected: Callable[[], Collection[TaskKind]]
    """The kinds that are watched closely."""
    door: Door | None
    """`None`: there is no local model."""

    def spent(self) -> int:
        """Return the nano-USD of the evidence's budget that are spent or held, as last seen."""
        seen = self.watch.seen
        balance = Balance() if seen is None else seen.spending.balances.get(_SCOPE, Balance())
        return balance.spent + balance.held


def shadowing_of(config: Config, choices: Choices, stage: Stage, behind: Behind) -> Shadowing:
    """Return what compares a sample of the answers; without a local model, of compositions."""
    sampling = Sampling(
        rules=config.migrations,
        catalog=config.catalog,
        specs=arms_of_catalog(config.catalog, config.rules),
        suspected=behind.suspected,
    )
    means = Means(
        sampling=sampling,
        stage=stage,
        records=behind.records,
        choices=choices,
        taxonomy=config.taxonomy,
        run_s=config.rules.limits.deadline_s,
        spent=behind.spent,
        door=behind.door,
    )
    return Shadowing(means)
