"""A policy under which kinds of work go to the local model as far as the evidence has let them.

Work that is on no side stays with the APIs, so the local model does nothing that is not measured:
except what callers name it for, and what a month that is nearly spent leaves to it.
"""

from dataclasses import dataclass, replace

from router.assigning import assigned, tiers_of, unassigned
from router.choices import AUTO, Choices, Migrations
from router.learned import not_drawn
from router.policies import Policy, to_local
from tercet.catalog import LOCAL
from tercet.migration import Assignment, Migration
from tercet.outlook import CHEAPEST
from tercet.route import Refused, Route
from tercet.task import Profile, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Where a task stands with the migrations."""

    assignment: Assignment | None
    why: str
    """Why it is on that side, or on none, in words."""
    choices: Choices
    """What is left to the policy: everything but the local model."""
    is_left_alone: bool = False
    """The policy decides about the local model too."""


def migrating(policy: Policy) -> Policy:
    """Return a policy that has the migrations decide about the local model, and `policy` the rest.

    Whoever is treated is answered by the local model, and by `policy` where that cannot be; whoever
    is not, by `policy`.
    """

    def route(task: Task, profile: Profile, choices: Choices) -> Route | Refused:
        stand = stand_of(task, profile, choices)
        others = policy(task, profile, stand.choices)
        if stand.is_left_alone or isinstance(others, Refused):
            return others
        assignment = stand.assignment
        if assignment is not None and assignment.side == "treated":
            found = to_local(task, profile, stand.why, others, choices)
            if isinstance(found, Route) and found.name == LOCAL:
                found = not_drawn(found, stand.why, task, choices)
            return found if isinstance(found, Refused) else replace(found, assignment=assignment)
        is_told = assignment is not None or (profile.is_routine and choices.local is not None)
        if not is_told:
            return others
        return replace(others, reason=f"{others.reason}; {stand.why}", assignment=assignment)

    return route


def stand_of(task: Task, profile: Profile, choices: Choices) -> Stand:
    """Return where a task stands, whoever decides about the rest."""
    migrations = choices.migrations
    if migrations is None or _is_left_alone(task, migrations, choices):
        why = unassigned(task, profile, choices) or ""
        return Stand(assignment=None, why=why, choices=choices, is_left_alone=True)
    assignment = assigned(task, profile, choices)
    if assignment is None:
        why = unassigned(task, profile, choices) or ""
    else:
        why = _told(assignment, migrations.of(profile.kind), has_local=choices.local is not None)
    if choices.local is not None:
        choices = replace(choices, local=None, local_bar=why)
    return Stand(assignment=assignment, why=why, choices=choices)


def _is_left_alone(task: Task, migrations: Migrations, choices: Choices) -> bool:
    return (
        migrations.rules.phase == "ungated"
        or (task.hints.tier or task.model) != AUTO
        or choices.outlook.step >= CHEAPEST
        or (choices.local is not None and tiers_of(task, choices) == [LOCAL])
    )


def _told(assignment: Assignment, migration: Migration, *, has_local: bool) -> str:
    where = f"{assignment.kind} is {_STATES.get(migration.state, f'in {migration.state}')}"
    if migration.state == "canary":
        where += f" at {migration.share:.0%}"
    if assignment.side == "treated":
        return where
    if assignment.side == "held_out":
        return "held out: the API answers for comparison"
    if migration.state in {"canary", "promoted"}:
        return f"{where}, {'and this conversation waits' if has_local else 'without a local model'}"
    return f"{where}: the API answers"


_STATES = {"promoted": "promoted", "rolled_back": "rolled back"}
