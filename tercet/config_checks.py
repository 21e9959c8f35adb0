"""What the files in `config/` say, and where they contradict each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from tercet.catalog import LOCAL, CompositionName, Role
from tercet.config_files import (
    BudgetFile,
    ModelsFile,
    PricesFile,
    RoutesFile,
    TaxonomyFile,
    UpstreamsFile,
)
from tercet.local_file import LocalDefinition
from tercet.taxonomy import BUILT_IN

ANSWERS_FIRST: Mapping[CompositionName, tuple[Role, ...]] = {
    "memory_brain": ("brain", "memory"),
    "lead_junior": ("lead", "junior"),
    "consensus": ("member", "member"),
    "single": ("single",),
}
"""The roles a tier seats, in order, for each composition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What the files in `config/` say that are checked against each other."""

    models: ModelsFile
    routes: RoutesFile
    prices: PricesFile
    upstreams: UpstreamsFile
    budget: BudgetFile
    taxonomy: TaxonomyFile
    local: LocalDefinition


def contradictions(files: Files) -> list[str]:
    """Return every problem, with its file and key."""
    return [
        *_tiers_and_routes(files.models, files.routes),
        *_budget(files.budget, files.models),
        *_local(files),
        *_kinds(files),
    ]


def _tiers_and_routes(models: ModelsFile, routes: RoutesFile) -> list[str]:
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
    names = {*models.models, *models.tiers, "auto", LOCAL}
    problems += [
        f"models.yaml: aliases.{alias.match}: there is no {alias.model!r}; "
        "name a model, a tier, auto or local"
        for alias in models.aliases
        if alias.model not in names
    ]
    seated = {seat.model for tier in models.tiers.values() for seat in tier.seats}
    problems += [
        f"models.yaml: models.{name}: no tier seats it, so no one could call it; seat it or drop it"
        for name in models.models
        if name not in seated
    ]
    members = [
        seat.model for tier in models.tiers.values() for seat in tier.seats if seat.role == "member"
    ]
    problems += [
        f"routes.yaml: consensus.prefer.{kind} is {model!r}; members are {members}"
        for kind, model in routes.consensus.prefer.items()
        if model not in members
    ]
    if routes.consensus.escalate_to not in models.tiers:
        problems.append(
            f"routes.yaml: consensus.escalate_to is {routes.consensus.escalate_to!r}; "
            f"tiers are {list(models.tiers)}"
        )
    return problems


def _budget(budget: BudgetFile, models: ModelsFile) -> list[str]:
    problems = [
        f"budget.yaml: caps.tiers: there is no tier {name!r}; tiers are {list(models.tiers)}"
        for name in budget.caps.tiers
        if name not in models.tiers
    ]
    if budget.cheapest not in models.models:
        problems.append(
            f"budget.yaml: cheapest is {budget.cheapest!r}; name one of {sorted(models.models)}"
        )
    return problems


def _local(files: Files) -> list[str]:
    problems = [
        f"local.yaml: profiles.{name}.model: models.yaml has a {model.name!r} too; rename one"
        for name, model in files.local.profiles.items()
        if model.name in files.models.models
    ]
    if LOCAL in files.models.tiers:
        problems.append(f"models.yaml: tiers.{LOCAL}: this tier is made of config/local.yaml")
    return problems


def _kinds(files: Files) -> list[str]:
    known = files.taxonomy.kinds
    problems = [
        f"taxonomy.yaml: {name} is missing; the classifier tells it apart, so it has to be there"
        for name in BUILT_IN.names
        if name not in known
    ]
    said = {
        "routes.yaml: consensus.prefer": list(files.routes.consensus.prefer),
        "routes.yaml: consensus.on_disagreement": list(files.routes.consensus.on_disagreement),
        "budget.yaml: premium_kinds": files.budget.premium_kinds,
    }
    return problems + [
        f"{where}: {name!r} is no kind of task; kinds are {', '.join(known)}"
        for where, names in said.items()
        for name in names
        if name not in known
    ]
