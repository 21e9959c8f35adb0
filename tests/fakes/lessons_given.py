"""What a refit is given: the project's own catalog and kinds, at prices of the tests'."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fakes.learned import label
from fakes.rows import AT

from router.learning.cold import ArmSpec, arms_of_catalog
from router.learning.document import Policy
from router.learning.estimates import Estimates, Table
from router.learning.features import sketch_of
from router.refit.choosing import Terms
from router.refit.inheriting import places_of
from router.refit.making import Given
from router.refit.tasks import Came
from tercet.config import load
from tercet.learning import Label

FLASH, HAIKU, SONNET = "gemini-3.8-flash", "claude-haiku-5-5", "tier2(claude-sonnet-5-5)"
PAIR = "tier3(claude-haiku-5-5+gemini-3.8-flash)"
CONFIG = load()
SPECS = arms_of_catalog(CONFIG.catalog, CONFIG.rules)
KINDS = CONFIG.taxonomy.names
COSTS = {FLASH: 100_000, HAIKU: 1_000_000, PAIR: 1_300_000, SONNET: 4_000_000}


def terms(specs: Sequence[ArmSpec] = SPECS) -> Terms:
    return Terms(
        specs={spec.id: spec for spec in specs}, taxonomy=CONFIG.taxonomy, rules=CONFIG.learning
    )


def policy(
    version: str, quality: Mapping[str, float], labels: float = 4.0, **changes: Any
) -> Policy:
    """Return a policy that expects the same of an arm for every kind."""
    arms, size = tuple(quality), (len(KINDS), len(quality))
    table = Table(
        quality=np.broadcast_to(list(quality.values()), size).copy(),
        labels=np.full(size, labels),
        cost_fixed=np.broadcast_to([float(COSTS.get(arm, 1e6)) for arm in arms], size).copy(),
        cost_per_token=np.zeros(size),
    )
    fields: dict[str, Any] = {
        "version": version,
        "estimates": Estimates(kinds=KINDS, arms=arms, table=table),
        "quality_per_nano_usd": 20e-9,
        "margins": {},
        "places": places_of(SPECS, CONFIG.catalog),
    }
    return Policy(**(fields | changes))


COLD = policy("public results", {FLASH: 0.7, HAIKU: 0.7, PAIR: 0.75, SONNET: 0.8})


def given(labels: Sequence[Label] = (), tasks: Sequence[Came] = (), **changes: Any) -> Given:
    fields: dict[str, Any] = {
        "labels": labels,
        "tasks": tasks,
        "terms": terms(),
        "places": places_of(SPECS, CONFIG.catalog),
        "in_force": None,
        "cold": COLD,
        "cap_nano_usd": None,
        "now": AT,
    }
    return Given(**(fields | changes))


def task(task_id: str, kind: str = "summary", **changes: Any) -> Came:
    fields: dict[str, Any] = {
        "task_id": task_id,
        "kind": kind,
        "kinds": {kind: 1.0},
        "size_tokens": 100,
        "arm": PAIR,
        "draw": None,
        "policy_version": None,
        "is_answered": True,
        "agrees": None,
        "members": (),
        "is_escalated": False,
        "nano_usd": COSTS[PAIR],
        "at": AT - 3_600,
        "seconds": 2.0,
        "conversation": task_id,
        "assignment": None,
        "route": "tier3",
        "composition": "consensus",
        "models": (HAIKU, FLASH),
        "settled_by": None,
        "changed_outcome": None,
    }
    return Came(**(fields | changes))


WORLD = {
    "summary": {FLASH: 0.9, HAIKU: 0.6, PAIR: 0.88},
    "maths": {FLASH: 0.4, HAIKU: 0.9, PAIR: 0.9},
    "chat": {FLASH: 0.8, HAIKU: 0.8, PAIR: 0.8},
}
"""The true quality of arms by kind."""


def shadowed(count: int, seed: int = 1, at: float = AT - 86_400) -> list[Label]:
    """Return paired labels of so many prompts; a third of them is hard for every arm."""
    chance = random.Random(seed)
    found: list[Label] = []
    for number in range(count):
        kind = chance.choice(list(WORLD))
        words = " ".join(f"{kind}{chance.randrange(30)}" for _ in range(12))
        difficulty = chance.choice([0.8, 1.1, 1.1])
        for arm, quality in WORLD[kind].items():
            row = label(
                f"t{seed}-{number}", arm, kind=kind, kinds={kind: 0.8, "lookup": 0.2},
                is_declared=number % 2 == 0,
                quality=float(chance.random() < min(quality * difficulty, 0.99)),
                cost_nano_usd=COSTS[arm], sketch=sketch_of(words).to_bytes(), at=at + number,
            )  # fmt: skip
            found.append(row)
    return found
