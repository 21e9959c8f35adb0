"""The shapes of the files in `config/`, and the reading of one."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from tercet.catalog import CompositionName, ProviderName, Role, Skill
from tercet.local_model import ProfileName
from tercet.route import OnDisagreement
from tercet.task import TaskKind
from tercet.taxonomy import Contract

_File = TypeVar("_File", bound=BaseModel)


class Strict(BaseModel):
    """A shape that knows every key it may have."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _ModelRow(Strict):
    provider: ProviderName
    window_tokens: int = Field(gt=0)
    max_output_tokens: int = Field(gt=0)
    takes: list[Skill]


class _AliasRow(Strict):
    match: str = Field(min_length=1)
    model: str


class _SeatRow(Strict):
    role: Role
    model: str


class _TierRow(Strict):
    composition: CompositionName
    seats: list[_SeatRow] = Field(min_length=1)


class ModelsFile(Strict):
    """`models.yaml`."""

    models: dict[str, _ModelRow]
    tiers: dict[str, _TierRow]
    aliases: list[_AliasRow] = []


class PriceRow(Strict):
    """USD per million tokens of one model from one day on, until its next row."""

    model: str
    valid_from: date
    above: int = Field(default=0, ge=0)
    """For requests with more input tokens than this; a row without it holds for the others."""
    fresh_input: Decimal = Field(ge=0)
    cache_read: Decimal = Field(ge=0)
    cache_write_5m: Decimal | None = Field(default=None, ge=0)
    cache_write_1h: Decimal | None = Field(default=None, ge=0)
    output: Decimal = Field(ge=0)
    source: str
    read_on: date


class PricesFile(Strict):
    """`prices.yaml`."""

    rows: list[PriceRow]


class _Consensus(Strict):
    max_rounds: int = Field(ge=1, le=3)
    prefer: dict[TaskKind, str]
    on_disagreement: dict[TaskKind, OnDisagreement]
    escalate_to: str


class _Outputs(Strict):
    answer: int = Field(gt=0)
    member: int = Field(gt=0)
    advice: int = Field(gt=0)


class _Local(Strict):
    profile: ProfileName | None
    held: int = Field(ge=0)
    answer_s: float = Field(gt=0)
    first_event_s: float = Field(gt=0)


class _LimitsRow(Strict):
    deadline_s: float = Field(gt=0)
    connect_s: float = Field(gt=0)
    first_event_s: float = Field(gt=0)
    between_events_s: float = Field(gt=0)


class RoutesFile(Strict):
    """`routes.yaml`."""

    memory_from_tokens: int = Field(ge=0)
    junior_from_tokens: int = Field(ge=0)
    consensus: _Consensus
    max_output_tokens: _Outputs
    local: _Local
    limits: _LimitsRow


class _KindRow(Strict):
    says: str = Field(min_length=1)
    design: bool = False
    critical: bool = False
    implementation: bool = False
    routine: bool = False
    contract: Contract
    examples: list[str] = Field(min_length=1)


class TaxonomyFile(Strict):
    """`taxonomy.yaml`; a name is what callers send as `metadata.kind`."""

    kinds: dict[Annotated[TaskKind, Field(pattern=r"^[a-z][a-z0-9_]{1,31}$")], _KindRow]


class _Backoff(Strict):
    base_s: float = Field(gt=0)
    cap_s: float = Field(gt=0)
    longest_wait_s: float = Field(ge=0)


class _Purse(Strict):
    capacity: float = Field(ge=0)
    per_call: float = Field(ge=0)
    per_second: float = Field(ge=0)


class _Breaker(Strict):
    failures: int = Field(ge=1)
    probe_every_s: float = Field(gt=0)
    probe_at_least_every_s: float = Field(gt=0)


class _Throttle(Strict):
    k: float = Field(ge=1)
    window_s: float = Field(gt=0)


class _Concurrency(Strict):
    limit: int = Field(ge=1)
    wait_s: float = Field(ge=0)


class UpstreamsFile(Strict):
    """`upstreams.yaml`."""

    attempts_per_call: int = Field(ge=1, le=3)
    backoff: _Backoff
    retry_purse: _Purse
    breaker: _Breaker
    throttle: _Throttle
    concurrency: _Concurrency
    on_disconnect: dict[ProviderName, Literal["drain", "cancel"]]
    drains: int = Field(ge=0)
    drain_s: float = Field(gt=0)


def _exact(value: object) -> object:
    """Refuse what a binary float or a truth value has already made of an amount."""
    if isinstance(value, bool | float):
        raise ValueError('write dollars as a whole number or in quotes, as "19.99"')  # noqa: TRY004
    return value


def _ascending(begins: dict[int, float]) -> dict[int, float]:
    shares = [begins[step] for step in sorted(begins)]
    if shares != sorted(shares):
        raise ValueError("a later step must not begin before an earlier one")
    return begins


Usd = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, le=1_000_000_000, decimal_places=9)]
"""Dollars, exact to the nano-dollar."""
_Share = Annotated[float, Field(gt=0, le=1)]


class _Caps(Strict):
    month: Usd | None
    default_key: Usd | None = None
    tiers: dict[str, Usd | None] = Field(default_factory=dict[str, Decimal | None])
    providers: dict[ProviderName, Usd | None] = Field(
        default_factory=dict[ProviderName, Decimal | None]
    )
    gpu: Usd | None = None


class _Ladder(Strict):
    spent_from: Annotated[dict[Literal[2, 3, 4, 5], _Share], AfterValidator(_ascending)]
    forecast_from: Annotated[
        dict[Literal[2, 3], Annotated[float, Field(gt=0)]], AfterValidator(_ascending)
    ]
    margin: float = Field(ge=0, lt=1)


class _Pacing(Strict):
    bucket: _Share
    weight: float = Field(gt=0)
    most: float = Field(ge=1)


class BudgetFile(Strict):
    """`budget.yaml`."""

    caps: _Caps
    ladder: _Ladder
    pacing: _Pacing
    premium_kinds: list[TaskKind]
    cheapest: str


def read(
    path: Path, shape: type[_File], problems: list[str], *, wrap: str | None = None
) -> _File | None:
    """Read one file; what is wrong with it is added to `problems`.

    Args:
        path: the file.
        shape: what it must look like.
        problems: the list that grows.
        wrap: the key under which a file that is a list stands in its shape.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}")
        return None
    except (ValueError, yaml.YAMLError) as error:
        problems.append(f"{path}: {error}")
        return None
    if value is None:
        problems.append(f"{path} is empty")
        return None
    try:
        return shape.model_validate(value if wrap is None else {wrap: value})
    except ValidationError as error:
        problems += [
            f"{path}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
        ]
        return None
