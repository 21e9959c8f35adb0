"""Which arms may answer a task at all, and why the others may not: before any estimate."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from router.choices import Choices, is_reachable, permitted
from router.learning.cold import ArmSpec
from router.local_route import ANSWER_TOKENS
from router.policies import PREMIUM
from tercet.catalog import LOCAL, CompositionName, Skill
from tercet.content import media_in
from tercet.outlook import NO_PREMIUM
from tercet.route import Route
from tercet.task import Profile, Task

LARGE_TOKENS = 50_000
"""What is read above this is never given to less than the plan's tier."""
_CALLS: Mapping[CompositionName, int] = {
    "single": 1,
    "memory_brain": 2,
    "lead_junior": 2,
    "consensus": 1,
}
"""How many answers follow each other; of a consensus, in each round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A task, and what was found out about it."""

    task: Task
    profile: Profile
    choices: Choices
    """With the models that the caller's key may ask."""
    plan: Route
    """What the plan's rule would do."""
    tiers: tuple[str, ...]
    """Those that the caller's key may use."""
    is_agentic: bool
    needs: frozenset[Skill]
    """What a model has to take to be asked."""


def case_of(task: Task, profile: Profile, choices: Choices, plan: Route) -> Case:
    """Return a case, with all found out once that every arm is judged by."""
    key, is_agentic = choices.keys.get(task.key_id), task.is_agentic
    narrowed = replace(choices, models=None if key is None else key.models)
    return Case(
        task=task,
        profile=profile,
        choices=narrowed,
        plan=plan,
        tiers=tuple(permitted(task, narrowed)),
        is_agentic=is_agentic,
        needs=frozenset(_needs(task, is_agentic=is_agentic)),
    )


def bar_of(spec: ArmSpec, case: Case) -> str | None:
    """Return why an arm may not answer, in words; `None`: it may."""
    return next(_bars(spec, case), None)


def _bars(spec: ArmSpec, case: Case) -> Iterator[str]:
    yield from _not_allowed(spec, case)
    yield from _not_able(spec, case)
    yield from _not_sized(spec, case)
    yield from _not_in_time(spec, case)
    yield from _not_capable(spec, case)


def _not_allowed(spec: ArmSpec, case: Case) -> Iterator[str]:
    choices = case.choices
    if spec.tier == LOCAL and choices.local_bar is not None:
        yield choices.local_bar
    key = choices.keys.get(case.task.key_id)
    is_allowed = spec.tier in case.tiers and (spec.escalates_to or spec.tier) in case.tiers
    if not is_allowed and not (key is None or key.tiers is None):
        yield "the caller's key may not use it"
    missing = [model for model in spec.models if not is_reachable(model, choices)]
    if missing:
        yield f"{missing[0]} cannot be asked: no key"
    if spec.tier == PREMIUM and choices.outlook.step >= NO_PREMIUM:
        yield f"step {choices.outlook.step} of the budget"


def _not_able(spec: ArmSpec, case: Case) -> Iterator[str]:
    task, models = case.task, [case.choices.catalog.models[name] for name in spec.models]
    if spec.tier == LOCAL and not _is_local_ready(case.choices):
        yield "the local model is not ready"
    if case.is_agentic and spec.composition != "single":
        yield "tools are in use, which takes one seat"
    for model in models:
        lacking = case.needs - model.takes
        if lacking:
            yield f"{model.name} takes no {' and '.join(sorted(lacking))}"
    only = task.verbatim.provider if task.verbatim and task.verbatim.is_needed else None
    if only not in {None, models[0].provider}:
        yield f"only {only} can do what is asked"


def _not_sized(spec: ArmSpec, case: Case) -> Iterator[str]:
    size, lead = case.profile.size_tokens, case.choices.catalog.models[spec.models[0]]
    if size + ANSWER_TOKENS > lead.window_tokens:
        yield f"about {size} tokens are too many for {lead.name}"
    if size < spec.from_tokens * case.choices.outlook.cost_weight:
        yield f"too little to read for {' and '.join(spec.models[1:])}: about {size} tokens"


def _is_local_ready(choices: Choices) -> bool:
    return choices.local is not None and choices.local.readiness.kind == "ready"


def _needs(task: Task, *, is_agentic: bool) -> Iterator[Skill]:
    if is_agentic:
        yield "tools"
    for message in task.messages:
        for media in media_in(message.parts):
            yield "images" if media.kind == "image" else "documents"


def _not_in_time(spec: ArmSpec, case: Case) -> Iterator[str]:
    """Compositions take several answers after each other; one model is never too slow."""
    calls = _CALLS[spec.composition] * spec.max_rounds + (spec.escalates_to is not None)
    left = case.task.deadline_at - case.choices.at
    if calls > 1 and calls * case.choices.rules.local.answer_s > left:
        yield f"{calls} answers after each other do not fit into {max(left, 0):.0f} s"


def _not_capable(spec: ArmSpec, case: Case) -> Iterator[str]:
    """What the caller declared, doubt, and size hold an arm to the plan's tier: only up."""
    why = _held_to_plan(case)
    order = list(case.choices.catalog.tiers)
    if why and case.plan.name in order and order.index(spec.tier) > order.index(case.plan.name):
        yield f"{case.plan.name} or better: {why}"


def _held_to_plan(case: Case) -> str | None:
    hints = case.task.hints
    if hints.requires_implementation:
        return "the caller said requires_implementation"
    if case.profile.is_unsure:
        return "what is asked is not clear"
    if case.profile.size_tokens > LARGE_TOKENS:
        return f"more than {LARGE_TOKENS} tokens are to be read"
    return None
