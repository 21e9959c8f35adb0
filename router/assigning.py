"""Which side of its kind's migration a task is on: by a hash of its conversation, so by chance.

Nothing here may depend on how ready or how loaded the local model is, or on what the caller's
deadline is: who is compared was chosen before, and whoever answers in the end stays on its side.
"""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b

from router.choices import AUTO, Choices, permitted
from router.lessons import conversation_of
from router.local_route import unfit
from tercet.catalog import LOCAL, Model
from tercet.migration import Assignment, Migration, MigrationRules, Side
from tercet.outlook import CHEAPEST
from tercet.task import Profile, Task

_EVERY_TEXT = Model(
    name="a local model",
    provider="local",
    window_tokens=10**9,
    max_output_tokens=0,
    takes=frozenset(),
)
"""Stands for the one to come, where there is none: it reads text, however long, and no more."""
_PLACES = 2**53
"""A float tells so many apart."""


def assigned(task: Task, profile: Profile, choices: Choices) -> Assignment | None:
    """Return the side that a task is on; `None`: on none, and `unassigned` says why."""
    migrations = choices.migrations
    if migrations is None or unassigned(task, profile, choices) is not None:
        return None
    conversation, rules = conversation_of(task), migrations.rules
    migration = migrations.of(profile.kind)
    share = 0.0 if choices.local is None else _share(migration)
    return Assignment(
        kind=profile.kind,
        state=migration.state,
        side=side_of(conversation, share, rules),
        propensity=propensity_of(share, rules),
        conversation=conversation,
    )


def unassigned(task: Task, profile: Profile, choices: Choices) -> str | None:
    """Return why a task is on no side, in words; `None`: it is on one."""
    return next(_bars(task, profile, choices), None)


def hard_rule(task: Task, profile: Profile, choices: Choices) -> str | None:
    """Return why a task is routed by the plan's rule whatever was learned; `None`: it is not."""
    named = task.hints.tier or task.model
    if named != AUTO:
        return f"the caller asked for {named}"
    if choices.outlook.step >= CHEAPEST:
        return f"step {choices.outlook.step} of the budget"
    if profile.requires_design or profile.is_critical:
        return "design and critical work are never left to estimates"
    return "the caller asked for every voice" if task.hints.strict else None


def tiers_of(task: Task, choices: Choices) -> list[str]:
    """Return the tiers that the caller's key may use, with the models that it may ask."""
    key = choices.keys.get(task.key_id)
    return permitted(task, replace(choices, models=None if key is None else key.models))


def side_of(conversation: str, share: float, rules: MigrationRules) -> Side:
    """Return the side of a conversation; `share` is of those not held out, to be treated."""
    place = place_of(conversation, rules.salt)
    if place < rules.hold_out:
        return "held_out"
    return "treated" if place < rules.hold_out + propensity_of(share, rules) else "waiting"


def propensity_of(share: float, rules: MigrationRules) -> float:
    """Return the probability with which a conversation is treated."""
    return (1 - rules.hold_out) * share


def place_of(conversation: str, salt: str) -> float:
    """Return the place of a conversation, in [0, 1): the same in every replica, and for ever."""
    digest = blake2b(f"{salt}\n{conversation}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _PLACES / _PLACES


def _bars(task: Task, profile: Profile, choices: Choices) -> Iterator[str]:
    rules = None if choices.migrations is None else choices.migrations.rules
    if rules is None or rules.phase == "ungated":
        yield "the phase is `ungated`: nothing is assigned"
    elif profile.kind not in rules.kinds:
        yield f"{profile.kind} is not among the kinds that may move"
    hard = hard_rule(task, profile, choices)
    if hard is not None:
        yield hard
    if task.hints.requires_implementation or task.hints.is_routine is False:
        yield "the caller said that it is more than routine"
    misfit = unfit(task, profile, _model(choices))
    if misfit is not None:
        yield misfit
    if not _may_be_local(task, choices):
        yield f"the key {task.key_id} may not use {LOCAL}"
    if tiers_of(task, choices) == [LOCAL]:
        yield f"the key {task.key_id} may use {LOCAL} alone"


def _model(choices: Choices) -> Model:
    tier = choices.catalog.tiers.get(LOCAL)
    return _EVERY_TEXT if tier is None else choices.catalog.models[tier.seats[0].model]


def _may_be_local(task: Task, choices: Choices) -> bool:
    key = choices.keys.get(task.key_id)
    if choices.local is None:
        return key is None or (key.models is None and (key.tiers is None or LOCAL in key.tiers))
    return LOCAL in tiers_of(task, choices)


def _share(migration: Migration) -> float:
    """Return the share of the conversations not held out that the local model is to answer."""
    match migration.state:
        case "promoted":
            return 1.0
        case "canary":
            return migration.share
        case _:
            return 0.0
