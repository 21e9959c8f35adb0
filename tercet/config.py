"""Configuration: the only reader of `config/`.

`load(folder)` is total: it returns one cross-checked value or raises one `ConfigError` that lists
every problem it found.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from tercet.budget import GPU, MONTH, Caps
from tercet.catalog import LOCAL, Alias, Catalog, Model, Tier, TierSeat
from tercet.config_checks import Files, contradictions
from tercet.config_files import (
    BudgetFile,
    ModelsFile,
    PriceRow,
    PricesFile,
    RoutesFile,
    TaxonomyFile,
    UpstreamsFile,
    read,
)
from tercet.environment import PROJECT, Settings, environment, export, read_key, settings
from tercet.errors import ConfigError
from tercet.keys import DEFAULT_KEY
from tercet.learning import LearningRules
from tercet.learning_file import read_learning
from tercet.local_file import load_local
from tercet.local_model import LocalModel
from tercet.migration import EVIDENCE_KEY, MigrationRules
from tercet.migration_file import read_migrations
from tercet.rules import (
    BudgetRules,
    Fleet,
    Limits,
    LocalRules,
    OutputLimits,
    Rules,
    UpstreamRules,
)
from tercet.taxonomy import BUILT_IN, KindRules, Taxonomy
from tercet.usage import NANO_USD_PER_USD

__all__ = [
    "PROJECT",
    "Config",
    "PriceRow",
    "Settings",
    "environment",
    "export",
    "fleet",
    "load",
    "read_key",
    "settings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything `config/` says, cross-checked."""

    catalog: Catalog
    rules: Rules
    prices: tuple[PriceRow, ...]
    budget: BudgetRules
    learning: LearningRules
    migrations: MigrationRules
    taxonomy: Taxonomy = BUILT_IN
    local: LocalModel | None = None
    """The local model, which the catalog has too; `None`: it is off."""


def load(folder: Path | None = None, chosen: Settings | None = None) -> Config:
    """Read and cross-check `config/`.

    Args:
        folder: the project's own `config/` if left out.
        chosen: what overrides it; the environment of this process if left out.

    Raises:
        ConfigError: listing every problem with its file and key.
    """
    chosen, folder = chosen or settings(), folder or PROJECT / "config"
    files = _files(folder)
    problems = contradictions(files)
    learning = read_learning(folder, files.taxonomy.kinds, problems)
    migrations = read_migrations(folder, files.taxonomy, files.models, chosen.phase, problems)
    if problems or learning is None or migrations is None:
        raise ConfigError("\n".join(problems))
    local = _local(files, chosen)
    return Config(
        catalog=_catalog(files.models) if local is None else _with(local, _catalog(files.models)),
        rules=_rules(files.routes, files.upstreams),
        prices=tuple(sorted(files.prices.rows, key=lambda row: row.valid_from)),
        budget=_budget_rules(files.budget, _caps(files, migrations, chosen)),
        learning=learning,
        migrations=migrations,
        taxonomy=_taxonomy(files.taxonomy),
        local=local,
    )


def fleet(config: Config, chosen: Settings) -> Fleet:
    """Say which providers have a key, reading none, and whether there is a local model.

    Raises:
        ConfigError: a tier seats no model whose provider has a key.
    """
    keys = {"anthropic": chosen.anthropic_key, "google": chosen.gemini_key, LOCAL: config.local}
    providers = frozenset(name for name, key in keys.items() if key)
    for tier in config.catalog.tiers.values():
        if not any(config.catalog.models[seat.model].provider in providers for seat in tier.seats):
            raise ConfigError(
                f"{tier.name}: no model of this tier has a provider key; set ANTHROPIC_API_KEY or "
                "GEMINI_API_KEY, or the same with _FILE and a file that has it, or start with "
                "`make run`, which simulates both when neither is set"
            )
    return Fleet(providers=providers, simulated=chosen.simulated)


def _files(folder: Path) -> Files:
    problems: list[str] = []
    models = read(folder / "models.yaml", ModelsFile, problems)
    routes = read(folder / "routes.yaml", RoutesFile, problems)
    prices = read(folder / "prices.yaml", PricesFile, problems, wrap="rows")
    upstreams = read(folder / "upstreams.yaml", UpstreamsFile, problems)
    budget = read(folder / "budget.yaml", BudgetFile, problems)
    taxonomy = read(folder / "taxonomy.yaml", TaxonomyFile, problems, wrap="kinds")
    try:
        local = load_local(folder)
    except ConfigError as error:
        problems.append(str(error))
        local = None
    if not (models and routes and prices and upstreams and budget and taxonomy and local):
        raise ConfigError("\n".join(problems))
    return Files(
        models=models,
        routes=routes,
        prices=prices,
        upstreams=upstreams,
        budget=budget,
        taxonomy=taxonomy,
        local=local,
    )


def _taxonomy(file: TaxonomyFile) -> Taxonomy:
    return Taxonomy(
        kinds=tuple(
            KindRules(
                name=name,
                says=row.says,
                is_design=row.design,
                is_critical=row.critical,
                is_implementation=row.implementation,
                is_routine=row.routine,
                contract=row.contract,
                examples=tuple(row.examples),
            )
            for name, row in file.kinds.items()
        )
    )


def _local(files: Files, chosen: Settings) -> LocalModel | None:
    name = chosen.local or files.routes.local.profile
    return None if name is None or name == "off" else files.local.profiles[name]


def _with(local: LocalModel, catalog: Catalog) -> Catalog:
    """Return the catalog with the tier of the local model, the least capable."""
    model = Model(
        name=local.name,
        provider="local",
        window_tokens=local.max_model_len,
        max_output_tokens=local.max_model_len,
        takes=local.skills,
    )
    seat = TierSeat(role="single", model=local.name)
    tier = Tier(name=LOCAL, composition="single", seats=(seat,))
    return replace(
        catalog,
        models={**catalog.models, local.name: model},
        tiers={**catalog.tiers, LOCAL: tier},
    )


def _catalog(file: ModelsFile) -> Catalog:
    return Catalog(
        models={
            name: Model(
                name=name,
                provider=row.provider,
                window_tokens=row.window_tokens,
                max_output_tokens=row.max_output_tokens,
                takes=frozenset(row.takes),
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
        aliases=tuple(Alias(pattern=row.match, model=row.model) for row in file.aliases),
    )


def _rules(file: RoutesFile, upstreams: UpstreamsFile) -> Rules:
    outputs, limits = file.max_output_tokens, file.limits
    return Rules(
        memory_from_tokens=file.memory_from_tokens,
        junior_from_tokens=file.junior_from_tokens,
        max_rounds=file.consensus.max_rounds,
        prefer=file.consensus.prefer,
        on_disagreement=file.consensus.on_disagreement,
        escalate_to=file.consensus.escalate_to,
        output=OutputLimits(answer=outputs.answer, member=outputs.member, advice=outputs.advice),
        local=LocalRules(
            held=file.local.held,
            answer_s=file.local.answer_s,
            first_event_s=file.local.first_event_s,
        ),
        limits=Limits(
            deadline_s=limits.deadline_s,
            connect_s=limits.connect_s,
            first_event_s=limits.first_event_s,
            between_events_s=limits.between_events_s,
        ),
        upstreams=_upstream_rules(upstreams),
    )


def _upstream_rules(file: UpstreamsFile) -> UpstreamRules:
    return UpstreamRules(
        attempts_per_call=file.attempts_per_call,
        backoff_base_s=file.backoff.base_s,
        backoff_cap_s=file.backoff.cap_s,
        longest_wait_s=file.backoff.longest_wait_s,
        purse_capacity=file.retry_purse.capacity,
        purse_per_call=file.retry_purse.per_call,
        purse_per_s=file.retry_purse.per_second,
        breaker_failures=file.breaker.failures,
        probe_every_s=file.breaker.probe_every_s,
        probe_at_least_every_s=file.breaker.probe_at_least_every_s,
        throttle_k=file.throttle.k,
        throttle_window_s=file.throttle.window_s,
        concurrency=file.concurrency.limit,
        concurrency_wait_s=file.concurrency.wait_s,
        on_disconnect=file.on_disconnect,
        drains=file.drains,
        drain_s=file.drain_s,
    )


def _caps(files: Files, migrations: MigrationRules, chosen: Settings) -> Caps:
    """Return the caps in nano-USD, by the scopes' names of `tercet.budget`."""
    stated = files.budget.caps
    dollars = {MONTH: stated.month, f"key:{DEFAULT_KEY}": stated.default_key, GPU: stated.gpu}
    dollars |= {f"tier:{name}": cap for name, cap in stated.tiers.items()}
    dollars |= {f"provider:{name}": cap for name, cap in stated.providers.items()}
    caps = {scope: int(cap * NANO_USD_PER_USD) for scope, cap in dollars.items() if cap is not None}
    caps[f"key:{EVIDENCE_KEY}"] = migrations.evidence_nano_usd
    if chosen.month_cap_nano_usd is not None:
        caps[MONTH] = chosen.month_cap_nano_usd
    return caps


def _budget_rules(file: BudgetFile, caps: Caps) -> BudgetRules:
    return BudgetRules(
        caps=caps,
        spent_from={int(step): share for step, share in file.ladder.spent_from.items()},
        forecast_from={int(step): share for step, share in file.ladder.forecast_from.items()},
        margin=file.ladder.margin,
        pace_bucket=file.pacing.bucket,
        weight_per_bucket=file.pacing.weight,
        most_weight=file.pacing.most,
        premium_kinds=frozenset(file.premium_kinds),
        cheapest=file.cheapest,
    )
