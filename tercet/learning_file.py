"""The reading of `config/learning.yaml`."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from tercet.config_files import Strict, Usd, read
from tercet.learning import LearningRules, PolicyChoice, Threshold
from tercet.task import TaskKind
from tercet.usage import NANO_USD_PER_USD

_DAY_S = 24 * 3600.0


def _ascending(shares: list[float]) -> list[float]:
    if shares != sorted(set(shares)):
        raise ValueError("each share must be larger than the one before")
    return shares


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if not 0 < bounds[0] < bounds[1]:
        raise ValueError("write two numbers above 0, the lower one first")
    return bounds


_Margin = Annotated[float, Field(gt=0, le=0.5)]
_Bounds = Annotated[tuple[float, float], AfterValidator(_rising)]
_Days = Annotated[int, Field(ge=1, le=3650)]


class _Exploration(Strict):
    # More than a fifth would cost more than it teaches; the log needs 0.02 an arm.
    floor: float = Field(ge=0, le=0.2)
    usd_a_day: Usd


class _Margins(Strict):
    default: _Margin
    kinds: dict[TaskKind, _Margin] = Field(default_factory=dict[TaskKind, float])


class LearningFile(Strict):
    """`learning.yaml`."""

    policy: PolicyChoice
    exploration: _Exploration
    margin: _Margins
    quality_per_usd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None
    canary_shares: Annotated[
        list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1), AfterValidator(_ascending)
    ]
    refit_hour: int = Field(ge=0, le=23)
    window_days: _Days
    least_labels: int = Field(ge=10)
    kept_days: _Days
    bounds: dict[Threshold, _Bounds] = Field(default_factory=dict[Threshold, tuple[float, float]])


def read_learning(
    folder: Path, kinds: Collection[TaskKind], problems: list[str]
) -> LearningRules | None:
    """Read `learning.yaml`; what is wrong with it is added to `problems`.

    Args:
        folder: where it is.
        kinds: those of the taxonomy.
        problems: the list that grows.
    """
    file = read(folder / "learning.yaml", LearningFile, problems)
    if file is None:
        return None
    problems += [
        f"learning.yaml: margin.kinds: {name!r} is no kind of task; kinds are {', '.join(kinds)}"
        for name in file.margin.kinds
        if name not in kinds
    ]
    if file.kept_days < file.window_days:
        problems.append(
            f"learning.yaml: kept_days is {file.kept_days}, less than window_days "
            f"({file.window_days}): labels would be gone before they are read"
        )
    return _rules(file)


def _rules(file: LearningFile) -> LearningRules:
    asked = file.quality_per_usd
    return LearningRules(
        policy=file.policy,
        exploration_floor=file.exploration.floor,
        exploration_nano_usd=int(file.exploration.usd_a_day * NANO_USD_PER_USD),
        margin=file.margin.default,
        margins=file.margin.kinds,
        quality_per_nano_usd=None if asked is None else asked / NANO_USD_PER_USD,
        canary_shares=tuple(file.canary_shares),
        refit_hour=file.refit_hour,
        window_s=file.window_days * _DAY_S,
        least_labels=file.least_labels,
        kept_s=file.kept_days * _DAY_S,
        bounds={**file.bounds},
    )
