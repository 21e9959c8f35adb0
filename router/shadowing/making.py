"""One replica's shadow runs, made of its configuration."""

from router.choices import Choices
from router.compositions.stage import Stage
from router.learning.cold import arms_of_catalog
from router.shadowing.door import Door
from router.shadowing.runner import Means, Records, Shadowing
from router.shadowing.sampling import Sampling
from tercet.config import Config


def shadowing_of(
    config: Config, choices: Choices, records: Records, stage: Stage, door: Door | None
) -> Shadowing:
    """Return what compares a sample of the answers; without a local model, of compositions."""
    sampling = Sampling(
        rules=config.migrations,
        catalog=config.catalog,
        specs=arms_of_catalog(config.catalog, config.rules),
    )
    means = Means(
        sampling=sampling,
        stage=stage,
        records=records,
        choices=choices,
        taxonomy=config.taxonomy,
        run_s=config.rules.limits.deadline_s,
        door=door,
    )
    return Shadowing(means)
