"""What was learned, as tests want it: versions whose table says the same of every kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from fakes.learned import version as version_row

from router.choices import Choices
from router.learning.cold import arms_of_catalog
from router.learning.document import Policy, to_bytes
from router.learning.estimates import Estimates, Table
from router.lessons import Lessons
from router.waking import Held, LoadTimes, Local
from tercet.config import Config, load, settings
from tercet.keys import Key
from tercet.outlook import Outlook
from tercet.readiness import Readiness
from tercet.rules import Fleet
from tercet.task import Hints, Profile, Task, turn

CONFIG = load(chosen=settings({}))
WITH_LOCAL = load(chosen=settings({"TERCET_LOCAL": "cpu"}))
NOW = 1_795_424_400.0
"""2026-11-23 09:00 UTC."""

OPUS = "tier1(claude-opus-5-5)"
DEEP = "tier1(claude-opus-5-5+gemini-4-argon)"
SONNET = "tier2(claude-sonnet-5-5)"
LEAD = "tier2(claude-sonnet-5-5+gemini-4-argon)"
PAIR = "tier3(claude-haiku-5-5+gemini-3.8-flash)"
LADDER = "tier3+tier2(claude-haiku-5-5+gemini-3.8-flash+claude-sonnet-5-5)"
HAIKU = "claude-haiku-5-5"
ARGON = "gemini-4-argon"
FLASH = "gemini-3.8-flash"
TINY = "local(tiny-llama)"

QUALITY = {
    OPUS: 0.95, DEEP: 0.94, SONNET: 0.90, LEAD: 0.90, ARGON: 0.89, LADDER: 0.88, PAIR: 0.80,
    HAIKU: 0.78, FLASH: 0.75, TINY: 0.20,
}  # fmt: skip
COST = {
    OPUS: 40_000_000, DEEP: 60_000_000, SONNET: 10_000_000, LEAD: 15_000_000, ARGON: 8_000_000,
    LADDER: 4_000_000, PAIR: 2_000_000, HAIKU: 1_000_000, FLASH: 500_000, TINY: 0,
}  # fmt: skip


@dataclass
class Versions:
    """A ledger with versions, which may be away."""

    rows: dict = field(default_factory=dict)
    down: bool = False
    read: list = field(default_factory=list)

    def put(self, name: str, state: str, document: bytes | None = None, share: float = 1.0) -> None:
        document = to_bytes(policy(name)) if document is None else document
        self.rows[name] = version_row(name, state=state, share=share, document=document)

    async def policies_in_play(self):
        if self.down:
            raise OSError("scripted")
        found = [row for row in self.rows.values() if row.state in {"in_force", "canary"}]
        return [replace(row, document=None) for row in found]

    async def policy(self, name, /):
        self.read.append(name)
        return self.rows.get(name)


def policy(
    version: str = "v1",
    quality: Mapping[str, float] = QUALITY,
    cost: Mapping[str, float] = COST,
    **changes: Any,
) -> Policy:
    """Return a version; as sure as a million labels make it, unless it is told `labels`."""
    kinds = CONFIG.taxonomy.names
    size = (len(kinds), len(quality))
    table = Table(
        quality=np.tile(np.array(list(quality.values())), (len(kinds), 1)),
        labels=np.full(size, changes.pop("labels", 1e6)),
        cost_fixed=np.tile(np.array([float(cost[arm]) for arm in quality]), (len(kinds), 1)),
        cost_per_token=np.full(size, changes.pop("per_token", 0.0)),
    )
    fields: dict[str, Any] = {
        "estimates": Estimates(kinds=kinds, arms=tuple(quality), table=table),
        "quality_per_nano_usd": 0.0,
        "margins": {},
    }
    return Policy(version=version, **(fields | changes))


def lessons(in_force: Policy | None = None, config: Config = CONFIG, **changes: Any) -> Lessons:
    """Return lessons with a margin of 0.03 and nothing tried, unless it is told `floor`."""
    rules = replace(config.learning, exploration_floor=changes.pop("floor", 0.0))
    specs = arms_of_catalog(config.catalog, config.rules)
    fields: dict[str, Any] = {
        "in_force": in_force,
        "rules": rules,
        "taxonomy": config.taxonomy,
        "specs": {spec.id: spec for spec in specs},
        "left_nano_usd": config.learning.exploration_nano_usd,
    }
    return Lessons(**(fields | changes))


def choices(taught: Lessons | None = None, local: str | None = None, **changes: Any) -> Choices:
    """Return what may be chosen from; `local` is a readiness, `tiers` and `models` the key's."""
    config = CONFIG if local is None else WITH_LOCAL
    tiers, models = changes.pop("tiers", None), changes.pop("models", None)
    key = Key(
        id="team",
        sha256="0" * 64,
        tiers=tiers and frozenset(tiers),
        models=models and frozenset(models),
    )
    step, weight = changes.pop("step", 1), changes.pop("weight", 1.0)
    providers = changes.pop("providers", {"anthropic", "google", "local"})
    fields: dict[str, Any] = {
        "catalog": config.catalog,
        "rules": config.rules,
        "budget": config.budget,
        "fleet": Fleet(providers=frozenset(providers)),
        "keys": {"team": key},
        "outlook": replace(Outlook.normal(), step=step, cost_weight=weight, why="much is spent"),
        "local": None if local is None else _seen(local),
        "lessons": lessons(policy()) if taught is None else taught,
        "at": NOW,
    }
    return Choices(**(fields | changes))


def _seen(readiness: Any) -> Local:
    return Local(
        readiness=Readiness(kind=readiness, why="a test"),
        loads=LoadTimes(),
        queue=Held(count=0, most=4),
        now=NOW,
    )


def task(text: str = "hello", model: str = "auto", **changes: Any) -> Task:
    fields: dict[str, Any] = {
        "id": "req_1",
        "key_id": "team",
        "model": model,
        "messages": (turn("user", text),),
        "hints": Hints(**changes.pop("said", {})),
        "deadline_at": NOW + 600,
    }
    return Task(**(fields | changes))


def profile(kind: str = "question", **changes: Any) -> Profile:
    """Return a profile that is sure of its kind, and of nothing else."""
    fields: dict[str, Any] = {
        "kind": kind,
        "requires_design": False,
        "is_critical": False,
        "requires_implementation": False,
        "is_routine": False,
        "size_tokens": 20,
        "confidence": 1.0,
        "reasons": ("a test",),
        "kinds": {kind: 1.0},
    }
    return Profile(**(fields | changes))
