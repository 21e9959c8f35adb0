"""Who should answer: (task, profile) -> Route, decided before any model is called."""

from collections.abc import Callable
from dataclasses import replace

from router.choices import AUTO, Choices, permitted
from router.local_route import Host, local_route
from router.seating import one_model, tier_route
from tercet.catalog import LOCAL
from tercet.outlook import CHEAPEST, CLOSED, LOCAL_ONLY, NO_PREMIUM
from tercet.route import Refused, Route
from tercet.task import Profile, Task

PREMIUM = "tier1"


Policy = Callable[[Task, Profile, Choices], Route | Refused]


def route_by_complexity(task: Task, profile: Profile, choices: Choices) -> Route | Refused:
    """Route as the plan states it, unless the caller named who should answer.

    Design or critical work goes to tier 1, implementation to tier 2, routine work to the local
    model if it is available, and everything else to tier 3. The month's budget and the caller's key
    may take choices away.
    """
    key = choices.keys.get(task.key_id)
    models = None if key is None else key.models
    if models != choices.models:
        choices = replace(choices, models=models)
    tiers = permitted(task, choices)
    if not tiers:
        return Refused(reason=f"the key {task.key_id} may use no tier and model that is there")
    if choices.outlook.step >= CHEAPEST:
        return _spare(task, profile, choices)
    named = task.hints.tier or task.model
    if named != AUTO:
        return _as_named(task, profile, named, choices)
    wish, why = _wish(profile, choices)
    name, limits, degraded = _allowed(wish, task, profile, tiers, choices)
    why = "; ".join([why, *limits])
    if name == LOCAL:
        route = to_local(task, profile, why, other_than_local(task, profile, why, choices), choices)
    else:
        route = tier_route(task, name, why, choices, profile)
    return _marked(route, *degraded) if degraded and isinstance(route, Route) else route


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
    if choices.local is not None:
        return LOCAL, "it is routine"
    return "tier3", "it is routine" + ("" if choices.local_bar else ", but there is no local model")


def _allowed(
    wish: str, task: Task, profile: Profile, tiers: list[str], choices: Choices
) -> tuple[str, list[str], tuple[str, ...]]:
    """Return the tier nearest to the plan's choice that budget and key allow, and what they took.

    Nearest is the next less capable tier; where there is none, the next more capable one.
    """
    outlook, kept = choices.outlook, choices.budget.premium_kinds
    affordable = [name for name in tiers if name != PREMIUM]
    if outlook.step < NO_PREMIUM or profile.kind in kept or not affordable:
        affordable = tiers
    order = list(choices.catalog.tiers)
    at = order.index(wish)
    nearest = [*order[at:], *reversed(order[:at])]
    within_key = next(name for name in nearest if name in tiers)
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


def _key_limit(task: Task, choices: Choices) -> str:
    return f"the key {task.key_id} may use {', '.join(permitted(task, choices))} alone"


def _as_named(task: Task, profile: Profile, named: str, choices: Choices) -> Route | Refused:
    """Route to the tier or the model that the caller named, if the key may use it."""
    tiers = permitted(task, choices)
    why = f"the caller asked for {named}"
    if named == LOCAL or LOCAL in choices.catalog.hosts_of(named):
        return _local_as_named(task, profile, why, choices)
    if named not in choices.catalog.models:
        if named in tiers:
            return tier_route(task, named, why, choices)
        return Refused(reason=f"{_key_limit(task, choices)}, not {named}")
    hosts = [name for name in choices.catalog.hosts_of(named) if name in tiers]
    if hosts and (choices.models is None or named in choices.models):
        return one_model(task, named, hosts[0], "the caller asked for it", choices)
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
    if is_barred or (choices.local is not None and LOCAL not in permitted(task, choices)):
        return Refused(reason=f"{_key_limit(task, choices)}, not {LOCAL}")
    instead = other_than_local(task, profile, why, choices)
    if choices.local is None:
        assert instead is not None  # noqa: S101  some tier is permitted
        reason = f"{instead.reason}, but there is no local model"
        return replace(_marked(instead, f"{LOCAL}:off"), reason=reason)
    route = to_local(task, profile, why, instead, choices)
    if isinstance(route, Refused) or route.name == LOCAL:
        return route
    return _marked(route, f"{LOCAL}:{choices.local.readiness.kind}")


def other_than_local(task: Task, profile: Profile, why: str, choices: Choices) -> Route | None:
    """Return the route that is taken where the local model does not answer, if there is one.

    The least capable tier of the others; the budget's own route where little is left.
    """
    others = [name for name in permitted(task, choices) if name != LOCAL]
    return tier_route(task, others[-1], why, choices, profile) if others else None


def to_local(
    task: Task, profile: Profile, why: str, instead: Route | None, choices: Choices
) -> Route | Refused:
    """Return the route to the local model, or `instead` where that is not to be asked now."""
    seat = choices.catalog.tiers[LOCAL].seats[0]
    assert choices.local is not None  # noqa: S101  its tier is permitted
    model = choices.catalog.models[seat.model]
    host = Host(model=model, local=choices.local, rules=choices.rules.local)
    return local_route(task, profile, why, instead, host)


def _spare(task: Task, profile: Profile, choices: Choices) -> Route | Refused:
    """Route when little of the month's money is left, whatever was asked for."""
    outlook, tiers = choices.outlook, permitted(task, choices)
    why = f"the budget is on step {outlook.step}: {outlook.why}"
    cheapest = choices.budget.cheapest
    hosts = [name for name in choices.catalog.hosts_of(cheapest) if name in tiers]
    instead = None
    if outlook.step < LOCAL_ONLY and hosts:
        instead = one_model(task, cheapest, hosts[0], why, choices)
    if outlook.step < CLOSED and LOCAL in tiers:
        route = to_local(task, profile, why, instead, choices)
    elif instead is not None:
        route = instead
    else:
        if outlook.step < LOCAL_ONLY:
            why += f"; only {cheapest} answers, and {_key_limit(task, choices)}"
        return Refused(reason=why, resets_at=outlook.resets_at)
    if isinstance(route, Refused):
        return replace(route, resets_at=outlook.resets_at)
    return _marked(route, f"budget:step{outlook.step}")
