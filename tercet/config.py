"""Configuration: the only reader of `config/` and of the environment.

`load(folder)` is total: it returns one cross-checked value or raises one `ConfigError` that lists
every problem it found.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tercet.catalog import Catalog, CompositionName, Model, ProviderName, Role, Tier, TierSeat
from tercet.errors import ConfigError
from tercet.rules import Fleet, Limits, OutputLimits, Rules
from tercet.task import TaskKind

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout, where `config/` and `serve_config.yaml` are."""

ANSWERS_FIRST: Mapping[CompositionName, tuple[Role, ...]] = {
    "memory_brain": ("brain", "memory"),
    "lead_junior": ("lead", "junior"),
    "consensus": ("member", "member"),
    "single": ("single",),
}
"""The roles a tier seats, in order, for each composition."""


_File = TypeVar("_File", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ModelRow(_Strict):
    provider: ProviderName
    window_tokens: int = Field(gt=0)
    max_output_tokens: int = Field(gt=0)


class _SeatRow(_Strict):
    role: Role
    model: str


class _TierRow(_Strict):
    composition: CompositionName
    seats: list[_SeatRow] = Field(min_length=1)


class _ModelsFile(_Strict):
    models: dict[str, _ModelRow]
    tiers: dict[str, _TierRow]


class PriceRow(_Strict):
    """USD per million tokens of one model from one day on, until its next row."""

    model: str
    valid_from: date
    fresh_input: Decimal = Field(ge=0)
    cache_read: Decimal = Field(ge=0)
    cache_write_5m: Decimal | None = Field(default=None, ge=0)
    cache_write_1h: Decimal | None = Field(default=None, ge=0)
    output: Decimal = Field(ge=0)
    source: str
    read_on: date


class _PricesFile(_Strict):
    rows: list[PriceRow]


class _Consensus(_Strict):
    max_rounds: int = Field(ge=1, le=3)
    prefer: dict[TaskKind, str]


class _Outputs(_Strict):
    answer: int = Field(gt=0)
    member: int = Field(gt=0)
    advice: int = Field(gt=0)


class _Local(_Strict):
    available: bool
    stand_in: str


class _LimitsRow(_Strict):
    deadline_s: float = Field(gt=0)
    connect_s: float = Field(gt=0)
    first_event_s: float = Field(gt=0)
    between_events_s: float = Field(gt=0)


class _RoutesFile(_Strict):
    memory_from_tokens: int = Field(ge=0)
    junior_from_tokens: int = Field(ge=0)
    consensus: _Consensus
    max_output_tokens: _Outputs
    local: _Local
    limits: _LimitsRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything `config/` says, cross-checked."""

    catalog: Catalog
    rules: Rules
    prices: tuple[PriceRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says. Secrets stay in here and in the clients made from it."""

    api_key: str | None
    """The key callers present."""
    ledger: Path
    anthropic_key: str | None
    anthropic_url: str | None
    gemini_key: str | None
    gemini_url: str | None
    simulated: bool
    """The base URLs lead to the project's own simulated upstreams."""
    local_available: bool | None
    """Overrides `local.available` of the configuration."""

    def __repr__(self) -> str:
        """Name no secret."""
        return f"Settings(ledger={str(self.ledger)!r}, simulated={self.simulated})"


def load(folder: Path | None = None) -> Config:
    """Read and cross-check `config/`.

    Raises:
        ConfigError: listing every problem with its file and key.
    """
    folder = folder or PROJECT / "config"
    problems: list[str] = []
    models = _read(folder / "models.yaml", _ModelsFile, problems)
    routes = _read(folder / "routes.yaml", _RoutesFile, problems)
    prices = _read(folder / "prices.yaml", _PricesFile, problems, wrap="rows")
    if models is None or routes is None or prices is None:
        raise ConfigError("\n".join(problems))
    problems += _cross_check(models, routes)
    if problems:
        raise ConfigError("\n".join(problems))
    return Config(
        catalog=_catalog(models),
        rules=_rules(routes),
        prices=tuple(sorted(prices.rows, key=lambda row: row.valid_from)),
    )


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment of this process, or the one given."""
    env = os.environ if environment is None else environment
    return Settings(
        api_key=env.get("TERCET_API_KEY") or None,
        ledger=Path(env.get("TERCET_LEDGER") or PROJECT / "var" / "ledger.sqlite3"),
        anthropic_key=env.get("ANTHROPIC_API_KEY") or None,
        anthropic_url=env.get("ANTHROPIC_BASE_URL") or None,
        gemini_key=env.get("GEMINI_API_KEY") or None,
        gemini_url=env.get("GOOGLE_GEMINI_BASE_URL") or None,
        simulated=env.get("TERCET_SIMULATED") == "1",
        local_available=_flag(env, "TERCET_LOCAL_AVAILABLE"),
    )


def export(values: Mapping[str, str]) -> None:
    """Put `values` into this process's environment, for itself and the processes it starts."""
    os.environ.update(values)


def environment() -> Mapping[str, str]:
    """Return a copy of this process's environment."""
    return dict(os.environ)


def fleet(config: Config, chosen: Settings) -> Fleet:
    """Say which providers have a key.

    Raises:
        ConfigError: a tier seats no model whose provider has a key.
    """
    keys = {"anthropic": chosen.anthropic_key, "google": chosen.gemini_key}
    providers = frozenset(name for name, key in keys.items() if key)
    for tier in config.catalog.tiers.values():
        if not any(config.catalog.models[seat.model].provider in providers for seat in tier.seats):
            raise ConfigError(
                f"{tier.name}: no model of this tier has a provider key; set ANTHROPIC_API_KEY or "
                "GEMINI_API_KEY, or start with `make run`, which simulates both when neither is set"
            )
    available = chosen.local_available
    return Fleet(
        providers=providers,
        local_available=config.rules.local_available if available is None else available,
        simulated=chosen.simulated,
    )


def _flag(env: Mapping[str, str], name: str) -> bool | None:
    value = env.get(name, "")
    if value not in ("", "0", "1"):
        raise ConfigError(f"{name} is {value!r}; set it to 1 or 0, or leave it out")
    return None if value == "" else value == "1"


def _read(
    path: Path, shape: type[_File], problems: list[str], *, wrap: str | None = None
) -> _File | None:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        problems.append(f"{path}: {error}")
        return None
    try:
        return shape.model_validate(value if wrap is None else {wrap: value})
    except ValidationError as error:
        problems += [
            f"{path}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
        ]
        return None


def _cross_check(models: _ModelsFile, routes: _RoutesFile) -> list[str]:
    known = sorted(models.models)
    problems = [
        f"models.yaml: tiers.{name}.seats: {seat.model!r} is not a model; models are {known}"
        for name, tier in models.tiers.items()
        for seat in tier.seats
        if seat.model not in models.models
    ]
    problems += [
        f"models.yaml: tiers.{name}.seats: roles are {[s.role for s in tier.seats]}; "
        f"{tier.composition} seats {list(ANSWERS_FIRST[tier.composition])} in this order"
        for name, tier in models.tiers.items()
        if tuple(seat.role for seat in tier.seats) != ANSWERS_FIRST[tier.composition]
    ]
    problems += [
        f"models.yaml: tiers: {name} is missing; the plan's routes need tier1, tier2 and tier3"
        for name in ("tier1", "tier2", "tier3")
        if name not in models.tiers
    ]
    seated = {seat.model for tier in models.tiers.values() for seat in tier.seats}
    if routes.local.stand_in not in seated:
        problems.append(
            f"routes.yaml: local.stand_in is {routes.local.stand_in!r}; "
            f"name one of {sorted(seated)}"
        )
    members = [
        seat.model for tier in models.tiers.values() for seat in tier.seats if seat.role == "member"
    ]
    problems += [
        f"routes.yaml: consensus.prefer.{kind} is {model!r}; members are {members}"
        for kind, model in routes.consensus.prefer.items()
        if model not in members
    ]
    return problems


def _catalog(file: _ModelsFile) -> Catalog:
    return Catalog(
        models={
            name: Model(
                name=name,
                provider=row.provider,
                window_tokens=row.window_tokens,
                max_output_tokens=row.max_output_tokens,
            )
            for name, row in file.models.items()
        },
        tiers={
            name: Tier(
                name=name,
                composition=row.composition,
                seats=tuple(TierSeat(role=seat.role, model=seat.model) for seat in row.seats),
            )
            for name, row in file.tiers.items()
        },
    )


def _rules(file: _RoutesFile) -> Rules:
    outputs, limits = file.max_output_tokens, file.limits
    return Rules(
        memory_from_tokens=file.memory_from_tokens,
        junior_from_tokens=file.junior_from_tokens,
        max_rounds=file.consensus.max_rounds,
        prefer=file.consensus.prefer,
        output=OutputLimits(answer=outputs.answer, member=outputs.member, advice=outputs.advice),
        local_available=file.local.available,
        local_stand_in=file.local.stand_in,
        limits=Limits(
            deadline_s=limits.deadline_s,
            connect_s=limits.connect_s,
            first_event_s=limits.first_event_s,
            between_events_s=limits.between_events_s,
        ),
    )
