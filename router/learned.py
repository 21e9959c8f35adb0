"""Who should answer, by what was learned: the hard rules first, then expected quality and cost.

An arm within the margin of the best is good enough, so more quality than that buys nothing and the
cheapest of those wins: that keeps a rich budget from collapsing onto the strongest arm. Below the
margin, quality is weighed against cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from router.admitting import Case, bar_of, case_of
from router.assigning import hard_rule
from router.choices import Choices
from router.learning.cold import ArmSpec, arm_of
from router.learning.deferral_options import ANY_KIND
from router.learning.document import Policy
from router.learning.estimates import Estimates, Expected
from router.learning.exploring import Exploration, Prospect, best_of, draw, forced, seed_of
from router.learning.features import sketch_of
from router.learning.weighing import counted
from router.lessons import Kept, Lessons, conversation_of
from router.policies import other_than_local, route_by_complexity, to_local
from router.seating import escalation_of, one_model, tier_route
from tercet.catalog import LOCAL
from tercet.drawing import Draw
from tercet.route import Refused, Route
from tercet.task import Profile, Task
from tercet.usage import NANO_USD_PER_USD

MOST_TRIED = 4
"""Arms that can be drawn for a task."""
CACHED_S = 300.0
"""How long a provider keeps what it has read: five minutes, unless it is asked again."""
CACHED_SHARE = 0.9
"""What reading from a provider's cache saves: both sell it at a tenth of the price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """One arm, as it was weighed."""

    arm: str
    quality: float
    """Expected, 0 to 1."""
    deviation: float
    """Of that expectation."""
    cost_nano_usd: int
    """Expected, less what the provider has in its cache of this conversation."""
    bar: str | None
    """Why it may not answer; `None`: it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """All that a version had to say about a task."""

    version: str
    arms: tuple[Weighed, ...]
    margin: float
    """How much quality may be lost to save money."""
    quality_per_nano_usd: float
    """How much quality a nano-USD has to buy, as the month stands."""
    draw: Draw | None
    """`None`: no arm may answer, so the plan's rule does."""


def route_as_learned(task: Task, profile: Profile, choices: Choices) -> Route | Refused:
    """Route by the version that is in force, or its canary; by the plan's rule without one.

    What the caller named, design, critical work, a `strict` request and a budget that is nearly
    spent are the plan's in any case.
    """
    plan = route_by_complexity(task, profile, choices)
    policy = _version(task, choices.lessons)
    if isinstance(plan, Refused) or choices.lessons is None or policy is None:
        return plan
    why = hard_rule(task, profile, choices)
    if why is not None:
        return _forced(plan, why, policy, choices.lessons)
    case = case_of(task, profile, choices, plan)
    weighing = weigh(case, policy, choices.lessons)
    if weighing.draw is None:
        return _forced(plan, "no arm may answer", policy, choices.lessons)
    spec = choices.lessons.specs[weighing.draw.arm]
    route = _played(spec, case, policy, _told(weighing, profile))
    if isinstance(route, Refused):
        return plan
    if spec.tier == LOCAL and route.name != LOCAL:
        return _forced(route, route.reason, policy, choices.lessons)
    return replace(route, policy=policy.version, draw=weighing.draw)


def not_drawn(route: Route, why: str, task: Task, choices: Choices) -> Route:
    """Say of a route that it was not the choice of the version that was asked, if one was."""
    policy = _version(task, choices.lessons)
    if choices.lessons is None or policy is None:
        return route
    return _forced(route, why, policy, choices.lessons)


def weigh(case: Case, policy: Policy, lessons: Lessons) -> Weighing:
    """Return what is expected of each arm, and which was drawn."""
    arms = _expected(case, policy, lessons)
    weight = policy.quality_per_nano_usd * case.choices.outlook.cost_weight
    margin = policy.margins.get(case.profile.kind, lessons.rules.margin_of(case.profile.kind))
    exploration = Exploration(
        floor=0.0 if _goes_on(case) else lessons.rules.exploration_floor,
        quality_per_nano_usd=weight,
        left_nano_usd=lessons.left_nano_usd,
    )
    admitted = [arm for arm in arms if arm.bar is None]
    found: Draw | None = None
    if admitted:
        prospects = _prospects(admitted, margin)
        seed = seed_of(conversation_of(case.task), policy.version)
        found = _kept(case, prospects) or draw(_tried(prospects, weight), exploration, seed)
    return Weighing(
        version=policy.version,
        arms=arms,
        margin=margin,
        quality_per_nano_usd=weight,
        draw=found,
    )


def _version(task: Task, lessons: Lessons | None) -> Policy | None:
    return None if lessons is None else lessons.version_for(conversation_of(task))


def _forced(route: Route, why: str, policy: Policy, lessons: Lessons) -> Route:
    """Say of a route that it was not the version's choice."""
    return replace(
        route, policy=policy.version, draw=forced(arm_of(route, lessons.specs.values()), why)
    )


def _expected(case: Case, policy: Policy, lessons: Lessons) -> tuple[Weighed, ...]:
    profile, estimates = case.profile, policy.estimates
    kinds = {profile.kind: 1.0} if case.task.hints.kind else profile.kinds
    sketch = sketch_of(case.choices.asked) if estimates.reads_text else None
    expected = estimates.expect(kinds, profile.size_tokens, sketch)
    saved = _saved(case, estimates, expected)
    columns = (expected.quality, expected.variance, expected.cost_nano_usd)
    rows: list[list[float]] = np.transpose(columns).tolist()
    return tuple(
        Weighed(
            arm=arm,
            quality=quality,
            deviation=variance**0.5,
            cost_nano_usd=max(0, round(cost - saved.get(arm, 0.0))),
            bar=_bar(arm, case, lessons),
        )
        for arm, (quality, variance, cost) in zip(estimates.arms, rows, strict=True)
    )


def _bar(arm: str, case: Case, lessons: Lessons) -> str | None:
    spec = lessons.specs.get(arm)
    return "it is not in the catalog any more" if spec is None else bar_of(spec, case)


def _prospects(arms: Sequence[Weighed], margin: float) -> Mapping[str, Prospect]:
    """Return the arms with the quality that counts."""
    quality = np.array([arm.quality for arm in arms])
    means: list[float] = counted(quality, np.array([a.deviation for a in arms]), margin).tolist()
    return {
        arm.arm: Prospect(mean=mean, variance=arm.deviation**2, cost_nano_usd=arm.cost_nano_usd)
        for arm, mean in zip(arms, means, strict=True)
    }


def _tried(prospects: Mapping[str, Prospect], weight: float) -> Mapping[str, Prospect]:
    """Return the arm thought best, and those that have most hope of being it.

    Each arm that can be drawn is drawn now and then, so many of them would be tried too often.
    """
    best = best_of(prospects, weight)

    def hope(arm: str) -> float:
        seen = prospects[arm]
        return seen.mean + seen.variance**0.5 - weight * seen.cost_nano_usd

    hopeful = sorted((arm for arm in prospects if arm != best), key=hope, reverse=True)
    return {arm: prospects[arm] for arm in (best, *hopeful[: MOST_TRIED - 1])}


def _remembered(case: Case) -> Kept | None:
    """Return what the conversation was last answered by, while its provider remembers it."""
    kept = case.choices.kept
    return kept if kept is not None and case.choices.at - kept.at <= CACHED_S else None


def _saved(case: Case, estimates: Estimates, expected: Expected) -> Mapping[str, float]:
    """Return what the conversation's last arm saves of its cost, in nano-USD, by arm."""
    kept = _remembered(case)
    if kept is None or kept.arm not in estimates.arms:
        return {}
    at = estimates.arms.index(kept.arm)
    per_token = float(expected.kinds @ estimates.table.cost_per_token[:, at])
    return {kept.arm: min(kept.tokens, case.profile.size_tokens) * CACHED_SHARE * per_token}


def _goes_on(case: Case) -> bool:
    """Whether nothing is tried, because the conversation has been answered before.

    Turns of a loop of tools are all judged by its first, so that each replica comes to the same.
    """
    if case.is_agentic:
        return False
    return any(message.speaker == "assistant" for message in case.task.messages)


def _kept(case: Case, prospects: Mapping[str, Prospect]) -> Draw | None:
    """Keep a loop of tools on its seat: a switch in its middle costs more than it brings."""
    kept = _remembered(case)
    if kept is None or not case.is_agentic or kept.arm not in prospects:
        return None
    return forced(kept.arm, "the conversation's own seat")


def _told(weighing: Weighing, profile: Profile) -> str:
    assert weighing.draw is not None  # noqa: S101  an arm may answer
    own = next(arm for arm in weighing.arms if arm.arm == weighing.draw.arm)
    best = max((arm for arm in weighing.arms if arm.bar is None), key=lambda arm: arm.quality)
    text = (
        f"version {weighing.version} expects {own.quality:.2f} of it at "
        f"{own.cost_nano_usd / NANO_USD_PER_USD:.4f} USD for {profile.kind}"
    )
    if best.arm != own.arm:
        text += f", and {best.quality:.2f} of {best.arm} at "
        text += f"{best.cost_nano_usd / NANO_USD_PER_USD:.4f} USD"
    return f"{text}; {weighing.draw.reason}"


def _played(spec: ArmSpec, case: Case, policy: Policy, why: str) -> Route | Refused:
    """Return the route of an arm."""
    task, profile, choices = case.task, case.profile, case.choices
    if spec.tier == LOCAL:
        instead = other_than_local(task, profile, why, choices)
        return to_local(task, profile, why, instead, choices)
    if spec.composition == "single":
        hosts = [spec.tier] if spec.tier in case.tiers else []
        hosts += [name for name in choices.catalog.hosts_of(spec.models[0]) if name not in hosts]
        route = one_model(task, spec.models[0], hosts[0], why, choices)
        return replace(route, name=spec.route)
    route = tier_route(task, spec.tier, why, choices, profile)
    contract = (
        choices.lessons.taxonomy.rules_of(profile.kind).contract if choices.lessons else "text"
    )
    if spec.escalates_to is None:
        after = "critique" if route.on_disagreement == "escalate" else route.on_disagreement
        return replace(route, contract=contract, on_disagreement=after, escalation=None)
    deferral = policy.deferrals.get(profile.kind) or policy.deferrals.get(ANY_KIND)
    return replace(
        route,
        contract=contract,
        on_disagreement="escalate",
        escalation=escalation_of(task, choices),
        escalates_up_to_tokens=None if deferral is None else deferral.up_to_tokens,
    )
