"""The reading of `config/priors.yaml`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from tercet.config_files import Strict, read
from tercet.environment import PROJECT
from tercet.errors import ConfigError
from tercet.priors import Belief, KindPriors, Priors
from tercet.task import TaskKind
from tercet.taxonomy import Taxonomy

_Share = Annotated[float, Field(ge=0, le=1)]


class _BeliefRow(Strict):
    quality: _Share
    labels: float = Field(gt=0, le=1_000)
    source: str = Field(alias="from")


class _KindRow(Strict):
    output_tokens: int = Field(gt=0)
    agree: _Share
    models: dict[str, _BeliefRow] = Field(min_length=1)


class PriorsFile(Strict):
    """`priors.yaml`."""

    advice_tokens: int = Field(gt=0)
    sources: dict[str, str]
    tiers: dict[str, str]
    kinds: dict[TaskKind, _KindRow] = Field(min_length=1)


def load_priors(taxonomy: Taxonomy, folder: Path | None = None) -> Priors:
    """Read `priors.yaml` and check it against the kinds there are.

    Raises:
        ConfigError: listing every problem with its file and key.
    """
    problems: list[str] = []
    file = read((folder or PROJECT / "config") / "priors.yaml", PriorsFile, problems)
    if file is not None:
        problems += _cross_check(file, taxonomy)
    if file is None or problems:
        raise ConfigError("\n".join(problems))
    return Priors(
        kinds={name: _kind(row, file) for name, row in file.kinds.items()},
        tiers=file.tiers,
        advice_tokens=file.advice_tokens,
    )


def _cross_check(file: PriorsFile, taxonomy: Taxonomy) -> Iterator[str]:
    for kind in taxonomy.unknown(file.kinds):
        yield (
            f"priors.yaml: kinds.{kind}: it is no kind of task; "
            f"kinds are {', '.join(taxonomy.names)}"
        )
    for kind, row in file.kinds.items():
        for model, belief in row.models.items():
            if model not in file.tiers:
                yield (
                    f"priors.yaml: kinds.{kind}.models.{model}: tiers does not have it; "
                    "say there which tier it is of by its capability"
                )
            if belief.source not in file.sources:
                yield (
                    f"priors.yaml: kinds.{kind}.models.{model}.from: there is no source "
                    f"{belief.source!r}; sources are {', '.join(file.sources)}"
                )


def _kind(row: _KindRow, file: PriorsFile) -> KindPriors:
    return KindPriors(
        output_tokens=row.output_tokens,
        agree=row.agree,
        beliefs={
            model: Belief(
                quality=belief.quality,
                labels=belief.labels,
                source=file.sources[belief.source],
            )
            for model, belief in row.models.items()
        },
    )
