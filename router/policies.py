"""Who should answer: (task, profile) -> Route, decided before any model is called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from router.local_route import Host, local_route
from router.waking import Local
from tercet.catalog import LOCAL, Catalog, ProviderName, Role, Tier, TierSeat
from tercet.keys import Key
from tercet.outlook import CHEAPEST, CLOSED, LOCAL_ONLY, NO_PREMIUM, Outlook
from tercet.route import Refused, Route, Seat
from tercet.rules import BudgetRules, Fleet, Rules
from tercet.task import Profile, Task

AUTO = "auto"
PREMIUM = "tier1"
ANSWERING = frozenset({"brain", "lead"})
"""Roles without which there is no answer, so another model of the tier stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a policy may choose from."""

    catalog: Catalog
    rules: Rules
    budget: BudgetRules
    fleet: Fleet
    keys: Mapping[str, Key] = field(default_factory=dict[str, Key])
    """By id; a key that is not among them may use every tier."""
    outlook: Outlook = field(default_factory=Outlook.normal)
    models: frozenset[str] | None = None
    """Those the caller's key may ask; `None`: every one."""
    local: Local | None = None
    """The local model as it was last seen; `None`: there is none."""


Policy = Callable[[Task, Profile, Choices], Route | Refused]


def route_by_complexity(task: Task, profile: Profile, choices: Choices) -> Route | Refused:
    """Route as the plan states it, unless the caller named who should answer.

    Design or critical work goes to tier 1, implementation to tier 2, routine work to the local
    model if it is available, and everything else to tier 3. The month's budget and the caller's key
    may take choices away.
    """
    key = choices.keys.get(task.key_id)
    choices = replace(choices, models=None if key is None else key.models)
    if not _permitted(task, choices):
        return Refused(reason=f"the key {task.key_id} may use no tier and model that is there")
    if choices.outlook.step >= CHEAPEST:
        return _spare(task, profile, choices)
    named = task.hints.tier or task.model
    if named != AUTO:
        return _as_named(task, profile, named, choices)
    wish, why = _wish(profile, choices)
    name, limits, degraded = _allowed(wish, task, profile, choices)
    why = "; ".join([why, *limits])
    if name == LOCAL:
        route = _local(task, profile, why, _other(task, profile, why, choices), choices)
    else:
        route = _tier_route(task, name, why, choices, profile)
    return route if isinstance(route, Refused) else _marked(route, *degraded)


POLICIES: Mapping[str, Policy] = {"route_by_complexity": route_by_complexity}


def _marked(route: Route, *degraded: str) -> Route:
    return replace(route, degraded=(*route.degraded, *degraded))


def _wish(profile: Profile, choices: Choices) -> tuple[str, str]:
    """Return the name of the plan's choice, and why."""
    if profile.requires_design:
        return PREMIUM, "it requires design"
    if profile.is_critical:
        return PREMIUM, "it is critical"
    if profile.requires_implementation:
        return "tier2", "it requires implementation"
    if not profile.is_routine:
        return "tier3", "it is quick"
    if choices.local is None:
        return "tier3", "it is routine, but there is no local model"
    return LOCAL, "it is routine"


def _allowed(
    wish: str, task: Task, profile: Profile, choices: Choices
) -> tuple[str, list[str], tuple[str, ...]]:
    """Return the tier nearest to the plan's choice that budget and key allow, and what they took.

    Nearest is the next less capable tier; where there is none, the next more capable one.
    """
    outlook, kept = choices.outlook, choices.budget.premium_kinds
    permitted = _permitted(task, choices)
    affordable = [name for name in permitted if name != PREMIUM]
    if outlook.step < NO_PREMIUM or profile.kind in kept or not affordable:
        affordable = permitted
    order = list(choices.catalog.tiers)
    at = order.index(wish)
    nearest = [*order[at:], *reversed(order[:at])]
    within_key = next(name for name in nearest if name in permitted)
    name = next(name for name in nearest if name in affordable)
    limits: list[str] = []
    degraded: tuple[str, ...] = ()
    if within_key != wish:
        limits.append(_key_limit(task, choices))
    if name != within_key:
        limits.append(
            f"step {outlook.step} of the budget keeps {PREMIUM} for {', '.join(sorted(kept))}"
        )
        degraded = (f"budget:step{outlook.step}",)
    return name, limits, degraded


def _permitted(task: Task, choices: Choices) -> list[str]:
    """Return the tiers that the caller's key may use; `local` too, if there is one."""
    key = choices.keys.get(task.key_id)
    return [
        tier.name
        for tier in choices.catalog.tiers.values()
        if (key is None or key.tiers is None or tier.name in key.tiers)
        and any(_is_reachable(seat.model, choices) for seat in tier.seats)
    ]


def _key_limit(task: Task, choices: Choices) -> str:
    return f"the key {task.key_id} may use {', '.join(_permitted(task, choices))} alone"


def _as_named(task: Task, profile: Profile, named: str, choices: Choices) -> Route | Refused:
    """Route to the tier or the model that the caller named, if the key may use it."""
    permitted = _permitted(task, choices)
    why = f"the caller asked for {named}"
    if named == LOCAL or LOCAL in choices.catalog.hosts_of(named):
        return _local_as_named(task, profile, why, choices)
    if named not in choices.catalog.models:
        if named in permitted:
            return _tier_route(task, named, why, choices)
        return Refused(reason=f"{_key_limit(task, choices)}, not {named}")
    hosts = [name for name in choices.catalog.hosts_of(named) if name in permitted]
    if hosts and (choices.models is None or named in choices.models):
        return _one_model(task, named, hosts[0], "the caller asked for it", choices)
    if hosts:
        return Refused(reason=f"the key {task.key_id} may not ask {named}")
    return Refused(
        reason=f"{_key_limit(task, choices)}; "
        f"{named} is of {', '.join(choices.catalog.hosts_of(named))}"
    )


def _local_as_named(task: Task, profile: Profile, why: str, choices: Choices) -> Route | Refused:
    """Route to the local model; who answers in its place is marked as such."""
    key = choices.keys.get(task.key_id)
    is_barred = key is not None and key.tiers is not None and LOCAL not in key.tiers
    if is_barred or (choices.local is not None and LOCAL not in _permitted(task, choices)):
        return Refused(reason=f"{_key_limit(task, choices)}, not {LOCAL}")
    instead = _other(task, profile, why, choices)
    if choices.local is None:
        assert instead is not None  # noqa: S101  some tier is permitted
        reason = f"{instead.reason}, but there is no local model"
        return replace(_marked(instead, f"{LOCAL}:off"), reason=reason)
    route = _local(task, profile, why, instead, choices)
    if isinstance(route, Refused) or route.name == LOCAL:
        return route
    return _marked(route, f"{LOCAL}:{choices.local.readiness.kind}")


def _other(task: Task, profile: Profile, why: str, choices: Choices) -> Route | None:
    """Return the route that is taken where the local model does not answer, if there is one.

    The least capable tier of the others; the budget's own route where little is left.
    """
    others = [name for name in _permitted(task, choices) if name != LOCAL]
    return _tier_route(task, others[-1], why, choices, profile) if others else None


def _local(
    task: Task, profile: Profile, why: str, instead: Route | None, choices: Choices
) -> Route | Refused:
    seat = choices.catalog.tiers[LOCAL].seats[0]
    assert choices.local is not None  # noqa: S101  its tier is permitted
    model = choices.catalog.models[seat.model]
    host = Host(model=model, local=choices.local, rules=choices.rules.local)
    return local_route(task, profile, why, instead, host)


def _spare(task: Task, profile: Profile, choices: Choices) -> Route | Refused:
    """Route when little of the month's money is left, whatever was asked for."""
    outlook, permitted = choices.outlook, _permitted(task, choices)
    why = f"the budget is on step {outlook.step}: {outlook.why}"
    cheapest = choices.budget.cheapest
    hosts = [name for name in choices.catalog.hosts_of(cheapest) if name in permitted]
    instead = None
    if outlook.step < LOCAL_ONLY and hosts:
        instead = _one_model(task, cheapest, hosts[0], why, choices)
    if outlook.step < CLOSED and LOCAL in permitted:
        route = _local(task, profile, why, instead, choices)
    elif instead is not None:
        route = instead
    else:
        if outlook.step < LOCAL_ONLY:
            why += f"; only {cheapest} answers, and {_key_limit(task, choices)}"
        return Refused(reason=why, resets_at=outlook.resets_at)
    if isinstance(route, Refused):
        return replace(route, resets_at=outlook.resets_at)
    return _marked(route, f"budget:step{outlook.step}")


def _tier_route(
    task: Task, name: str, why: str, choices: Choices, profile: Profile | None = None
) -> Route:
    """Seat a tier. With a profile the route may save seats; without, the caller pinned it."""
    tier = choices.catalog.tiers[name]
    if task.is_agentic:
        return _agents(task, tier, why, choices)
    wanted, savings = _wanted(tier, task, profile, choices)
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


def _agents(task: Task, tier: Tier, why: str, choices: Choices) -> Route:
    """Give a loop of tools to one seat, always the same: its prompt is cached there alone.

    What the loop is about is read from its first turn, so every later turn comes here too.
    """
    first = tier.seats[0].model
    candidates = _candidates(tier, first, choices)
    if task.verbatim is not None and task.verbatim.is_needed:
        own = [n for n in candidates if _provider(n, choices) == task.verbatim.provider]
        candidates = own or candidates
    seat = _seat("single", tier, candidates)
    return Route(
        name=tier.name,
        composition="single",
        seats=(seat,),
        degraded=() if seat.model == first else ("single:no_key",),
        reason=f"{tier.name} because {why}; one seat, because tools are in use",
        deadline_at=task.deadline_at,
    )


def _wanted(
    tier: Tier, task: Task, profile: Profile | None, choices: Choices
) -> tuple[tuple[TierSeat, ...], list[str]]:
    """Leave out assistants that have nothing to read, or too little for the month; say so."""
    if profile is None or task.hints.strict:
        return tier.seats, []
    rules, weight = choices.rules, choices.outlook.cost_weight
    floors = {
        "memory": round(rules.memory_from_tokens * weight),
        "junior": round(rules.junior_from_tokens * weight),
    }
    wanted = tuple(s for s in tier.seats if profile.size_tokens >= floors.get(s.role, 0))
    weighed = "" if weight == 1 else f", as cost weighs {weight:g} times"
    savings = [
        f"{seat.role} not seated: about {profile.size_tokens} tokens to read, "
        f"it pays from {floors[seat.role]}{weighed}"
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


def _one_model(task: Task, model: str, host: str, why: str, choices: Choices) -> Route:
    tier = choices.catalog.tiers[host]
    seat = _seat("single", tier, _candidates(tier, model, choices))
    return Route(
        name=model,
        composition="single",
        seats=(seat,),
        degraded=() if seat.model == model else ("single:no_key",),
        reason=f"{model} because {why}",
        deadline_at=task.deadline_at,
    )


def _provider(model: str, choices: Choices) -> ProviderName:
    return choices.catalog.models[model].provider


def _is_reachable(model: str, choices: Choices) -> bool:
    if choices.models is not None and model not in choices.models:
        return False
    return _provider(model, choices) in choices.fleet.providers
