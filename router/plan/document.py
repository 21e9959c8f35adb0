"""The plan for programs."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import cast

from router.plan.planning import Plan
from router.plan.pricing import PriceChange


def as_json(plan: Plan, month: str, changes: tuple[PriceChange, ...]) -> dict[str, object]:
    """Return all numbers: money in nano-USD, prices and days as text.

    `start_s` of `needed` is "any" where the machine pays without ever being stopped.
    """
    whole = {"month": month, **asdict(plan), "price_changes": [asdict(one) for one in changes]}
    return {name: _plain(value) for name, value in whole.items()}


def _plain(value: object) -> object:
    match value:
        case dict():
            named = cast("dict[str, object]", value)
            return {name: _plain(one) for name, one in named.items()}
        case list() | tuple():
            return [_plain(one) for one in cast("Sequence[object]", value)]
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case float() if math.isinf(value):
            return "any"
        case _:
            return value
