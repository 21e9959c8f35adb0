"""Numbers and JSON values, compared as checkers compare them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isclose
from typing import cast

from router.agreement.contracts import extract
from router.agreement.quantity import Quantity, quantities, same_numbers
from router.agreement.wording import folded


def quantity_of(text: str) -> Quantity | None:
    """Return the one number of a text; `None`: it has none, or several."""
    found = quantities(folded(text))
    return found[0] if len(found) == 1 else None


def is_number(answer: str, question: str, wanted: Quantity, within: float | None) -> bool:
    """Whether an answer comes down to a number, at most so far off, in the wanted one's unit."""
    said = extract("number", answer, question)
    found = None if said is None else quantity_of(said)
    if found is None:
        return False
    if within is None:
        return bool(same_numbers([wanted], [found], question=question))
    if found.unit and wanted.unit and found.unit != wanted.unit:
        return False
    # A number without a unit is taken to be in the one that was asked for.
    scale = found.factor / wanted.factor if found.unit and wanted.unit else Decimal(1)
    return abs(found.value * scale - wanted.value) <= Decimal(str(within))


def is_same(one: object, other: object) -> bool:
    """Whether two JSON values are the same: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(one, list) and isinstance(other, list):
        left, right = cast("Sequence[object]", one), cast("Sequence[object]", other)
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(one, dict) and isinstance(other, dict):
        here, there = cast("Mapping[str, object]", one), cast("Mapping[str, object]", other)
        return here.keys() == there.keys() and all(is_same(here[k], there[k]) for k in here)
    return isinstance(one, str) and one == other
