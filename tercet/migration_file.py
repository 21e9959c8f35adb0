"""The reading of `config/migrations.yaml`."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from tercet.catalog import ProviderName
from tercet.config_files import ModelsFile, Strict, TaxonomyFile, Usd, read
from tercet.migration import MigrationRules, Phase
from tercet.task import TaskKind
from tercet.usage import NANO_USD_PER_USD


def _ascending(values: list[float]) -> list[float]:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise ValueError("each number must be larger than the one before")
    return values


_REMEDY: Final = (
    "migrations.yaml: mend what is said of it, or take the shipped one: "
    "`git checkout config/migrations.yaml`"
)

_Margin = Annotated[float, Field(gt=0, le=0.5)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Odds = Annotated[float, Field(gt=1, allow_inf_nan=False)]


class _Margins(Strict):
    default: _Margin
    kinds: dict[TaskKind, _Margin] = Field(default_factory=dict[TaskKind, float])


class _Samples(Strict):
    shadow: _Share
    watch: _Share
    watch_closely: _Share
    composition: _Share
    usd_a_month: Usd


class _Latency(Strict):
    slower_by: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    slower_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class MigrationsFile(Strict):
    """`migrations.yaml`."""

    phase: Phase
    kinds: list[TaskKind]
    # Less than a hundredth shows a saving to nobody; more than half of them are never saved on.
    hold_out: float = Field(ge=0.01, le=0.5)
    salt: str = Field(min_length=1, max_length=100)
    canary_shares: Annotated[
        list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1), AfterValidator(_ascending)
    ]
    margin: _Margins
    least_baseline: int = Field(ge=1)
    least_pairs: int = Field(ge=1)
    samples: _Samples
    judges: dict[ProviderName, str]
    latency: _Latency
    suspicion: _Odds
    alarm: _Odds


def read_migrations(
    folder: Path,
    taxonomy: TaxonomyFile,
    models: ModelsFile,
    phase: Phase | None,
    problems: list[str],
) -> MigrationRules | None:
    """Read `migrations.yaml`; what is wrong with it is added to `problems`.

    Args:
        folder: where it is.
        taxonomy: the kinds there are.
        models: those that may judge.
        phase: overrides the file's.
        problems: the list that grows.
    """
    file = read(folder / "migrations.yaml", MigrationsFile, problems)
    if file is None:
        problems.append(_REMEDY)
        return None
    wrong = [*_wrong_kinds(file, taxonomy), *_wrong_judges(file.judges, models)]
    problems += [f"migrations.yaml: {problem}" for problem in wrong]
    return _rules(file, phase or file.phase)


def _wrong_kinds(file: MigrationsFile, taxonomy: TaxonomyFile) -> list[str]:
    named = {"kinds": file.kinds, "margin.kinds": list(file.margin.kinds)}
    problems = [
        f"{where}: {name!r} is no kind of task; kinds are {', '.join(taxonomy.kinds)}"
        for where, names in named.items()
        for name in names
        if name not in taxonomy.kinds
    ]
    kept = [name for name, row in taxonomy.kinds.items() if row.design or row.critical]
    return problems + [
        f"kinds: {name} is design or critical work, which stays with tier 1; leave it out"
        for name in file.kinds
        if name in kept
    ]


def _wrong_judges(judges: Mapping[ProviderName, str], models: ModelsFile) -> list[str]:
    problems: list[str] = []
    for provider, name in judges.items():
        model = models.models.get(name)
        if model is None:
            known = ", ".join(sorted(models.models))
            problems.append(f"judges.{provider}: {name!r} is not a model; models are {known}")
        elif model.provider == provider:
            problems.append(
                f"judges.{provider}: {name} is of {provider} itself, and models favour their own "
                "family; name one of another provider"
            )
    return problems


def _rules(file: MigrationsFile, phase: Phase) -> MigrationRules:
    return MigrationRules(
        phase=phase,
        kinds=tuple(dict.fromkeys(file.kinds)),
        hold_out=file.hold_out,
        salt=file.salt,
        canary_shares=tuple(file.canary_shares),
        margin=file.margin.default,
        margins=file.margin.kinds,
        least_baseline=file.least_baseline,
        least_pairs=file.least_pairs,
        shadow_share=file.samples.shadow,
        watch_share=file.samples.watch,
        watch_closely_share=file.samples.watch_closely,
        composition_share=file.samples.composition,
        evidence_nano_usd=int(file.samples.usd_a_month * NANO_USD_PER_USD),
        judges=file.judges,
        slower_by=file.latency.slower_by,
        slower_s=file.latency.slower_s,
        suspicion=file.suspicion,
        alarm=file.alarm,
    )
