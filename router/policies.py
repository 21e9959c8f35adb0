"""Who should answer: (task, profile) -> Route, decided before any model is called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tercet.catalog import Catalog, Role, Tier, TierSeat
from tercet.route import Route, Seat
from tercet.rules import Fleet, Rules
from tercet.task import Profile, Task

AUTO = "auto"
LOCAL = "local"
ANSWERING = frozenset({"brain", "lead"})
"""Roles without which there is no answer, so another model of the tier stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a policy may choose from."""

    catalog: Catalog
    rules: Rules
    fleet: Fleet


Policy = Callable[[Task, Profile, Choices], Route]


def route_by_complexity(task: Task, profile: Profile, choices: Choices) -> Route:
    """Route as the plan states it, unless the caller named who should answer.

    Design or critical work goes to tier 1, implementation to tier 2, routine work to the local
    model if it is available, and everything else to tier 3.
    """
    named = task.hints.tier or task.model
    if named in choices.catalog.models:
        return _one_model(task, named, choices)
    if named != AUTO:
        return _tier_route(task, named, f"the caller asked for {named}", choices)
    if profile.requires_design or profile.is_critical:
        why = "it requires design" if profile.requires_design else "it is critical"
        return _tier_route(task, "tier1", why, choices, profile)
    if profile.requires_implementation:
        return _tier_route(task, "tier2", "it requires implementation", choices, profile)
    if profile.is_routine and choices.fleet.local_available:
        return _tier_route(task, LOCAL, "it is routine and the local model is available", choices)
    why = (
        "it is routine, but the local model is not available"
        if profile.is_routine
        else "it is quick"
    )
    return _tier_route(task, "tier3", why, choices, profile)


POLICIES: Mapping[str, Policy] = {"route_by_complexity": route_by_complexity}


def _tier_route(
    task: Task, name: str, why: str, choices: Choices, profile: Profile | None = None
) -> Route:
    """Seat a tier. With a profile the route may save seats; without, the caller pinned it."""
    if name == LOCAL:
        return _local(task, why, choices)
    tier = choices.catalog.tiers[name]
    wanted, savings = _wanted(tier, task, profile, choices.rules)
    seats, degraded = _seated(tier, wanted, choices)
    composition = tier.composition if len(seats) > 1 else "single"
    if composition == "consensus" and profile is not None:
        seats = _by_preference(seats, choices.rules.prefer.get(profile.kind))
    return Route(
        name=name,
        composition=composition,
        seats=seats,
        max_rounds=choices.rules.max_rounds if composition == "consensus" else 1,
        stops_on_agreement=not task.hints.strict,
        degraded=degraded,
        reason="; ".join([f"{name} because {why}", *savings]),
        deadline_at=task.deadline_at,
    )


def _wanted(
    tier: Tier, task: Task, profile: Profile | None, rules: Rules
) -> tuple[tuple[TierSeat, ...], list[str]]:
    """Leave out assistants that have nothing to read, saying so."""
    if profile is None or task.hints.strict:
        return tier.seats, []
    floors = {"memory": rules.memory_from_tokens, "junior": rules.junior_from_tokens}
    wanted = tuple(s for s in tier.seats if profile.size_tokens >= floors.get(s.role, 0))
    savings = [
        f"{seat.role} not seated: about {profile.size_tokens} tokens to read, "
        f"it pays from {floors[seat.role]}"
        for seat in tier.seats
        if seat not in wanted
    ]
    return wanted, savings


def _seated(
    tier: Tier, wanted: tuple[TierSeat, ...], choices: Choices
) -> tuple[tuple[Seat, ...], tuple[str, ...]]:
    """Seat whoever can be reached; name the voices that are missing."""
    seats: list[Seat] = []
    degraded: list[str] = []
    for wish in wanted:
        if not _is_reachable(wish.model, choices):
            degraded.append(f"{wish.role}:no_key")
        candidates = _candidates(tier, wish.model, choices)
        if wish.role not in ANSWERING:
            candidates = [model for model in candidates if model == wish.model]
        if candidates and candidates[0] not in {seat.model for seat in seats}:
            seats.append(_seat(wish.role, tier, candidates))
    return tuple(seats), tuple(degraded)


def _candidates(tier: Tier, model: str, choices: Choices) -> list[str]:
    """Return who can be reached: the model itself, then the others of its tier."""
    models = [model, *(seat.model for seat in tier.seats if seat.model != model)]
    return [name for name in models if _is_reachable(name, choices)]


def _seat(role: Role, tier: Tier, candidates: list[str]) -> Seat:
    first, *others = candidates
    return Seat(role=role, tier=tier.name, model=first, alternates=tuple(others))


def _by_preference(seats: tuple[Seat, ...], model: str | None) -> tuple[Seat, ...]:
    """Put the preferred member first: its answer stands when a vote is tied."""
    return tuple(sorted(seats, key=lambda seat: seat.model != model))


def _one_model(task: Task, model: str, choices: Choices) -> Route:
    tier = choices.catalog.tiers[_host(model, choices)]
    seat = _seat("single", tier, _candidates(tier, model, choices))
    return Route(
        name=model,
        composition="single",
        seats=(seat,),
        degraded=() if seat.model == model else ("single:no_key",),
        reason=f"{model} because the caller asked for it",
        deadline_at=task.deadline_at,
    )


def _local(task: Task, why: str, choices: Choices) -> Route:
    stand_in = choices.rules.local_stand_in
    route = _one_model(task, stand_in, choices)
    return replace(
        route,
        name=LOCAL,
        degraded=(*route.degraded, "local:stand_in"),
        reason=f"local because {why}; {stand_in} stands in until the local deployment exists",
    )


def _is_reachable(model: str, choices: Choices) -> bool:
    return choices.catalog.models[model].provider in choices.fleet.providers


def _host(model: str, choices: Choices) -> str:
    host = choices.catalog.host_of(model)
    if host is None:
        raise LookupError(f"{model} is seated by no tier")
    return host
