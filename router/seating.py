"""Who is seated on a route: a tier's voices, or one model with those who stand in for it."""

from router.choices import Choices, is_reachable, permitted, provider_of
from tercet.catalog import Role, Tier, TierSeat
from tercet.route import OnDisagreement, Route, Seat
from tercet.task import Profile, Task

ANSWERING = frozenset({"brain", "lead"})
"""Roles without which there is no answer, so another model of the tier stands in."""


def tier_route(
    task: Task, name: str, why: str, choices: Choices, profile: Profile | None = None
) -> Route:
    """Seat a tier. With a profile the route may save seats; without, the caller pinned it."""
    tier = choices.catalog.tiers[name]
    if task.is_agentic:
        return _agents(task, tier, why, choices)
    wanted, savings = _wanted(tier, task, profile, choices)
    seats, degraded = _seated(tier, wanted, choices)
    composition = tier.composition if len(seats) > 1 else "single"
    after: OnDisagreement = "critique"
    if composition == "consensus" and profile is not None:
        seats = _by_preference(seats, choices.rules.prefer.get(profile.kind))
        after = choices.rules.on_disagreement.get(profile.kind, after)
    return Route(
        name=name,
        composition=composition,
        seats=seats,
        max_rounds=choices.rules.max_rounds if composition == "consensus" else 1,
        stops_on_agreement=not task.hints.strict,
        on_disagreement=after,
        escalation=escalation_of(task, choices) if after == "escalate" else None,
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
        own = [n for n in candidates if provider_of(n, choices) == task.verbatim.provider]
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
        if not is_reachable(wish.model, choices):
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
    return [name for name in models if is_reachable(name, choices)]


def _seat(role: Role, tier: Tier, candidates: list[str]) -> Seat:
    first, *others = candidates
    return Seat(role=role, tier=tier.name, model=first, alternates=tuple(others))


def escalation_of(task: Task, choices: Choices) -> Seat | None:
    """Return who is asked when members disagree, if the caller's key may use its tier."""
    name = choices.rules.escalate_to
    if name not in permitted(task, choices):
        return None
    tier = choices.catalog.tiers[name]
    first = tier.seats[0]
    return _seat(first.role, tier, _candidates(tier, first.model, choices))


def _by_preference(seats: tuple[Seat, ...], model: str | None) -> tuple[Seat, ...]:
    """Put the preferred member first: its answer stands when a vote is tied."""
    return tuple(sorted(seats, key=lambda seat: seat.model != model))


def one_model(task: Task, model: str, host: str, why: str, choices: Choices) -> Route:
    """Seat one model alone, on the proxy of the tier `host`."""
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
