"""What would be done with a task, for programs."""

from collections.abc import Mapping
from dataclasses import asdict

from router.asking.explaining import Explained
from router.learned import Weighing
from tercet.route import Refused, Route
from tercet.usage import NANO_USD_PER_USD


def as_json(found: Explained) -> Mapping[str, object]:
    """Return all of it; money in nano-USD, times in Unix seconds."""
    seen = found.outlook
    return {
        "model": found.task.model,
        "key": found.task.key_id,
        "is_agentic": found.task.is_agentic,
        "profile": asdict(found.profile),
        "month": {"step": seen.step, "cost_weight": seen.cost_weight, "why": seen.why},
        "migration": {"is_left_alone": found.stand.is_left_alone, "why": found.stand.why},
        "plan": _route(found.plan),
        "version": found.version,
        "by": found.by,
        "hard_rule": found.held,
        "weighing": None if found.weighing is None else _weighing(found, found.weighing),
        "decision": _route(found.decision),
        "remarks": found.remarks,
    }


def _route(route: Route | Refused) -> Mapping[str, object]:
    return {"is_refused": isinstance(route, Refused), **asdict(route)}


def _weighing(found: Explained, weighing: Weighing) -> Mapping[str, object]:
    return {
        "by": weighing.version,
        "margin": weighing.margin,
        "quality_per_usd": weighing.quality_per_nano_usd * NANO_USD_PER_USD,
        "arms": [
            asdict(arm) | {"propensity": found.propensities.get(arm.arm)} for arm in weighing.arms
        ],
    }
