"""What a policy may choose from: a snapshot, complete before it decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from router.lessons import Kept, Lessons
from router.waking import Local
from tercet.catalog import LOCAL, Catalog, ProviderName
from tercet.keys import Key
from tercet.migration import Migration, MigrationRules
from tercet.outlook import Outlook
from tercet.rules import BudgetRules, Fleet, Rules
from tercet.task import Task, TaskKind

AUTO = "auto"
"""What a caller names who leaves it to the gateway who answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """How far the kinds of work have moved to the local model: a snapshot."""

    rules: MigrationRules
    moved: Mapping[TaskKind, Migration] = field(default_factory=dict[TaskKind, Migration])
    """Those that have, as the ledger says."""
    suspected: frozenset[TaskKind] = frozenset()
    """Those whose answers may have come to be worse: more of them are compared."""

    def of(self, kind: TaskKind) -> Migration:
        """Return where a kind is."""
        found = self.moved.get(kind) if self.rules.phase == "migrate" else None
        return found or Migration(kind=kind, state="baseline", share=0.0, since=0.0, seq=0)


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
    """The local model as it was last seen; `None`: there is none, or it is left out."""
    local_bar: str | None = None
    """Why it is left out though there is one; `None`: it is not."""
    migrations: Migrations | None = None
    """`None`: what is routine goes to the local model at once, as in the phase `ungated`."""
    lessons: Lessons | None = None
    """What was learned, as it was last read; `None`: the plan's rule decides."""
    kept: Kept | None = None
    """What the conversation was last answered by; `None`: it begins, or nobody remembers."""
    asked: str = ""
    """What the task asks, at most 3,000 characters (`router.classify.task_text`): what estimates
    that read the text go by."""
    at: float = 0.0
    """Unix seconds."""


def permitted(task: Task, choices: Choices) -> list[str]:
    """Return the tiers that the caller's key may use; `local` too, if it is there to choose."""
    key = choices.keys.get(task.key_id)
    return [
        tier.name
        for tier in choices.catalog.tiers.values()
        if (key is None or key.tiers is None or tier.name in key.tiers)
        and (tier.name != LOCAL or choices.local is not None)
        and any(is_reachable(seat.model, choices) for seat in tier.seats)
    ]


def is_reachable(model: str, choices: Choices) -> bool:
    """Say whether the caller's key may ask a model, and its provider has a key."""
    if choices.models is not None and model not in choices.models:
        return False
    return provider_of(model, choices) in choices.fleet.providers


def provider_of(model: str, choices: Choices) -> ProviderName:
    """Return who answers for a model."""
    return choices.catalog.models[model].provider
